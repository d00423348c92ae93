"""Text that a mask by contrast misses and the stroke network is sure of: letters on the edge of a marker, say."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from detectors.strokes.regions import CORE, deep, place
from pipeline.masks import grow
from pipeline.types import Array

SURE = 210  # of 255: surely ink
RIM, LIKELY = 2, 25  # px around it that go with it where they are so likely ink
LEAST = 12  # px of a piece; on the sample pages smaller ones are the edges of what is in the mask already
CORE_SHARE = 0.25  # of a piece of a letter lies in the middle of a line; underlines lie beside it
CONTRAST, AROUND = 16, 5  # grey levels by which it stands out from what lies so many px around it
BESIDE = 3  # px: what touches a bubble or a check box is a part of it


def overlooked(image: Array, likely: Array, ink: Array, stays: Array, outlines: Sequence[Array]) -> Array:
    """Ink in regions of text that is not in ``ink`` (H, W) bool and surely is some, (H, W) bool.

    ``image`` (H, W, 3) uint8 RGB; ``likely`` (H, W) uint8 is how likely each pixel is ink, ``stays`` (H, W) bool shapes
    that look like ink and stay, ``outlines`` (N, 2) the regions. Of 70 sample pages nine have any, 25 to 3,000 px, text
    nearly all; where a marker's edge crosses letters it is half of each.
    """
    found = np.zeros(ink.shape, bool)
    missed = (likely >= SURE) & ~grow(ink, 1)
    if np.count_nonzero(missed) < LEAST:
        return found
    middle = _middle_of_lines(missed, outlines)
    count, label, stats, _ = cv2.connectedComponentsWithStats(missed.view(np.uint8), connectivity=8)
    area = stats[:, cv2.CC_STAT_AREA]
    in_core = np.bincount(label[middle & missed], minlength=count)
    taken = (area >= LEAST) & (in_core >= CORE_SHARE * area)
    taken[np.unique(label[grow(stays, BESIDE)])] = taken[0] = False
    for number in np.flatnonzero(taken):
        taken[number] = _stands_out(image, label, stats[number], number, ink)
    found = taken[label]
    return found | (grow(found, RIM) & (likely >= LIKELY) & ~stays) if taken.any() else found


def _middle_of_lines(missed: Array, outlines: Sequence[Array]) -> Array:
    """The middle of the lines of text that have something in ``missed`` (H, W) bool, (H, W) bool."""
    middle = np.zeros(missed.shape, bool)
    for outline in outlines:
        window, inside = place(outline, missed.shape)
        if missed[window].any():
            middle[window] |= deep(inside, CORE * min(cv2.minAreaRect(outline.astype(np.float32))[1]))
    return middle


def _stands_out(image: Array, label: Array, stats: Array, number: int, ink: Array) -> bool:
    """Whether a piece stands out from what is around it: the middle of a mark that is filled in does not."""
    x, y, width, height = (int(value) for value in stats[:4])
    part = np.s_[max(y - AROUND, 0) : y + height + AROUND, max(x - AROUND, 0) : x + width + AROUND]
    piece = label[part] == number
    ring = grow(piece, AROUND) & ~grow(piece, RIM) & ~ink[part]
    grey = cv2.cvtColor(np.ascontiguousarray(image[part]), cv2.COLOR_RGB2GRAY)
    return bool(ring.any()) and abs(float(np.median(grey[ring])) - float(np.median(grey[piece]))) >= CONTRAST
