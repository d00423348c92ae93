"""The stroke segmenter without a network: ``pipeline.strokes`` behind the interface."""

from __future__ import annotations

from pipeline.errors import UsageError
from pipeline.selection import InkSelection
from pipeline.strokes import stroke_mask
from pipeline.types import Array, TextRegion


class ClassicalSegmenter:
    """Ink is what stands out from the paper around it, minus rules and what goes on outside the regions."""

    name = "classical"

    def __init__(self, threads: int = 1) -> None:
        """``threads`` says how many regions are looked at side by side."""
        self._threads = threads

    def segment(self, image: Array, regions: tuple[TextRegion, ...], selection: InkSelection) -> Array:
        """See ``StrokeSegmenter.segment``. It knows text regions only, and cannot tell a pen from a press."""
        if selection.remove != "all" or selection.whole_page:
            raise UsageError("the classical stroke mask finds any ink, at text regions only", "use --mask strokes")
        return stroke_mask(image, [region.polygon for region in regions], self._threads)
