"""What text regions say: PaddleOCR's recognizer PP-OCRv6 small, run by onnxruntime.

PaddleOCR's own predictor keeps the time steps of its CTC output to itself, and with them where each character stands;
so the network is run here. What it is fed is what PaddleOCR feeds it: crops as in paddlex ``CropByPolys``, resized and
normalized as in paddlex ``OCRReisizeNormImg``. The decoding is CTC's greedy one (paddlex ``CTCLabelDecode``; Graves et
al. 2006, section 3.2). The weights, with their dictionary, are in the rapidocr wheel; no network is needed.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from detectors.characters import Steps, decode_steps, join_windows, rows_between_lines
from detectors.models import REINSTALL, shipped_weights
from pipeline.errors import SetupError, UsageError
from pipeline.readings import NOTHING_READ, Reading, cut_across, run_corners, run_size
from pipeline.threads import map_in_threads
from pipeline.types import Array, TextRegion

_WEIGHTS = "PP-OCRv6_rec_small.onnx"
_WEIGHTS_SHA256 = "6f327246b50388f3c176ae304bd95767ea6dc0c9ae92153ef8cbe210b3c14884"
# The network sees lines of this height, and at least this wide (image_shape in PaddleOCR's inference.yml)
HEIGHT, LEAST_WIDTH = 48, 320
# One column of the network's output stands for so many of its input
STRIDE = 8
# Lines are read in windows so wide; neighbouring windows share so much
WINDOW, SHARED = 1600, 192
# A line read worse than this may be upside down; it is, when it reads so much better turned
_DOUBTFUL, _CLEARLY = 0.9, 0.1
# It may also be several lines: so many times what is found is cut in two
_CUTS = 2
# ... when it is so many times as high as the lower quarter of the regions, where there are so many
_STACKED, _MANY = 1.4, 4


class TextReader:
    """Reads regions of a page. Each is read alone, so what it says does not depend on the others, nor on threads."""

    def __init__(self, threads: int = 1) -> None:
        """Load the network; ``threads`` regions are read at once. Raises SetupError, UsageError when it is below 1."""
        if threads < 1:
            raise UsageError(f"text cannot be read on {threads} threads", "use 1 or more")
        self.threads = threads
        self._session = _load()
        # class 0 is CTC's blank, the last one the space (CTCLabelDecode with use_space_char)
        characters = self._session.get_modelmeta().custom_metadata_map["character"].split("\n")
        self._alphabet = ("", *characters, " ")
        classes = self._session.get_outputs()[0].shape[-1]
        if classes != len(self._alphabet):
            raise SetupError(f"{_WEIGHTS} has {classes} classes and {len(self._alphabet)} characters", REINSTALL)

    def read(self, image: Array, regions: Sequence[TextRegion], upright: bool = False) -> tuple[Reading, ...]:
        """Return what each region says, in their order.

        ``image`` is the page, (H, W, 3) uint8 RGB, the regions' polygons are in its pixels. A region in which nothing
        can be read has an empty text and score 0. ``upright``: none stands on its head, which saves looking there.
        """

        def read_one(region: TextRegion) -> Reading:
            return self._read_region(image, region.polygon, upright)

        return tuple(map_in_threads(read_one, regions, self.threads))

    def read_lines(
        self, image: Array, regions: Sequence[TextRegion]
    ) -> tuple[tuple[TextRegion, ...], tuple[Reading, ...]]:
        """Return the regions, those that hold several lines replaced by one region a line, and what each says.

        Arguments as for ``read``. Where lines stand close and the scan is blurred, detectors take two for one, and
        then neither can be read: a region read badly is cut at the rows with the least ink, and stays cut when its
        parts read clearly better.
        """
        heights = [run_size(run_corners(region.polygon))[1] for region in regions]
        # lines are of about one height; what is no higher than most is one line, read badly for another reason
        least = _STACKED * float(np.quantile(heights, 0.25)) if len(heights) >= _MANY else 0.0
        cuts = [_CUTS if height >= least else 0 for height in heights]
        work = list(zip(regions, cuts, strict=True))
        found = map_in_threads(lambda item: self._read_stacked(image, *item), work, self.threads)
        pairs = [pair for lines in found for pair in lines]
        return tuple(region for region, _ in pairs), tuple(reading for _, reading in pairs)

    def _read_stacked(self, image: Array, region: TextRegion, cuts: int) -> list[tuple[TextRegion, Reading]]:
        reading = self._read_region(image, region.polygon)
        best, score = [(region, reading)], reading.score + _CLEARLY
        corners = run_corners(region.polygon)
        crop = cut_upright(image, corners) if reading.score < _DOUBTFUL and cuts else None
        for share in [] if crop is None else rows_between_lines(crop):
            halves = [TextRegion(half, region.score) for half in cut_across(corners, share)]
            lines = [pair for half in halves for pair in self._read_stacked(image, half, cuts - 1)]
            mean = sum(line.score for _, line in lines) / len(lines)
            if mean > score and all(line.text.strip() for _, line in lines):
                best, score = lines, mean
        return best

    def _read_region(self, image: Array, polygon: Array, upright: bool = False) -> Reading:
        crop = cut_upright(image, run_corners(polygon))
        if crop is None:
            return NOTHING_READ
        reading = self._read_crop(crop)
        tall = np.ptp(polygon[:, 1]) > np.ptp(polygon[:, 0])
        # text in a tall region may run up as well as down; in a wide one it is rarely upside down
        if tall or (reading.score < _DOUBTFUL and not upright):
            turned = self._read_crop(np.ascontiguousarray(crop[::-1, ::-1]))
            if turned.score > reading.score + (0 if tall else _CLEARLY):
                return Reading(turned.text, turned.score, 1 - turned.spans[:, ::-1], turned.scores)
        return reading

    def _read_crop(self, crop: Array) -> Reading:
        """``crop`` is (H, W, 3) uint8 RGB with one line of upright text, as wide as it likes."""
        line = resize_line(crop)
        windows = [(start, self._look(line[:, start:stop])) for start, stop in plan_windows(line.shape[1])]
        return decode_steps(join_windows(windows, STRIDE), self._alphabet, line, STRIDE)

    def _look(self, line: Array) -> Steps:
        steps = self._session.run(None, {"x": prepare_line(line)[None]})[0][0]
        best = steps.argmax(axis=1)
        used = -(-line.shape[1] // STRIDE)  # the rest is padding
        return Steps(best[:used], steps[np.arange(len(best)), best][:used], steps[:used, 0])


def cut_upright(image: Array, corners: Array) -> Array | None:
    """Return a region's pixels with its text upright, (H, W, 3) uint8, or None when it lies outside the page.

    ``corners`` (4, 2) are ``run_corners``'. Sampling and borders as in paddlex ``CropByPolys``.
    """
    height, width = image.shape[:2]
    low = np.floor(corners.min(axis=0)).astype(int) - 2
    high = np.ceil(corners.max(axis=0)).astype(int) + 3
    x0, y0, x1, y1 = max(0, low[0]), max(0, low[1]), min(width, high[0]), min(height, high[1])
    if x0 >= x1 or y0 >= y1:
        return None
    length, across = (round(side) for side in run_size(corners))
    target = np.array([(0, 0), (length, 0), (length, across), (0, across)], np.float32)
    source = (corners - (x0, y0)).astype(np.float32)
    matrix = cv2.getPerspectiveTransform(source, target)
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix)) < 1e-12:
        return None
    # only the region's surroundings: OpenCV refuses sides over 32767
    return cv2.warpPerspective(
        image[y0:y1, x0:x1], matrix, (length, across), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )


def resize_line(crop: Array) -> Array:
    """Return a crop, (H, W, 3) uint8, as high as the network sees it, its proportions kept: (48, W', 3) uint8."""
    height, width = crop.shape[:2]
    # up to the least width PaddleOCR rounds up, beyond it down
    scaled = max(1, min(math.ceil(HEIGHT * width / height), max(LEAST_WIDTH, int(HEIGHT * (width / height)))))
    return cv2.resize(crop, (scaled, HEIGHT))


def prepare_line(line: Array) -> Array:
    """Return what the network is fed: (3, 48, W >= 320) float32 BGR in [-1, 1], zeros where there is no image.

    ``line`` is (48, W, 3) uint8 RGB. Source: paddlex ``OCRReisizeNormImg.resize_norm_img``.
    """
    pixels = line[:, :, ::-1].astype(np.float32).transpose(2, 0, 1) / 255
    pixels = (pixels - 0.5) / 0.5
    padded = np.zeros((3, HEIGHT, max(LEAST_WIDTH, line.shape[1])), np.float32)
    padded[:, :, : line.shape[1]] = pixels
    return padded


def plan_windows(width: int) -> list[tuple[int, int]]:
    """Return (start, stop) columns that cover a line and overlap by ``SHARED``; starts are multiples of ``STRIDE``."""
    if width <= WINDOW:
        return [(0, width)]
    count = math.ceil((width - SHARED) / (WINDOW - SHARED))
    size = -(-(width + (count - 1) * SHARED) // count // STRIDE) * STRIDE + STRIDE
    starts = [round(index * (width - size) / (count - 1) / STRIDE) * STRIDE for index in range(count)]
    return [(start, width if index == count - 1 else start + size) for index, start in enumerate(starts)]


def _load() -> Any:
    """The onnxruntime session, on one thread: regions are what runs side by side."""
    path = shipped_weights(_WEIGHTS, _WEIGHTS_SHA256, REINSTALL)
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"  # read when onnxruntime is imported; see detectors.models
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's own types derive from Exception directly
        raise SetupError(f"onnxruntime cannot load {path}: {error}", "reinstall onnxruntime and rapidocr") from error
