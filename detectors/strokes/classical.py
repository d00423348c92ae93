"""The stroke segmenter without a network: ``pipeline.strokes`` behind the interface."""

from __future__ import annotations

from pipeline.strokes import stroke_mask
from pipeline.types import Array, TextRegion


class ClassicalSegmenter:
    """Ink is what stands out from the paper around it, minus rules and what goes on outside the regions."""

    name = "classical"

    def segment(self, image: Array, regions: tuple[TextRegion, ...]) -> Array:
        """See ``StrokeSegmenter.segment``."""
        return stroke_mask(image, [region.polygon for region in regions])
