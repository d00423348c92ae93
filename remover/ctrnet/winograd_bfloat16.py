"""The loops of ``remover.ctrnet.winograd_sums`` for F(2 x 2, 3 x 3) on bfloat16, patches of 4 x 4.

Numbers are float32 while they are summed, and held as the upper 16 bits of one, as numpy knows no bfloat16.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import types
from numba.extending import intrinsic

from remover.ctrnet.winograd_float32 import compiled, fill_ends, inlined, source_row


def _cast(context: Any, builder: Any, signature: Any, given: Any) -> Any:
    return builder.bitcast(given[0], context.get_value_type(signature.return_type))


@intrinsic
def _as_float(context: Any, bits: Any) -> Any:
    """The number that 32 bits are."""
    return types.float32(types.uint32), _cast


@intrinsic
def _as_bits(context: Any, number: Any) -> Any:
    return types.uint32(types.float32), _cast


@inlined
def widen(half: Any) -> Any:
    """The float32 that is a bfloat16, given as its bits."""
    return _as_float(np.uint32(half) << np.uint32(16))


@inlined
def narrow(number: Any) -> Any:
    """Rounded to the nearest, to the even one of two."""
    bits = _as_bits(number)
    odd = (bits >> np.uint32(16)) & np.uint32(1)
    return np.uint16((bits + np.uint32(0x7FFF) + odd) >> np.uint32(16))


@inlined
def _mix_wide_pixels(d0: Any, d1: Any, d2: Any, d3: Any, s0: Any, s1: Any, s2: Any, s3: Any) -> None:
    for k in range(len(s0)):
        s0[k] = widen(d0[k]) - widen(d2[k])
    for k in range(len(s1)):
        s1[k] = widen(d1[k]) + widen(d2[k])
    for k in range(len(s2)):
        s2[k] = widen(d2[k]) - widen(d1[k])
    for k in range(len(s3)):
        s3[k] = widen(d1[k]) - widen(d3[k])


@inlined
def _mix_pixels(d0: Any, d1: Any, d2: Any, d3: Any, s0: Any, s1: Any, s2: Any, s3: Any) -> None:
    for k in range(len(s0)):
        s0[k] = narrow(d0[k] - d2[k])
    for k in range(len(s1)):
        s1[k] = narrow(d1[k] + d2[k])
    for k in range(len(s2)):
        s2[k] = narrow(d2[k] - d1[k])
    for k in range(len(s3)):
        s3[k] = narrow(d1[k] - d3[k])


@inlined
def _mix_products(m0: Any, m1: Any, m2: Any, m3: Any, y0: Any, y1: Any) -> None:
    for k in range(len(y0)):
        y0[k] = widen(m0[k]) + widen(m1[k]) + widen(m2[k])
    for k in range(len(y1)):
        y1[k] = widen(m1[k]) - widen(m2[k]) - widen(m3[k])


@compiled
def add_pixels(
    rows: Any, c: int, padding: int, mirrored: bool, step: int, first: int, columns: Any, nothing: Any, sums: Any
) -> None:
    """As in ``winograd_sums``; ``rows`` (H, W C), ``c`` channels, ``nothing`` a row of zeros, ``columns`` flat too."""
    begin, end = padding * c, padding * c + rows.shape[1]
    for i in range(sums.shape[2]):
        d = [nothing] * 4
        for a in range(4):
            row = source_row((first + i) * step + a - padding, rows.shape[0], mirrored)
            if row >= 0:
                d[a] = rows[row]
        _mix_wide_pixels(
            d[0], d[1], d[2], d[3],
            columns[0, begin:end], columns[1, begin:end], columns[2, begin:end], columns[3, begin:end],
        )  # fmt: skip
        for a in range(4):
            line = columns[a]
            fill_ends(line, begin, end, c, mirrored)
            for j in range(sums.shape[3]):
                p = line[j * step * c : (j * step + 4) * c]
                _mix_pixels(
                    p[:c], p[c : 2 * c], p[2 * c : 3 * c], p[3 * c :],
                    sums[a, 0, i, j], sums[a, 1, i, j], sums[a, 2, i, j], sums[a, 3, i, j],
                )  # fmt: skip


@compiled
def add_products(
    m: Any, first: int, bias: Any, slope: Any, modulating: bool, image: Any, factor: Any, offset: Any, half: Any,
    line: Any, result: Any,
) -> None:  # fmt: skip
    """As in ``winograd_sums``; ``half`` and ``line`` hold what lies between the steps, for one tile."""
    across = result.shape[1] // 2
    for tile in range(m[0].shape[0]):
        i, j = tile // across, tile % across
        for b in range(4):
            _mix_products(m[b][tile], m[4 + b][tile], m[8 + b][tile], m[12 + b][tile], half[0, b], half[1, b])
        for a in range(2):
            h0, h1, h2, h3 = half[a, 0], half[a, 1], half[a, 2], half[a, 3]
            y0, y1 = line[0], line[1]
            for k in range(len(y0)):
                y0[k] = h0[k] + h1[k] + h2[k]
            for k in range(len(y1)):
                y1[k] = h1[k] - h2[k] - h3[k]
            for b in range(2):
                row, column, given = (first + i) * 2 + a, j * 2 + b, line[b]
                y = result[row, column]
                for k in range(len(given)):
                    given[k] += bias[k]
                if not modulating:
                    for k in range(len(y)):
                        y[k] = narrow(max(given[k], slope * given[k]))
                elif row < image.shape[0] and column < image.shape[1]:
                    x, shift = image[row, column], given[len(y) :]
                    for k in range(len(y)):
                        given[k] *= widen(x[k]) * factor[k] + offset[k]
                    for k in range(len(y)):
                        total = given[k] + shift[k]
                        y[k] = narrow(max(total, slope * total))


@compiled
def refer(image: Any, reference: Any) -> None:
    """The first pixel, as what others are compared with."""
    for k in range(len(reference)):
        reference[k] = widen(image[0, 0, k])


@compiled
def sum_up(image: Any, reference: Any, sums: Any) -> None:
    """Of each row, what its pixels exceed ``reference`` by, and the squares of that, on top of ``sums``."""
    for i in range(image.shape[0]):
        total, squares = sums[0, i], sums[1, i]
        for j in range(image.shape[1]):
            x = image[i, j]
            for k in range(len(x)):
                difference = widen(x[k]) - reference[k]
                total[k] += difference
                squares[k] += difference * difference
