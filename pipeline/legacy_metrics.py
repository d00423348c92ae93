"""The figures as papers on SCUT-EnsText print them, quirks included, to compare with: not to judge pages by.

The evaluation code that the field shares goes back to EraseNet (Liu et al., 2020). Both images are brought to 512 x 512
first (``resize_legacy``); the counts of error pixels are divided by 512 * 512, whatever the size; an identical page has
no PSNR and is left out of the mean. Papers print mse, peps and pceps as shares or as percent: here they are percent.
All functions take (H, W, 3) uint8 RGB images of one size, and do not resize by themselves.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.similarity import mssim
from pipeline.tones import ERROR_ABOVE, grey_difference, inner_errors
from pipeline.types import Array

SIDE = 512
PIXELS = SIDE * SIDE


def resize_legacy(image: Array) -> Array:
    """The image at 512 x 512, bicubic without a low-pass before it; SCUT-EnsText's have that size already."""
    if image.shape[:2] == (SIDE, SIDE):
        return image
    return cv2.resize(image, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def psnr_legacy(image: Array, truth: Array) -> float:
    """PSNR in dB; NaN for identical images, which the field leaves out of the mean over a set (in dB, too)."""
    error = _mean_square(image, truth)
    return float(-10 * np.log10(error)) if error else float("nan")


def mse_legacy(image: Array, truth: Array) -> float:
    """Mean square error on [0, 1], x 100."""
    return 100 * _mean_square(image, truth)


def mssim_legacy(image: Array, truth: Array) -> float:
    """The literature's "MSSIM", in percent: cs^0.8667 * ssim^0.1333 (see ``pipeline.similarity.mssim``)."""
    return mssim(image, truth)


def age_legacy(image: Array, truth: Array) -> float:
    """Average grey error, 0 to 255: the mean over the image of luma differences rounded to uint8."""
    return float(grey_difference(image, truth).astype(np.uint8).mean())


def peps_legacy(image: Array, truth: Array) -> float:
    """Error pixels (rounded grey difference above 20), in percent of 512 * 512 pixels, whatever the images' size."""
    return 100 * int(np.count_nonzero(_errors(image, truth))) / PIXELS


def pceps_legacy(image: Array, truth: Array) -> float:
    """Error pixels whose four neighbours are errors, too, in percent of 512 * 512 pixels, whatever the size."""
    return 100 * int(np.count_nonzero(inner_errors(_errors(image, truth)))) / PIXELS


def _errors(image: Array, truth: Array) -> Array:
    return grey_difference(image, truth).astype(np.uint8) > ERROR_ABOVE


def _mean_square(image: Array, truth: Array) -> float:
    difference = (image.astype(np.float32) - truth) / 255
    return float((difference * difference).mean(dtype=np.float64))
