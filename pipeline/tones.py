"""What the figures of ``pipeline.metrics`` have in common: luma, grey differences, and errors that touch."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.types import Array

ERROR_ABOVE = 20  # grey levels: a larger difference is an error pixel


def luma(image: Array) -> Array:
    """0.299 R + 0.587 G + 0.114 B of (H, W, 3) uint8 RGB, (H, W) float32 from 0 to 255."""
    work = image.astype(np.float32)
    return 0.114 * work[..., 2] + 0.587 * work[..., 1] + 0.299 * work[..., 0]


def grey_difference(image: Array, truth: Array) -> Array:
    """Absolute difference of luma, rounded to whole levels: (H, W) float32."""
    return np.asarray(np.round(np.abs(luma(truth) - luma(image))))


def inner_errors(errors: Array) -> Array:
    """Those of ``errors`` (H, W) bool whose four neighbours are errors, too; (H, W) bool, none at the border."""
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    return cv2.erode(errors.astype(np.uint8), cross, borderType=cv2.BORDER_CONSTANT, borderValue=0).astype(bool)
