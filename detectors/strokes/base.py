"""What every stroke segmenter is: something that says which pixels are text ink, and of which kind."""

from __future__ import annotations

from typing import Protocol

from pipeline.selection import InkSelection
from pipeline.types import Array, TextRegion


class StrokeSegmenter(Protocol):
    """Tells text ink from everything else, pixel by pixel.

    ``name`` is its name in the registry. A segmenter is made once per worker process and must give the same mask for
    the same page every time.
    """

    name: str

    def segment(self, image: Array, regions: tuple[TextRegion, ...], selection: InkSelection) -> Array:
        """Return the selected ink, anti-aliased rim included.

        ``image`` is the whole page, (H, W, 3) uint8 RGB, read only; the regions are in its pixels.
        Returns (H, W) bool. Rules, frames and pictures that the text crosses are not ink.
        No regions give an empty mask, unless ink is looked for on the whole page. Raises SetupError when a model
        cannot be loaded, UsageError for a selection that this segmenter cannot tell.
        """
        ...
