"""Check boxes that a letter touches, or of which the network takes a side for one: told by the paper that they enclose.

Such a box is no shape of its own in any mask. Its inside is one, and square; the insides of letters are smaller, or
round, and stand between others. (The network says little of 口.)
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from detectors.strokes.boxes import not_beside_higher, not_between
from detectors.strokes.feet import without_feet
from detectors.strokes.syllables import without_vowels
from pipeline.masks import grow
from pipeline.types import Array

INSIDES = 16, 80  # px: the sides of the paper in a check box
SQUARENESS = 1.25  # the longer side over the shorter, at most
FULL = 0.9  # of its inside is paper, or marks that do not touch it; and of it all ...
EMPTY = 0.95  # ... so much is paper
CORNER = 0.07  # of the shorter side: so far within each corner there is paper; within two of a D's there is none
CLOSED = 0.5  # of each layer of pixels around the inside is dark, as long as it belongs to the frame, ...
THICK = 0.15  # ... which is no thicker than so much of the shorter side
PARTLY = 0.3  # of the frame's pixels the network may be sure: one side of four, and some
RIM = 1  # px around a frame that belong to it: it was scanned


def enclosing_frames(dark: Array, seen: Array) -> Array:
    """The frames of empty check boxes among ``dark`` marks (H, W) bool, as far as they are dark, (H, W) bool.

    ``seen`` (H, W) bool is what is surely ink to the stroke network.
    """
    frames = np.zeros(dark.shape, bool)
    for x, y, inside in _square_holes(dark):
        reach = max(round(THICK * min(inside.shape)), 2)
        margin = reach + 2 * RIM
        top, left = max(y - margin, 0), max(x - margin, 0)
        window = np.s_[top : y + inside.shape[0] + margin, left : x + inside.shape[1] + margin]
        marks, placed = dark[window], np.zeros(dark[window].shape, bool)
        placed[y - top : y - top + inside.shape[0], x - left : x - left + inside.shape[1]] = inside
        frame = _frame_around(placed, marks, reach)
        touched = (grow(frame, RIM) & marks & ~frame & ~placed).any()
        share = float(seen[window][frame].mean()) if frame.any() else 1.0
        # of one that nothing touches and the network sees nothing of, ``boxes`` tells whether it is a box
        if share <= PARTLY and (touched or share > 0):
            frames[window] |= frame | (grow(frame, RIM) & ~grow(marks & ~frame, RIM))
    return without_vowels(without_feet(not_beside_higher(not_between(frames, dark), dark), dark), dark)


def _square_holes(dark: Array) -> Iterator[tuple[int, int, Array]]:
    """(x, y, (H, W) bool) of what is enclosed by dark marks and has the shape of a check box's inside."""
    shapes, tree = cv2.findContours(dark.view(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if tree is None:
        return
    for number in np.flatnonzero(tree[0, :, 3] >= 0):
        outline = shapes[number]  # on the dark pixels around it
        x, y, width, height = cv2.boundingRect(outline)
        if not INSIDES[0] < min(width, height) <= max(width, height) < 1.5 * INSIDES[1]:  # fitting boxes takes long
            continue
        if _is_box(outline):
            inside = np.zeros((height, width), np.uint8)
            cv2.drawContours(inside, [outline - (x, y)], -1, 1, cv2.FILLED)
            cv2.drawContours(inside, [outline - (x, y)], -1, 0, 1)
            marks = np.count_nonzero(dark[y : y + height, x : x + width] & (inside > 0))
            if marks <= (1 - EMPTY) * np.count_nonzero(inside):
                yield x, y, inside.view(bool)


def _is_box(outline: Array) -> bool:
    """Whether an outline (N, 1, 2) is a rectangle's, of a check box's size: with all its corners, unlike a D's."""
    rectangle = cv2.minAreaRect(outline)
    shorter, longer = sorted(rectangle[1])
    if not INSIDES[0] < shorter <= longer < min(INSIDES[1], SQUARENESS * shorter):
        return False
    depth = max(CORNER * shorter, 1.5)
    if cv2.contourArea(outline) < FULL * shorter * longer:  # a letter within touches it
        return False
    corners = cv2.boxPoints((rectangle[0], tuple(side - 2 * depth for side in rectangle[1]), rectangle[2]))
    return all(cv2.pointPolygonTest(outline, (float(x), float(y)), False) >= 0 for x, y in corners)


def _frame_around(inside: Array, dark: Array, reach: int) -> Array:
    """The ``dark`` pixels (H, W) bool of the frame around what is ``inside``, (H, W) bool; none if it is too thick."""
    outside = (~inside).view(np.uint8)
    away = np.ceil(cv2.distanceTransform(outside, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)).astype(int)
    layers, of_dark = (np.bincount(away[where], minlength=reach + 2) for where in (~inside, dark))
    ends = np.flatnonzero(of_dark[1 : reach + 2] < CLOSED * np.maximum(layers[1 : reach + 2], 1))
    if not len(ends):
        return np.zeros(dark.shape, bool)
    kernel = np.ones((2 * int(ends[0]) + 1,) * 2, np.uint8)  # corners are further away than sides
    return dark & (cv2.erode(outside, kernel) == 0) & ~inside
