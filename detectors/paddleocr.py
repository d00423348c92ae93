"""Text regions through PaddleOCR: PP-OCRv6 small (a DBNet) by default, run by onnxruntime.

The only module that imports paddleocr. The shipped weights need no network.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detectors.bands import Finding, add_overview, cut_piece, merge_findings, plan_pieces
from detectors.base import SHIPPED_MODEL, DetectorSettings
from detectors.models import model_directory
from pipeline.errors import SetupError, StageError
from pipeline.geometry import clip_polygon, reading_order
from pipeline.types import Array, Box, PageRef, TextRegion

# The longer side of the overview, and of the smallest page that gets one
_OVERVIEW_SIDE = 960
_NO_LIMIT = 1 << 20


class PaddleOcrDetector:
    """Finds text with ``paddleocr.TextDetection``, at the page's full size, in pieces of bounded size."""

    name = "paddleocr"

    def __init__(self, settings: DetectorSettings) -> None:
        """Load the model. Raises SetupError when it, its engine or its device cannot be had."""
        self.settings = settings
        self._model = _load(settings)

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        """See ``Detector.detect``."""
        height, width = image.shape[:2]
        try:
            found = self._look(image, width, height)
        except Exception as error:  # whatever onnxruntime, OpenCV or PaddleOCR raise: this page failed, no other
            raise StageError(
                f"text detection failed on page {ref.page_number} of {ref.document} ({width} x {height} px): {error}",
                "if memory ran out, give the worker more of it", "detect", ref.page_number,
            ) from error
        clipped = ((clip_polygon(polygon, width, height), score) for polygon, score in found)
        return reading_order([TextRegion(polygon, score) for polygon, score in clipped if polygon is not None])

    def _look(self, image: Array, width: int, height: int) -> list[tuple[Array, float]]:
        findings = [
            Finding(polygon + np.float32((piece.x0, piece.y0)), score, piece)
            for piece in plan_pieces(width, height)
            for polygon, score in self._find(cut_piece(image, piece))
        ]
        found = merge_findings(findings)
        scale = _OVERVIEW_SIDE / max(width, height)
        if scale >= 0.75:
            return found
        small = cv2.resize(image, (max(1, round(width * scale)), max(1, round(height * scale))),
                           interpolation=cv2.INTER_AREA)
        grow = np.float32((width / small.shape[1], height / small.shape[0]))
        whole = cut_piece(small, Box(0, 0, -(-small.shape[1] // 32) * 32, -(-small.shape[0] // 32) * 32))
        return add_overview(found, ((polygon * grow, score) for polygon, score in self._find(whole)))

    def _find(self, piece: Array) -> list[tuple[Array, float]]:
        """(polygon (4, 2) float32, score) in one piece, (H, W, 3) uint8 RGB with sides that are multiples of 32."""
        bgr = np.ascontiguousarray(piece[:, :, ::-1])
        result = self._model.predict(bgr)[0]
        return [
            (np.asarray(polygon, np.float32), min(1.0, max(0.0, float(score))))
            for polygon, score in zip(result["dt_polys"], result["dt_scores"], strict=True)
        ]


def _load(settings: DetectorSettings) -> Any:
    with _quiet(), model_directory(settings) as folder:
        TextDetection = _import_paddleocr()  # noqa: N806 - a class
        try:
            return TextDetection(
                model_name=settings.model,
                model_dir=None if folder is None else str(folder),
                engine=settings.engine,
                engine_config=_engine_config(settings),
                device="gpu" if settings.device == "cuda" else "cpu",
                limit_side_len=_NO_LIMIT,
                limit_type="max",
                thresh=settings.thresh,
                box_thresh=settings.box_thresh,
                unclip_ratio=settings.unclip_ratio,
            )
        except SetupError:
            raise
        except Exception as error:
            raise SetupError(f"PaddleOCR cannot load {settings.model}: {error}", _remedy(settings)) from error


def _remedy(settings: DetectorSettings) -> str:
    if settings.model == SHIPPED_MODEL and settings.engine == "onnxruntime":
        return "reinstall paddleocr, onnxruntime and rapidocr"
    return (f"it is downloaded at first use: connect this machine, or name a folder that holds it with model_dir, "
            f"or use the shipped {SHIPPED_MODEL} with onnxruntime")


def _engine_config(settings: DetectorSettings) -> dict[str, Any]:
    # without the arena the memory of the largest piece goes back to the system; measured no slower
    return {
        "intra_op_num_threads": settings.threads,
        "inter_op_num_threads": 1,
        "enable_cpu_mem_arena": False,
        "log_severity_level": 4,
    }


def _import_paddleocr() -> Any:
    # these are read when paddlex is imported
    os.environ.setdefault("PADDLE_PDX_DISABLE_MODEL_SOURCE_CHECK", "True")
    os.environ.setdefault("PADDLEOCR_DISABLE_AUTO_LOGGING_CONFIG", "1")
    try:
        from paddleocr import TextDetection
    except ImportError as error:
        raise SetupError(f"paddleocr cannot be imported: {error}", "pip install 'paddleocr>=3.7,<3.8'") from error
    for name in ("paddlex", "paddleocr"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return TextDetection


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """PaddleOCR's imports warn about each other; an operator can do nothing about it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
