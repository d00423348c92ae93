"""The loop of ``remover.ctrnet.resizing`` after its products, on bfloat16, which numpy knows as uint16."""

from __future__ import annotations

from typing import Any

from remover.ctrnet.winograd_bfloat16 import narrow, widen
from remover.ctrnet.winograd_float32 import compiled, inlined


@inlined
def _mix_products(m0: Any, m1: Any, m2: Any, m3: Any, y0: Any, y1: Any, y2: Any) -> None:
    for k in range(len(y0)):
        y0[k] = widen(m0[k]) + widen(m1[k]) + widen(m2[k])
    for k in range(len(y1)):
        y1[k] = widen(m1[k]) - widen(m2[k])
    for k in range(len(y2)):
        y2[k] = widen(m1[k]) + widen(m2[k]) - widen(m3[k])


@inlined
def _mix_halves(h0: Any, h1: Any, h2: Any, h3: Any, y0: Any, y1: Any, y2: Any) -> None:
    for k in range(len(y0)):
        y0[k] = h0[k] + h1[k] + h2[k]
    for k in range(len(y1)):
        y1[k] = h1[k] - h2[k]
    for k in range(len(y2)):
        y2[k] = h1[k] + h2[k] - h3[k]


@compiled
def add_products(
    m: Any, side: int, across: int, first: int, bias: Any, slope: Any, half: Any, line: Any, result: Any
) -> None:
    """What 16 products at every tile are of ``result`` (H, W, C), for the tiles from row ``first`` on.

    ``m`` holds (tiles, N) each, N = ``side`` x ``side`` x C, ``across`` tiles in a row. A tile's 3 x 3 pixels have
    ``side`` x ``side`` outputs each; with two a side, the first lies before the pixel. ``half`` (3, 4, N) and ``line``
    (3, N) float32 hold what lies between the steps, for one tile. Outputs outside the image are not written.
    """
    height, width, c = result.shape
    for tile in range(m[0].shape[0]):
        i, j = tile // across, tile % across
        for b in range(4):
            _mix_products(
                m[b][tile], m[4 + b][tile], m[8 + b][tile], m[12 + b][tile], half[0, b], half[1, b], half[2, b]
            )
        for a in range(3):
            _mix_halves(half[a, 0], half[a, 1], half[a, 2], half[a, 3], line[0], line[1], line[2])
            for part in range(3 * side * side):
                b, below, beside = part // side // side, part // side % side, part % side
                row = ((first + i) * 3 + a) * side + 1 - side + below
                column = (j * 3 + b) * side + 1 - side + beside
                if 0 <= row < height and 0 <= column < width:
                    y, place = result[row, column], (below * side + beside) * c
                    given = line[b, place : place + c]
                    for k in range(c):
                        given[k] += bias[k]
                    for k in range(c):
                        y[k] = narrow(max(given[k], slope * given[k]))
