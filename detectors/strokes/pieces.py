"""Choosing among the connected pieces of a mask by what each looks like and what is around it."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from pipeline.types import Array

Window = tuple[slice, slice]


def chosen_pieces(mask: Array, reach: float, is_wanted: Callable[[Window, Array], bool]) -> Array:
    """The connected pieces of a mask (H, W) bool that are wanted, (H, W) bool.

    Each is shown to ``is_wanted``: a window of the page, the piece's box and ``reach`` times its longer side around it
    and a pixel more, and which pixels of that window are the piece, (h, w) bool.
    """
    if not mask.any():
        return mask
    count, label, stats, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    kept = np.zeros(count, bool)
    for number in range(1, count):
        x, y, width, height = (int(value) for value in stats[number, :4])
        margin = math.ceil(reach * max(width, height)) + 1
        window = np.s_[max(y - margin, 0) : y + height + margin, max(x - margin, 0) : x + width + margin]
        kept[number] = is_wanted(window, label[window] == number)
    return np.asarray(kept[label])
