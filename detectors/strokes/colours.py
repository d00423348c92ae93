"""Handwriting known by its colour: where a red pen strikes a printed word out, the network sees print."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.types import Array

COLOURED = 50  # grey levels between a pixel's strongest and weakest channel: pens, stamps, links
TINGED = 25  # ... and at the rims of their strokes, ...
LIGHT = 150  # ... or their strongest channel is stronger than that of print
SURE = 200  # of 255: what tells the colours of pens and of print
FEWEST = 300  # pixels: a pen has written so much on a page, ...
PRINT_SHARE = 0.1  # ... and of print in its colour there is at most so much of that
POSSIBLE, REACH = 25, 2  # of 255, and px: near what may be ink of either kind
HUES, SPREAD = 180, 7  # that OpenCV knows, and over how many one ink is spread
KNOWN = 1 / 3  # of a stroke in a pen's colour is known to be ink: then all of it is, ...
THICKER = 1.5  # ... where it is no more than so many times as thick as what is known of it ...
OFF = 60.0  # ... and its colour, so many grey levels off at most, is the same


def in_pen_colours(image: Array, levels: Array, ink: Array) -> Array:
    """Ink in a colour in which the page is written on, and in which nothing is printed, (H, W) bool.

    Where a coloured pen crosses print, the print is darker and not so coloured, and is not among it; between the
    letters the network takes the pen for more print. Pictures and rules are no ink, whatever their colour, unless they
    go on from ink as part of the same stroke: of large loops the network sees the ends.

    ``image`` (H, W, 3) uint8 RGB, ``levels`` (H, W, 2) uint8 likelihoods of print and handwriting, ``ink`` (H, W) bool
    is handwriting by its look.
    """
    strongest, weakest = cv2.max(cv2.max(*cv2.split(image)[:2]), image[..., 2]), image.min(axis=2)
    chroma = cv2.subtract(strongest, weakest)
    coloured = chroma >= COLOURED
    hue = cv2.cvtColor(image, cv2.COLOR_RGB2HSV)[..., 0]
    written = _counts(hue, coloured & ink & (levels[..., 1] >= SURE))
    printed = _counts(hue, coloured & ~ink & (levels[..., 0] >= SURE))
    pens = (written >= FEWEST) & (printed <= PRINT_SHARE * written)
    if not pens.any():
        return np.zeros(ink.shape, bool)
    near = _grow(cv2.add(*cv2.split(levels)) >= POSSIBLE, REACH)
    drawn = np.take(pens, hue) & coloured
    found = drawn & near
    found |= _strokes_on(image, drawn, found | ink)
    return (found | (_grow(found, 1) & ((chroma >= TINGED) | (strongest >= LIGHT)))) & ~ink


def _strokes_on(image: Array, drawn: Array, known: Array) -> Array:
    """What goes on from ``known`` ink along the strokes of what is ``drawn`` in its colour, all (H, W) bool."""
    found = np.zeros(drawn.shape, bool)
    count, label, boxes, _ = cv2.connectedComponentsWithStats(drawn.view(np.uint8), connectivity=8)
    seen = np.bincount(label[drawn & known], minlength=count)
    partly = (seen >= KNOWN * boxes[:, cv2.CC_STAT_AREA]) & (seen < boxes[:, cv2.CC_STAT_AREA])
    depth = cv2.distanceTransform(drawn.view(np.uint8), cv2.DIST_L2, 3)
    for number in np.flatnonzero(partly[1:]) + 1:
        x, y, width, height, _ = boxes[number].tolist()
        window = slice(y, y + height), slice(x, x + width)
        stroke = label[window] == number
        old = stroke & known[window]
        new = stroke & ~old & (depth[window] <= THICKER * float(depth[window][old].max()))
        off = np.linalg.norm(np.median(image[window][old], axis=0) - image[window], axis=2)
        pieces, piece = cv2.connectedComponents(new.view(np.uint8), connectivity=8)
        alike = [k for k in range(1, pieces) if np.median(off[piece == k]) <= OFF]
        found[window] |= np.isin(piece, alike)
    return found


def _counts(hue: Array, where: Array) -> Array:
    """How often each hue and those beside it occur, (HUES,)."""
    counts = np.bincount(hue[where], minlength=HUES)
    around = np.concatenate([counts[-SPREAD:], counts, counts[:SPREAD]])
    return np.convolve(around, np.ones(2 * SPREAD + 1), "valid")


def _grow(mask: Array, by: int) -> Array:
    side = 2 * by + 1
    return cv2.dilate(mask.view(np.uint8), np.ones((side, side), np.uint8)).view(bool)
