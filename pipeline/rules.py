"""Rules, frames and check boxes among the ink of a strip: what must stay when the text goes.

Works on the difference from the paper, (H, W) uint8, of a line of text laid level. ``height`` is the text's height.
"""

from __future__ import annotations

import cv2
import numpy as np
from scipy.ndimage import median_filter

from pipeline.levels import count_levels, median_level
from pipeline.types import Array

LENGTH_ALONG = 2.5  # a rule along the text is at least this long, in text heights
LENGTH_ACROSS = 1.4  # and one across it this long: longer than any letter
SHORTEST = 12  # px
SHORTEST_ALONG = 36  # px: small type runs together into short lines of its own
STEP = 20  # px: a rule that slopes a little is drawn in level pieces of this length and more
THICKNESS = 0.25  # no rule is thicker than this, in text heights ...
THINNEST = 3  # ... or this, in px
FLOOR = 0.5  # nowhere along a rule is less ink than this share of the ink at a place on it
UNBROKEN = 0.8  # a rule goes on under what crosses it, but what crosses it leaves this share of its length free
CROSSED = 2.0  # what differs from the paper this many times more than a rule ...
CROSSED_LEAST = 20  # ... and this many grey levels more, is no part of it but a stroke across it ...
CROSSING = 0.8  # ... unless it goes on along it for this share of the length that makes a rule
EVENED = 2.0  # text heights over which the edges of a rule are evened out: more than two strokes side by side
CLEAR = 0.65  # a rule has paper on both sides for this share of its length
SMALL = 1.2  # a frame smaller than this, in text heights, must be empty and square: D and U+56FD are letters
HOLE = 0.55  # a rectangular hole of at least this side, in text heights, is the inside of a frame


def rule_mask(difference: Array, threshold: float, height: float) -> Array:
    """Where straight rules and rectangular frames run, (H, W) bool.

    ``difference`` is that of one side, darker or lighter than the paper, and 0 elsewhere; ``threshold`` the
    difference from which a pixel counts as ink, in grey levels.
    """
    # a level above a broken limit is one above its whole part, and comparing uint8 with an int is ten times as fast
    ink = (difference > int(threshold)).view(np.uint8)
    if cv2.countNonZero(ink) < SHORTEST:
        return np.zeros(ink.shape, bool)
    found = _frames(difference, ink, height)
    along = max(int(LENGTH_ALONG * height), SHORTEST_ALONG)
    across = max(int(LENGTH_ACROSS * height), SHORTEST)
    found |= _level_rules(difference, ink, threshold, height, along)
    return found | _level_rules(difference.T.copy(), ink.T.copy(), threshold, height, across).T


def _level_rules(difference: Array, ink: Array, threshold: float, height: float, reach: int) -> Array:
    """Rules of at least ``reach`` px that run along the rows, with a slope of a pixel or two over that length."""
    found = np.zeros(ink.shape, bool)
    if reach >= ink.shape[1]:
        return found
    tolerant = cv2.dilate(difference, np.ones((3, 1), np.uint8))
    least = cv2.morphologyEx(tolerant, cv2.MORPH_OPEN, np.ones((1, reach), np.uint8))
    limits = np.maximum(threshold, FLOOR * np.arange(256)).astype(np.uint8)
    run = ink & (least > cv2.LUT(difference, limits))
    if not cv2.countNonZero(run):
        return found
    thickest = max(THICKNESS * height, THINNEST)
    short = np.ones((1, min(max(3, int(0.6 * height)), STEP)), np.uint8)
    level = cv2.morphologyEx(ink, cv2.MORPH_OPEN, short)
    whole = cv2.morphologyEx(run, cv2.MORPH_CLOSE, short) & level
    count, label, boxes, _ = cv2.connectedComponentsWithStats(whole, connectivity=8)
    tint = _tint(run, (label, boxes), least, (thickest, reach))
    if tint is not None:
        run &= ~tint
        whole = cv2.morphologyEx(run, cv2.MORPH_CLOSE, short) & level
        count, label, boxes, _ = cv2.connectedComponentsWithStats(whole, connectivity=8)
    edge = max(1, round(0.03 * height))  # a slope leaves parts of the edges out
    for index in range(1, count):
        x, y, width, tall, area = boxes[index].tolist()
        if width < 0.9 * reach or area > width * thickest:
            continue
        body = label[y : y + tall, x : x + width] == index
        if (run[y : y + tall, x : x + width].view(bool) & body).any(axis=0).mean() < UNBROKEN:
            continue
        if not _is_rule(difference, body, (x, y), height):
            continue
        place = (slice(max(y - edge, 0), y + tall + edge), slice(x, x + width))
        grown = label[place] == index
        sides = np.ones((2 * edge + 1, 1), np.uint8)
        crossed = cv2.dilate(_crossings(difference[place], grown, reach), sides) > 0
        grown = (cv2.dilate(grown.view(np.uint8), sides) & level[place]) > 0
        found[place] |= _even(grown, height) & ~crossed
    return found


def _tint(run: Array, joined: tuple[Array, Array], least: Array, limits: tuple[float, int]) -> Array | None:
    """Tinted rows along a stronger line, which make a piece too thick for a rule, (H, W) uint8; None where none can be.

    ``run`` is what may be rules, (H, W) uint8, and ``joined`` the pieces of the same with its gaps closed, their labels
    (H, W) and OpenCV's statistics; ``least`` (H, W) is the least difference from the paper along the line through a
    pixel; ``limits`` are a rule's thickness and length. A tint is solid: what is weak only between the strokes of
    letters is none.
    """
    (label, boxes), (thickest, reach) = joined, limits
    thick = boxes[:, cv2.CC_STAT_AREA] > boxes[:, cv2.CC_STAT_WIDTH] * thickest
    thick[0] = False
    if not thick.any():
        return None
    weak = np.zeros_like(run)
    for index in np.flatnonzero(thick):
        x, y, width, tall, _ = boxes[index].tolist()
        place = (slice(y, y + tall), slice(x, x + width))
        own = label[place] == index
        weakest = FLOOR * int(least[place][own].max())
        weak[place] |= run[place] & own & (least[place] <= int(weakest))
    solid = cv2.morphologyEx(weak, cv2.MORPH_OPEN, np.ones((int(thickest) + 1, reach // 4), np.uint8))
    tinted = np.zeros(len(boxes), bool)
    tinted[label[solid > 0]] = True
    return weak & np.take(tinted, label)


def _even(body: Array, height: float) -> Array:
    """A rule, (H, W) bool, without the bumps that strokes touching it leave on its edges."""
    tall, width = body.shape
    if not body.any():
        return body
    reach = min(int(EVENED * height) | 1, width - 1 | 1)
    top = _median_along(body.argmax(axis=0), reach)
    bottom = _median_along(tall - 1 - body[::-1].argmax(axis=0), reach)
    rows = np.arange(tall)[:, None]
    return body & (rows >= top) & (rows <= bottom)


def _median_along(values: Array, side: int) -> Array:
    """The median over ``side`` of the values (W,) int around each, the first and the last repeated; ``side`` is odd."""
    if max(int(values.max()), side) > 255:  # more than OpenCV's median takes
        return np.asarray(median_filter(values, side, mode="nearest"))
    # in an image of one row, whose edges are repeated, too, every value counts ``side`` times
    return cv2.medianBlur(values.astype(np.uint8)[None], side)[0]


def _crossings(difference: Array, body: Array, reach: int) -> Array:
    """Where strokes far darker than a rule cross or touch it: text that must go with the rest. (H, W) uint8 {0, 1}."""
    level = median_level(count_levels(difference, body))
    over = (difference > int(CROSSED * level + CROSSED_LEAST)).view(np.uint8)
    long = cv2.morphologyEx(over, cv2.MORPH_OPEN, np.ones((1, round(CROSSING * reach)), np.uint8))
    return over & ~long


def _is_rule(difference: Array, body: Array, corner: tuple[int, int], height: float) -> bool:
    x, y = corner
    level = median_level(count_levels(difference[y : y + body.shape[0], x : x + body.shape[1]], body))
    columns = np.flatnonzero(body.any(axis=0))
    top = y + body[:, columns].argmax(axis=0)
    bottom = y + body.shape[0] - 1 - body[::-1, columns].argmax(axis=0)
    last = difference.shape[0] - 1
    steps = np.arange(2, 3 + max(2, round(0.1 * height)))[:, None]
    above = difference[np.maximum(top - steps, 0), x + columns].min(axis=0)
    below = difference[np.minimum(bottom + steps, last), x + columns].min(axis=0)
    clear = sorted((float((above < 0.5 * level).mean()), float((below < 0.5 * level).mean())))
    if clear[0] >= CLEAR:
        return True
    along = np.array([difference[t : b + 1, x + c].max() for t, b, c in zip(top, bottom, columns, strict=True)])
    even = float(np.percentile(along, 5) / max(np.percentile(along, 95), 1))
    return clear[1] >= 0.85 and even >= 0.75


def _frames(difference: Array, ink: Array, height: float) -> Array:
    """The outlines of rectangular holes too large to be inside a letter: empty check boxes, cells, boxed labels."""
    found = np.zeros(ink.shape, bool)
    contours, tree = cv2.findContours(ink, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if tree is None:
        return found
    side = HOLE * height
    for hole in np.flatnonzero(tree[0, :, 3] >= 0).tolist():  # what has a parent is one
        x, y, width, tall = cv2.boundingRect(contours[hole])
        if min(width, tall) < side:
            continue
        inside = ink[y + 1 : y + tall - 1, x + 1 : x + width - 1]
        if max(width, tall) < SMALL * height and float(inside.mean()) > 0.05:
            continue
        thick = max(2, round(0.12 * height))
        top, left = max(y + 1 - thick, 0), max(x + 1 - thick, 0)
        place = (slice(top, y + tall - 1 + thick), slice(left, x + width - 1 + thick))
        ring = _ring(ink[place] > 0, (y + 1 - top, x + 1 - left), (tall - 2, width - 2), height)
        part = difference[place]
        # a cell of pale squared paper: what is far darker was written over it
        found[place] |= ring & (part <= int(CROSSED * median_level(count_levels(part, ring)) + CROSSED_LEAST))
    return found


def _ring(ink: Array, corner: tuple[int, int], size: tuple[int, int], height: float) -> Array:
    """The ink, (H, W) bool, of the four sides around a hole at ``corner`` (y, x) of ``size`` (tall, wide)."""
    (top, left), (tall, wide) = corner, size
    ring = np.zeros(ink.shape, bool)
    ring[:top] |= _even(ink[:top], height)
    ring[top + tall :] |= _even(ink[top + tall :], height)
    ring[:, :left] |= _even(ink[:, :left].T, height).T
    ring[:, left + wide :] |= _even(ink[:, left + wide :].T, height).T
    return ring
