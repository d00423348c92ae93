"""Putting tiles back: feathered overlap, composited under the text mask. The only place that composites."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pipeline.types import Array, Box, RestoredTile

# Rows worked on at once: bounds the float buffers on very large pages.
_STRIP_ROWS = 1024


def stitch(image: Array, text_mask: Array, tiles: Sequence[RestoredTile], feather: int) -> Array:
    """Return the page with the masked pixels replaced by what the tiles predict, and every other pixel as it was.

    ``image`` (H, W, 3) uint8 RGB, ``text_mask`` (H, W) bool. Where tiles overlap, predictions are averaged with
    weights that fall off linearly over the last ``feather`` pixels before a tile's edge. The result is a new
    (H, W, 3) uint8 array; outside the mask it equals ``image`` bit for bit, whatever the tiles hold.
    Raises ValueError when a masked pixel is covered by no tile: it would keep its text.
    """
    height = text_mask.shape[0]
    result = image.copy()
    ordered = sorted(tiles, key=lambda tile: (tile.box.y0, tile.box.x0))
    ramps = {side: _ramp(side, feather) for tile in ordered for side in (tile.box.height, tile.box.width)}
    for top in range(0, height, _STRIP_ROWS):
        strip = slice(top, min(top + _STRIP_ROWS, height))
        mask = text_mask[strip]
        if not mask.any():
            continue
        total = np.zeros((*mask.shape, 3), np.float32)
        weight = np.zeros(mask.shape, np.float32)
        for tile in ordered:
            _add(tile, strip, ramps, total, weight)
        places = np.flatnonzero(mask)  # taking them by number is several times as fast as by mask
        divisor = np.take(weight, places)
        if not (divisor > 0).all():
            raise ValueError("masked pixels are covered by no tile")
        # Single coverage must give the prediction back exactly; rounding removes what the division adds.
        stitched = np.rint(np.take(total.reshape(-1, 3), places, axis=0) / divisor[:, None]).astype(np.uint8)
        result[strip].reshape(-1, 3)[places] = stitched
    return result


def _add(tile: RestoredTile, strip: slice, ramps: dict[int, Array], total: Array, weight: Array) -> None:
    """Add the rows of a tile that fall in a strip of the page to the strip's weighted sums."""
    box = tile.box
    y0, y1 = max(box.y0, strip.start), min(box.y1, strip.stop)
    x0, x1 = max(box.x0, 0), min(box.x1, total.shape[1])
    if y0 >= y1 or x0 >= x1:
        return
    part = Box(x0 - box.x0, y0 - box.y0, x1 - box.x0, y1 - box.y0)
    gain = np.outer(ramps[box.height][part.slices[0]], ramps[box.width][part.slices[1]])
    rows, columns = slice(y0 - strip.start, y1 - strip.start), slice(x0, x1)
    total[rows, columns] += tile.image[part.slices] * gain[..., None]
    weight[rows, columns] += gain


def _ramp(side: int, feather: int) -> Array:
    """Weights along one axis: 1 inside, falling linearly to just above 0 at both ends. (side,) float32."""
    distance = np.minimum(np.arange(side), np.arange(side)[::-1]) + 0.5
    return np.clip(distance / max(feather, 0.5), 0.0, 1.0).astype(np.float32)
