"""What is behind dark ink on a highlight, a narrow coloured band as text markers leave it: its colour along the row.

Letters fill such a band nearly from edge to edge, and between them a scan's colours run into the ink. So what is
nearest to a stroke is either ink that is not known for ink, or the paper beside the band. Between words, and along the
band's edges, the same row shows what it is like.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from pipeline.threads import map_in_threads
from pipeline.types import Array

REACH = 72  # px to either side that are looked at: some words of print
STEP = 8  # px: so many columns are answered alike
LEAST_COLOUR = 40  # levels between the channels from which on a pixel is coloured
LEAST_SHARE = 0.3  # of what is known of a row must be coloured, for the row to be a band's
LEAST_KNOWN = 6  # of a row's pixels must be known and coloured; fewer say nothing
TYPICAL = 0.8  # the quantile that is the band: what is darker may hold ink
BESIDE = 0.7, 0.95  # between these quantiles ...
EVEN = 16  # ... it varies by less than this many levels, or it is no band
LIKE = 0.98  # cosine of its colour and what is nearest: ink darkens a band, and less alike is another band
LEAST_HEIGHT = 7  # px: bands are higher, underlines are not, nor are streaks in which little but ink is known
CONTRAST = 8  # levels by which ink is darker than its band
RIM = 4  # px from known ink that are looked at for more
STRIP = 512  # px: rows that are looked at at once
_WIDE = 2 * REACH + 1
_PLACE_BITS = 8  # hold a place in a window, counted from 1
assert _WIDE < 1 << _PLACE_BITS
_PLACES = np.arange(1, _WIDE + 1, dtype=np.uint16)
_AT_ONCE = 1 << 14  # places that are sorted at once: 20 MB
_HIGH = 21  # px: of the rows around, whether ink is darker than what is behind it


def behind_on_highlights(image: Array, mask: Array, wanted: Array, threads: int = 1) -> tuple[Array, Array]:
    """What is behind dark ink on bands: (H, W, 3) uint8 RGB, and where that is told, (H, W) bool; elsewhere 0.

    ``image`` (H, W, 3) uint8 RGB is the page, or a part of it; ``mask`` (H, W) bool is not known; it is told where it
    is ``wanted`` (H, W) bool. ``threads`` says how many parts are looked at side by side.
    """
    behind, told = np.zeros_like(image), np.zeros(mask.shape, bool)
    if image.shape[2] == 1:
        return behind, told
    height = len(image)

    def look(top: int) -> None:
        low, high = max(top - _HIGH, 0), min(top + STRIP + _HIGH, height)
        inner, rows = slice(top - low, min(top + STRIP, height) - low), slice(top, min(top + STRIP, height))
        seen = _behind_in_strip(image[low:high], mask[low:high], wanted[low:high])
        if seen is not None:
            behind[rows], told[rows] = seen[0][inner], seen[1][inner]

    map_in_threads(look, range(0, height, STRIP), threads)  # a large page at once takes a gigabyte
    return behind, told


def _behind_in_strip(image: Array, mask: Array, wanted: Array) -> tuple[Array, Array] | None:
    """As ``behind_on_highlights``, of some rows of a page; None where nothing is told."""
    coloured = coloured_pixels(image) & ~mask
    if not (coloured.any() and wanted.any()):
        return None
    wanted = wanted & _are_many(coloured, ~mask)
    rows = np.flatnonzero(wanted.any(axis=1))
    if not len(rows):
        return None
    upright = slice(rows[0], rows[-1] + 1)
    nearest = _nearest(~mask[upright])
    wanted[upright] &= np.take_along_axis(coloured[upright], nearest, axis=1)
    x, y, width, height = cv2.boundingRect(wanted.view(np.uint8))
    part = np.s_[y : y + height, max(x - REACH, 0) : x + width + REACH]
    if not width or not (asked := wanted[part] & ~_is_light_ink(image[part], mask[part])).any():
        return None
    guess, found = _along_rows(image[part], coloured[part], asked)
    row, column = np.nonzero(found)
    place = (nearest[row + y - upright.start, column + part[1].start] - part[1].start).clip(0, asked.shape[1] - 1)
    found[row, column] = _are_alike(guess[row, column], image[part][row, place])
    behind, told = np.zeros_like(image), np.zeros(mask.shape, bool)
    behind[part][found] = guess[found]
    told[part] = found
    return behind, told


def ink_on_highlights(image: Array, ink: Array, threads: int = 1) -> Array:
    """``ink`` (H, W) bool and what is beside it on bands that still holds some, (H, W) bool.

    ``image`` (H, W, 3) uint8 RGB is the page; ``threads`` says how many parts of it are looked at side by side.
    """
    # by OpenCV alone: those who train a network have none of the packages that geometry needs
    near = cv2.dilate(ink.view(np.uint8), np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)).view(bool)
    behind, told = behind_on_highlights(image, ink, near, threads)
    if not told.any():
        return ink
    grey, band = (cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY) for seen in (image, behind))
    return np.asarray(ink | (told & (cv2.subtract(band, grey) > CONTRAST)))


def coloured_pixels(image: Array) -> Array:
    """Which pixels are coloured, (H, W) bool."""
    red, green, blue = cv2.split(image)
    channels = cv2.max(cv2.max(red, green), blue), cv2.min(cv2.min(red, green), blue)
    return np.asarray(cv2.subtract(*channels) >= LEAST_COLOUR)


def _are_many(coloured: Array, known: Array) -> Array:
    """Where enough of what is known along the row is coloured, (H, W) bool."""
    some, all_ = (cv2.boxFilter(one.astype(np.float32), -1, (_WIDE, 1), normalize=False) for one in (coloured, known))
    return np.asarray((some >= LEAST_KNOWN) & (some > LEAST_SHARE * all_))


def _nearest(known: Array) -> Array:
    """The column of each row's known pixel that is nearest to each pixel, (H, W) int32; any where there is none."""
    width = known.shape[1]
    place = np.arange(width, dtype=np.int32)
    left = np.maximum.accumulate(np.where(known, place, -width), axis=1)
    right = np.minimum.accumulate(np.where(known, place, 2 * width)[:, ::-1], axis=1)[:, ::-1]
    return np.where(place - left <= right - place, left, right).clip(0, width - 1)


def _are_alike(one: Array, other: Array) -> Array:
    """Which of two times N colours (N, 3) are much the same but for their lightness, (N,) bool."""
    one, other = one.astype(np.float32), other.astype(np.float32)
    both, squares = (one * other).sum(axis=1), (one * one).sum(axis=1) * (other * other).sum(axis=1)
    return np.asarray(both >= LIKE * np.sqrt(squares))


def _is_light_ink(image: Array, mask: Array) -> Array:
    """Where the ink around is lighter than what is known around, (H, W) bool."""
    levels = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY).astype(np.float32)
    means = []
    for weight in (mask.astype(np.float32), (~mask).astype(np.float32)):
        total = np.maximum(cv2.blur(weight, (_WIDE, _HIGH)), 1e-6)
        means.append(cv2.blur(levels * weight, (_WIDE, _HIGH)) / total)
    return np.asarray(means[0] > means[1])


def _along_rows(image: Array, coloured: Array, asked: Array) -> tuple[Array, Array]:
    """What is typical of each row's coloured pixels around those ``asked`` for, like ``behind_on_highlights``."""
    cells = np.add.reduceat(asked, np.arange(0, asked.shape[1], STEP), axis=1) > 0
    row, cell = np.nonzero(cells)
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    column = _typical_columns(np.where(coloured, grey.astype(np.int16), -1), row, cell * STEP)
    seen = column >= 0
    row, cell, column = row[seen], cell[seen], column[seen]
    colours, found = np.zeros((*cells.shape, 3), np.float32), np.zeros(cells.shape, np.float32)
    colours[row, cell], found[row, cell] = image[row, column], 1
    upright = np.ones((LEAST_HEIGHT, 1), np.uint8)
    colours, found = (cv2.morphologyEx(one, cv2.MORPH_CLOSE, upright) for one in (colours, found))
    # beyond the edge of what is asked for there is no band
    tall = cv2.dilate(cv2.erode(found, upright, borderType=cv2.BORDER_CONSTANT, borderValue=0), upright)
    # one column's grain is not the band's: the mean of neighbours in the row
    smooth = cv2.blur(colours, (3, 1)) / np.maximum(cv2.blur(found, (3, 1)), 1e-3)[..., None]
    guess = np.repeat(np.rint(smooth).clip(0, 255).astype(np.uint8), STEP, axis=1)[:, : asked.shape[1]]
    told = np.repeat(tall > 0, STEP, axis=1)[:, : asked.shape[1]] & asked
    return np.ascontiguousarray(guess), told & coloured_pixels(np.ascontiguousarray(guess))


def _typical_columns(levels: Array, row: Array, column: Array) -> Array:
    """The column that is typical of each place's row, (N,) int; -1 where too little is known or the row is uneven.

    Places are ``row`` (N,) and ``column`` (N,) of ``levels`` (H, W) int16, -1 where not known.
    """
    windows = sliding_window_view(np.pad(levels, ((0, 0), (REACH, REACH)), constant_values=-1), _WIDE, axis=1)
    steps = range(0, len(row), _AT_ONCE)
    parts = [_typical(windows[row[first : first + _AT_ONCE], column[first : first + _AT_ONCE]]) for first in steps]
    offsets = np.concatenate(parts) if parts else np.empty(0, int)
    return np.where(offsets >= 0, column - REACH + offsets, -1)


def _typical(around: Array) -> Array:
    """Which of the levels of each row (N, W) int16 is typical, (N,) int, or -1 as above."""
    known = around >= 0
    # level and place in one number: short numbers are sorted many times as fast as places by what stands there
    order = np.where(known, (around.astype(np.uint16) << _PLACE_BITS) | _PLACES, 0)
    order.sort(axis=1)
    count = known.sum(axis=1)
    number = np.arange(len(around))

    def at(quantile: float) -> tuple[Array, Array]:
        rank = _WIDE - count + np.floor(quantile * (count - 1)).astype(int)
        found = order[number, rank.clip(0, _WIDE - 1)].astype(int)
        return found >> _PLACE_BITS, (found & ((1 << _PLACE_BITS) - 1)) - 1

    (low, _), (_, typical), (high, _) = (at(quantile) for quantile in (BESIDE[0], TYPICAL, BESIDE[1]))
    return np.where((count >= LEAST_KNOWN) & (high - low < EVEN), typical, -1)
