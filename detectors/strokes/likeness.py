"""Bubbles that look like others of the page: where lines are faint or broken, or touch something, no shape tells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.types import Array

WINDOW = 41  # px: grey levels are taken from what is usual so far around
MARGIN = 3  # px around a bubble that are compared, too
CONTRAST = 0.5  # of the others' contrast: in clean paper, noise looks like anything


@dataclass(frozen=True, slots=True)
class Circle:
    """Where a bubble's middle is, x and y px, its diameter, px, and its likeness to others, a correlation."""

    middle: tuple[float, float]
    size: float
    likeness: float = 1.0


def find_alike(image: Array, known: Sequence[Circle], least: float) -> list[Circle]:
    """Circles on a page (H, W, 3) uint8 RGB whose likeness to the ``known`` ones is at ``least`` so much; not those.

    The known ones are of one size.
    """
    size = float(np.median([circle.size for circle in known]))
    reach = round(size / 2) + MARGIN
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    marks = cv2.blur(grey, (WINDOW, WINDOW)) - grey
    usual = _usual(marks, known, reach)
    if usual is None or min(marks.shape) < 2 * reach + 1:
        return []
    alike = cv2.matchTemplate(marks, usual, cv2.TM_CCOEFF_NORMED)
    mean, square = (cv2.blur(part, usual.shape[::-1])[reach:-reach, reach:-reach] for part in (marks, marks * marks))
    enough = square - mean * mean >= (CONTRAST * float(usual.std())) ** 2
    side = int(size) | 1
    highest = alike == cv2.dilate(alike, np.ones((side, side), np.uint8))
    rows, columns = np.nonzero(highest & enough & (alike >= least))
    found = [
        Circle((float(x + reach), float(y + reach)), size, float(alike[y, x]))
        for x, y in zip(columns, rows, strict=True)
    ]
    middles = np.array([circle.middle for circle in known])
    return [one for one in found if np.hypot(*(middles - one.middle).T).min() > size / 2]


def _usual(marks: Array, known: Sequence[Circle], reach: int) -> Array | None:
    """What is usual of circles on a page's ``marks`` (H, W) float32, a square; None if none is whole on it."""
    parts = []
    for circle in known:
        x, y = (round(value) for value in circle.middle)
        part = marks[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
        if part.shape == (2 * reach + 1, 2 * reach + 1):
            parts.append(part)
    return np.median(parts, axis=0).astype(np.float32) if parts else None
