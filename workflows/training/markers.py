"""Text markers: bands of a saturated colour along lines of text, and thick rings, through which print shows.

They stay on a page, and what is printed below them goes. What a marker covers is told by how much light it lets
through, (S, S, 3) float32 in [0, 1], by which a page is multiplied.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.types import Array
from workflows.training.colours import draw_vivid
from workflows.training.degrade import smooth_noise
from workflows.training.figures import Slot
from workflows.training.pens import ring_path

_LEAST_HEIGHT, _MOST_HEIGHT = 5, 80  # of a line of text, in px
_LEAST_SHARE = 1.2  # of its height, by which a piece of a line is long
_MOST_BANDS = 14
_RINGED, _WHOLE, _SAME_COLOUR, _OVERLAP, _STREAKY = 0.12, 0.4, 0.75, 0.3, 0.4
_POINT = 3  # bits after the point in the corners of bands


def draw_markers(ink: Array, rng: np.random.Generator) -> Array:
    """What markers over some of the text let through, (S, S, 3) float32 in [0, 1]; ``ink`` is (S, S) bool.

    Where there is no line of text, there is a ring at most. A band is about as high as its line, its letters stick out
    of it or not; its ends are straight, round or slanted.
    """
    through = np.ones((*ink.shape, 3), np.float32)
    lines = find_lines(ink, rng)
    count = len(lines) if rng.random() < _WHOLE else int(rng.integers(1, 5))
    start = int(rng.integers(0, max(len(lines) - count, 0) + 1))  # neighbours mostly: what belongs together
    style, colour, overlap = rng.random(), draw_vivid(rng), rng.random() < _OVERLAP
    grown = (rng.uniform(-0.3, 0.3), rng.uniform(-0.2, 0.35))  # upwards and downwards, in heights of the line
    for line in lines[start : start + min(count, _MOST_BANDS)]:
        if rng.random() > _SAME_COLOUR:
            colour = draw_vivid(rng)
        cover = _soften(_band(ink.shape, line, grown, style, rng), rng)
        _lay(through, cover, colour, overlap=overlap)
    if rng.random() < _RINGED:
        _lay(through, _soften(_ring(ink.shape, rng), rng), draw_vivid(rng), overlap=True)
    return through


def find_lines(ink: Array, rng: np.random.Generator) -> list[Slot]:
    """The boxes (x0, y0, x1, y1) of pieces of lines of text, from top to bottom; ``ink`` is (S, S) bool."""
    reach = int(rng.choice([9, 25, 45, 45]))  # words, a few of them, or all of a line
    room = np.pad(ink.astype(np.uint8), ((0, 0), (reach, reach)))  # or what stands near the border is joined to it
    joined = cv2.morphologyEx(room, cv2.MORPH_CLOSE, np.ones((1, reach), np.uint8))
    stats = cv2.connectedComponentsWithStats(joined)[2][1:, :4].tolist()
    found = [
        (x - reach, y, x - reach + width, y + height)
        for x, y, width, height in stats
        if _LEAST_HEIGHT <= height <= _MOST_HEIGHT and width >= _LEAST_SHARE * height
    ]
    return sorted(found, key=lambda box: (box[1], box[0]))


def _band(
    shape: tuple[int, ...], line: Slot, grown: tuple[float, float], style: float, rng: np.random.Generator
) -> Array:
    """A band over a line, or over a part of it, (S, S) uint8 of 0 to 255."""
    x0, y0, x1, y1 = line
    height = y1 - y0
    left, right = (height * rng.normal(0.1, 0.25) for _ in range(2))
    if rng.random() < 0.3:  # a part of the line only
        cut = rng.uniform(0.2, 0.8) * (x1 - x0)
        left, right = (left, right - cut) if rng.random() < 0.5 else (left - cut, right)
    top, bottom = y0 - grown[0] * height + rng.normal(0, 0.5), y1 + grown[1] * height + rng.normal(0, 0.5)
    start, end, high = x0 - left, max(x1 + right, x0 - left + 4), max(bottom - top, 3.0)
    cover = np.zeros(shape[:2], np.uint8)
    slant = rng.normal(0, 0.12) * high if style > 0.7 else 0.0  # a marker's chisel tip
    rise = rng.normal(0, 0.004) * (end - start)
    corners = np.array([[start + slant, top], [end + slant, top + rise], [end, top + high + rise], [start, top + high]])
    if 0.4 < style <= 0.7:
        radius = high / 2 * rng.uniform(0.4, 1)
        corners += np.array([[radius, 0], [-radius, 0], [-radius, 0], [radius, 0]])
        for middle, tip in ((top + high / 2, start + radius), (top + high / 2 + rise, end - radius)):
            _ellipse(cover, (tip, middle), (radius, high / 2))
    cv2.fillPoly(cover, [np.rint(corners * 2**_POINT).astype(np.int32)], 255, cv2.LINE_AA, _POINT)
    return cover


def _ellipse(cover: Array, centre: tuple[float, float], axes: tuple[float, float]) -> None:
    fixed = [tuple(round(value * 2**_POINT) for value in pair) for pair in (centre, axes)]
    cv2.ellipse(cover, fixed[0], fixed[1], 0, 0, 360, 255, -1, cv2.LINE_AA, _POINT)


def _ring(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """A thick ring around something, as hands draw it, or a part of one."""
    side = shape[0]
    reach, middle = rng.uniform(side / 8, side / 1.5, 2), rng.uniform(0, side, 2)
    points = np.rint((ring_path(rng) * reach + middle) * 2**_POINT).astype(np.int32)
    cover = np.zeros(shape[:2], np.uint8)
    cv2.polylines(cover, [points], False, 255, int(rng.integers(5, 28)), cv2.LINE_AA, _POINT)
    return cover


def _soften(cover: Array, rng: np.random.Generator) -> Array:
    """How much ink lies where, (S, S) float32 in [0, 1]: edges more or less sharp, streaks along the rows."""
    soft = cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.2, 0.9)).astype(np.float32) / 255
    if rng.random() < _STREAKY:
        streaks = smooth_noise((cover.shape[0], 2), rng.uniform(1, 4), rng)[:, :1]
        patches = smooth_noise(cover.shape, rng.uniform(10, 40), rng)
        soft *= (1 - rng.uniform(0, 0.15) * np.abs(streaks) - rng.uniform(0, 0.1) * np.abs(patches)).clip(0.4, 1)
    return soft


def _lay(through: Array, cover: Array, colour: Array, *, overlap: bool) -> None:
    """Add a marker in place; where markers ``overlap`` they are darker, else the darker one is seen there."""
    passed = 1 - cover[..., None] * (1 - colour / 255)
    through[:] = through * passed if overlap else np.minimum(through, passed)
