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
COARSE = 14  # px: larger ones are looked for on a smaller page, where they have this diameter, and then found exactly
MOST = 60  # circles tell what is usual of them
LESS = 0.15  # by which they may be less alike there


@dataclass(frozen=True, slots=True)
class Circle:
    """Where a bubble's middle is, x and y px, its diameter, px, and its likeness to others, a correlation."""

    middle: tuple[float, float]
    size: float
    likeness: float = 1.0


def find_alike(image: Array, known: Sequence[Circle], least: float) -> list[Circle]:
    """Circles on a page (H, W, 3) uint8 RGB whose likeness to the ``known`` ones is at ``least`` so much; not those.

    The known ones are of about one size.
    """
    size = float(np.median([circle.size for circle in known]))
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    factor = max(int(size / COARSE), 1)
    if factor == 1:
        found = _search(grey, known, size, least)
    else:
        small = cv2.resize(grey, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
        smaller = [Circle((c.middle[0] / factor, c.middle[1] / factor), c.size / factor) for c in known]
        rough = _search(small, smaller, size / factor, least - LESS)
        found = _settle(grey, known, size, [(x * factor, y * factor) for x, y in (c.middle for c in rough)], factor)
        found = [circle for circle in found if circle.likeness >= least]
    middles = np.array([circle.middle for circle in known])
    return [one for one in found if np.hypot(*(middles - one.middle).T).min() > size / 2]


def _search(grey: Array, known: Sequence[Circle], size: float, least: float) -> list[Circle]:
    """All circles that look like the known ones, on a page (H, W) uint8."""
    marks = _marks(grey)
    usual = _usual(marks, known, _reach(size))
    if usual is None:
        return []
    reach = _reach(size)
    alike = cv2.matchTemplate(marks, usual, cv2.TM_CCOEFF_NORMED)
    mean, square = (cv2.blur(part, usual.shape[::-1])[reach:-reach, reach:-reach] for part in (marks, marks * marks))
    enough = square - mean * mean >= (CONTRAST * float(usual.std())) ** 2
    side = int(size) | 1
    highest = alike == cv2.dilate(alike, np.ones((side, side), np.uint8))
    rows, columns = np.nonzero(highest & enough & (alike >= least))
    return [
        Circle((float(x + reach), float(y + reach)), size, float(alike[y, x]))
        for x, y in zip(columns, rows, strict=True)
    ]


def _settle(
    grey: Array, known: Sequence[Circle], size: float, rough: Sequence[tuple[float, float]], off: int
) -> list[Circle]:
    """Where circles are that were seen ``off`` by so many pixels at most, and how much they look like the known."""
    reach = _reach(size)
    parts = [_marks_at(grey, circle.middle, reach) for circle in known[:MOST]]
    usual = np.median(parts, axis=0).astype(np.float32)
    settled = []
    for x, y in rough:
        alike = cv2.matchTemplate(_marks_at(grey, (x, y), reach + off), usual, cv2.TM_CCOEFF_NORMED)
        _, likeness, _, (column, row) = cv2.minMaxLoc(alike)
        settled.append(Circle((float(round(x) + column - off), float(round(y) + row - off)), size, float(likeness)))
    return settled


def _marks_at(grey: Array, middle: tuple[float, float], reach: int) -> Array:
    """``_marks`` of a square of a page (H, W) uint8 around a place; beyond the page its edge goes on."""
    part, (x, y) = reach + WINDOW // 2, (round(value) for value in middle)
    rows = np.arange(y - part, y + part + 1).clip(0, grey.shape[0] - 1)
    columns = np.arange(x - part, x + part + 1).clip(0, grey.shape[1] - 1)
    marks = _marks(np.ascontiguousarray(grey[rows[:, None], columns[None]]))
    return np.ascontiguousarray(marks[part - reach : part + reach + 1, part - reach : part + reach + 1])


def _reach(size: float) -> int:
    return round(size / 2) + MARGIN


def _marks(grey: Array) -> Array:
    """How much darker than usual around it each pixel is, (H, W) float32."""
    values = grey.astype(np.float32)
    return cv2.blur(values, (WINDOW, WINDOW)) - values


def _usual(marks: Array, known: Sequence[Circle], reach: int) -> Array | None:
    """What is usual of circles on a page's ``marks`` (H, W) float32, a square; None if none is whole on it."""
    parts = []
    for circle in known:
        x, y = (round(value) for value in circle.middle)
        part = marks[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
        if part.shape == (2 * reach + 1, 2 * reach + 1):
            parts.append(part)
    return np.median(parts, axis=0).astype(np.float32) if parts else None
