"""What the pixels of a page are: black and white, grey, or coloured."""

from __future__ import annotations

import numpy as np

from pipeline.types import Array, Colour

_MAX_EDGES_PER_INK = 10.0
"""Grey pixels per black one in a resampled 1-bit scan: about 4 for print at 300 dpi. Ink that is grey has no black."""

_ROWS = 256
"""Rows looked at in one go: a coloured page is known for one after the first few, and memory stays small."""


def colour_of(image: Array) -> Colour:
    """GREY if R == G == B in every pixel of an (H, W, 3) uint8 image, else RGB."""
    for start in range(0, image.shape[0], _ROWS):
        rows = image[start : start + _ROWS]
        red = rows[..., 0]
        if not (np.array_equal(red, rows[..., 1]) and np.array_equal(red, rows[..., 2])):
            return Colour.RGB
    return Colour.GREY


def is_bilevel(image: Array) -> bool:
    """Whether a grey (H, W, 3) uint8 image has no other values than 0 and 255."""
    for start in range(0, image.shape[0], _ROWS):
        grey = image[start : start + _ROWS, :, 0]
        if not bool(np.all((grey == 0) | (grey == 255))):
            return False
    return True


def bilevel_again(image: Array) -> Array:
    """A resampled 1-bit scan, (H, W, 3) uint8 grey, with its edges cut at 128; the image itself if it is none."""
    grey = image[..., 0]
    black = np.count_nonzero(grey == 0)
    edges = grey.size - black - np.count_nonzero(grey == 255)
    if edges == 0 or edges > _MAX_EDGES_PER_INK * black:
        return image
    return np.where(image >= 128, np.uint8(255), np.uint8(0))
