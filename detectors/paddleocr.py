"""Text regions through PaddleOCR: PP-OCRv6 small (a DBNet) by default, run by onnxruntime.

The only module that imports paddleocr. The shipped weights need no network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from detectors.bands import (
    Finding,
    Found,
    cut_piece,
    drop_enclosing,
    join_looks,
    merge_findings,
    plan_pieces,
)
from detectors.base import DetectorSettings
from detectors.looks import Look, is_low, plan_glances, plan_looks
from detectors.models import load_model
from pipeline.complaints import without_words
from pipeline.errors import StageError
from pipeline.geometry import clip_polygon, reading_order
from pipeline.types import Array, Box, PageRef, TextRegion


class PaddleOcrDetector:
    """Finds text with ``paddleocr.TextDetection``, whatever the page's size, in pieces of bounded size."""

    name = "paddleocr"

    def __init__(self, settings: DetectorSettings) -> None:
        """Load the model. Raises SetupError when it, its engine or its device cannot be had."""
        self.settings = settings
        self._model = load_model(settings)

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        """See ``Detector.detect``."""
        height, width = image.shape[:2]
        try:
            found = self._look(image, plan_looks(width, height))
        except Exception as error:  # whatever onnxruntime, OpenCV or PaddleOCR raise: this page failed, no other
            raise StageError(
                f"text detection failed on page {ref.page_number} of {ref.document} ({width} x {height} px): "
                f"{without_words(error)}",
                "if memory ran out, give the worker more of it",
                "detect",
                ref.page_number,
            ) from error
        clipped = ((clip_polygon(polygon, width, height), score) for polygon, score in found)
        return reading_order([TextRegion(polygon, score) for polygon, score in clipped if polygon is not None])

    def _look(self, image: Array, looks: Sequence[Look]) -> list[Found]:
        found: list[Found] = []
        for look in looks:
            seen = _resize(image, look.scale)
            back = np.array((image.shape[1] / seen.shape[1], image.shape[0] / seen.shape[0]), np.float32)
            known = [polygon / back for polygon, _ in found]
            news = merge_findings(list(self._look_at_pieces(seen, known, look.tallest)))
            found = drop_enclosing(join_looks([(polygon * back, score) for polygon, score in news], found))
        return found

    def _look_at_pieces(self, seen: Array, known: Sequence[Array], tallest: int) -> Iterator[Finding]:
        for box in plan_pieces(seen.shape[1], seen.shape[0]):
            piece, corner = cut_piece(seen, box), np.array((box.x0, box.y0), np.float32)
            glances: Sequence[Box] = (Box(0, 0, box.width, box.height),)
            if tallest:
                glances = plan_glances(piece, (polygon - corner for polygon in known), tallest)
            for glance in glances:
                place = glance.moved(box.x0, box.y0)
                corner = np.array((place.x0, place.y0), np.float32)
                found = [(polygon + corner, score) for polygon, score in self._find(piece[glance.slices])]
                if (glance.width, glance.height) != (box.width, box.height):
                    found = [item for item in found if is_low(item[0], tallest)]
                for polygon, score in found:
                    yield Finding(polygon, score, place)

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
