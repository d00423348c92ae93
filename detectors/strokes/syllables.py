"""What tells the Korean letter ㅁ from a check box: a syllable has a vowel, right beside its consonant or below it.

Without serifs ㅁ is a box. The vowel's bar is longer than it (마, 모), and so is that above a ㅁ that ends a syllable
(음), or there are two shapes above it, and one is a bar (임). Beside a check box there is a label, farther away, or
lower, or wider.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from detectors.strokes.pieces import Window, chosen_pieces
from pipeline.masks import grow
from pipeline.types import Array

NEAR = 0.5  # of the frame's longer side: so near to it a vowel is
LONGER = 1.08, 3.2  # times as long as the frame's side it runs along ...
SLACK = 0.1  # ... of which no more than so much reaches beyond it at either end
THICK = 0.65  # of its length: with its short strokes it is no broader


def without_vowels(frames: Array, shapes: Array) -> Array:
    """``frames`` (H, W) bool less those beside a vowel, among all ``shapes`` (H, W) bool."""
    return _choose(frames, shapes, lambda has_vowel: not has_vowel)


def with_vowels(frames: Array, shapes: Array) -> Array:
    """Those of the ``frames`` (H, W) bool that are Korean letters; see ``without_vowels``."""
    return _choose(frames, shapes, lambda has_vowel: has_vowel)


def _choose(frames: Array, shapes: Array, wanted: Callable[[bool], bool]) -> Array:
    others = shapes & ~grow(frames, 1) if frames.any() else shapes

    def is_wanted(window: Window, frame: Array) -> bool:
        return wanted(_has_vowel(frame, others[window]))

    return chosen_pieces(frames, LONGER[1], is_wanted)


def _has_vowel(frame: Array, others: Array) -> bool:
    """Whether there is a vowel right of a frame (H, W) bool, below it, or above it, among other shapes (H, W) bool."""
    x, y, width, height = cv2.boundingRect(frame.view(np.uint8))
    _, _, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(others).view(np.uint8), connectivity=8)
    left, top, wide, high = stats[1:, :4].T
    near = NEAR * max(width, height)

    def covers(start: Array, length: Array, low: int, side: int) -> Array:
        slack = SLACK * side
        long = (length >= LONGER[0] * side) & (length <= LONGER[1] * side)
        return long & (start <= low + slack) & (start + length >= low + side - slack)

    beside = covers(top, high, y, height) & (wide <= THICK * high) & (np.abs(left - x - width) <= near)
    level = covers(left, wide, x, width) & (high <= THICK * wide)
    below, above = np.abs(top - y - height) <= near, np.abs(y - top - high) <= near
    over = above & (np.minimum(left + wide, x + width) > np.maximum(left, x))
    upright = over & (high >= LONGER[0] * height) & (wide <= THICK * high)
    ends = np.count_nonzero(over) >= 2 and upright.any()
    return bool(ends or (beside | (level & (below | above))).any())
