"""How large the type of a page is, in pixels: below some height nobody can vouch for finding all of it."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.types import Array

# px, of a line's region with ascenders, descenders and a margin. On 73 sample pages, one with a quarter of its text no
# higher is one of four of less than 100 dpi, and on three of these something stayed: a digit, a heading
LEAST_HEIGHT = 14
SHARE = 0.25  # of a page's text, by the length of its lines
FEWEST = 8  # regions: of fewer a caption is a quarter


def is_type_too_small(outlines: Sequence[Array], allowed: Array | None = None) -> bool:
    """Whether much of a page's text, in regions (N, 2) px, is so small that a detector may overlook some of it.

    ``allowed`` (H, W) bool is where text was to go; None is everywhere. Other text does not count.
    """
    boxes = [cv2.minAreaRect(outline.astype(np.float32)) for outline in outlines]
    if allowed is not None:
        boxes = [box for box in boxes if _is_at(allowed, box[0])]
    heights, lengths = np.array([sorted(box[1]) for box in boxes]).reshape(-1, 2).T
    if len(heights) < FEWEST:
        return False
    return float(lengths[heights <= LEAST_HEIGHT].sum()) >= SHARE * float(lengths.sum())


def _is_at(allowed: Array, point: Sequence[float]) -> bool:
    x, y = (int(np.clip(value, 0, side - 1)) for value, side in zip(point, allowed.shape[::-1], strict=True))
    return bool(allowed[y, x])
