"""What every stroke segmenter is: something that says which pixels of the text regions are text ink."""

from __future__ import annotations

from typing import Protocol

from pipeline.types import Array, TextRegion


class StrokeSegmenter(Protocol):
    """Tells text ink from everything else, pixel by pixel.

    ``name`` is its name in the registry. A segmenter is made once per worker process and must give the same mask for
    the same page every time.
    """

    name: str

    def segment(self, image: Array, regions: tuple[TextRegion, ...]) -> Array:
        """Return the text ink in and at the regions, anti-aliased rim included.

        ``image`` is the whole page, (H, W, 3) uint8 RGB, read only; the regions are in its pixels.
        Returns (H, W) bool. Rules, frames and pictures that the text crosses are not ink.
        No regions give an empty mask. Raises SetupError when a model cannot be loaded.
        """
        ...
