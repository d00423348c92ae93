"""The loop of ``remover.ctrnet.doubling`` after its products, on bfloat16, which numpy knows as uint16."""

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
def add_products(m: Any, across: int, first: int, bias: Any, slope: Any, half: Any, line: Any, result: Any) -> None:
    """What 16 products at every tile are of ``result`` (H, W, C), for the tiles from row ``first`` on.

    ``m`` holds (tiles, 4 C) each, ``across`` tiles in a row; of the 4 C the outputs of odd rows come first, and among
    those of a row the ones of odd columns. ``half`` (3, 4, 4 C) and ``line`` (3, 4 C) float32 hold what lies between
    the steps, for one tile. Outputs outside the image are not written.
    """
    height, width, c = result.shape
    for tile in range(m[0].shape[0]):
        i, j = tile // across, tile % across
        for b in range(4):
            _mix_products(m[b][tile], m[4 + b][tile], m[8 + b][tile], m[12 + b][tile], half[0, b], half[1, b], half[2, b])
        for a in range(3):
            _mix_halves(half[a, 0], half[a, 1], half[a, 2], half[a, 3], line[0], line[1], line[2])
            for part in range(12):
                b, below, beside = part // 4, part // 2 % 2, part % 2
                row, column = ((first + i) * 3 + a) * 2 - 1 + below, (j * 3 + b) * 2 - 1 + beside
                if 0 <= row < height and 0 <= column < width:
                    y, place = result[row, column], (below * 2 + beside) * c
                    given = line[b, place : place + c]
                    for k in range(c):
                        given[k] += bias[k]
                    for k in range(c):
                        y[k] = narrow(max(given[k], slope * given[k]))
