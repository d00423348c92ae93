"""Text that runs into a shadow: where a scan was reduced to black and white, a shadow is black with frayed edges.

What is printed in its specks a person can read in part, and no detector sees it. So nothing that looks at such a page
can say that its text is gone.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.masks import grow, polygon_mask
from pipeline.types import Array

# Lengths are in heights of the page's text, the median of its regions, areas in squares of that
LEAST_HEIGHT = 8  # px: of lower text nobody reads anything in specks
BLACK, DARK = 16, 128  # grey levels: a shadow's middle is below the one, and a speck below the other
SOLID = 0.9  # is larger than any letter's stroke
NEAR = 3.0  # so far from what is solid it frays out
PATCH, SPECKS = 1.5, 0.05  # of a square of this side so much is specks, and of clean paper next to nothing
FEWEST = 4.0  # of an area of specks: less may be letters that were not found
TOUCH, REACH = 1.0, 1.0  # so much text lies so near to it: it runs into it. Photographs stand further off
LEAST = 6.0  # of all such areas of a page


def runs_into_shadow(image: Array, outlines: Sequence[Array], allowed: Array | None = None) -> bool:
    """Whether text of a page goes on where it cannot be told from the specks of a shadow's frayed edge.

    ``image`` (H, W, 3) uint8 RGB is the page as it was; ``outlines`` (N, 2) are the polygons of its text,
    ``allowed`` (H, W) bool is where text was to go; None is everywhere.
    """
    heights = [min(cv2.minAreaRect(outline.astype(np.float32))[1]) for outline in outlines]
    if not heights:
        return False
    unit = max(float(np.median(heights)), LEAST_HEIGHT)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    solid = _opened(grey < BLACK, SOLID * unit)
    if not solid.any():
        return False
    text = polygon_mask(outlines, *grey.shape)
    near = grow(solid, round(NEAR * unit)) & ~solid
    near = near if allowed is None else near & allowed
    specks = _opened(_specked(grey, text, unit) & near, unit)
    return _touching(specks, text, unit) >= LEAST


def _specked(grey: Array, text: Array, unit: float) -> Array:
    """Where dark and light specks lie close together outside the ``text``, (H, W) bool."""
    dark = (grey < DARK).view(np.uint8)
    lone = (cv2.medianBlur(dark, 3) != dark) & ~text  # what the eight pixels around it do not share
    size = (_odd(PATCH * unit),) * 2
    outside = cv2.blur((~text).astype(np.float32), size)
    return cv2.blur(lone.astype(np.float32), size) > SPECKS * np.maximum(outside, 1 / 3)


def _touching(specks: Array, text: Array, unit: float) -> float:
    """How large the areas of ``specks`` (H, W) bool are into which ``text`` (H, W) bool runs."""
    reach, total = round(REACH * unit), 0.0
    count, label, stats, _ = cv2.connectedComponentsWithStats(specks.view(np.uint8))
    for number in range(1, count):
        x, y, width, height, area = (int(value) for value in stats[number])
        if area < FEWEST * unit**2:
            continue
        window = np.s_[max(y - reach, 0) : y + height + reach, max(x - reach, 0) : x + width + reach]
        touched = grow(label[window] == number, reach) & text[window]
        if np.count_nonzero(touched) >= TOUCH * unit**2:
            total += area / unit**2
    return total


def _opened(where: Array, side: float) -> Array:
    """What of ``where`` (H, W) bool is part of a square of this side, px."""
    square = np.ones((_odd(side),) * 2, np.uint8)
    return cv2.morphologyEx(where.view(np.uint8), cv2.MORPH_OPEN, square).view(bool)


def _odd(length: float) -> int:
    return round(length) | 1
