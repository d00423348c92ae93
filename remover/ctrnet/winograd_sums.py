"""The sums of Winograd's algorithm, channels last: of pixels before the products, and of products after them.

Images are float32, for patches of P = 6 pixels a side and 4 outputs, or bfloat16, for P = 4 and 2 outputs; numpy has
the latter as uint16.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pipeline.types import Array
from remover.ctrnet import winograd_bfloat16, winograd_float32
from remover.ctrnet.bands import for_each_band, share

_BAND_ROWS = 32  # whose sums one thread takes at a time


def add_pixels(image: Array, edge: tuple[int, bool], tiles: tuple[int, int], columns: Array, sums: Array) -> None:
    """What is to be multiplied.

    ``image`` is (H, W, C); ``edge`` says how many pixels lie around it, and whether they mirror it, zeros if not;
    ``tiles`` how many pixels they lie apart, and in which row of them to begin. ``sums`` (P, P, rows of tiles, tiles
    in a row, C) of the image's type is written, and so is ``columns`` (P, pixels a row of tiles reaches over, C)
    float32.
    """
    height, width, channels = image.shape
    nothing = np.zeros(width * channels, image.dtype)
    rows, columns = image.reshape(height, -1), columns.reshape(len(sums), -1)
    _loops(image).add_pixels(rows, channels, *edge, *tiles, columns, nothing, sums)


class Modulated(NamedTuple):
    """An image (H, W, C) to be multiplied and added to, and what normalizes its channels, C float32 each."""

    image: Array
    factor: Array
    offset: Array


def add_products(
    products: tuple[Array, ...], first: int, bias: Array, slope: float, modulated: Modulated | None, result: Array
) -> None:
    """The tiles from row ``first`` on of ``result`` (H, W, C), from (tiles, C) products for every place in a patch.

    Negative outputs, ``bias`` included, are multiplied by ``slope``, from 0 to 1. With an image that is ``modulated``
    there are twice the products: scales, which multiply its normalized pixels, then shifts. Types as in ``add_pixels``.
    """
    size = 6 if len(products) == 36 else 4
    half, line = (np.empty((*shape, len(bias)), np.float32) for shape in ((size - 2, size), (size - 2,)))
    modulating = modulated is not None
    image, factor, offset = modulated or Modulated(result, bias, bias)
    add = _loops(result).add_products
    add(products, first, bias, np.float32(slope), modulating, image, factor, offset, half, line, result)


def normalize(image: Array) -> Modulated:
    """An image to be modulated by its instance norm: variance with 1e-5 added, as torch has it."""
    height, width, channels = image.shape
    sums = np.zeros((2, height, channels), np.float32)
    reference = np.empty(channels, np.float32)
    loops, band = _loops(image), share(height, _BAND_ROWS)
    loops.refer(image, reference)

    def sum_up(first: int) -> None:
        loops.sum_up(image[first : first + band], reference, sums[:, first : first + band])

    for_each_band(sum_up, range(0, height, band))
    mean, square = sums.sum(axis=1, dtype=np.float64) / (height * width)
    factor = 1 / np.sqrt(square - mean**2 + 1e-5)
    return Modulated(image, factor.astype(np.float32), (-(mean + reference) * factor).astype(np.float32))


def _loops(image: Array) -> Any:
    return winograd_float32 if image.dtype == np.float32 else winograd_bfloat16
