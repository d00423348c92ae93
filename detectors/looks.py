"""At which sizes to look at a page, and where a closer look is worth its time.

A detection network knows text of some 10 to 200 pixels' height. A page is seen small, where headlines have that size
and where most of its text does too, and then, twice as large each time up to its full size, only in the pieces where
small marks are left that nothing found so far explains. On the sample pages that finds what looking everywhere finds,
for 60 % of the work at 200 dpi and a tenth at 600.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.types import Array

# The longer side of the page in the first whole look, at most; and in the overview for what is larger still
_WHOLE_SIDE = 1800
_OVERVIEW_SIDE = 640
# Text lower than this in a look may be overlooked there
_OVERLOOKED_HEIGHT = 15
# A mark stands out by so many grey levels, and by so many times what the paper's noise does
_CONTRAST, _NOISE = 16, 3
# Its strokes are narrower than this, and it is so many pixels long and large
_STROKE, _LENGTH, _AREA = 5, 5, 8
# Glyphs that touch make marks at least so high, up to so many times as long, and fill this share of their box
_WORD_HEIGHT, _WORD_LENGTH, _SOLID = 7, 8, 0.4
# So many glyphs, together in a square of this side, may be a word
_WORD_GLYPHS, _CELL = 5, 96


@dataclass(frozen=True, slots=True)
class Look:
    """One look at a page: its ``scale``, and ``tallest``, the height in its pixels of text that earlier looks miss.

    ``tallest`` 0 is a look everywhere; else only pieces with marks up to that height are looked at.
    """

    scale: float
    tallest: int = 0


def plan_looks(width: int, height: int) -> tuple[Look, ...]:
    """Return the looks at a page of this size, from the smallest scale to its own, or to twice that of a small page."""
    longer = max(width, height)
    scale = 2.0 if longer <= _WHOLE_SIDE else 1.0
    closer: list[Look] = []
    while longer * scale > _WHOLE_SIDE:
        closer.insert(0, Look(scale, 2 * _OVERLOOKED_HEIGHT))
        scale /= 2
    overview = _OVERVIEW_SIDE / longer
    return (*([Look(overview)] if overview < 0.7 * scale else []), Look(scale), *closer)


def has_small_marks(piece: Array, known: Iterable[Array], tallest: int) -> bool:
    """Return whether a piece, (H, W, 3) uint8, holds what may be small text outside the polygons ``known``.

    ``known`` are (N, 2) in the piece's pixels. Marks are thin, dark or light, glyph-sized and next to others: not
    rules, not dirt. In doubt the answer is yes.
    """
    polygons = [polygon.round().astype(np.int32) for polygon in known]
    window = np.ones((_STROKE, _STROKE), np.uint8)
    darker = cv2.subtract(cv2.morphologyEx(piece, cv2.MORPH_CLOSE, window), piece)
    lighter = cv2.subtract(piece, cv2.morphologyEx(piece, cv2.MORPH_OPEN, window))
    # apart: of dark text, the gaps between strokes are light, and together they would make one solid bar
    return any(_has_glyphs(_strongest(contrast), polygons, tallest) for contrast in (darker, lighter))


def _strongest(image: Array) -> Array:
    """(H, W), each pixel's largest channel; numpy's ``max`` over the last axis takes twenty times as long."""
    first, second, third = cv2.split(image)
    return cv2.max(cv2.max(first, second), third)


def _has_glyphs(contrast: Array, known: Sequence[Array], tallest: int) -> bool:
    """The same for one polarity; ``contrast`` (H, W) uint8 is how far a pixel stands out."""
    marks = (contrast > max(_CONTRAST, _NOISE * float(np.median(contrast)))).astype(np.uint8)
    for polygon in known:
        cv2.fillPoly(marks, [polygon], 0)
        cv2.polylines(marks, [polygon], True, 0, thickness=9)  # what juts out of a polygon belongs to it
    return _most_glyphs_together(marks, tallest) >= _WORD_GLYPHS


def _most_glyphs_together(marks: Array, tallest: int) -> int:
    """How many glyph-sized marks, (H, W) uint8, lie together at most; marks of touching glyphs count as several."""
    _, _, stats, centres = cv2.connectedComponentsWithStats(marks, connectivity=8)
    sides, area = stats[1:, [cv2.CC_STAT_WIDTH, cv2.CC_STAT_HEIGHT]], stats[1:, cv2.CC_STAT_AREA]
    short, long = sides.min(axis=1), sides.max(axis=1)
    glyphs = (long >= _LENGTH) & (area >= _AREA) & (short <= tallest) & (long <= _WORD_LENGTH * tallest)
    # a thin one is a stroke or a piece of a rule, a hollow one a frame or a skewed rule, whatever its length
    word = (short >= _WORD_HEIGHT) & (long <= _WORD_LENGTH * short) & (area >= _SOLID * short * long)
    several = np.where(word, long // np.maximum(short, 1), 1)
    cells = (centres[1:][glyphs] // _CELL).astype(int)
    counts = np.zeros((marks.shape[0] // _CELL + 2, marks.shape[1] // _CELL + 2), int)
    np.add.at(counts, (cells[:, 1], cells[:, 0]), several[glyphs])
    # four cells together, so that a word on a border between cells counts whole
    return int((counts[:-1, :-1] + counts[1:, :-1] + counts[:-1, 1:] + counts[1:, 1:]).max())
