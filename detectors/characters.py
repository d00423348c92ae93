"""From the recognizer's time steps to characters: CTC decoding, and where each character stands in the line.

CTC says that a character was seen at a step, not how wide it is. Between the steps of two characters their border is
the gap with the least ink. Measured on clean lines in five fonts: off by 0.05 of the type's size in
the mean, by 0.2 at the 95th percentile, never by more than 0.6.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.readings import NOTHING_READ, Reading
from pipeline.types import Array

# A border is looked for in columns smoothed over so many pixels, so that it keeps away from strokes
_SMOOTH = 3
# Of gaps with as good as the least ink (in grey levels), the middle of the one nearest halfway is the border
_AS_GOOD = 4
# No line is lower, in pixels
_LEAST_LINE = 6


class Steps(NamedTuple):
    """The network's output, one entry a time step: the likeliest class, its probability, that of CTC's blank."""

    best: Array
    probability: Array
    blank: Array


def join_windows(windows: Sequence[tuple[int, Steps]], stride: int) -> Steps:
    """Return the steps of a whole line from those of overlapping windows, given with the column each begins at.

    Columns are multiples of ``stride``. Windows meet at the step of their overlap at which both are surest to see no
    character, the nearest to the overlap's middle of several.
    """
    joined = windows[0][1]
    for column, steps in windows[1:]:
        first = column // stride
        shared = len(joined.best) - first
        edge = shared // 4  # at its end a window sees cut characters
        both = joined.blank[first + edge : first + shared - edge] * steps.blank[edge : shared - edge]
        off_middle = np.abs(np.arange(len(both)) - (len(both) - 1) / 2) / max(1, len(both))
        seam = edge + int(np.argmax(both - 0.01 * off_middle))
        parts = [(a[: first + seam], b[seam:]) for a, b in zip(joined, steps, strict=True)]
        joined = Steps(*(np.concatenate(pair) for pair in parts))
    return joined


def decode_steps(steps: Steps, alphabet: Sequence[str], line: Array, stride: int) -> Reading:
    """Return what a line says. ``line`` is (48, W, 3) uint8, W at most ``stride`` times the steps.

    Greedy CTC: the best class of each step, repetitions joined, blanks (class 0) dropped. A character's score is the
    highest of its steps', the line's their mean.
    """
    change = np.flatnonzero(np.diff(steps.best, prepend=-1))
    begins, ends = change, np.append(change[1:], len(steps.best))
    seen = steps.best[begins] != 0
    begins, ends = begins[seen], ends[seen]
    if not len(begins):
        return NOTHING_READ
    text = "".join(alphabet[index] for index in steps.best[begins])
    scores = np.array([steps.probability[a:b].max() for a, b in zip(begins, ends, strict=True)], np.float32).clip(0, 1)
    width = line.shape[1]
    centres = ((begins + ends) / 2 * stride).clip(0, width)
    spans = np.sort((_borders(centres, line) / width).clip(0, 1).astype(np.float32), axis=0)
    spans = np.stack([spans[:-1], spans[1:]], axis=1)
    if len(text) != len(begins):  # an alphabet entry of several code points: each gets the whole extent
        lengths = [len(alphabet[index]) for index in steps.best[begins]]
        spans, scores = np.repeat(spans, lengths, axis=0), np.repeat(scores, lengths)
    return Reading(text, float(scores.mean()), spans, scores)


def _borders(centres: Array, line: Array) -> Array:
    """Where characters begin and end, in columns: one more than there are ``centres``."""
    ink = _ink(line)
    inner = [_least_ink(ink, left, right) for left, right in pairwise(centres)]
    # the first and the last character reach to the ends of the line, unless these are too far for one character
    height, width = line.shape[:2]
    before = 0.0 if centres[0] < height else centres[0] - height / 2
    after = float(width) if width - centres[-1] < height else centres[-1] + height / 2
    return np.array([before, *inner, after])


def _least_ink(ink: Array, left: float, right: float) -> float:
    low, high = round(left), max(round(left) + 1, round(right))
    between = ink[low : high + 1]
    if not len(between):
        return (left + right) / 2
    good = np.flatnonzero(between <= between.min() + _AS_GOOD)
    gaps = np.split(good, np.flatnonzero(np.diff(good) > 1) + 1)
    middles = [(gap[0] + gap[-1] + 1) / 2 for gap in gaps]
    return low + float(min(middles, key=lambda middle: abs(middle - len(between) / 2)))


def _ink(line: Array) -> Array:
    """How much ink stands in each column, (W,) float32: its pixels' mean distance from the paper, in grey levels."""
    grey = cv2.cvtColor(line, cv2.COLOR_RGB2GRAY)
    # text fills less than half of a line, so the middle grey is the paper's
    level = float(np.median(grey))
    far = np.abs(grey.astype(np.float32) - level).mean(axis=0)
    return cv2.blur(far[None], (_SMOOTH, 1))[0]


def rows_between_lines(crop: Array) -> list[float]:
    """Return where a crop of several lines may be cut in two, as shares of its height, the likeliest first.

    ``crop`` is (H, W, 3) uint8 RGB, text upright. At most two places, none near the edges; of a crop that holds one
    line they mean nothing.
    """
    height = crop.shape[0]
    if height < 2 * _LEAST_LINE:
        return []
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    far = np.abs(grey.astype(np.float32) - float(np.median(grey)))
    columns = far.mean(axis=0)
    text = far[:, columns <= 0.6 * far.max()]  # without the rules that run down
    rows = cv2.blur(text.mean(axis=1)[:, None], (1, 3))[:, 0] if text.size else columns[:0]
    low, high = max(_LEAST_LINE, round(0.2 * height)), min(height - _LEAST_LINE, round(0.8 * height))
    found: list[int] = []
    for row in sorted(range(low, min(high, len(rows))), key=lambda row: (float(rows[row]), abs(2 * row - height))):
        if all(abs(row - other) > 0.15 * height for other in found):
            found.append(row)
    return [(row + 0.5) / height for row in found[:2]]
