"""What the paper behind a line of text looks like: guesses, and the choice among them, place by place.

All works on a strip: a line of text laid level, with some context around it. Sizes scale with ``height``, the text's
height in pixels. Images are (H, W, 3) uint8 RGB, or (H, W) uint8 where a page has no colour.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from pipeline.levels import count_levels, percentile_level
from pipeline.types import Array

UNEXPLAINED = 24  # grey levels: a pixel farther from the paper than this is not explained by it
TIE_SHARE = 0.15  # what a pixel that is explained badly, but explained, counts: decides between like guesses
COARSE = 40  # text higher than twice this many px is looked at on a coarser grid
WIDE_REACH = 2.5  # side of the median over the whole strip, in text heights
NEAR_REACH = 1.5  # side of the median that sees the region only
BAND_REACH = 0.4  # height of the rectangles of the band median
BAND_RATIO = 8  # and how many times wider than high they are
STROKE_LIMIT = 0.45  # what is narrower than this, in text heights, may be a stroke
SMOOTH = 5  # px, side of the median over what is filled so: 7 takes many times as long, for pages no better
MOST_GRAIN = 64.0  # grey levels: no paper is rougher; dense bold type is, and must not pass for it
MOST_INK = 0.5  # where more than this of a region is left unexplained ...
MOST_EDGE = 0.6  # ... and of its edge more than this, the paper was guessed wrong (frames run along edges, too) ...
LEFT_EDGE = 0.4  # ... and a better guess leaves less than this of the edge
EDGE_DEPTH = 0.06  # text heights from a region's outline to what is taken for its edge
EDGE_WEIGHT = 4  # what the edge counts then, beside the rest
WIDEST = 61  # px, side of the median over the edge
CHOICE_REACH = 1.5  # side of the square over which guesses are compared
OPEN_RIM = 0.1  # text heights: around text on open paper there is nothing so near, ...
OPEN_SHARE = 0.02, 0.3  # ... but in so much of that rim; so much of the region at most is left unexplained, ...
OPEN_STROKE = 0.3  # ... and nothing of it is so wide, in text heights


def paper_difference(strip: Array, region: Array, height: float) -> tuple[Array, Array, Array | None]:
    """How far each pixel of a strip is from the paper, and to which side.

    ``region`` (H, W) uint8 {0, 1} is where text was found. Guesses of the paper compete: a median over the whole strip
    (right for text on open paper), a median over the region alone (right for text in a box of its own colour), the
    strip without anything as narrow as a stroke (right along edges) and a median along the line (right in narrow
    bands). At each place the guess wins that leaves the fewest pixels of the region unexplained. Where most of the
    region's edge is left unexplained, as with bold light letters that fill a dark box, the edge is a guess of its own.
    Text that stands on open paper needs the first guess only; on the sample pages two regions of five do.

    Returns (difference (H, W) uint8, the largest over the channels; darker (H, W) bool, where the pixel is darker than
    the paper; the edge (H, W) uint8 {0, 1} where the paper was taken from it, else None).
    """
    step = max(1, int(height // COARSE))
    coarse = np.ascontiguousarray(strip[::step, ::step])
    wide = _enlarge(_local_median(coarse, WIDE_REACH * height / step), strip)
    difference = _largest(cv2.absdiff(strip, wide))
    if _lies_open(difference, region, height):
        return difference, _grey(strip) < _grey(wide), None
    grown = max(1, round(0.1 * height))
    judged = cv2.dilate(region, np.ones((2 * grown + 1, 2 * grown + 1), np.uint8))
    difference, darker = _choose(strip, region, height, wide, judged)
    if _share_left(difference, region) <= MOST_INK:
        return difference, darker, None
    edge = _ring(region, max(1, round(EDGE_DEPTH * height)))
    if _share_left(difference, edge) > MOST_EDGE:
        around = cv2.medianBlur(from_nearest(strip, edge), min(int(height), WIDEST) | 1)
        again, sign = _choose(strip, region, height, around, judged + EDGE_WEIGHT * edge)
        if _share_left(again, edge) < LEFT_EDGE:
            return again, sign, edge
    return difference, darker, None


def _lies_open(difference: Array, region: Array, height: float) -> bool:
    """Whether what is left unexplained of a region are strokes, with paper all around them."""
    reach = max(1, round(OPEN_RIM * height))
    rim = cv2.dilate(region, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)) - region
    if _share_left(difference, rim) > OPEN_SHARE[0] or _share_left(difference, region) > OPEN_SHARE[1]:
        return False
    wide = np.ones((max(3, int(OPEN_STROKE * height) | 1),) * 2, np.uint8)
    return not cv2.countNonZero(cv2.erode((difference > UNEXPLAINED).view(np.uint8) & region, wide))


def _choose(strip: Array, region: Array, height: float, first: Array, judged: Array) -> tuple[Array, Array]:
    """The difference from the guess that leaves the least unexplained at each place, and its side.

    ``first`` is a guess of the paper, beside the others; ``judged`` (H, W) uint8 says how much each pixel counts.
    """
    step, side = max(1, int(height // COARSE)), int(CHOICE_REACH * height) | 1
    # rough paper is no ink, beside strokes that wide
    seen = cv2.blur(strip, (step, step)) if step > 1 else strip
    chosen, grey = _largest(cv2.absdiff(strip, first)), _grey(strip)
    sign = grey < _grey(first)
    # farther than this from the region no guess is better than the first, so that no other is looked at there
    window = _around(judged, side // 2 + 1)
    judged, strip_there, grey = judged[window], strip[window], grey[window]
    best = _cost(chosen[window] if step == 1 else _largest(cv2.absdiff(seen, first))[window], judged, side)
    place = window if step == 1 else (slice(None), slice(None))
    coarse = np.ascontiguousarray(strip[::step, ::step])
    for guess, demand in _other_guesses(coarse, region[::step, ::step], height / step, place):
        there = _enlarge(guess, strip)[window]
        difference = _largest(cv2.absdiff(strip_there, there))
        cost = _cost(difference if step == 1 else _largest(cv2.absdiff(seen[window], there)), judged, side)
        better = (cost < demand * best - 0.01).view(np.uint8)
        # numpy's copyto takes twenty times as long
        cv2.copyTo(cost, better, best)
        cv2.copyTo(difference, better, chosen[window])
        cv2.copyTo((grey < _grey(there)).view(np.uint8), better, sign.view(np.uint8)[window])
    return chosen, sign


def _enlarge(guess: Array, strip: Array) -> Array:
    if guess.shape == strip.shape:
        return guess
    return cv2.resize(guess, strip.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def _ring(region: Array, depth: int) -> Array:
    """The pixels of a region ``depth`` px from its edge, as wide as one, (H, W) uint8 {0, 1}."""
    fringed = cv2.copyMakeBorder(region, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)  # a strip's end is an edge too
    inner = cv2.erode(fringed, np.ones((3, 3), np.uint8), iterations=depth)
    return np.ascontiguousarray((inner - cv2.erode(inner, np.ones((3, 3), np.uint8)))[1:-1, 1:-1])


def _share_left(difference: Array, where: Array) -> float:
    """The share of the pixels ``where`` (H, W) uint8 is 1 that a guess leaves unexplained."""
    left = cv2.countNonZero((difference > UNEXPLAINED).view(np.uint8) & where)
    return float(left) / max(cv2.countNonZero(where), 1)


def _around(mask: Array, reach: int) -> tuple[slice, slice]:
    """The window of ``mask`` (H, W) that holds all that is set, and ``reach`` px around it."""
    x, y, width, height = cv2.boundingRect(mask)
    return slice(max(y - reach, 0), y + height + reach), slice(max(x - reach, 0), x + width + reach)


def _cost(difference: Array, judged: Array, side: int) -> Array:
    """How much of what is ``judged`` (H, W) {0, 1} a guess leaves unexplained around each pixel, (H, W) float32."""
    return cv2.blur(judged * cv2.LUT(difference, _LEFT), (side, side), borderType=cv2.BORDER_CONSTANT)


def _left_unexplained() -> Array:
    """What a pixel counts that differs so much from a guess, (256,) float32."""
    difference = np.arange(256)
    near = np.minimum(difference, UNEXPLAINED).astype(np.float32) / UNEXPLAINED
    return (difference > UNEXPLAINED) + TIE_SHARE * near


_LEFT = _left_unexplained()


def _other_guesses(
    strip: Array, region: Array, height: float, window: tuple[slice, slice]
) -> Iterator[tuple[Array, float]]:
    """Guesses of the paper, each the strip's size, and what they must beat: so much of the cost of what is best so far.

    What they say outside the ``window`` is of no use.
    """
    rows = np.flatnonzero(region.any(axis=1))
    columns = np.flatnonzero(region.any(axis=0))
    top, bottom = max(int(rows[0]) - 1, 0), min(int(rows[-1]) + 2, region.shape[0])
    left, right = max(int(columns[0]) - 1, 0), min(int(columns[-1]) + 2, region.shape[1])
    near = _local_median(strip[top:bottom, left:right], NEAR_REACH * height)
    borders = (top, region.shape[0] - bottom, left, region.shape[1] - right)
    yield cv2.copyMakeBorder(near, *borders, cv2.BORDER_REPLICATE), 0.9
    filled = _without_strokes(strip, height, window)
    if filled is not None:
        yield filled, 0.9
    yield _band_median(strip, height), 0.7


def _local_median(image: Array, side: float) -> Array:
    """Median over squares of ``side`` px, on a coarser grid where the squares are large."""
    step = max(1, int(side // 16))
    coarse = np.ascontiguousarray(image[::step, ::step])
    reach = max(1, int(side / step) // 2)
    fringed = cv2.copyMakeBorder(coarse, reach, reach, reach, reach, cv2.BORDER_REFLECT_101)
    median = cv2.medianBlur(fringed, 2 * reach + 1)[reach:-reach, reach:-reach]
    return cv2.resize(median, image.shape[1::-1], interpolation=cv2.INTER_LINEAR) if step > 1 else median


def _band_median(image: Array, height: float) -> Array:
    """Median over low, wide rectangles: right where a line of text runs along a narrow band of colour."""
    squeezed = np.ascontiguousarray(image[:, ::BAND_RATIO])
    median = cv2.medianBlur(squeezed, max(3, int(BAND_REACH * height) | 1))
    return cv2.resize(median, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)


def _without_strokes(strip: Array, height: float, window: tuple[slice, slice]) -> Array | None:
    """The strip with all that is as narrow as a stroke, dark or light, replaced from the nearest wide place.

    Only in the ``window``, as it takes long.
    """
    side = int(STROKE_LIMIT * height) | 1
    square = np.ones((side, side), np.uint8)
    closed = cv2.morphologyEx(strip, cv2.MORPH_CLOSE, square)
    opened = cv2.morphologyEx(strip, cv2.MORPH_OPEN, square)
    narrow = _largest(cv2.max(closed - strip, strip - opened))
    grain = percentile_level(count_levels(np.ascontiguousarray(narrow[::2, ::2])), 20)
    limit = int(min(max(20.0, 1.5 * grain), MOST_GRAIN))
    known = (cv2.dilate((narrow > limit).view(np.uint8), np.ones((3, 3), np.uint8)) == 0).view(np.uint8)
    if cv2.countNonZero(known) / known.size < 0.02:
        return None
    fringed = tuple(
        slice(max((part.start or 0) - SMOOTH, 0), None if part.stop is None else part.stop + SMOOTH) for part in window
    )
    result = np.empty_like(strip)
    result[fringed] = cv2.medianBlur(from_nearest(strip, known, fringed), SMOOTH)
    return result


def from_nearest(image: Array, known: Array, window: tuple[slice, ...] = ()) -> Array:
    """``image`` with every pixel where ``known`` (H, W) uint8 is 0 replaced by the nearest pixel where it is 1.

    Of a ``window`` (rows, columns), if one is given, else all of it.
    """
    _, label = cv2.distanceTransformWithLabels(1 - known, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    places = np.flatnonzero(known)
    pixels = image.reshape(known.size, -1)
    by_label = np.empty((int(label.max()) + 1, pixels.shape[1]), image.dtype)
    by_label[0] = pixels[0]  # the label of all where nothing is known
    by_label[np.take(label, places)] = np.take(pixels, places, axis=0)
    wanted = label[window]
    return np.take(by_label, wanted.ravel(), axis=0).reshape(*wanted.shape, *image.shape[2:])


def _largest(image: Array) -> Array:
    if image.ndim == 2:
        return image
    first, second, third = cv2.split(image)  # OpenCV copies a view of one channel more slowly
    return cv2.max(cv2.max(first, second), third)


def _grey(image: Array) -> Array:
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
