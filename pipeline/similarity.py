"""Structural similarity: the plain one, the field's product that is called MSSIM, and the multi-scale one.

All on luma, with an 11 x 11 Gaussian of sigma 1.5, no border ("valid"), C1 = (0.01 * 255)^2 and C2 = (0.03 * 255)^2.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.tones import luma
from pipeline.types import Array

WINDOW, SIGMA = 11, 1.5
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # Wang, Simoncelli and Bovik (2003), finest scale first
LEAST_SIDE = WINDOW * 2 ** (len(SCALE_WEIGHTS) - 1)  # px: a window must fit into the coarsest scale


def ssim(image: Array, truth: Array) -> float:
    """Mean structural similarity (Wang et al., 2004) of two (H, W, 3) uint8 RGB images, in percent.

    Raises ValueError for images smaller than the window.
    """
    return 100 * _means(luma(truth), luma(image))[0]


def mssim(image: Array, truth: Array) -> float:
    """What papers on text removal print as MSSIM, at the images' own size, in percent.

    It is not multi-scale: the code the field shares never halves the image, so that its five scales are one, and the
    product is cs^0.8667 * ssim^0.1333, cs being the mean of the contrast-structure term. See ``ms_ssim``.
    """
    similarity, contrast = _means(luma(truth), luma(image))
    last = SCALE_WEIGHTS[-1]
    return 100 * float(max(contrast, 0.0) ** (1 - round(last, 4)) * max(similarity, 0.0) ** last)


def ms_ssim(image: Array, truth: Array) -> float:
    """Multi-scale structural similarity (Wang, Simoncelli and Bovik, 2003) of two (H, W, 3) uint8 images, in percent.

    Five scales, each half the size of the one before it (means of 2 x 2 pixels). NaN when a side is below 176 px: the
    window would not fit into the coarsest scale.
    """
    first, second = luma(truth), luma(image)
    if min(first.shape) < LEAST_SIDE:
        return float("nan")
    product = 1.0
    for weight in SCALE_WEIGHTS[:-1]:
        product *= max(_means(first, second)[1], 0.0) ** weight
        first, second = _halve(first), _halve(second)
    return 100 * float(product * max(_means(first, second)[0], 0.0) ** SCALE_WEIGHTS[-1])


def _means(first: Array, second: Array) -> tuple[float, float]:
    """Means of the SSIM map and of its contrast-structure term."""
    if min(first.shape) < WINDOW:
        raise ValueError(f"structural similarity needs images of at least {WINDOW} x {WINDOW} px, not {first.shape}")
    mean_1, mean_2 = _blur(first), _blur(second)
    variance_1 = _blur(first * first) - mean_1 * mean_1
    variance_2 = _blur(second * second) - mean_2 * mean_2
    covariance = _blur(first * second) - mean_1 * mean_2
    contrast = (2 * covariance + C2) / (variance_1 + variance_2 + C2)
    luminance = (2 * mean_1 * mean_2 + C1) / (mean_1 * mean_1 + mean_2 * mean_2 + C1)
    return float((luminance * contrast).mean(dtype=np.float64)), float(contrast.mean(dtype=np.float64))


def _blur(image: Array) -> Array:
    rim = WINDOW // 2
    return cv2.GaussianBlur(image, (WINDOW, WINDOW), SIGMA)[rim:-rim, rim:-rim]


def _halve(image: Array) -> Array:
    height, width = (side // 2 * 2 for side in image.shape)
    even = image[:height, :width]
    return (even[::2, ::2] + even[1::2, ::2] + even[::2, 1::2] + even[1::2, 1::2]) / 4
