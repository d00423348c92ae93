"""Rings and discs among the dark shapes of a page: bubbles, letters O, the targets of scanners."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.types import Array

SIDES = 12, 120  # px of a bubble: 4 mm at 75 dpi, 5 mm at 600; of smaller ones some look like letters
LONGEST = 1.35  # how much longer than wide it may be: pages are photographed aslant
ROUND = 0.94  # of its outline lies so near an ellipse, ...
NEAR_ELLIPSE = 0.05  # ... in its diameters, or a pixel
FILLED = 0.55, 0.9  # of its box: an ellipse about 0.79
HOLLOW = 0.56  # of a ring is not ink: of circles on scans 0.61 and more, of most letters less
SOLID = 0.85  # of a disc is ink


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """A dark shape in a box (x, y, width, height) in px; with its ellipse (OpenCV's), if it is a ring or a disc.

    ``line`` px is how wide a ring's line is at most: a letter in it counts as well.
    """

    box: tuple[int, int, int, int]
    ring: bool = False
    disc: bool = False
    ellipse: tuple[tuple[float, float], tuple[float, float], float] | None = None
    line: float = 0.0

    @property
    def size(self) -> float:
        """The diameter of a bubble, px."""
        return (self.box[2] + self.box[3]) / 2

    @property
    def middle(self) -> tuple[float, float]:
        """x and y, px."""
        return self.box[0] + self.box[2] / 2, self.box[1] + self.box[3] / 2


def find_marks(dark: Array) -> list[Mark]:
    """The dark shapes of a page, of ``dark_marks`` (H, W) bool."""
    shapes, tree = cv2.findContours(dark.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    if tree is None:
        return []
    holes = np.zeros(len(shapes))
    for number in np.flatnonzero(tree[0, :, 3] >= 0):
        holes[tree[0, number, 3]] += cv2.contourArea(shapes[number])
    return [_measure(shapes[number], float(holes[number])) for number in np.flatnonzero(tree[0, :, 3] < 0)]


def _measure(shape: Array, hole: float) -> Mark:
    x, y, width, height = cv2.boundingRect(shape)
    box = (x, y, width, height)
    if not SIDES[0] <= min(width, height) <= max(width, height) <= min(SIDES[1], LONGEST * min(width, height)):
        return Mark(box)
    area = cv2.contourArea(shape)
    if not FILLED[0] * width * height <= area <= FILLED[1] * width * height:  # no ellipse; fitting one takes long
        return Mark(box)
    ellipse = cv2.fitEllipse(shape)
    away = outside(ellipse, shape[:, 0, 0].astype(np.float32), shape[:, 0, 1].astype(np.float32))
    if float(np.mean(np.abs(away) <= max(NEAR_ELLIPSE * min(width, height), 1.0))) < ROUND:
        return Mark(box)
    size = (width + height) / 2
    line = (1 - np.sqrt(min(hole / area, 1.0))) * size / 2
    return Mark(box, hole >= HOLLOW * area, hole <= (1 - SOLID) * area, ellipse, float(line))


def outside(ellipse: tuple[tuple[float, float], tuple[float, float], float], x: Array, y: Array) -> Array:
    """How far points lie outside an ellipse, about, px."""
    middle, axes, angle = ellipse
    turn = np.deg2rad(angle)
    across = (x - middle[0]) * np.cos(turn) + (y - middle[1]) * np.sin(turn)
    along = (y - middle[1]) * np.cos(turn) - (x - middle[0]) * np.sin(turn)
    scaled = np.hypot(across / max(axes[0] / 2, 1.0), along / max(axes[1] / 2, 1.0))
    return np.asarray((scaled - 1) * min(axes) / 2)
