"""The arithmetic inside RTV that has to be fast: weights, and conjugate gradients with an incomplete Cholesky factor.

The system is A x = f with A = I + a five-point Laplacian of couplings ``east`` (between (i, j) and (i, j + 1)) and
``south`` (between (i, j) and (i + 1, j)). A is symmetric and an M-matrix, so that the modified incomplete factorization
MIC(0) (Gustafsson, BIT 18, 1978) exists. Eisenstat's trick (SIAM J. Sci. Stat. Comput. 2, 1981) folds the product with
A into the two triangular sweeps of the preconditioner.

Skewed arrays, (W, H + 2) float32, hold pixel (i, j) at [(i + j) mod W, i + 1]. A diagonal, k = i + j, is a slice of
row k mod W; diagonals that share a row lie side by side in it, and none in the two outer columns, which stay zero. The
west neighbour is one diagonal up in the same column, the north neighbour one diagonal up and one column left. So a
sweep is a loop over diagonals of loops in which no pixel waits for another, and the inner loops vectorize. What a
pixel at the edge reads in place of a neighbour that is not there is some other pixel's finite value times a coupling
of zero. The inner loops run over slices, and with few arrays each: numba proves neither that indices are positive nor
that more than about five arrays lie apart, and gives up vectorizing.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from pipeline.types import Array

SLOPE_FLOOR = np.float32(0.001)  # of the blurred image's differences: part of the definition
MOST_ITERATIONS = 5000  # the worst system in the allowed range (condition 40,001) takes a tenth of it

_compiled: Any = numba.njit(cache=True, fastmath=True, nogil=True, error_model="numpy")
_inlined: Any = numba.njit(fastmath=True, nogil=True, error_model="numpy", inline="always")


def couple(x: Array, blurred: Array, sharpness: float, lam: float) -> tuple[Array, Array]:
    """The couplings of neighbours under the estimate ``x``: (lam / 2) times the weights of the definition.

    ``x`` and ``blurred`` are (C, H, W) float32; both denominators have a floor, ``sharpness`` and 0.001. Returns
    (east, south), (H, W) float32 each; east is 0 in the last column and south in the last row.
    """
    east, south = _couple(x, blurred, np.float32(sharpness), np.float32(lam / 2))
    return east, south


class Systems:
    """The systems of one image size, one after the other, in memory that is allocated once: 9 H W float32."""

    def __init__(self, height: int, width: int) -> None:
        arrays = np.zeros((9, width, height + 2), np.float32)  # in one block, which gets large pages of memory
        self._west, self._north, self._rest, self._scale = arrays[:4]
        self._r, self._p, self._t, self._q, self._y = arrays[4:]
        self._couplings: tuple[Array, Array] | None = None

    def factorize(self, east: Array, south: Array) -> None:
        """Take the matrix with these couplings, as ``couple`` returns them, and find its MIC(0) factor.

        With pivots P = D - w (w + ws) / P_west - n (n + ne) / P_north, ``scale`` is P ** -1/2, ``west`` and ``north``
        are the couplings scaled to a unit diagonal and ``rest`` is D / P - 2.
        """
        self._couplings = east, south
        _factorize(east, south, self._west, self._north, self._rest, self._scale)

    def solve(self, x: Array, f: Array, limit: float) -> int:
        """Bring ``x`` (H, W) float32 in place to the solution of A x = f; it is the first guess as well.

        Stops when the scaled residual's norm, which bounds the error's norm, is at most ``limit``. Returns the number
        of iterations.
        """
        if self._couplings is None:
            raise ValueError("factorize before solve")
        _scaled_residual(f, x, *self._couplings, self._west, self._north, self._scale, self._r)
        factor = self._west, self._north, self._rest
        count = _iterate(self._r, self._p, self._t, self._q, self._y, *factor, np.float32(limit), MOST_ITERATIONS)
        _correct(x, self._y, self._west, self._north, self._scale)
        return int(count)


@_inlined
def _first(k: int, width: int) -> int:
    """The first column of diagonal ``k`` in a skewed array."""
    return max(1, k - width + 2)


@_inlined
def _last(k: int, height: int) -> int:
    """One past the last column of diagonal ``k`` in a skewed array."""
    return min(height, k + 1) + 1


@_compiled
def _couple(x: Array, blurred: Array, sharpness: float, half_lam: float) -> tuple[Array, Array]:
    channels, height, width = x.shape
    east, south = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
    weight, slope = np.empty(width, np.float32), np.empty(width, np.float32)
    share = np.float32(1.0 / channels)
    for i in range(height):
        below = min(i + 1, height - 1)
        weight[:] = 0
        slope[:] = 0
        for c in range(channels):
            _add_gradient(weight, x[c, i], x[c, below])
            _add_slope_east(slope, blurred[c, i])
        for j in range(width):
            weight[j] = half_lam / max(weight[j] * share, sharpness)
        for j in range(width - 1):
            east[i, j] = weight[j] / max(slope[j] * share, SLOPE_FLOOR)
        if below == i:
            continue
        slope[:] = 0
        for c in range(channels):
            _add_slope_south(slope, blurred[c, i], blurred[c, below])
        for j in range(width):
            south[i, j] = weight[j] / max(slope[j] * share, SLOPE_FLOOR)
    return east, south


@_compiled
def _add_gradient(total: Array, row: Array, under: Array) -> None:
    last = row.size - 1
    for j in range(last):
        dx, dy = row[j + 1] - row[j], under[j] - row[j]
        total[j] += math.sqrt(dx * dx + dy * dy)
    total[last] += abs(under[last] - row[last])


@_compiled
def _add_slope_east(total: Array, row: Array) -> None:
    for j in range(row.size - 1):
        total[j] += abs(row[j + 1] - row[j])


@_compiled
def _add_slope_south(total: Array, row: Array, under: Array) -> None:
    for j in range(row.size):
        total[j] += abs(under[j] - row[j])


@_compiled
def _factorize(east: Array, south: Array, west: Array, north: Array, rest: Array, scale: Array) -> None:
    height, width = east.shape
    above, pivots = np.ones(width, np.float32), np.empty(width, np.float32)
    for i in range(height):
        for j in range(width):
            k, before = (i + j) % width, (i + j - 1) % width
            diagonal = np.float32(1.0) + east[i, j] + south[i, j]
            lost = np.float32(0.0)
            w, n = np.float32(0.0), np.float32(0.0)
            if j > 0:
                w = east[i, j - 1]
                lost += w * (w + south[i, j - 1]) / pivots[j - 1]
            if i > 0:
                n = south[i - 1, j]
                lost += n * (n + east[i - 1, j]) / above[j]
            diagonal += w + n
            pivots[j] = diagonal - lost
            root = np.float32(1.0) / math.sqrt(pivots[j])
            scale[k, i + 1] = root
            rest[k, i + 1] = diagonal / pivots[j] - np.float32(2.0)
            west[k, i + 1] = w * root * scale[before, i + 1]
            north[k, i + 1] = n * root * scale[before, i]
        above, pivots = pivots, above


@_compiled
def _scaled_residual(
    f: Array, x: Array, east: Array, south: Array, west: Array, north: Array, scale: Array, out: Array
) -> None:
    """out = (I - E)^-1 S (f - A x), skewed: what conjugate gradients have to bring to zero."""
    height, width = f.shape
    line = np.empty(width, np.float32)
    for i in range(height):
        for j in range(width):
            line[j] = f[i, j] - x[i, j]
        for j in range(width - 1):
            flow = east[i, j] * (x[i, j + 1] - x[i, j])
            line[j] += flow
            line[j + 1] -= flow
        if i + 1 < height:
            for j in range(width):
                line[j] += south[i, j] * (x[i + 1, j] - x[i, j])
        if i > 0:
            for j in range(width):
                line[j] += south[i - 1, j] * (x[i - 1, j] - x[i, j])
        for j in range(width):
            out[(i + j) % width, i + 1] = line[j] * scale[(i + j) % width, i + 1]
    for k in range(1, height + width - 1):
        first, last = _first(k, width), _last(k, height)
        row, w, n = out[k % width, first:last], west[k % width, first:last], north[k % width, first:last]
        row_w, row_n = out[(k - 1) % width, first:last], out[(k - 1) % width, first - 1 : last - 1]
        for i in range(row.size):
            row[i] += w[i] * row_w[i] + n[i] * row_n[i]


@_compiled
def _iterate(
    r: Array, p: Array, t: Array, q: Array, y: Array, west: Array, north: Array, rest: Array, limit: float, most: int
) -> int:
    """Conjugate gradients on the scaled system: ``r`` is its residual, ``y`` becomes its solution; both overwritten.

    The steps along p and q are taken in the next backward sweep, which passes over the same pixels; what they will make
    of the residual's norm is predicted, as r'q = p'q, and then recomputed there (predict-and-recompute conjugate
    gradients, Chen and Carson, SIAM J. Sci. Comput. 42(5), 2020). The end is checked on the residual itself.
    """
    y[:] = 0
    p[:] = 0
    enough = limit * limit
    alpha, beta, count = np.float32(0.0), np.float32(0.0), 0
    norm = _settle(y, r, p, q, alpha)
    while norm > enough and count < most:
        expected = norm
        while expected > enough and count < most:
            norm = _sweep_back(p, t, r, q, y, west, north, alpha, beta)
            curvature, square = _sweep_forth(p, t, q, west, north, rest)
            alpha = norm / curvature
            expected = max(alpha * alpha * square - norm, np.float32(0.0))
            beta = expected / norm
            count += 1
        before = norm
        norm = _settle(y, r, p, q, alpha)
        alpha, beta = np.float32(0.0), norm / before
    return count


@_compiled
def _settle(y: Array, r: Array, p: Array, q: Array, alpha: float) -> Any:
    """y += alpha p and r -= alpha q; returns r'r."""
    norm = np.float32(0.0)
    for k in range(r.shape[0]):
        p_k, r_k, y_k, q_k = p[k], r[k], y[k], q[k]
        for i in range(p_k.size):
            y_k[i] += alpha * p_k[i]
        for i in range(p_k.size):
            v = r_k[i] - alpha * q_k[i]
            r_k[i] = v
            norm += v * v
    return norm


@_compiled
def _sweep_back(
    p: Array, t: Array, r: Array, q: Array, y: Array, west: Array, north: Array, alpha: float, beta: float
) -> Any:
    """y += alpha p, r -= alpha q and p = r + beta p, then t = (I - E')^-1 p; returns r'r."""
    norm = np.float32(0.0)
    width, height = r.shape[0], r.shape[1] - 2
    for k in range(height + width - 2, -1, -1):
        first, last, here, next_row = _first(k, width), _last(k, height), k % width, (k + 1) % width
        p_k, r_k, t_k = p[here, first:last], r[here, first:last], t[here, first:last]
        y_k, q_k = y[here, first:last], q[here, first:last]
        t_e, t_s = t[next_row, first:last], t[next_row, first + 1 : last + 1]
        w, n = west[next_row, first:last], north[next_row, first + 1 : last + 1]
        for i in range(p_k.size):
            y_k[i] += alpha * p_k[i]
        for i in range(p_k.size):
            v = r_k[i] - alpha * q_k[i]
            r_k[i] = v
            norm += v * v
        for i in range(p_k.size):
            p_k[i] = r_k[i] + beta * p_k[i]
        for i in range(p_k.size):
            t_k[i] = p_k[i] + w[i] * t_e[i] + n[i] * t_s[i]
    return norm


@_compiled
def _sweep_forth(p: Array, t: Array, q: Array, west: Array, north: Array, rest: Array) -> tuple[Any, Any]:
    """q = t + (I - E)^-1 (p + rest t); returns (p'q, q'q)."""
    width, height = p.shape[0], p.shape[1] - 2
    z, z_before = np.zeros(p.shape[1], np.float32), np.zeros(p.shape[1], np.float32)
    curvature, square = np.float32(0.0), np.float32(0.0)
    for k in range(height + width - 1):
        first, last, here = _first(k, width), _last(k, height), k % width
        p_k, t_k, q_k, d = p[here, first:last], t[here, first:last], q[here, first:last], rest[here, first:last]
        w, n = west[here, first:last], north[here, first:last]
        z_k, z_w, z_n = z[first:last], z_before[first:last], z_before[first - 1 : last - 1]
        for i in range(p_k.size):
            z_k[i] = p_k[i] + d[i] * t_k[i]
        for i in range(p_k.size):
            z_k[i] += w[i] * z_w[i] + n[i] * z_n[i]
        for i in range(p_k.size):
            v = z_k[i] + t_k[i]
            q_k[i] = v
            curvature += p_k[i] * v
            square += v * v
        z, z_before = z_before, z
    return curvature, square


@_compiled
def _correct(x: Array, y: Array, west: Array, north: Array, scale: Array) -> None:
    """x += S (I - E')^-1 y, in place; ``y`` is overwritten."""
    height, width = x.shape
    for k in range(height + width - 3, -1, -1):
        first, last, here, next_row = _first(k, width), _last(k, height), k % width, (k + 1) % width
        row, w, n = y[here, first:last], west[next_row, first:last], north[next_row, first + 1 : last + 1]
        row_e, row_s = y[next_row, first:last], y[next_row, first + 1 : last + 1]
        for i in range(row.size):
            row[i] += w[i] * row_e[i] + n[i] * row_s[i]
    for i in range(height):
        for j in range(width):
            x[i, j] += y[(i + j) % width, i + 1] * scale[(i + j) % width, i + 1]
