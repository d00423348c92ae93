"""The loops of ``remover.ctrnet.winograd_sums`` for F(4 x 4, 3 x 3) in float32, patches of 6 x 6.

Sums are taken down the columns first, then along the rows, by loops over slices with few arrays each, so that they
vectorize: numba proves neither that indices are positive nor that more than about five arrays lie apart.
"""

from __future__ import annotations

from typing import Any

import numba

compiled: Any = numba.njit(cache=True, fastmath=True, nogil=True, error_model="numpy")
inlined: Any = numba.njit(fastmath=True, nogil=True, error_model="numpy", inline="always")
_called: Any = numba.njit(fastmath=True, nogil=True, error_model="numpy")  # inlining these takes seconds to compile


@inlined
def source_row(row: int, height: int, mirrored: bool) -> int:
    """The row that stands in one's place, or -1 for zeros."""
    if mirrored:
        row = abs(row)
        row = 2 * (height - 1) - row if row >= height else row
    return row if 0 <= row < height else -1


@inlined
def fill_ends(line: Any, begin: int, end: int, c: int, mirrored: bool) -> None:
    """What stands beside a line's pixels, which lie from ``begin`` to ``end``: zeros, or one pixel that mirrors."""
    line[:begin] = 0
    line[end:] = 0
    if mirrored:
        line[:c] = line[2 * c : 3 * c]
        line[end : end + c] = line[end - 2 * c : end - c]


@_called
def _mix_pixels(
    d0: Any, d1: Any, d2: Any, d3: Any, d4: Any, d5: Any, s0: Any, s1: Any, s2: Any, s3: Any, s4: Any, s5: Any
) -> None:
    for k in range(len(s0)):
        s0[k] = 4 * d0[k] - 5 * d2[k] + d4[k]
    for k in range(len(s1)):
        s1[k] = d4[k] + d3[k] - 4 * (d2[k] + d1[k])
    for k in range(len(s2)):
        s2[k] = d4[k] - d3[k] - 4 * (d2[k] - d1[k])
    for k in range(len(s3)):
        s3[k] = d4[k] - d2[k] + 2 * (d3[k] - d1[k])
    for k in range(len(s4)):
        s4[k] = d4[k] - d2[k] - 2 * (d3[k] - d1[k])
    for k in range(len(s5)):
        s5[k] = 4 * d1[k] - 5 * d3[k] + d5[k]


@_called
def _mix_products(m0: Any, m1: Any, m2: Any, m3: Any, m4: Any, m5: Any, y0: Any, y1: Any, y2: Any, y3: Any) -> None:
    for k in range(len(y0)):
        y0[k] = m0[k] + m1[k] + m2[k]
    for k in range(len(y0)):
        y0[k] += m3[k] + m4[k]
    for k in range(len(y1)):
        y1[k] = m1[k] - m2[k] + 2 * (m3[k] - m4[k])
    for k in range(len(y2)):
        y2[k] = m1[k] + m2[k] + 4 * (m3[k] + m4[k])
    for k in range(len(y3)):
        y3[k] = m1[k] - m2[k] + m5[k]
    for k in range(len(y3)):
        y3[k] += 8 * (m3[k] - m4[k])


@compiled
def add_pixels(
    rows: Any, c: int, padding: int, mirrored: bool, step: int, first: int, columns: Any, nothing: Any, sums: Any
) -> None:
    """As in ``winograd_sums``; ``rows`` (H, W C), ``c`` channels, ``nothing`` a row of zeros, ``columns`` flat too."""
    begin, end = padding * c, padding * c + rows.shape[1]
    for i in range(sums.shape[2]):
        d = [nothing] * 6
        for a in range(6):
            row = source_row((first + i) * step + a - padding, rows.shape[0], mirrored)
            if row >= 0:
                d[a] = rows[row]
        _mix_pixels(
            d[0], d[1], d[2], d[3], d[4], d[5],
            columns[0, begin:end], columns[1, begin:end], columns[2, begin:end],
            columns[3, begin:end], columns[4, begin:end], columns[5, begin:end],
        )  # fmt: skip
        for a in range(6):
            line = columns[a]
            fill_ends(line, begin, end, c, mirrored)
            for j in range(sums.shape[3]):
                p = line[j * step * c : (j * step + 6) * c]
                _mix_pixels(
                    p[:c], p[c : 2 * c], p[2 * c : 3 * c], p[3 * c : 4 * c], p[4 * c : 5 * c], p[5 * c :],
                    sums[a, 0, i, j], sums[a, 1, i, j], sums[a, 2, i, j],
                    sums[a, 3, i, j], sums[a, 4, i, j], sums[a, 5, i, j],
                )  # fmt: skip


@compiled
def add_products(
    m: Any, first: int, bias: Any, slope: Any, modulating: bool, image: Any, factor: Any, offset: Any, half: Any,
    line: Any, result: Any,
) -> None:  # fmt: skip
    """As in ``winograd_sums``; ``half`` and ``line`` hold what lies between the steps, for one tile."""
    across = result.shape[1] // 4
    for tile in range(m[0].shape[0]):
        i, j = tile // across, tile % across
        for b in range(6):
            _mix_products(
                m[b][tile], m[6 + b][tile], m[12 + b][tile], m[18 + b][tile], m[24 + b][tile], m[30 + b][tile],
                half[0, b], half[1, b], half[2, b], half[3, b],
            )  # fmt: skip
        for a in range(4):
            h = half[a]
            _mix_products(h[0], h[1], h[2], h[3], h[4], h[5], line[0], line[1], line[2], line[3])
            for b in range(4):
                row, column, given = (first + i) * 4 + a, j * 4 + b, line[b]
                y = result[row, column]
                for k in range(len(given)):
                    given[k] += bias[k]
                if not modulating:
                    for k in range(len(y)):
                        y[k] = max(given[k], slope * given[k])
                elif row < image.shape[0] and column < image.shape[1]:
                    x, shift = image[row, column], given[len(y) :]
                    for k in range(len(y)):
                        given[k] *= x[k] * factor[k] + offset[k]
                    for k in range(len(y)):
                        total = given[k] + shift[k]
                        y[k] = max(total, slope * total)


@compiled
def refer(image: Any, reference: Any) -> None:
    """The first pixel, as what others are compared with."""
    for k in range(len(reference)):
        reference[k] = image[0, 0, k]


@compiled
def sum_up(image: Any, reference: Any, sums: Any) -> None:
    """Of each row, what its pixels exceed ``reference`` by, and the squares of that, on top of ``sums``."""
    for i in range(image.shape[0]):
        total, squares = sums[0, i], sums[1, i]
        for j in range(image.shape[1]):
            x = image[i, j]
            for k in range(len(x)):
                difference = x[k] - reference[k]
                total[k] += difference
                squares[k] += difference * difference
