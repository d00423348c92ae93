"""Medians and percentiles of grey levels, from how often each level occurs.

numpy sorts the levels, and copies those under a mask first; counting takes a tenth of the time, and gives the same.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.types import Array


def count_levels(image: Array, where: Array | None = None) -> Array:
    """How often each grey level occurs in an (H, W) uint8 image, where ``where`` (H, W) bool says: (256,) int64."""
    mask = None if where is None else where.view(np.uint8)
    return cv2.calcHist([image], [0], mask, [256], [0, 256]).ravel().astype(np.int64)


def median_level(counts: Array) -> float:
    """What ``np.median`` says of levels that occur so often; there must be some."""
    total = int(counts.sum())
    return (_level_at(counts, (total - 1) // 2) + _level_at(counts, total // 2)) / 2


def percentile_level(counts: Array, percent: float) -> float:
    """What ``np.percentile`` says of levels that occur so often, to the last bit; there must be some."""
    place = (int(counts.sum()) - 1) * (percent / 100)
    below = int(place)
    share = place - below
    low, high = _level_at(counts, below), _level_at(counts, below + 1 if share else below)
    # from the nearer end, as numpy does
    return low + (high - low) * share if share < 0.5 else high - (high - low) * (1 - share)


def _level_at(counts: Array, place: int) -> int:
    """The level at a place in the order of all."""
    return int(np.searchsorted(counts.cumsum(), place, side="right"))
