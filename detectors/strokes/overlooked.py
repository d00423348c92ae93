"""Text that a mask by contrast misses and the stroke network is sure of: letters on the edge of a marker, say."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from detectors.strokes.regions import CORE, SURE, deep, place
from pipeline.masks import grow
from pipeline.types import Array

RIM, LIKELY = 2, 25  # px around it that go with it where they are so likely ink
LEAST = 6  # px of a piece; smaller ones are specks
MANY = 3  # so many parts of letters in a line leave no doubt of what is beside them
CORE_SHARE = 0.25  # of a piece of a letter lies in the middle of a line; underlines lie beside it
CONTRAST, AROUND = 16, 5  # grey levels by which it stands out from what lies so many px around it ...
LEAST_APART = 0.1  # ... from so much of that: a letter is narrow
BESIDE = 3  # px: what touches a bubble or a check box is a part of it


def overlooked(image: Array, likely: Array, dark: Array, ink: Array, stays: Array, outlines: Sequence[Array]) -> Array:
    """Ink in regions of text that is not in ``ink`` (H, W) bool and surely is some, (H, W) bool.

    ``image`` (H, W, 3) uint8 RGB; ``likely`` (H, W) uint8 is how likely each pixel is ink, ``dark`` (H, W) bool what is
    darker than what is around it, ``stays`` (H, W) bool shapes that look like ink and stay, ``outlines`` (N, 2) the
    regions. Of 76 sample pages 20 have any, 12 to 13,000 px, by its look nearly all text: on a newspaper, in the print
    of a cheque's border, between letters on highlights; where a marker's edge crosses letters, half of each.
    """
    sure = (likely >= SURE) & ~ink
    apart = sure & ~grow(ink, 1)
    missed, beside = apart.copy(), sure & dark & ~apart
    if np.count_nonzero(missed | beside) < LEAST:
        return np.zeros(ink.shape, bool)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    for outline in outlines:
        window, inside = place(outline, missed.shape)
        if beside[window].any():
            missed[window] |= beside[window] & inside & (grey[window] < _half_dark(grey[window], ink[window], inside))
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
        taken[number] = _stands_out(grey, label, stats[number], number)
    found = taken[label]
    return found | (grow(found & apart, RIM) & (likely >= LIKELY) & ~stays) if taken.any() else found


def _half_dark(grey: Array, ink: Array, inside: Array) -> float:
    """The grey level half way between a region's dark ink and its paper; 0 where the ink is light.

    What is dark beside light letters is no ink, nor is a highlight between dark ones.
    """
    known, paper = grey[inside & ink], grey[inside & ~ink]
    if not known.size or not paper.size or known.mean() >= paper.mean():
        return 0.0
    return float(known.mean() + paper.mean()) / 2


def _letters(label: Array, core: Array, area: Array, kept: Array) -> Array:
    """Which pieces, (N,) bool, are parts of letters: they reach into the middle of their line."""
    in_core = np.bincount(label[core], minlength=len(area))
    return (area >= LEAST) & (in_core >= CORE_SHARE * area) & ~kept


def _stands_out(grey: Array, label: Array, stats: Array, number: int) -> bool:
    """Whether a piece stands out from some of what is around it: the middle of a mark that is filled in does not."""
    x, y, width, height = (int(value) for value in stats[:4])
    part = np.s_[max(y - AROUND, 0) : y + height + AROUND, max(x - AROUND, 0) : x + width + AROUND]
    piece = label[part] == number
    seen = grey[part].astype(np.float32)
    apart = np.abs(seen - np.median(seen[piece]))[grow(piece, AROUND) & ~piece]
    return bool(np.mean(apart >= CONTRAST) >= LEAST_APART)
