"""Print under a pen: where handwriting is darker than the pen that wrote it, and what is darker goes on as print."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.pens import APART, DARKER, stroke_colours, towards
from pipeline.types import Array

INK = 128  # of 255: the likelihood from which a pixel is ink of a kind
SURE = 200  # of 255: what tells a pen's colour
NEARER = 0.6  # of the way from the pen's colour to the print's: a pixel that is so far along is print
REACH = 2  # px: print seen through a pen goes on so near outside of it


def print_under_pens(image: Array, levels: Array, ink: Array) -> Array:
    """Which of the handwritten ``ink`` is print that shows through the pen, (H, W) bool.

    A pen's ink is see-through, and toner is darker than most: where they cross, the page shows the print, and nothing
    has to be made up there. Each stroke is compared with its own colour, as pens differ, and print with that of the
    page's. Black pens on black print cannot be told apart, and stay one.

    ``image`` (H, W, 3) uint8 RGB, ``levels`` (H, W, 2) uint8 likelihoods of print and handwriting, ``ink`` (H, W) bool.
    """
    printed = (levels[..., 0] >= INK) & (levels[..., 0] > levels[..., 1]) & ~ink
    if not ink.any() or not printed.any():
        return np.zeros(ink.shape, bool)
    toner = np.percentile(image[printed], DARKER, axis=0)
    count, label = cv2.connectedComponents(ink.view(np.uint8), connectivity=8)
    pens = stroke_colours(image, label, ink & (levels[..., 1] >= SURE), count)
    apart = np.linalg.norm(toner - pens, axis=1) > APART  # NaN, where a stroke has no sure pixel, is not
    rows, columns = np.nonzero(ink)
    stroke = label[rows, columns]
    through = np.zeros(ink.shape, bool)
    through[rows, columns] = apart[stroke] & (towards(image[rows, columns], pens[stroke], toner) > NEARER)
    return through & _going_on(through, printed)


def _going_on(through: Array, printed: Array) -> Array:
    """The pieces of ``through`` that print outside the pen reaches: a pen's own dark spots have none around them."""
    side = 2 * REACH + 1
    near = cv2.dilate(printed.view(np.uint8), np.ones((side, side), np.uint8)).view(bool)
    count, label = cv2.connectedComponents(through.view(np.uint8), connectivity=8)
    reached = np.zeros(count, bool)
    reached[label[through & near]] = True
    return np.take(reached, label)
