"""Handwriting known by its colour: where a red pen strikes a printed word out, the network sees print."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.masks import grow
from pipeline.types import Array

COLOURED = 50  # grey levels between a pixel's strongest and weakest channel: pens, stamps, links
TINGED = 25  # ... and at the rims of their strokes, ...
LIGHT = 150  # ... or their strongest channel is stronger than that of print
SURE = 200  # of 255: what tells the colours of pens and of print
FEWEST = 300  # pixels: a pen has written so much on a page, ...
PRINT_SHARE = 0.1  # ... and of print in its colour there is at most so much of that
POSSIBLE, REACH = 25, 2  # of 255, and px: near what may be ink of either kind
HUES, SPREAD = 180, 7  # that OpenCV knows, and over how many one ink is spread


def in_pen_colours(image: Array, levels: Array, ink: Array) -> Array:
    """Ink in a colour in which the page is written on, and in which nothing is printed, (H, W) bool.

    Where a coloured pen crosses print, the print is darker and not so coloured, and is not among it; between the
    letters the network takes the pen for more print. Pictures and rules are no ink, whatever their colour.

    ``image`` (H, W, 3) uint8 RGB, ``levels`` (H, W, 2) uint8 likelihoods of print and handwriting, ``ink`` (H, W) bool
    is handwriting by its look.
    """
    drawn, chroma, strongest = _in_pen_hues(image, levels, ink)
    found = drawn & grow(cv2.add(*cv2.split(levels)) >= POSSIBLE, REACH)
    return (found | (grow(found, 1) & ((chroma >= TINGED) | (strongest >= LIGHT)))) & ~ink


def in_pen_hues(image: Array, levels: Array, ink: Array) -> Array:
    """All of a page that has the hue of such a pen, be it ink or not, (H, W) bool; see ``in_pen_colours``."""
    return _in_pen_hues(image, levels, ink)[0]


def _in_pen_hues(image: Array, levels: Array, ink: Array) -> tuple[Array, Array, Array]:
    """What has a pen's hue, (H, W) bool, and how coloured all is and its strongest channel, (H, W) uint8."""
    strongest, weakest = cv2.max(cv2.max(*cv2.split(image)[:2]), image[..., 2]), image.min(axis=2)
    chroma = cv2.subtract(strongest, weakest)
    coloured = chroma >= COLOURED
    hue = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[..., 0]
    written = _counts(hue, coloured & ink & (levels[..., 1] >= SURE))
    printed = _counts(hue, coloured & ~ink & (levels[..., 0] >= SURE))
    pens = (written >= FEWEST) & (printed <= PRINT_SHARE * written)
    return np.take(pens, hue) & coloured, chroma, strongest


def _counts(hue: Array, where: Array) -> Array:
    """How often each hue and those beside it occur, (HUES,)."""
    counts = np.bincount(hue[where], minlength=HUES)
    around = np.concatenate([counts[-SPREAD:], counts, counts[:SPREAD]])
    return np.convolve(around, np.ones(2 * SPREAD + 1), "valid")
