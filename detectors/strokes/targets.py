"""Targets: circles around circles, by which whoever reads answer sheets finds their corners. They stay.

A detector reads them as letters O, and the stroke network is sure that they are ink. What tells them from a letter in a
circle and from a stamp: all that is in the outer circle is round and around its middle, and there are at least three
circles, or a solid middle.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.strokes.bubbles import RIM
from detectors.strokes.round_marks import Mark, outside
from pipeline.types import Array

OFF_MIDDLE = 0.08  # of the outer circle's diameter: so near to its middle is that of every circle in it
LEAST = 0.1  # of its diameter is that of a solid middle
ROUND = 1.35  # how much longer than wide the middle may be
SOLID = 0.65  # of the middle's box is dark, and all of its own middle: of a disc 0.7 to 0.8, of rings and letters less


def targets(marks: Sequence[Mark], dark: Array) -> Array:
    """Pixels of targets among the ``marks`` of ``dark`` (H, W) bool, with all within, (H, W) bool."""
    found = np.zeros(dark.shape, bool)
    left, top, wide, high = np.array([mark.box for mark in marks]).reshape(-1, 4).T
    for mark in marks:
        ellipse = mark.ellipse
        if not mark.ring or ellipse is None:
            continue
        x, y, width, height = mark.box
        inside = (left > x) & (top > y) & (left + wide < x + width) & (top + high < y + height)
        if not _are_circles([marks[number] for number in np.flatnonzero(inside)], mark, dark):
            continue
        rows = np.arange(max(y - 2, 0), min(y + height + 2, dark.shape[0]))
        columns = np.arange(max(x - 2, 0), min(x + width + 2, dark.shape[1]))
        away = outside(ellipse, columns[None].astype(np.float32), rows[:, None].astype(np.float32))
        found[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] |= away <= RIM
    return found


def _are_circles(inner: Sequence[Mark], outer: Mark, dark: Array) -> bool:
    """Whether the marks in a circle make it a target: two circles and more, or a solid middle, and nothing else."""
    reach = max(OFF_MIDDLE * outer.size, 1.5)
    if not all(np.hypot(*np.subtract(mark.middle, outer.middle)) <= reach for mark in inner):
        return False
    if not all(max(mark.box[2:]) <= ROUND * min(mark.box[2:]) for mark in inner):
        return False
    x, y, width, height = min((mark.box for mark in inner), key=lambda box: box[2], default=(0, 0, 1, 1))
    middle = dark[y + height // 3 : y + height - height // 3, x + width // 3 : x + width - width // 3]
    solid = float(dark[y : y + height, x : x + width].mean()) >= SOLID and bool(middle.all())
    solid = solid and min(width, height) >= LEAST * outer.size
    circles = [mark for mark in inner if mark.ellipse is not None]
    return len(circles) >= 2 or (solid and 0 < len(inner) <= len(circles) + 1)
