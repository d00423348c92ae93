"""The stroke segmenters there are, by name. A new one is one file and one line here."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import Any

from detectors.strokes.base import StrokeSegmenter
from pipeline.errors import UsageError


def _classical(**settings: Any) -> StrokeSegmenter:
    from detectors.strokes.classical import ClassicalSegmenter

    return ClassicalSegmenter(**settings)


SEGMENTERS: dict[str, Callable[..., StrokeSegmenter]] = {
    "classical": _classical,
}


def create_segmenter(name: str, **settings: Any) -> StrokeSegmenter:
    """Make the stroke segmenter of that name; ``settings`` go to its constructor.

    Raises UsageError for a name that is not registered.
    """
    if name not in SEGMENTERS:
        near = difflib.get_close_matches(name, SEGMENTERS, n=1, cutoff=0.0)[0]
        raise UsageError(
            f"there is no stroke segmenter {name!r}", f"did you mean {near!r}? there are: {', '.join(sorted(SEGMENTERS))}"
        )
    return SEGMENTERS[name](**settings)
