"""What the paper behind a line of text looks like: guesses, and the choice among them, place by place.

All works on a strip: a line of text laid level, with some context around it. Sizes scale with ``height``, the text's
height in pixels. Images are (H, W, 3) uint8 RGB, or (H, W) uint8 where a page has no colour.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.types import Array

UNEXPLAINED = 24  # grey levels: a pixel farther from the paper than this is not explained by it
TIE_SHARE = 0.15  # what a pixel that is explained badly, but explained, counts: decides between like guesses
COARSE = 40  # text higher than twice this many px is looked at on a coarser grid
WIDE_REACH = 2.5  # side of the median over the whole strip, in text heights
NEAR_REACH = 1.5  # side of the median that sees the region only
BAND_REACH = 0.4  # height of the rectangles of the band median
BAND_RATIO = 8  # and how many times wider than high they are
STROKE_LIMIT = 0.45  # what is narrower than this, in text heights, may be a stroke
MOST_GRAIN = 64.0  # grey levels: no paper is rougher; dense bold type is, and must not pass for it
MOST_EDGE = 0.6  # a region has paper along its edge: where more of that is unexplained ...
MOST_INK = 0.5  # ... and more than this of it all, the paper was guessed wrong (frames run along edges, too)
LEFT_EDGE = 0.4  # what a better guess may leave of the edge
EDGE_DEPTH = 0.06  # text heights from a region's outline to what is taken for its edge
WIDEST = 61  # px, side of the median over the edge
EDGE_WEIGHT = 4.0  # what the edge counts then, beside the rest
CHOICE_REACH = 1.5  # side of the square over which guesses are compared


def paper_difference(strip: Array, region: Array, height: float) -> tuple[Array, Array, Array | None]:
    """How far each pixel of a strip is from the paper, and to which side.

    ``region`` (H, W) uint8 {0, 1} is where text was found. Three guesses of the paper compete: a median over the whole
    strip (right for text on open paper), a median over the region alone (right for text in a box of its own colour) and
    the strip without anything as narrow as a stroke (right along edges). At each place the guess wins that leaves
    the fewest pixels of the region unexplained. Returns (difference (H, W) uint8, the largest over the channels;
    darker (H, W) bool, where the pixel is darker than the paper).
    """
    grown = max(1, round(0.1 * height))
    judged = cv2.dilate(region, np.ones((2 * grown + 1, 2 * grown + 1), np.uint8)).astype(np.float32)
    step = max(1, int(height // COARSE))
    coarse = np.ascontiguousarray(strip[::step, ::step])
    guesses = _guesses(coarse, region[::step, ::step], height / step)
    if step > 1:
        guesses = [(cv2.resize(guess, strip.shape[1::-1], interpolation=cv2.INTER_LINEAR), d) for guess, d in guesses]
    difference, darker = _choose(strip, guesses, judged, height)
    if _share_above(difference, region) <= MOST_INK:
        return difference, darker, None
    edge = _ring(region, max(1, round(EDGE_DEPTH * height)))
    if _share_above(difference, edge) > MOST_EDGE:
        around = (cv2.medianBlur(from_nearest(strip, edge), min(int(height), WIDEST) | 1), 1.0)
        again, sign = _choose(strip, [around, *guesses], judged + EDGE_WEIGHT * edge, height)
        if _share_above(again, edge) < LEFT_EDGE:
            return again, sign, edge
    return difference, darker, None


def _ring(region: Array, depth: int) -> Array:
    """The pixels of a region ``depth`` px from its edge, as wide as one, (H, W) uint8 {0, 1}."""
    fringed = cv2.copyMakeBorder(region, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)  # a strip's end is an edge too
    inner = cv2.erode(fringed, np.ones((3, 3), np.uint8), iterations=depth)
    return np.ascontiguousarray((inner - cv2.erode(inner, np.ones((3, 3), np.uint8)))[1:-1, 1:-1])


def _share_above(difference: Array, where: Array) -> float:
    """The share of the pixels ``where`` (H, W) uint8 is 1 that are not explained."""
    return float(np.count_nonzero(difference[where > 0] > UNEXPLAINED)) / max(int(np.count_nonzero(where)), 1)


def _choose(strip: Array, guesses: list[tuple[Array, float]], judged: Array, height: float) -> tuple[Array, Array]:
    """The difference from the guess that leaves the least unexplained at each place, and its side.

    ``judged`` (H, W) float32 says how much each pixel counts.
    """
    side = int(CHOICE_REACH * height) | 1
    step = max(1, int(height // COARSE))
    seen = cv2.blur(strip, (step, step)) if step > 1 else strip  # rough paper is no ink, beside strokes that wide
    best: Array | None = None
    for guess, demand in guesses:
        difference = _largest(cv2.absdiff(seen, guess))
        darker = _grey(strip) < _grey(guess)
        near = np.minimum(difference, UNEXPLAINED).astype(np.float32) / UNEXPLAINED
        left = judged * ((difference > UNEXPLAINED) + TIE_SHARE * near)
        cost = cv2.blur(left, (side, side), borderType=cv2.BORDER_CONSTANT)
        difference = difference if seen is strip else _largest(cv2.absdiff(strip, guess))
        if best is None:
            best, chosen, sign = cost, difference, darker
            continue
        better = cost < demand * best - 0.01
        np.copyto(best, cost, where=better)
        np.copyto(chosen, difference, where=better)
        np.copyto(sign, darker, where=better)
    return chosen, sign


def _guesses(strip: Array, region: Array, height: float) -> list[tuple[Array, float]]:
    rows = np.flatnonzero(region.any(axis=1))
    columns = np.flatnonzero(region.any(axis=0))
    top, bottom = max(int(rows[0]) - 1, 0), min(int(rows[-1]) + 2, region.shape[0])
    left, right = max(int(columns[0]) - 1, 0), min(int(columns[-1]) + 2, region.shape[1])
    near = _local_median(strip[top:bottom, left:right], NEAR_REACH * height)
    borders = (top, region.shape[0] - bottom, left, region.shape[1] - right)
    filled = _without_strokes(strip, height)
    guesses = [
        (_local_median(strip, WIDE_REACH * height), 1.0),
        (cv2.copyMakeBorder(near, *borders, cv2.BORDER_REPLICATE), 0.9),
        (filled, 0.9),
        (_band_median(strip, height), 0.7),
    ]
    return [(guess, demand) for guess, demand in guesses if guess is not None]


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


def _without_strokes(strip: Array, height: float) -> Array | None:
    """The strip with all that is as narrow as a stroke, dark or light, replaced from the nearest wide place."""
    side = int(STROKE_LIMIT * height) | 1
    square = np.ones((side, side), np.uint8)
    closed = cv2.morphologyEx(strip, cv2.MORPH_CLOSE, square)
    opened = cv2.morphologyEx(strip, cv2.MORPH_OPEN, square)
    narrow = _largest(cv2.max(closed - strip, strip - opened))
    limit = min(max(20.0, 1.5 * float(np.percentile(narrow[::2, ::2], 20))), MOST_GRAIN)
    known = (cv2.dilate((narrow > limit).astype(np.uint8), np.ones((3, 3), np.uint8)) == 0).astype(np.uint8)
    if known.mean() < 0.02:
        return None
    return cv2.medianBlur(from_nearest(strip, known), 7 if height > 14 else 5)


def from_nearest(image: Array, known: Array) -> Array:
    """``image`` with every pixel where ``known`` (H, W) uint8 is 0 replaced by the nearest pixel where it is 1."""
    _, label = cv2.distanceTransformWithLabels(1 - known, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    places = np.flatnonzero(known)
    source = np.zeros(int(label.max()) + 1, np.intp)
    source[label.ravel()[places]] = places
    return image.reshape(known.size, -1)[source[label.ravel()]].reshape(image.shape)


def _largest(image: Array) -> Array:
    return image if image.ndim == 2 else cv2.max(cv2.max(image[..., 0], image[..., 1]), image[..., 2])


def _grey(image: Array) -> Array:
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
