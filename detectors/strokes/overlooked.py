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
MANY = 3  # so many parts of letters in a line leave no doubt of what is beside them
CORE_SHARE = 0.25  # of a piece of a letter lies in the middle of a line; underlines lie beside it
CONTRAST, AROUND = 16, 5  # grey levels by which it stands out from what lies so many px around it
BESIDE = 3  # px: what touches a bubble or a check box is a part of it


def overlooked(image: Array, likely: Array, ink: Array, stays: Array, outlines: Sequence[Array]) -> Array:
    """Ink in regions of text that is not in ``ink`` (H, W) bool and surely is some, (H, W) bool.

    ``image`` (H, W, 3) uint8 RGB; ``likely`` (H, W) uint8 is how likely each pixel is ink, ``stays`` (H, W) bool shapes
    that look like ink and stay, ``outlines`` (N, 2) the regions. Of 70 sample pages twelve have any, 25 to 4,000 px,
    nearly all of it text; where a marker's edge crosses letters it is half of each.
    """
    missed = (likely >= SURE) & ~grow(ink, 1)
    if np.count_nonzero(missed) < LEAST:
        return np.zeros(ink.shape, bool)
    count, label, stats, _ = cv2.connectedComponentsWithStats(missed.view(np.uint8), connectivity=8)
    kept = np.zeros(count, bool)
    kept[np.unique(label[grow(stays, BESIDE)])] = kept[0] = True
    taken = np.zeros(count, bool)
    for outline in outlines:
        window, inside = place(outline, missed.shape)
        if missed[window].any():
            core = deep(inside, CORE * min(cv2.minAreaRect(outline.astype(np.float32))[1]))
            letters = _letters(label[window], core, stats[:, cv2.CC_STAT_AREA], kept)
            if np.count_nonzero(letters) >= MANY:  # then what lies beside them are their feet and heads
                letters |= (np.bincount(label[window][inside], minlength=count) > 0) & ~kept
            taken |= letters
    for number in np.flatnonzero(taken):
        taken[number] = _stands_out(image, label, stats[number], number, ink)
    found = taken[label]
    return found | (grow(found, RIM) & (likely >= LIKELY) & ~stays) if taken.any() else found


def _letters(label: Array, core: Array, area: Array, kept: Array) -> Array:
    """Which pieces, (N,) bool, are parts of letters: they reach into the middle of their line."""
    in_core = np.bincount(label[core], minlength=len(area))
    return (area >= LEAST) & (in_core >= CORE_SHARE * area) & ~kept


def _stands_out(image: Array, label: Array, stats: Array, number: int, ink: Array) -> bool:
    """Whether a piece stands out from what is around it: the middle of a mark that is filled in does not."""
    x, y, width, height = (int(value) for value in stats[:4])
    part = np.s_[max(y - AROUND, 0) : y + height + AROUND, max(x - AROUND, 0) : x + width + AROUND]
    piece = label[part] == number
    ring = grow(piece, AROUND) & ~grow(piece, RIM) & ~ink[part] & (label[part] == 0)
    grey = cv2.cvtColor(np.ascontiguousarray(image[part]), cv2.COLOR_RGB2GRAY)
    return bool(ring.any()) and abs(float(np.median(grey[ring])) - float(np.median(grey[piece]))) >= CONTRAST
