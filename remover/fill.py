"""The classical fill: what paper and print around the strokes suggest, without a network."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from pipeline.types import RestoredTile, Tile

Image = NDArray[np.uint8]
Mask = NDArray[np.bool_]


class FillRemover:
    """Fills the text mask from what surrounds it: paper where that is flat, inpainting (Navier-Stokes) elsewhere."""

    name = "fill"
    tile_side = 512
    needs_structure = False
    needs_soft_mask = False

    def remove(self, tiles: Sequence[Tile]) -> tuple[RestoredTile, ...]:
        """See ``Remover.remove``. Pixels outside a tile's text mask are returned as they came."""
        return tuple(RestoredTile(tile.box, fill(tile.image, tile.text_mask)) for tile in tiles)


def fill(image: Image, mask: Mask) -> Image:
    """Replace the pixels under ``mask`` (H, W) bool of ``image`` (H, W, 3) uint8 RGB by what is likely behind them.

    An image whose known pixels are only 0 and 255 is filled with 0 and 255. A mask that covers everything leaves no
    paper to look at: the image comes back white.
    """
    if not mask.any():
        return image.copy()
    if mask.all():
        return np.full_like(image, 255)
    paper, spread = _paper(image, mask)
    inpainted = cv2.inpaint(np.ascontiguousarray(image), mask.astype(np.uint8), 3, cv2.INPAINT_NS)
    flat = spread < 8
    result = image.copy()
    result[mask] = np.where(flat[..., None], paper, inpainted)[mask]
    if _is_bilevel(image[~mask]):
        result[mask] = np.where(result[mask] < 128, 0, 255)
    return result


def _paper(image: Image, mask: Mask) -> tuple[Image, NDArray[np.float32]]:
    known = cv2.erode((~mask).astype(np.uint8), np.ones((3, 3), np.uint8))
    if not known.any():
        known = (~mask).astype(np.uint8)
    _, label = cv2.distanceTransformWithLabels(1 - known, cv2.DIST_L2, 3, labelType=cv2.DIST_LABEL_PIXEL)
    source = np.zeros(int(label.max()) + 1, np.int64)
    flat_index = np.flatnonzero(known)
    source[label.ravel()[flat_index]] = flat_index
    nearest = image.reshape(-1, 3)[source[label]]
    paper = cv2.medianBlur(nearest, 21)
    grey = cv2.cvtColor(nearest, cv2.COLOR_RGB2GRAY).astype(np.float32)
    mean = cv2.blur(grey, (15, 15))
    spread = np.sqrt(np.maximum(cv2.blur(grey * grey, (15, 15)) - mean * mean, 0))
    return paper, spread


def _is_bilevel(pixels: Image) -> bool:
    return bool(((pixels == 0) | (pixels == 255)).all())
