"""Where the regions of text are in a mask of a page, where their middle is, and what is surely ink in them."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.masks import polygon_mask
from pipeline.types import Array

NEAR = 4  # px: ink may reach so far out of its region
SURE = 210  # of 255: surely ink, says the network
CORE = 0.25  # of a region's height: further in than this are letters and no rules, which run along the edges of a line


def place(outline: Array, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], Array]:
    """The window of a page around an outline, and the outline's inside in it, bool."""
    low = np.maximum(np.floor(outline.min(axis=0)).astype(int) - NEAR, 0)
    high = np.minimum(np.ceil(outline.max(axis=0)).astype(int) + NEAR + 1, (shape[1], shape[0]))
    window = (slice(low[1], max(high[1], low[1])), slice(low[0], max(high[0], low[0])))
    size = (window[0].stop - window[0].start, window[1].stop - window[1].start)
    return window, polygon_mask([outline - low], *size)


def deep(inside: Array, depth: float) -> Array:
    """What of ``inside`` (H, W) bool is further than ``depth`` pixels from its outside, beyond the window too."""
    padded = cv2.copyMakeBorder(inside.view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT)
    return cv2.distanceTransform(padded, cv2.DIST_L2, 3)[1:-1, 1:-1] > depth
