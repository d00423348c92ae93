"""A born-digital PDF page with and without its text: exact truth for training and for scoring.

The page is copied into a document of its own, the operators that show text are taken out of all its content streams,
and both are drawn by the same renderer. Everything else stays as it was written, so no pixel differs but the text's.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pymupdf

from pipeline.errors import RestoreError, StageError
from pipeline.masks import polygon_mask
from pipeline.pdf_file import MUPDF_LOCK, open_pdf
from pipeline.pdf_text import split_page
from pipeline.types import Array

MARGIN_PX = 3  # what lies no farther outside a word's box needs no care: boxes are rounded, and rims anti-aliased
REACH = 1.0  # how far a glyph may hang out of its word's box, in heights of the word...
LEAST_REACH_PX = 12  # ... and at least, for words that are full stops
SPACES = frozenset(" \t\u00a0\u3000") | frozenset(map(chr, range(0x2000, 0x200C)))  # other controls may be drawn
DRAWING_FONTS = re.compile(
    r"^(LINEW?|LCIRCLEW?|XY(ATIP|BTIP|CIRC|CMAT|CMBT|BSQL|DASH|LINE|MISC).*|LCMSS.*)\d*$", re.IGNORECASE
)
LARGEST_SIDE_PX = 12_000
PREVIEW_DPI = 30

_STAGE = "pair"
_POINTS_PER_INCH = 72


@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """One page, twice. ``text`` and ``blank`` are (H, W, 3) uint8 RGB, equal outside the words.

    ``boxes`` are the visible words' outlines: (4, 2) float32 (x, y) in pixels, clockwise from where reading starts;
    ``texts`` is what each says, as far as its font tells.
    """

    text: Array
    blank: Array
    boxes: tuple[Array, ...]
    texts: tuple[str, ...] = ()

    @property
    def changed(self) -> Array:
        """Where the text shows: (H, W) bool."""
        return _differences(self.text, self.blank)


def count_pages(path: str | Path) -> int:
    """How many pages a PDF has. Raises InputError when it cannot be read."""
    with open_pdf(str(path), None) as document:
        return len(document)


def measure_richness(path: str | Path, page_index: int) -> float:
    """How much colour and drawing a page shows, 0 to 1, judged from a small picture of it; 0 when it cannot be drawn.

    Raises InputError when the file cannot be read.
    """
    with open_pdf(str(path), None) as document:
        try:
            page = document[page_index]
            drawn = [what for what, _ in page.get_bboxlog() if not what.endswith("text")]
            pixmap = page.get_pixmap(dpi=PREVIEW_DPI, alpha=False)
        except Exception:  # MuPDF raises many classes, which share no base in all its releases
            return 0.0
    image = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3)
    vivid = min(float((np.ptp(image, axis=2) > 24).mean()) * 2, 1)
    pictures = any("image" in what or "shade" in what for what in drawn)
    return 0.4 * vivid + 0.3 * min(len(drawn) / 40, 1) + 0.3 * pictures


def render_pair(path: str | Path, page_index: int, dpi: int, annotations: bool = False) -> Pair:
    """Draw a page with its text and without. ``page_index`` is 0-based.

    Annotations and form fields are left out on both, or with ``annotations`` drawn as their appearances say, of which
    the text goes as well.

    Raises:
        InputError: the file cannot be read.
        StageError: the page is broken or too large, shows no text, or what is text cannot be told exactly.
    """
    number = page_index + 1
    try:
        with_text, without = split_page(path, page_index, annotations)
        with MUPDF_LOCK:
            text, words = _draw(with_text, dpi)
            blank, _ = _draw(without, dpi)
        return Pair(text, blank, *_visible(words, text, blank))
    except RestoreError:
        raise
    except ValueError as error:  # ours: each says why the page is unfit
        raise StageError(f"{path}, page {number}: {error}", "use another page", _STAGE, number) from None
    except Exception as error:  # whatever MuPDF, qpdf and pikepdf raise on a broken page: no other page is affected
        raise StageError(
            f"{path}, page {number} cannot be drawn: {error}", "use another page", _STAGE, number
        ) from error


def _draw(data: bytes, dpi: int) -> tuple[Array, list[tuple[Array, str]]]:
    """The page as (H, W, 3) uint8 RGB, and all its words, visible or not: outlines, and what they say."""
    with pymupdf.open(stream=data, filetype="pdf") as document:
        page = document[0]
        if any(DRAWING_FONTS.match(font[3].split("+")[-1]) for font in page.get_fonts(full=True)):
            raise ValueError("it draws with the glyphs of a font")
        zoom = dpi / _POINTS_PER_INCH
        if max(page.rect.width, page.rect.height) * zoom > LARGEST_SIDE_PX:
            raise ValueError(f"it is larger than {LARGEST_SIDE_PX} px at {dpi} dpi")
        pixmap = page.get_pixmap(matrix=pymupdf.Matrix(zoom, zoom), alpha=False, annots=False)
        image = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3).copy()
        to_pixels = page.rotation_matrix * pymupdf.Matrix(zoom, zoom)
        words = [(_outline(word, line, to_pixels), text) for line, word, text in _words(page)]
    return image, words


def _words(page: Any) -> Iterator[tuple[tuple[float, float], list[Array], str]]:
    """Direction of reading, glyph corners, (4, 2) in points, and text of each word on the page."""
    flags = pymupdf.TEXT_PRESERVE_WHITESPACE | pymupdf.TEXT_ACCURATE_BBOXES
    for block in page.get_text("rawdict", flags=flags)["blocks"]:
        for line in block.get("lines", ()):
            word: list[Array] = []
            text = ""
            for glyph in (glyph for span in line["spans"] for glyph in span["chars"]):
                if glyph["c"] in SPACES:
                    if word:
                        yield line["dir"], word, text
                    word, text = [], ""
                else:
                    x0, y0, x1, y1 = glyph["bbox"]
                    word.append(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]))
                    text += glyph["c"]
            if word:
                yield line["dir"], word, text


def _outline(glyphs: list[Array], direction: tuple[float, float], to_pixels: Any) -> Array:
    """The rectangle along the direction of reading around glyph corners, as (4, 2) float32 in pixels."""
    placed = _rectangle(np.concatenate(glyphs), np.array(direction))
    a, b, c, d, e, f = to_pixels
    return np.stack([placed @ (a, c) + e, placed @ (b, d) + f], axis=1).astype(np.float32)


def _rectangle(points: Array, direction: Array) -> Array:
    """Corners, (4, 2), of the smallest rectangle along ``direction`` that holds ``points``, (N, 2)."""
    length = float(np.hypot(*direction))
    along = direction / length if length else np.array([1.0, 0.0])
    across = np.array([-along[1], along[0]])
    steps, rises = points @ along, points @ across
    start, end, top, bottom = steps.min(), steps.max(), rises.min(), rises.max()
    corners = ((start, top), (end, top), (end, bottom), (start, bottom))
    return np.array([step * along + rise * across for step, rise in corners])


def near_words(words: Sequence[Array], height: int, width: int, reach_px: int = MARGIN_PX) -> Array:
    """Where the ink of ``words``, polygons (N, 2) in pixels, may be: they and ``reach_px`` around. (H, W) bool."""
    inside = polygon_mask(words, height, width).astype(np.uint8)
    return cv2.dilate(inside, np.ones((2 * reach_px + 1,) * 2, np.uint8)).view(bool)


def _visible(words: list[tuple[Array, str]], text: Array, blank: Array) -> tuple[tuple[Array, ...], tuple[str, ...]]:
    """The words that make a difference, made to hold it, and what they say.

    Raises ValueError when some difference is no word's.
    """
    if text.shape != blank.shape:
        raise ValueError("its size changes with its text")
    if not words:
        raise ValueError("it has no text")
    changed = _differences(text, blank)
    seen = [(word, says) for word, says in words if _differs(word, changed)]
    if not seen:
        raise ValueError("its text is invisible")
    shown = [word for word, _ in seen]
    _take_in(shown, changed)
    return tuple(shown), tuple(says for _, says in seen)


def _differences(one: Array, other: Array) -> Array:
    """(H, W) bool; channel by channel, which is several times as fast as ``any(axis=2)``."""
    differs = one != other
    return np.asarray(differs[..., 0] | differs[..., 1] | differs[..., 2])


def _differs(word: Array, changed: Array) -> bool:
    x0, y0, x1, y1 = _bounds(word)
    return bool(changed[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)].any())


def _bounds(word: Array) -> tuple[int, int, int, int]:
    """(x0, y0, x1, y1), half open."""
    low, high = np.floor(word.min(axis=0)).astype(int), np.ceil(word.max(axis=0)).astype(int) + 1
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _take_in(words: list[Array], changed: Array) -> None:
    """Stretch the outlines over the ink that hangs out of them, for a font's boxes end where its next glyph starts.

    Raises ValueError when ink lies farther from all words than it could hang out.
    """
    near = near_words(words, *changed.shape)
    out = changed & ~near
    if not out.any():
        return
    # not the whole ink that reaches out: a tall bracket is put together of several words, and lies in none of them
    _, _, statistics, _ = cv2.connectedComponentsWithStats(out.astype(np.uint8))
    bounds = np.array([_bounds(word) for word in words])
    heights = np.array([np.linalg.norm(word[2] - word[1]) for word in words])
    for x, y, width, height in statistics[1:, :4].tolist():
        ends = np.array([x, y, x + width, y + height])
        gaps = np.maximum(bounds[:, :2] - ends[2:], ends[:2] - bounds[:, 2:]).max(axis=1)
        hangs = np.maximum(bounds[:, :2] - ends[:2], ends[2:] - bounds[:, 2:]).max(axis=1)
        fits = hangs <= np.maximum(REACH * heights, LEAST_REACH_PX)
        if not fits.any():
            raise ValueError(f"ink at {x}, {y} px belongs to none of its words")
        nearest = int(np.argmin(np.where(fits, np.maximum(gaps, -MARGIN_PX) * LARGEST_SIDE_PX + hangs, np.inf)))
        words[nearest] = _stretch(words[nearest], ends)


def _stretch(word: Array, ends: Array) -> Array:
    """The outline, made to hold the box ``ends`` (x0, y0, x1, y1), still along its own direction."""
    x0, y0, x1, y1 = ends
    points = np.concatenate([word, np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32)])
    return _rectangle(points, word[1] - word[0]).astype(np.float32)
