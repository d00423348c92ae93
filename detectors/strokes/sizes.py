"""Showing the stroke network text in the sizes it knows: it was trained on scans of 150 to 300 dpi."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import cv2
import numpy as np

from pipeline.masks import polygon_mask
from pipeline.types import Array

LARGEST = 64  # px: the network misses parts of larger letters, so text this high is read from a smaller page, too ...
SHOWN = 48  # ... on which it has this height at most; the classical mask needs no help there
FEWEST = 8  # regions: a page with so many, ...
LOW = 25  # percent of which are lower than LARGEST at most, is large as a whole ...
SHOWN_LOW = 56, 72  # px ... and is shown so much smaller that this quartile has these heights


class Reader(Protocol):
    """What reads a page's ink: ``StrokeReader``."""

    def read(self, image: Array, wanted: Array | None = None) -> Array:
        """See ``StrokeReader.read``."""
        ...


def page_factors(outlines: Sequence[Array]) -> tuple[float, ...]:
    """How many times smaller the network is shown a page with these text regions (N, 2), largest first; 1 is as it is.

    Photographs of a page have 400 dpi and more. There the network takes the paper's fibres for ink, and check boxes.
    """
    heights = [min(cv2.minAreaRect(outline.astype(np.float32))[1]) for outline in outlines]
    low = float(np.percentile(heights, LOW)) if len(heights) >= FEWEST else 0.0
    return tuple(max(low / shown, 1.0) for shown in SHOWN_LOW) if low >= LARGEST else (1.0,)


def read_page(reader: Reader, image: Array, outlines: Sequence[Array], wanted: Array | None) -> Array:
    """Likelihoods (H, W, 2) uint8 of print and handwriting on a page, shown smaller where all its text is large.

    Then it is shown in two sizes, and the mean counts: whether a pen's stroke is handwriting may change with the size.
    ``image`` (H, W, 3) uint8 RGB; ``wanted`` (H, W) bool is what needs to be read, None is all of it.
    """
    seen = [_read_smaller(reader, image, factor, wanted) for factor in page_factors(outlines)]
    return seen[0] if len(seen) == 1 else cv2.addWeighted(seen[0], 0.5, seen[1], 0.5, 0)


def _read_smaller(reader: Reader, image: Array, factor: float, wanted: Array | None) -> Array:
    if factor == 1:
        return reader.read(image, wanted)
    size = tuple(max(round(side / factor), 1) for side in image.shape[1::-1])
    near = None
    if wanted is not None:
        near = cv2.resize(wanted.view(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
    seen = reader.read(cv2.resize(image, size, interpolation=cv2.INTER_AREA), near)
    return cv2.resize(seen, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)


def read_tall(reader: Reader, image: Array, outlines: list[Array], levels: Array) -> Array:
    """``levels`` with what ``reader`` sees of tall text on a smaller copy of the page, where it sees more there.

    The network knows glyphs of up to some 100 px; of larger ones it takes the insides for solid shapes. Outside the
    tall ``outlines`` nothing changes. (H, W, 2) uint8.
    """
    factors = [_reduction(outline) for outline in outlines]
    result = levels.copy() if max(factors, default=1) > 1 else levels
    for factor in sorted(set(factors) - {1}):
        chosen = [outline for outline, own in zip(outlines, factors, strict=True) if own == factor]
        inside = polygon_mask(chosen, *levels.shape[:2])
        size = tuple(max(round(side / factor), 1) for side in image.shape[1::-1])
        near = cv2.resize(inside.view(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        seen = reader.read(cv2.resize(image, size, interpolation=cv2.INTER_AREA), near)
        seen = cv2.resize(seen, image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        more = inside & (cv2.add(*cv2.split(seen)) > cv2.add(*cv2.split(result)))
        result[more] = seen[more]
    return result


def _reduction(outline: Array) -> int:
    """How many times smaller a page is on which this text is read; 1 unless it is tall."""
    height = min(cv2.minAreaRect(outline.astype(np.float32))[1])
    return int(np.ceil(height / SHOWN)) if height >= LARGEST else 1
