"""At which sizes to look at a page, and where a closer look is worth its time.

A detection network knows text of some 10 to 200 pixels' height. A page is seen small, where headlines have that size
and where most of its text does too, and then, twice as large each time up to its full size, only where small marks
are left that nothing found so far explains. On the sample pages at 200 dpi that is a third of the
work of looking everywhere, and what it does not find of their text is what that does not find.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.tiling import plan_blocks
from pipeline.types import Array, Box

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
# A closer look goes so many pixels around such squares: to the ends of words, and what the network judges them by. If
# these are more than this share of a piece, it is looked at whole
_RIM, _MOST = 96, 0.7
# Polygons around text are so many times as high as it is, at most
_ROOM = 3


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


def plan_glances(piece: Array, known: Iterable[Array], tallest: int) -> tuple[Box, ...]:
    """Where in a piece, (H, W, 3) uint8, to look closer: around what may be small text outside the polygons ``known``.

    ``known`` are (N, 2) in the piece's pixels, and so are the boxes, whose sides are multiples of 32 where the piece's
    are. Marks are thin, dark or light, glyph-sized and next to others: not rules, not dirt. In doubt there is a box.
    Where most of the piece would be seen it is seen whole, so that lines of text stay whole.
    """
    height, width = piece.shape[:2]
    places = _small_marks(piece, known, tallest)
    if not places:
        return ()
    blocks = plan_blocks(places, width, height, _RIM, max(width, height) + _CELL)
    grown = tuple(
        Box(max(b.x0 - _RIM, 0), max(b.y0 - _RIM, 0), min(b.x1 + _RIM, width), min(b.y1 + _RIM, height)) for b in blocks
    )
    seen = sum(box.width * box.height for box in grown)
    return grown if seen < _MOST * width * height else (Box(0, 0, width, height),)


def is_low(polygon: Array, tallest: int) -> bool:
    """Whether a polygon (N, 2) may be text a closer look is for: of part of a picture it may make one shape."""
    return bool(min(cv2.minAreaRect(polygon)[1]) <= _ROOM * tallest)


def _small_marks(piece: Array, known: Iterable[Array], tallest: int) -> list[Box]:
    """The squares of four cells of a piece in which enough marks lie together."""
    polygons = [polygon.round().astype(np.int32) for polygon in known]
    window = np.ones((_STROKE, _STROKE), np.uint8)
    darker = cv2.subtract(cv2.morphologyEx(piece, cv2.MORPH_CLOSE, window), piece)
    lighter = cv2.subtract(piece, cv2.morphologyEx(piece, cv2.MORPH_OPEN, window))
    # apart: of dark text, the gaps between strokes are light, and together they would make one solid bar
    counts = [_glyphs_together(_strongest(contrast), polygons, tallest) for contrast in (darker, lighter)]
    height, width = piece.shape[:2]
    squares = np.argwhere(np.maximum(*counts) >= _WORD_GLYPHS) * _CELL
    return [
        Box(int(x), int(y), min(int(x) + 2 * _CELL, width), min(int(y) + 2 * _CELL, height))
        for y, x in squares
        if x < width and y < height
    ]


def _strongest(image: Array) -> Array:
    """(H, W), each pixel's largest channel; numpy's ``max`` over the last axis takes twenty times as long."""
    first, second, third = cv2.split(image)
    return cv2.max(cv2.max(first, second), third)


def _glyphs_together(contrast: Array, known: Sequence[Array], tallest: int) -> Array:
    """How many glyphs of one polarity lie in each square of four cells, (rows, columns) of cells.

    ``contrast`` (H, W) uint8 is how far a pixel stands out. Marks of touching glyphs count as several.
    """
    marks = (contrast > max(_CONTRAST, _NOISE * float(np.median(contrast)))).astype(np.uint8)
    for polygon in known:
        cv2.fillPoly(marks, [polygon], 0)
        cv2.polylines(marks, [polygon], True, 0, thickness=9)  # what juts out of a polygon belongs to it
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
    return counts[:-1, :-1] + counts[1:, :-1] + counts[:-1, 1:] + counts[1:, 1:]
