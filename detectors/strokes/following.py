"""Following a pen: of large loops and waves the stroke network sees parts only, and the rest has the same colour."""

from __future__ import annotations

import cv2
import numpy as np

from detectors.strokes.colours import in_pen_hues
from pipeline.masks import grow
from pipeline.pens import APART, DARKER, stroke_colours
from pipeline.types import Array

INK, SURE = 128, 200  # of 255: a pixel is ink of a kind from this likelihood on, and tells a pen's colour from that one
LEAST, FEWEST = 100, 300  # px: of a stroke that tells a pen's colour, and that a pen has written
MOST = 6  # pens on a page
SAME = 35  # grey levels in each channel: what is of one pen
PRINT = 0.15  # of what is written in a pen's colour: no more than so much is printed in it ...
WRITTEN = 0.5  # ... and so much of what has the colour is written
KNOWN = 1 / 3  # of a stroke is known to be ink: then all of it is, ...
THICKER = 1.5  # ... where it is no more than so many times as thick as what is known of it
CORE, RIM = 3, 2  # px: strokes are so wide, which the rims of darker letters are not, and have rims of their own


def followed(image: Array, levels: Array, ink: Array) -> Array:
    """What goes on along the strokes of the handwritten ``ink``, where it was not known, (H, W) bool.

    Only for pens that write in another colour than the page is printed in, or paler; areas and print stay.

    ``image`` (H, W, 3) uint8 RGB, ``levels`` (H, W, 2) uint8 likelihoods of print and handwriting, ``ink`` (H, W) bool.
    """
    printed = (levels[..., 0] >= INK) & (levels[..., 0] > levels[..., 1]) & ~ink
    found = np.zeros(ink.shape, bool)
    if not ink.any():
        return found
    hues = in_pen_hues(image, levels, ink)
    shades = [_in_shade(image, pen, ink, printed) for pen in _pens(image, levels, ink, printed)]
    for drawn in (hues, *shades):
        more = _rest(image, drawn, ink)
        if more.any():
            least = np.median(image[drawn & ink], axis=0) - SAME  # print beside it is darker
            found |= (more | (grow(more, RIM) & (image >= least).all(axis=2))) & ~printed
    return found & ~ink


def _in_shade(image: Array, pen: Array, ink: Array, printed: Array) -> Array:
    """What has the colour of a pen, (3,), and is no rim of something darker, (H, W) bool; nothing if print has it."""
    drawn = cv2.inRange(image, np.clip(pen - SAME, 0, 255), np.clip(pen + SAME, 0, 255)) // 255
    drawn = cv2.morphologyEx(drawn, cv2.MORPH_OPEN, np.ones((CORE, CORE), np.uint8)).view(bool)
    written = np.count_nonzero(drawn & ink)
    enough = written >= max(FEWEST, WRITTEN * np.count_nonzero(drawn))
    return drawn & (enough and np.count_nonzero(drawn & printed) <= PRINT * written)


def _pens(image: Array, levels: Array, ink: Array, printed: Array) -> list[Array]:
    """The colours of the page's pens, (3,) float64 RGB each, that differ from those of print and paper."""
    if not printed.any():
        return []
    toner = np.percentile(image[printed], DARKER, axis=0)
    paper = np.median(image[::4, ::4].reshape(-1, 3), axis=0)
    count, label = cv2.connectedComponents(ink.view(np.uint8), connectivity=8)
    sure = ink & (levels[..., 1] >= SURE)
    colours, sizes = stroke_colours(image, label, sure, count), np.bincount(label[sure], minlength=count)
    apart = np.minimum(np.linalg.norm(colours - toner, axis=1), np.linalg.norm(colours - paper, axis=1)) > APART
    pens: list[Array] = []
    for number in np.argsort(-sizes, kind="stable"):
        known = any(np.abs(pen - colours[number]).max() < SAME / 2 for pen in pens)
        if len(pens) < MOST and sizes[number] >= LEAST and apart[number] and not known:
            pens.append(colours[number])
    return pens


def _rest(image: Array, drawn: Array, ink: Array) -> Array:
    """What is not known of strokes that are ``drawn`` (H, W) bool in one colour, and partly known, (H, W) bool."""
    found = np.zeros(ink.shape, bool)
    count, label, boxes, _ = cv2.connectedComponentsWithStats(drawn.view(np.uint8), connectivity=8)
    area, seen = boxes[:, cv2.CC_STAT_AREA], np.bincount(label[drawn & ink], minlength=count)
    for number in np.flatnonzero((seen >= KNOWN * area) & (seen < area)):
        x, y, width, height, _ = boxes[number].tolist()
        window = slice(y, y + height), slice(x, x + width)
        stroke = label[window] == number
        old = stroke & ink[window]
        depth = cv2.distanceTransform(np.pad(stroke.view(np.uint8), 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
        new = stroke & ~old & (depth <= THICKER * float(depth[old].max()))
        if new.any() and np.linalg.norm(_middle(image[window][new]) - _middle(image[window][old])) <= APART:
            found[window] |= new
    return found


def _middle(colours: Array) -> Array:
    return np.asarray(np.median(colours, axis=0))
