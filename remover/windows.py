"""What of a tile a network is shown: windows around the strokes that need it, as a window costs by its area."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.types import Array, Box

# px that the network sees around strokes. On the sample scans 16, 24 and 32 px are worth the same, to 0.01 dB, and 0.03
# on handwriting
CONTEXT = 24
# px: each new size costs the network preparation, as much as 160 to 350 px square itself. With 128, 256, 384 and 512,
# and 32 px of context, it sees 1.24 times the area, for as good pages.
SIDES = 96, 192, 320, 512
CALL = 16000  # px: what it costs to ask at all, as the area that takes as long


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """A part of a tile, ``box`` in the tile's pixels, and the strokes that it is shown for, (H, W) bool of the box."""

    box: Box
    strokes: Array


def plan_windows(strokes: Array) -> list[Window]:
    """Windows that hold all ``strokes``, (H, W) bool, each stroke whole in one of them, with its context.

    Sides are among ``SIDES``, or the tile's. A window is divided where that saves area, along lines that
    cross no stroke: what is predicted for one stroke comes from one prediction, so that there is no seam in it.
    """
    count, label, stats, _ = cv2.connectedComponentsWithStats(strokes.view(np.uint8), connectivity=8)
    if count < 2:
        return []
    x, y, width, height = stats[1:, :4].T
    bounds = np.stack([y, x, y + height, x + width], axis=1)
    windows = []
    for part in _divide(np.arange(count - 1), bounds, strokes.shape):
        rows, columns = _sides(bounds[part], strokes.shape)
        box = Box(columns[0], rows[0], columns[1], rows[1])
        own = np.zeros(count, bool)
        own[part + 1] = True
        windows.append(Window(box, own[label[box.slices]]))
    return windows


def _divide(part: Array, bounds: Array, shape: tuple[int, ...]) -> list[Array]:
    """The strokes of ``part``, numbers of rows of ``bounds`` (N, 4) y0, x0, y1, x1, in groups that cost least."""
    least, best = _cost(bounds[part], shape), None
    for axis in (0, 1):
        ordered = part[np.argsort(bounds[part, axis], kind="stable")]
        reach = np.maximum.accumulate(bounds[ordered, axis + 2])
        for cut in np.flatnonzero(bounds[ordered[1:], axis] >= reach[:-1]) + 1:
            cost = _cost(bounds[ordered[:cut]], shape) + _cost(bounds[ordered[cut:]], shape)
            if cost < least:
                least, best = cost, (ordered[:cut], ordered[cut:])
    return [part] if best is None else [group for half in best for group in _divide(half, bounds, shape)]


def _cost(bounds: Array, shape: tuple[int, ...]) -> int:
    rows, columns = _sides(bounds, shape)
    return (rows[1] - rows[0]) * (columns[1] - columns[0]) + CALL


def _sides(bounds: Array, shape: tuple[int, ...]) -> tuple[tuple[int, int], tuple[int, int]]:
    """The rows and the columns of the window around strokes."""
    low, high = bounds[:, :2].min(axis=0), bounds[:, 2:].max(axis=0)
    return _span(int(low[0]), int(high[0]), shape[0]), _span(int(low[1]), int(high[1]), shape[1])


def _span(low: int, high: int, whole: int) -> tuple[int, int]:
    """The range along an axis around [low, high) with its context: of the next of the sides, or the whole axis."""
    low, high = low - CONTEXT, high + CONTEXT
    length = min((side for side in SIDES if high - low <= side < whole), default=whole)
    start = min(max((low + high - length) // 2, 0), whole - length)
    return start, start + length
