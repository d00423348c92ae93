"""Text regions through PaddleOCR: PP-OCRv6 small (a DBNet) by default, run by onnxruntime.

The only module that imports paddleocr. The shipped weights need no network.
"""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np

from detectors.bands import Finding, Found, add_overview, busy_box, cut_piece, merge_findings, plan_pieces, plan_scales
from detectors.base import DetectorSettings
from detectors.models import load_model
from pipeline.errors import StageError
from pipeline.geometry import clip_polygon, reading_order
from pipeline.types import Array, PageRef, TextRegion


class PaddleOcrDetector:
    """Finds text with ``paddleocr.TextDetection``, at the page's full size, in pieces of bounded size."""

    name = "paddleocr"

    def __init__(self, settings: DetectorSettings) -> None:
        """Load the model. Raises SetupError when it, its engine or its device cannot be had."""
        self.settings = settings
        self._model = load_model(settings)

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        """See ``Detector.detect``."""
        height, width = image.shape[:2]
        try:
            found = self._look(image)
        except Exception as error:  # whatever onnxruntime, OpenCV or PaddleOCR raise: this page failed, no other
            raise StageError(
                f"text detection failed on page {ref.page_number} of {ref.document} ({width} x {height} px): {error}",
                "if memory ran out, give the worker more of it",
                "detect",
                ref.page_number,
            ) from error
        clipped = ((clip_polygon(polygon, width, height), score) for polygon, score in found)
        return reading_order([TextRegion(polygon, score) for polygon, score in clipped if polygon is not None])

    def _look(self, image: Array) -> list[Found]:
        busy = busy_box(image)
        if busy is None:
            return []
        found: list[Found] = []
        for scale in plan_scales(image.shape[1], image.shape[0]):
            look = _resize(image[busy.slices], scale)
            back = np.array((busy.width / look.shape[1], busy.height / look.shape[0]), np.float32)
            seen = merge_findings(list(self._look_at_pieces(look)))
            corner = np.array((busy.x0, busy.y0), np.float32)
            moved = [(polygon * back + corner, score) for polygon, score in seen]
            found = add_overview(found, moved)
        return found

    def _look_at_pieces(self, look: Array) -> Iterator[Finding]:
        for piece in plan_pieces(look.shape[1], look.shape[0]):
            corner = np.array((piece.x0, piece.y0), np.float32)
            for polygon, score in self._find(cut_piece(look, piece)):
                yield Finding(polygon + corner, score, piece)

    def _find(self, piece: Array) -> list[Found]:
        """(polygon (4, 2) float32, score) in one piece, (H, W, 3) uint8 RGB with sides that are multiples of 32."""
        bgr = np.ascontiguousarray(piece[:, :, ::-1])
        result = self._model.predict(bgr)[0]
        return [
            (np.asarray(polygon, np.float32), min(1.0, max(0.0, float(score))))
            for polygon, score in zip(result["dt_polys"], result["dt_scores"], strict=True)
        ]


def _resize(image: Array, scale: float) -> Array:
    if scale == 1:
        return image
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
