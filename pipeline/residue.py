"""What may be left of the text on a cleaned page: how to see it better, and what speaks for it being there.

A detector calls check boxes, icons and print that shows through the paper text, too, and the first pass has left those
alone for a reason. So what it finds counts only where it can be read, or where the pixels bear it out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.masks import polygon_mask
from pipeline.readings import BOX_LIKE, Reading
from pipeline.types import Array, Box

BELIEVED = 64  # of 255: a pixel may be ink from this likelihood on ...
BELIEVED_SHARE = 1 / 3  # ... and text has so much of it among what looks like ink: faint print 0.35, check boxes 0.1
SURE_SHARE = 0.7  # of a lone stroke or box, if it is to be a character: print 0.8 to 1, boxes and bits of rules 0.4
LEGIBLE = 0.8  # a reader's score: planted words and letters 1.0, icons, photographs and show-through up to 0.7 ...
LEGIBLE_WORD, LEAST_LETTERS = 0.72, 3  # for several characters: script on a logo 0.75
TALL, SURELY_LEGIBLE = 120, 0.9  # px, and a score: in photographs, large patches are read as single characters
HALF_LEGIBLE = 0.5  # ... and where the stroke network sees ink as well
# letters, and a score: seen in a mirror, rows of bubbles read as 0000, and a picture once as seven letters at 0.87
PHRASES, LEAST_DIFFERENT = ((6, 0.95), (8, 0.9), (12, 0.8)), 4
LEAST_INK = 0.01  # the share of a region's pixels that looks like ink, where it holds text
LEAST_PIXELS = 8  # and so many of them
LEAST_CONTRAST = 12  # grey levels by which ink stands out, at least ...
FULL_SHARE = 0.4  # ... and this share of what stands out most
LARGEST_SHARE = 0.3  # of a page: what is larger is no region of text
GHOST = 4.0  # grey levels by which what was removed still differs from what is around it
CLUSTER_LEVEL = 128  # a pixel that is likely ink
CLUSTER_REACH = 6  # px between strokes of one cluster
CLUSTER_SIDES = 5, 160  # px: no smaller and no larger than a glyph or a short word
CLUSTER_FILL = 0.04  # the least share of its box that is ink
TINY_RUN, TINY_HEIGHTS = 17, (3, 16)  # px: lines of type too small for glyphs to be apart are solid to the network
TINY_RIM = 3  # px around such a line that belong to it
GLYPH_HEIGHTS, GLYPH_RIM = (8, 160), 3  # px of a lone glyph, and around it
GLYPH_SURE, GLYPH_LEVEL = 0.75, 210  # so much of it is surely ink: digits 8 px high 0.75 and more, ticks and bars less
LEGIBLE_GLYPH, GLYPHS = 0.7, "1lI"  # its score: specks up to 0.63; and it may be one stroke, but no box ...
ROUND_GLYPHS = "0OoD"  # ... nor a circle, unless it is surely legible
DARK = 112  # grey levels: paper below is dark ...
DARK_STEP = 4  # px, of the grid on which that is asked; strokes fall through it
DARK_SIDE = 12  # px: the least side of a dark area that can hold text
DARK_FILL = 0.5  # ... and the share of its box that must be dark
LIGHT = 64  # grey levels by which light strokes stand out there
SHAPES = 4.0  # grey levels by which places of a stroke's size differ, if there is anything to read: outlines 4.8
BUSY = 8.0  # ... and half of all places, where the ground is busy: noise and patterns 8 to 30, a rule on paper below 4
_FINE, _COARSE = 1.0, 6.0  # px: of the blurs between which such places are
_GAIN = 4.0
_STRETCH_REACH = 12  # px around what was removed
_PAPER_SIDE = 25  # px, at half size


class Shapes(NamedTuple):
    """Whether there is ``any`` place of a stroke's size that differs from what is around it, and whether it is ``busy``
    with them."""

    any: bool
    busy: bool


def stretch_removed(image: Array, removed: Array) -> Array:
    """A copy of a cleaned page in which what was removed, and what is near it, has its contrast stretched.

    ``image`` (H, W, 3) uint8 RGB, ``removed`` (H, W) bool.
    """
    if not removed.any():
        return image.copy()
    side = 2 * _STRETCH_REACH + 1
    near = cv2.blur(cv2.dilate(removed.astype(np.float32), np.ones((side, side), np.uint8)), (9, 9))[..., None]
    return np.rint(image + near * (_stretched(image) - image)).clip(0, 255).astype(np.uint8)


def stretch(image: Array) -> Array:
    """A copy of a page (H, W, 3) uint8 RGB with its contrast stretched around its paper."""
    return np.rint(_stretched(image)).clip(0, 255).astype(np.uint8)


def _stretched(image: Array) -> Array:
    """(H, W, 3) float32, beyond what a pixel holds. Grain is blurred first: a fill without any would show."""
    if min(image.shape[:2]) < 2:
        return image.astype(np.float32)
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    paper = cv2.resize(cv2.medianBlur(half, _PAPER_SIDE), image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
    smooth = cv2.GaussianBlur(image, (0, 0), 1.0)
    return np.asarray(paper + _GAIN * (smooth.astype(np.float32) - paper))


def has_ghost(image: Array, removed: Array, polygon: Array) -> bool:
    """Whether what was removed in a polygon still stands out from its surroundings.

    The strokes' median is compared with that of what lies 2 to 5 px beside them: paper and its shading, and print that
    shows through, are in both. ``image`` (H, W, 3) uint8 RGB, ``removed`` (H, W) bool.
    """
    window = window_of(polygon, removed.shape, margin=8)
    if window is None:
        return False
    strokes = removed[window.slices].astype(np.uint8)
    core = cv2.erode(strokes, np.ones((3, 3), np.uint8)) > 0
    near, far = (cv2.dilate(strokes, np.ones((side, side), np.uint8)) > 0 for side in (5, 11))
    ring = far & ~near
    if core.sum() < LEAST_PIXELS or ring.sum() < LEAST_PIXELS:
        return False
    part = image[window.slices].astype(np.float32)
    return bool(np.abs(np.median(part[core], axis=0) - np.median(part[ring], axis=0)).max() >= GHOST)


def shapes_in(image: Array, polygon: Array) -> Shapes:
    """What of a stroke's size can be made out in a polygon of a page (H, W, 3) uint8 RGB; nothing off the page."""
    window = window_of(polygon, image.shape[:2])
    if window is None:
        return Shapes(False, False)
    inside = polygon_mask([polygon - (window.x0, window.y0)], window.height, window.width)
    if not inside.any():
        return Shapes(False, False)
    grey = cv2.cvtColor(np.ascontiguousarray(image[window.slices]), cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = cv2.GaussianBlur(grey, (0, 0), _FINE) - cv2.GaussianBlur(grey, (0, 0), _COARSE)
    lowest, low, high, highest = np.percentile(fine[inside], (2, 25, 75, 98))
    return Shapes(bool(highest - lowest >= SHAPES), bool(high - low >= BUSY))


def is_text(reading: Reading, believed: float, height: float = 0.0) -> bool:
    """Whether a region that reads so is text; ``believed`` is its ``believed_share``, ``height`` its shorter side."""
    characters = [c for c in reading.text if not c.isspace()]
    if height > TALL and (len(characters) < 2 or reading.score < SURELY_LEGIBLE):
        return False
    if all(c in BOX_LIKE for c in characters):
        return bool(characters) and reading.score >= HALF_LEGIBLE and believed >= SURE_SHARE
    return reading.score >= (HALF_LEGIBLE if believed >= BELIEVED_SHARE else LEGIBLE)


def is_glyph(reading: Reading) -> bool:
    """Whether a lone shape, of ``lone_glyphs``, that reads so is text."""
    characters = [c for c in reading.text if c.isalnum()]
    told = [c for c in characters if c in GLYPHS or c not in BOX_LIKE]
    if not told:
        return any(c in ROUND_GLYPHS for c in characters) and reading.score >= SURELY_LEGIBLE
    return reading.score >= LEGIBLE_GLYPH


def is_word(reading: Reading) -> bool:
    """Whether a region reads as several characters, and not as what lines and boxes are read as."""
    return _is_wordy(reading) and reading.score >= LEGIBLE_WORD


def is_half_word(reading: Reading) -> bool:
    """Whether a region that was text before something was removed from it still reads as several characters."""
    return _is_wordy(reading) and reading.score >= HALF_LEGIBLE


def is_phrase(reading: Reading) -> bool:
    """Whether a region reads so surely, and as so much, that it is text whatever the stroke network says."""
    characters = [c for c in reading.text if c.isalnum()]
    surely = any(len(characters) >= least and reading.score >= score for least, score in PHRASES)
    return surely and len(set(characters)) >= LEAST_DIFFERENT


def _is_wordy(reading: Reading) -> bool:
    characters = [c for c in reading.text if c.isalnum()]
    return len(characters) >= LEAST_LETTERS and not all(c in BOX_LIKE for c in characters)


def believed_share(image: Array, levels: Array, polygon: Array) -> float:
    """The share of a polygon's ink in which the stroke network believes; 0 where there is next to no ink.

    ``image`` is (H, W, 3) uint8 RGB, ``levels`` (H, W) int how likely each pixel is ink, 0 to 255. Ink is here what
    stands out from the polygon's median: rules, frames and pictures, too.
    """
    window = window_of(polygon, levels.shape)
    if window is None or window.width * window.height > LARGEST_SHARE * levels.size:
        return 0.0
    inside = polygon_mask([polygon - (window.x0, window.y0)], window.height, window.width)
    part = image[window.slices].astype(np.int16)
    apart = np.abs(part - np.median(part[inside], axis=0)).max(axis=2) if inside.any() else np.zeros(inside.shape)
    found = inside & (apart > max(LEAST_CONTRAST, FULL_SHARE * float(np.percentile(apart, 99))))
    count = int(np.count_nonzero(found))
    if count < max(LEAST_PIXELS, LEAST_INK * int(np.count_nonzero(inside))):
        return 0.0
    return int(np.count_nonzero(found & (levels[window.slices] >= BELIEVED))) / count


def ink_clusters(levels: Array, elsewhere: Array) -> list[Box]:
    """Boxes around what the stroke network takes for a glyph or a short word, surest first.

    ``levels`` (H, W) int, 0 to 255; ``elsewhere`` (H, W) bool is where none are wanted.
    """
    likely = ((levels >= CLUSTER_LEVEL) & ~elsewhere).astype(np.uint8)
    side = 2 * CLUSTER_REACH + 1
    count, label, stats, _ = cv2.connectedComponentsWithStats(cv2.dilate(likely, np.ones((side, side), np.uint8)))
    inked = np.bincount(label[likely > 0], minlength=count)
    sure = np.bincount(label[likely > 0], weights=levels[likely > 0], minlength=count)
    found = []
    for number in range(1, count):
        x, y, width, height = (int(value) for value in stats[number, :4])
        wide, high = width - side + 1, height - side + 1
        fits = all(CLUSTER_SIDES[0] <= length <= CLUSTER_SIDES[1] for length in (wide, high))
        if fits and inked[number] >= max(LEAST_PIXELS, CLUSTER_FILL * wide * high):
            found.append((sure[number] / inked[number], Box(x, y, x + width, y + height)))
    return [box for _, box in sorted(found, key=lambda pair: (-pair[0], pair[1].y0, pair[1].x0))]


def lone_glyphs(levels: Array, elsewhere: Array) -> list[Box]:
    """Boxes around shapes that the stroke network is sure of and that may be one glyph, surest first.

    ``levels`` (H, W) int, 0 to 255; ``elsewhere`` (H, W) bool is where none are wanted. A detector sees words: of
    digits alone, 8 px high, it sees some and not others. They are as high as they are wide, at least: dashes are not.
    """
    likely = ((levels >= CLUSTER_LEVEL) & ~elsewhere).view(np.uint8)
    count, label, stats, _ = cv2.connectedComponentsWithStats(likely, connectivity=8)
    inked = label[likely > 0]
    sure = np.bincount(inked, weights=levels[likely > 0] >= GLYPH_LEVEL, minlength=count)
    x, y, wide, high, area = stats.T
    fits = (high >= GLYPH_HEIGHTS[0]) & (high <= GLYPH_HEIGHTS[1]) & (wide <= 1.2 * high) & (area >= LEAST_PIXELS)
    fits &= sure >= GLYPH_SURE * area
    fits[0] = False
    numbers = np.flatnonzero(fits)
    surest = numbers[np.argsort(-sure[numbers] / area[numbers], kind="stable")]
    return [
        Box(
            max(int(x[k]) - GLYPH_RIM, 0),
            max(int(y[k]) - GLYPH_RIM, 0),
            min(int(x[k] + wide[k]) + GLYPH_RIM, levels.shape[1]),
            min(int(y[k] + high[k]) + GLYPH_RIM, levels.shape[0]),
        )
        for k in surest
    ]


def tiny_lines(levels: Array) -> list[Box]:
    """Boxes around what the stroke network takes for lines of tiny type, whatever stands close to them.

    ``levels`` (H, W) int, 0 to 255. Of 6 px high labels above bubbles a detector sees nothing, as they are one shape
    with what is below; they are long and solid, and circles and rules are not.
    """
    likely = (levels >= CLUSTER_LEVEL).astype(np.uint8)
    for side in ((1, TINY_RUN), (TINY_HEIGHTS[0], 1)):
        likely = cv2.morphologyEx(likely, cv2.MORPH_OPEN, np.ones(side, np.uint8))
    count, _, stats, _ = cv2.connectedComponentsWithStats(likely)
    found = []
    for x, y, width, height, _ in stats[1:count].tolist():
        if width >= TINY_RUN and TINY_HEIGHTS[0] <= height <= min(TINY_HEIGHTS[1], width / 1.5):
            left, top = max(x - TINY_RIM, 0), max(y - TINY_RIM, 0)
            right, low = min(x + width + TINY_RIM, levels.shape[1]), min(y + height + TINY_RIM, levels.shape[0])
            found.append(Box(left, top, right, low))
    return found


def dark_areas(image: Array) -> list[Box]:
    """Boxes around places of a page (H, W, 3) uint8 RGB whose paper is dark, as that of a logo or a table's head.

    Paper is a median over squares too large for strokes; a place must be high enough for small print.
    """
    if min(image.shape[:2]) < DARK_SIDE:  # a page may be 1 px high
        return []
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    coarse = cv2.resize(grey, None, fx=1 / DARK_STEP, fy=1 / DARK_STEP, interpolation=cv2.INTER_AREA)
    dark = (cv2.medianBlur(coarse, 5) < DARK).astype(np.uint8)
    count, _, stats, _ = cv2.connectedComponentsWithStats(cv2.morphologyEx(dark, cv2.MORPH_CLOSE, np.ones((9, 9))))
    found = []
    for x, y, width, height, area in stats[1:count].tolist():
        if min(width, height) * DARK_STEP >= DARK_SIDE and area >= DARK_FILL * width * height:
            right, low = min((x + width) * DARK_STEP, grey.shape[1]), min((y + height) * DARK_STEP, grey.shape[0])
            found.append(Box(x * DARK_STEP, y * DARK_STEP, right, low))
    return found


def is_dark(image: Array, polygon: Array) -> bool:
    """Whether a polygon lies in the dark: the median of its box in a page (H, W, 3) uint8 RGB."""
    window = window_of(polygon, image.shape[:2])
    return window is not None and float(np.median(image[window.slices])) < DARK


def light_clusters(image: Array, areas: Sequence[Box]) -> list[Box]:
    """Boxes around what is light in dark areas of a page (H, W, 3) uint8 RGB, and of the size of a glyph or a word."""
    light = np.zeros(image.shape[:2], np.int32)
    for area in areas:
        grey = cv2.cvtColor(np.ascontiguousarray(image[area.slices]), cv2.COLOR_RGB2GRAY)
        lit = (grey > int(np.median(grey)) + LIGHT).astype(np.uint8)
        _, label, stats, _ = cv2.connectedComponentsWithStats(lit)
        fits = stats[:, 2:4].max(axis=1) <= CLUSTER_SIDES[1]  # frames and the paper outside are too large
        fits[0] = False
        light[area.slices] = np.where(fits[label], 255, 0)
    return ink_clusters(light, light == 0)


def window_of(polygon: Array, shape: tuple[int, ...], margin: int = 0) -> Box | None:
    """The pixels a polygon and a margin take up on a page of (H, W); None when it is off the page."""
    low = np.maximum(np.floor(polygon.min(axis=0)).astype(int) - margin, 0)
    high = np.minimum(np.ceil(polygon.max(axis=0)).astype(int) + 1 + margin, (shape[1], shape[0]))
    return Box(int(low[0]), int(low[1]), int(high[0]), int(high[1])) if (low < high).all() else None
