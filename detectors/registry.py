"""The detectors there are, by name. Importing this loads no framework."""

from __future__ import annotations

from collections.abc import Callable

from detectors.base import Detector, DetectorSettings
from pipeline.errors import require_known


def _paddleocr(settings: DetectorSettings) -> Detector:
    from detectors.paddleocr import PaddleOcrDetector

    return PaddleOcrDetector(settings)


def _annotated(settings: DetectorSettings) -> Detector:
    from detectors.annotated import AnnotatedDetector

    return AnnotatedDetector(settings)


DETECTORS: dict[str, Callable[[DetectorSettings], Detector]] = {
    "paddleocr": _paddleocr,
    "annotated": _annotated,
}


def create_detector(name: str, settings: DetectorSettings) -> Detector:
    """Make the detector of that name; nothing is cached, so make one per process.

    Raises UsageError for an unknown name, SetupError when what it needs is missing.
    """
    require_known("detector", name, DETECTORS)
    return DETECTORS[name](settings)
