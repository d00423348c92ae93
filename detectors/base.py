"""What every detector is: something that finds where on a page text stands."""

from __future__ import annotations

from typing import Protocol

from pipeline.types import Array, PageRef, TextRegion


class Detector(Protocol):
    """Finds text regions on one page.

    ``name`` is its name in the registry. A detector is made once per worker process and must give the same regions
    for the same page every time.
    """

    name: str

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        """Return the text regions of a page, in reading order (top to bottom, then left to right).

        ``image`` is the whole page, (H, W, 3) uint8 RGB; ``ref`` names it, for detectors that look regions up and for
        messages. Polygons are in page pixels, inside the page. No text is an empty tuple, never an error.
        Raises StageError when the page cannot be looked at, SetupError when the model cannot be loaded.
        """
        ...
