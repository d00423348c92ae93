"""What CTRNet for documents is given beside a tile and its strokes: the same in training as when it runs.

The published network is given the regions text lies in. Here the pixels that are ink are known, and a plain fill of
them is mostly right: the network sees that, says what is wrong with it, and how near the ink every pixel is.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from pipeline.structure import structure_map
from pipeline.types import Array
from remover.fill import fill

SOFT_REACH = 8  # px from the strokes at which their soft mask ends: a rule's width, so that both its sides are in it


class Prepared(NamedTuple):
    """What is derived from an image (H, W, 3) uint8 RGB and its strokes.

    ``prefill`` (H, W, 3) uint8 RGB is the image with the strokes filled; ``soft_mask`` (H, W) float32 in [0, 1] how
    near strokes are; ``structure`` (H, W) float32 in [0, 1] the structure of the prefill's grey levels.
    """

    prefill: Array
    soft_mask: Array
    structure: Array


def prepare(image: Array, mask: Array, prefill: Array | None = None, with_structure: bool = True) -> Prepared:
    """Derive the inputs for ``image`` (H, W, 3) uint8 RGB with strokes ``mask`` (H, W) bool.

    A ``prefill`` that is there already is not made again; without structure that is all zero.
    """
    filled = fill(image, mask) if prefill is None else prefill
    structure = grey_structure(filled) if with_structure else np.zeros(mask.shape, np.float32)
    return Prepared(filled, soften(mask), structure)


def soften(mask: Array) -> Array:
    """The soft mask of strokes, (H, W) bool to float32: 1 on them only, falling to 0 within ``SOFT_REACH`` px."""
    if not mask.any():
        return np.zeros(mask.shape, np.float32)
    distance = cv2.distanceTransform((~mask).astype(np.uint8), cv2.DIST_L2, 3)
    return np.clip(1 - distance / np.float32(SOFT_REACH), 0, 1)


def grey_structure(image: Array) -> Array:
    """The structure map of an image's grey levels, (H, W) float32; the image is (H, W, 3) uint8 RGB.

    Colours are in the prefill; their structure would take three times as long, as long as the network itself.
    """
    return structure_map(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))
