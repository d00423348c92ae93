"""How near a cleaned image is to the truth: the field's figures, and those that say what they leave out.

All take (H, W, 3) uint8 RGB images of one size, and give higher-is-better dB and percent, or lower-is-better errors:

=================  ==========================================  ==========================================
figure             unit                                        source
=================  ==========================================  ==========================================
psnr               dB, an identical page counts 100            scikit-image
mse                percent of the square of full scale         EnsNet (Zhang et al., 2019)
ssim               percent                                     Wang et al., 2004
mssim              percent; not multi-scale, see ``mssim``     the code the field shares
ms_ssim            percent; the real one                       Wang, Simoncelli and Bovik, 2003
age                grey levels                                 EnsNet
peps, pceps        percent of the pixels                       EnsNet
tpsnr, bgpsnr      dB in and far from text: ``psnr_within``    this project's pairs
ink                percent of the strokes: ``ink_left``        this project's pairs
struct             grey levels: ``structure_error``            this project's pairs
=================  ==========================================  ==========================================

The figures exactly as papers on SCUT-EnsText print them end in ``_legacy``, and are in ``pipeline.legacy_metrics``;
what detectors and readers find, and feature distances, in ``pipeline.detection_metrics`` and
``pipeline.judged_metrics``. All can be had from here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from skimage.metrics import peak_signal_noise_ratio

from pipeline.detection_metrics import DetectionScore, detection_deteval, detection_iou
from pipeline.judged_metrics import ReadWord, frechet_distance, words_read
from pipeline.legacy_metrics import (
    age_legacy,
    mse_legacy,
    mssim_legacy,
    pceps_legacy,
    peps_legacy,
    psnr_legacy,
    resize_legacy,
)
from pipeline.masks import grow
from pipeline.similarity import WINDOW, ms_ssim, mssim, ssim
from pipeline.tones import ERROR_ABOVE, grey_difference, inner_errors, luma
from pipeline.types import Array

__all__ = [
    "BACKGROUND_GAP",
    "WINDOW",
    "WORD_REACH",
    "DetectionScore",
    "ReadWord",
    "TextAreas",
    "age",
    "age_legacy",
    "changed_share",
    "detection_deteval",
    "detection_iou",
    "frechet_distance",
    "ink_left",
    "luma",
    "ms_ssim",
    "mse",
    "mse_legacy",
    "mssim",
    "mssim_legacy",
    "pceps",
    "pceps_legacy",
    "peps",
    "peps_legacy",
    "psnr",
    "psnr_legacy",
    "psnr_within",
    "resize_legacy",
    "ssim",
    "structure_error",
    "text_areas",
    "with_truth",
    "words_read",
]

IDENTICAL_DB = 100.0  # what a page without any error counts, and the most that any page does
WORD_REACH, STROKE_REACH, IGNORED_REACH = 6, 3, 4  # px by which each is grown before it is scored
BACKGROUND_GAP = 18  # px that the background keeps from the text: JPEG blocks of text end within
TELLING = 20  # grey levels by which a stroke's pixel must differ from the truth to count as ink
EDGE = 40  # grey levels of a morphological gradient from which the truth has an edge
FEWEST_EDGES = 50  # pixels; with no more of them there is no structure to speak of


def psnr(image: Array, truth: Array) -> float:
    """Peak signal-to-noise ratio over all pixels and channels, in dB; at most 100, which identical images count."""
    _require_alike(image, truth)
    if np.array_equal(image, truth):
        return IDENTICAL_DB
    return min(IDENTICAL_DB, float(peak_signal_noise_ratio(truth, image, data_range=255)))


def mse(image: Array, truth: Array) -> float:
    """Mean square error over all pixels and channels, in percent of the square of full scale (MSE on [0, 1] x 100)."""
    _require_alike(image, truth)
    return 100 * float(_squares(image, truth).mean())


def age(image: Array, truth: Array) -> float:
    """Average grey error: mean absolute difference of luma, rounded pixel by pixel, in grey levels 0 to 255."""
    _require_alike(image, truth)
    return float(grey_difference(image, truth).mean())


def peps(image: Array, truth: Array) -> float:
    """Percentage of error pixels, those whose rounded grey difference exceeds 20, of all pixels."""
    _require_alike(image, truth)
    return 100 * float((grey_difference(image, truth) > ERROR_ABOVE).mean())


def pceps(image: Array, truth: Array) -> float:
    """Percentage of clustered error pixels: error pixels whose four neighbours are errors, too (none at the border)."""
    _require_alike(image, truth)
    return 100 * float(inner_errors(grey_difference(image, truth) > ERROR_ABOVE).mean())


@dataclass(frozen=True, slots=True, eq=False)
class TextAreas:
    """Where a page is scored; each (H, W) bool.

    ``text`` is what text covers, ``background`` what lies well away from it, ``ignored`` what neither counts: text that
    is part of a picture. ``strokes`` are the text's own pixels.
    """

    text: Array
    background: Array
    ignored: Array
    strokes: Array


def text_areas(words: Sequence[Array], strokes: Array, ignored: Sequence[Array] = ()) -> TextAreas:
    """Where to score a page: word polygons grown by 6 px and strokes by 3 px, and what keeps 18 px from both.

    ``words`` and ``ignored`` are polygons, (N, 2) numbers (x, y) in pixels, vertices rounded; ``strokes`` (H, W) bool.
    Ignored ones are grown by 4 px.
    """
    passed_over = _polygon_area(ignored, strokes.shape, IGNORED_REACH)
    text = _polygon_area(words, strokes.shape, WORD_REACH) | grow(strokes, STROKE_REACH)
    background = ~grow(text, BACKGROUND_GAP)
    return TextAreas(text & ~passed_over, background & ~passed_over, passed_over, strokes & ~passed_over)


def with_truth(image: Array, truth: Array, where: Array) -> Array:
    """The image with the truth's pixels ``where`` (H, W) bool: what is ignored is neither right nor wrong."""
    return np.where(where[..., None], truth, image) if where.any() else image


def psnr_within(image: Array, truth: Array, where: Array) -> float:
    """PSNR over the pixels ``where`` (H, W) bool, in dB, at most 100, also where there are none.

    In text areas this is tpsnr, in the background bgpsnr.
    """
    _require_alike(image, truth)
    if not where.any():
        return IDENTICAL_DB
    error = float(_squares(image[where], truth[where]).mean())
    return IDENTICAL_DB if error <= 10 ** (-IDENTICAL_DB / 10) else float(-10 * np.log10(error))


def changed_share(image: Array, truth: Array, where: Array, above: int = 0) -> float:
    """Percentage of the pixels ``where`` that differ from the truth by more than ``above`` levels in some channel."""
    _require_alike(image, truth)
    if not where.any():
        return 0.0
    difference = np.abs(image[where].astype(np.int16) - truth[where]).max(axis=1)
    return 100 * float((difference > above).mean())


def ink_left(before: Array, image: Array, truth: Array, strokes: Array) -> float:
    """Residual ink: percentage of stroke pixels that are still nearer to the page before removal than to the truth.

    ``strokes`` (H, W) bool; only those count at which page and truth differ by at least 20 grey levels. 0 is all gone.
    """
    _require_alike(image, truth, before)
    ink = np.abs(luma(before) - luma(truth))
    telling = strokes & (ink >= TELLING)
    if not telling.any():
        return 0.0
    left = np.abs(luma(image) - luma(truth))
    return 100 * float((left[telling] > 0.5 * ink[telling]).mean())


def structure_error(image: Array, truth: Array, where: Array) -> float:
    """Mean absolute grey error on the truth's edges ``where`` (H, W) bool: rules, frames and pictures behind text.

    In grey levels; edges are where the 3 x 3 morphological gradient of the truth's luma exceeds 40. NaN when 50 pixels
    or fewer are edges.
    """
    _require_alike(image, truth)
    grey = luma(truth)
    gradient = cv2.morphologyEx(grey.astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    edges = (gradient > EDGE) & where
    if np.count_nonzero(edges) <= FEWEST_EDGES:
        return float("nan")
    return float(np.abs(luma(image) - grey)[edges].mean())


def _require_alike(image: Array, *others: Array) -> None:
    for other in others:
        if image.shape != other.shape or image.ndim != 3 or image.dtype != np.uint8 or other.dtype != np.uint8:
            kinds = f"{image.shape} {image.dtype} and {other.shape} {other.dtype}"
            raise ValueError(f"images must be (H, W, 3) uint8 of one size, not {kinds}")


def _squares(image: Array, truth: Array) -> Array:
    difference = (image.astype(np.float32) - truth) / 255
    return np.asarray((difference * difference).astype(np.float64))


def _polygon_area(polygons: Sequence[Array], shape: tuple[int, ...], grown: int) -> Array:
    area = np.zeros(shape, np.uint8)
    for polygon in polygons:
        cv2.fillPoly(area, [np.round(np.asarray(polygon, np.float64)).astype(np.int32)], 1)
    return grow(area.astype(bool), grown)
