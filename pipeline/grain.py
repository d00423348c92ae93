"""Giving the paper one grain again where something was removed, so that no seam tells where, how wide and what.

A fill is smoother than a scan's paper: with the contrast stretched, the strokes that were removed can be read in it as
smooth letters; where there is no grain, a few specks of their rims can be enough to guess them. So flat paper around
them is laid anew: its level, without specks, and grain of the paper's own, taken elsewhere.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.types import Array

BLUR_SIGMA = 2.5  # px: what is finer is neither shading nor show-through
FLAT_GRAIN = 4.0  # grey levels: where the blurred page varies by less than this, paper is flat
FLAT_SIDE = 9  # px of the square over which that is measured
PAPER_SIDE = 31  # px of the median that says what the paper's level is
SPECK_CONTRAST = 6.0  # grey levels by which something stands out from it, ...
LEAST_EXTENT = 24  # px ... and no less long than this it is a rule, a frame or a picture, and no speck
LEAST_SAMPLE = 4096  # px of flat paper that are needed to know its grain
_PATCH = 64  # px: the side of what is copied ...
_CELL = 16  # px ... from where it stands alike in JPEG's squares, which may have left their pattern in it


def renew_grain(image: Array, area: Array, seed: int) -> Array:
    """The page with the flat paper of an area laid anew: (H, W, 3) uint8 RGB.

    ``area`` (H, W) bool is where something was removed, and what is around it. Rules, frames and pictures in it stay as
    they are. A page whose paper has no grain, or too little to know, gets none. ``seed`` makes it repeatable.
    """
    if not area.any():
        return image.copy()
    paper = cv2.medianBlur(image, PAPER_SIDE)
    level = cv2.GaussianBlur(paper, (0, 0), BLUR_SIGMA).astype(np.float32)
    flat = (_spread(level) < FLAT_GRAIN) & ~_structures(image, paper)
    smooth = cv2.GaussianBlur(image, (0, 0), BLUR_SIGMA).astype(np.float32)
    grain = image.astype(np.float32) - level  # coarse grain is grain, too: JPEG makes colour's twice as coarse
    known = flat & (_spread(smooth) < FLAT_GRAIN)
    known &= ~cv2.dilate(area.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
    if np.count_nonzero(known) >= LEAST_SAMPLE and float(grain[known].std()) >= 0.3:
        level = level + _sample(grain, known, np.random.default_rng(seed))
    renewed = np.where((area & flat)[..., None], level, image)
    return np.rint(renewed).clip(0, 255).astype(np.uint8)


def _structures(image: Array, paper: Array) -> Array:
    """(H, W) bool: what stands out from the paper and is too long for a speck, and a little around it."""
    apart = np.abs(cv2.GaussianBlur(image, (0, 0), 1.0).astype(np.int16) - paper).max(axis=2) > SPECK_CONTRAST
    count, label, stats, _ = cv2.connectedComponentsWithStats(apart.astype(np.uint8), connectivity=8)
    long = stats[:count, 2:4].max(axis=1) >= LEAST_EXTENT
    long[0] = False
    return cv2.dilate(long[label].astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)


def merge_strokes(ink: Array, height: int) -> Array:
    """The lines that strokes make, without gaps between letters and words: (H, W) bool.

    ``ink`` (H, W) bool, ``height`` the height of the text in pixels. Gaps of up to three heights along the rows close.
    """
    wide, high = 6 * height + 1, height | 1
    closed = cv2.morphologyEx(ink.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((high, 1), np.uint8))
    framed = cv2.copyMakeBorder(closed, 0, 0, wide, wide, cv2.BORDER_CONSTANT)
    closed = cv2.morphologyEx(framed, cv2.MORPH_CLOSE, np.ones((1, wide), np.uint8))[:, wide:-wide]
    return cv2.dilate(closed, np.ones((high, high), np.uint8)).astype(bool)


def _spread(smooth: Array) -> Array:
    """(H, W) float32: how much the smoothed page varies around each pixel, the largest over the channels."""
    square = (FLAT_SIDE, FLAT_SIDE)
    mean, second = cv2.blur(smooth, square), cv2.blur(smooth * smooth, square)
    return np.sqrt(np.maximum(second - mean * mean, 0)).max(axis=2)


def _sample(grain: Array, known: Array, rng: np.random.Generator) -> Array:
    """A page of grain, (H, W, 3) float32, made of patches from where it is known.

    A patch may hold unknown places: those take known pixels' grain in random order.
    """
    height, width = known.shape
    filled = grain.copy()
    pool = grain[known]
    filled[~known] = pool[rng.integers(0, len(pool), int(np.count_nonzero(~known)))]
    result = np.empty_like(grain)
    share = cv2.blur(known.astype(np.float32), (_PATCH, _PATCH))
    rows, columns = np.nonzero(share[: max(1, height - _PATCH), : max(1, width - _PATCH)] > 0)
    order = np.argsort(-share[rows, columns], kind="stable")[: max(1, len(rows) // 4)]
    for top in range(0, height, _PATCH):
        for left in range(0, width, _PATCH):
            pick = order[int(rng.integers(len(order)))]
            y = min(max(int(rows[pick]) - _PATCH // 2, 0), max(0, height - _PATCH)) // _CELL * _CELL
            x = min(max(int(columns[pick]) - _PATCH // 2, 0), max(0, width - _PATCH)) // _CELL * _CELL
            target = result[top : top + _PATCH, left : left + _PATCH]
            target[...] = filled[y : y + target.shape[0], x : x + target.shape[1]]
    return result
