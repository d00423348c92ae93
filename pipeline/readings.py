"""What a region of text says, and where along it each character stands.

A region has a *run*: the direction in which its text is laid out, left to right for a wide region, top to bottom for
one that is at least 1.5 times as high as wide (PaddleOCR's rule for what is turned before it is read). Places along
the run are shares of it: 0 where the region begins, 1 where it ends.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from functools import cached_property

import cv2
import numpy as np

from pipeline.types import Array

# PaddleOCR turns what is so many times as high as wide (paddlex CropByPolys.get_rotate_crop_image)
_TALL = 1.5
# What check boxes, frames, bits of rules and windows are read as
BOX_LIKE = frozenset("口囗回日曰田目品国园四凸凹一二三丨亅」「□■▢○●◯〇0OoD1lI|/\\-—–_=~.,·:;'\"`^*+<>()[]{}")
# Two readings say the same when they share so many characters, and so large a part of the first: traces of 0.45 to 0.95
# of what stood there are legible to people, too; grain and rules where text stood share 0.1 with it, rarely 0.2
LEAST_SHARED, SHARED_PART = 3, 0.3
_RUN = 2  # characters in a row; single ones agree by chance
_IDEOGRAPHS = "\u2e80"  # and beyond: each says as much as some letters
_BOX_LIKE = frozenset("".join(BOX_LIKE).casefold())


@dataclass(frozen=True, eq=False)
class Reading:
    """The text of one region. ``score`` is the mean confidence in [0, 1]; 0 when nothing was read.

    For each character of ``text``: ``spans`` (n, 2) float32 is its extent along the region's run, (low, high) with
    0 <= low <= high <= 1, and ``scores`` (n,) float32 its confidence in [0, 1]. Text that runs against the run
    (upwards, or upside down) has spans that fall from character to character.
    """

    text: str
    score: float
    spans: Array
    scores: Array

    def __post_init__(self) -> None:
        count = len(self.text)
        if self.spans.shape != (count, 2) or self.spans.dtype != np.float32:
            raise ValueError(f"{count} characters have spans {self.spans.shape} {self.spans.dtype}")
        if self.scores.shape != (count,) or self.scores.dtype != np.float32:
            raise ValueError(f"{count} characters have scores {self.scores.shape} {self.scores.dtype}")
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"score {self.score} is outside [0, 1]")
        low, high = self.spans[:, 0], self.spans[:, 1]
        if not ((low >= 0).all() and (low <= high).all() and (high <= 1).all()):
            raise ValueError("a span is 0 <= low <= high <= 1")

    @cached_property
    def falls(self) -> bool:
        """Whether the text runs from the region's end to its beginning."""
        return bool(len(self.text) > 1 and self.spans[0, 0] > self.spans[-1, 0])


NOTHING_READ = Reading("", 0.0, np.zeros((0, 2), np.float32), np.zeros(0, np.float32))


def says_the_same(before: Reading, after: Reading) -> bool:
    """Whether a reading tells, in part, what another one told, in whatever case.

    Characters that boxes and bubbles are read as count as far as there are as many others beside them: rows of circles
    read as "0000" before and after. Of two ideographs, a name, both must be told.
    """
    first, second = ("".join(c for c in one.text.casefold() if c.isalnum()) for one in (before, after))
    matcher = difflib.SequenceMatcher(None, first, second, autojunk=False)
    runs = [first[m.a : m.a + m.size] for m in matcher.get_matching_blocks() if m.size >= _RUN]
    shared, all_ = _weight("".join(runs)), _weight(first)
    least = 2 if first and min(first) >= _IDEOGRAPHS else LEAST_SHARED
    return shared >= least and shared >= SHARED_PART * all_


def _weight(text: str) -> int:
    others = sum(c not in _BOX_LIKE for c in text)
    return others + min(others, len(text) - others)


def part_of(reading: Reading, low: float, high: float) -> Reading:
    """What a reading says between two places along the region's run: characters whose middles lie there."""
    middles = reading.spans.mean(axis=1)
    within = (middles >= low) & (middles <= high)
    text = "".join(c for c, there in zip(reading.text, within, strict=True) if there)
    return Reading(text, reading.score, reading.spans[within], reading.scores[within])


def run_corners(polygon: Array) -> Array:
    """Return a region's four corners, (4, 2) float32: where its text begins at the top, ends at the top, ends at the
    bottom, begins at the bottom; top and bottom as the letters stand.

    ``polygon`` is (N >= 3, 2). A convex quadrilateral keeps its corners, anything else gets those of the smallest
    rectangle around it.
    """
    points = np.asarray(polygon, np.float32)
    if len(points) != 4 or not cv2.isContourConvex(points.reshape(-1, 1, 2)):
        points = cv2.boxPoints(cv2.minAreaRect(points.reshape(-1, 1, 2)))
    if _turns_left(points):
        points = points[::-1]
    sides = np.roll(points, -1, axis=0) - points
    first = int(np.argmax(sides[:, 0]))  # the side that leads most to the right is the top
    length, height = _mean_length(sides, first), _mean_length(sides, first + 1)
    if height >= _TALL * length:
        first = int(np.argmax(sides[:, 1]))  # letters turned clockwise: their top is the side that leads down
    return np.roll(points, -first, axis=0).astype(np.float32)


def run_size(corners: Array) -> tuple[float, float]:
    """Return (length along the run, height across it) in pixels, of ``run_corners``' four corners; 1 at least."""
    sides = np.roll(corners, -1, axis=0) - corners
    lengths = np.hypot(sides[:, 0], sides[:, 1])
    return max(1.0, float(lengths[[0, 2]].max())), max(1.0, float(lengths[[1, 3]].max()))


def cut_run(corners: Array, low: float, high: float) -> Array:
    """Return the part of a region between two places along its run, (4, 2) float32 in the order of ``corners``.

    ``corners`` are those of ``run_corners``; 0 <= low < high <= 1. The places are those of an upright crop of the
    region, so for a region seen in perspective they follow the perspective.
    """
    square = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    wanted = np.array([[(low, 0), (high, 0), (high, 1), (low, 1)]], np.float32)
    sides = np.roll(corners, -1, axis=0) - corners
    if np.allclose(sides[0], -sides[2], atol=0.01):  # a parallelogram, as most are: exact, and safe when degenerate
        return (corners[0] + wanted[0, :, :1] * sides[0] + wanted[0, :, 1:] * (corners[3] - corners[0])).astype(
            np.float32
        )
    return cv2.perspectiveTransform(wanted, cv2.getPerspectiveTransform(square, corners.astype(np.float32)))[0]


def cut_across(corners: Array, share: float) -> tuple[Array, Array]:
    """Return a region's upper and lower part, (4, 2) float32 each, cut along its run at a share of its height."""
    before, after = corners[[0, 1]], corners[[3, 2]]
    cut = before + share * (after - before)
    upper, lower = (corners[0], corners[1], cut[1], cut[0]), (cut[0], cut[1], corners[2], corners[3])
    return np.array(upper, np.float32), np.array(lower, np.float32)


def _turns_left(points: Array) -> bool:
    """Whether the corners go round against the clock, as seen on the page."""
    following = np.roll(points, -1, axis=0)
    return float((points[:, 0] * following[:, 1] - following[:, 0] * points[:, 1]).sum()) < 0


def _mean_length(sides: Array, first: int) -> float:
    pair = sides[[first % 4, (first + 2) % 4]]
    return math.fsum(np.hypot(pair[:, 0], pair[:, 1]).tolist()) / 2
