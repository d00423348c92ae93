"""The detectors there are, by name. Importing this loads no framework."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from detectors.base import Detector, DetectorSettings
from pipeline.errors import UsageError


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
    try:
        factory = DETECTORS[name]
    except KeyError:
        near = difflib.get_close_matches(name, DETECTORS, n=1, cutoff=0.0)
        known = ", ".join(sorted(DETECTORS))
        hint = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"there is no detector {name!r}", f"{hint}known: {known}") from None
    return factory(settings)
