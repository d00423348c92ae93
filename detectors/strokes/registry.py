"""The stroke segmenters there are, by name. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detectors.strokes.base import StrokeSegmenter
from pipeline.errors import require_known


def _classical(**settings: Any) -> StrokeSegmenter:
    from detectors.strokes.classical import ClassicalSegmenter

    return ClassicalSegmenter(**settings)


def _learned(**settings: Any) -> StrokeSegmenter:
    from detectors.strokes.segmenters import LearnedSegmenter

    return LearnedSegmenter(**settings)


def _combined(**settings: Any) -> StrokeSegmenter:
    from detectors.strokes.segmenters import CombinedSegmenter

    return CombinedSegmenter(**settings)


DEFAULT_SEGMENTER = "combined"

SEGMENTERS: dict[str, Callable[..., StrokeSegmenter]] = {
    "classical": _classical,
    "learned": _learned,
    "combined": _combined,
}


def create_segmenter(name: str, **settings: Any) -> StrokeSegmenter:
    """Make the stroke segmenter of that name; ``settings`` go to its constructor.

    Raises UsageError for a name that is not registered.
    """
    require_known("stroke segmenter", name, SEGMENTERS)
    return SEGMENTERS[name](**settings)
