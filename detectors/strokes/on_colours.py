"""Text on a coloured ground that ends near it, as a marker's band does: there the stroke network knows better.

The classical mask guesses what the paper is, and next to a band's end either the band or the paper beside it counts as
ink: bands grow, shrink and lose their ends, and so do the rules near. The network sees the letters only. It is
believed where nothing else there looks like a stroke.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.highlights import coloured_pixels
from pipeline.types import Array

INK = 128  # of 255: ink, says the network
LEAST_INK = 0.04  # so much of a region it must find, ...
SPAN = 0.6  # ... over so much of its length, ...
CONTRAST = 40  # ... so many grey levels from what is coloured
COLOURED = 0.2  # of the ground so much is coloured
STROKE, NARROW = 0.3, 0.15  # text heights: strokes are narrower; of the other side, light or dark, much narrower
LIKE = 0.4  # what differs from what is around it by so much of the letters' contrast is a stroke, too ...
MISSED = 0.1  # ... and there may be so much of that, of what the network finds
ACROSS, ALONG = 0.9, 1.5  # text heights: what is so long is a rule


def no_letters(image: Array, found: Array, inside: Array, likely: Array, near: Array, height: float) -> Array:
    """What of ``found`` is band, paper or rule, (H, W) bool; nothing where the network may have missed letters.

    ``image`` (H, W, 3) uint8 RGB is a region's window, ``inside`` (H, W) bool the region, ``found`` (H, W) bool what
    the classical mask calls ink; ``likely`` (H, W) uint8 says how likely the network holds ink, ``near`` (H, W) bool
    what is near any that is possible; ``height`` is the text's, in px.
    """
    nothing = np.zeros(found.shape, bool)
    ink, ground = (likely >= INK) & inside, inside & ~near
    if not _fills(ink, inside):
        return nothing
    band = ground & coloured_pixels(np.ascontiguousarray(image))
    if np.count_nonzero(band) < max(COLOURED * np.count_nonzero(ground), 1):
        return nothing
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    contrast = float(np.median(grey[band])) - float(np.median(grey[ink]))
    if abs(contrast) < CONTRAST:
        return nothing
    missed = np.count_nonzero(_strokes(grey, contrast, height) & ground)
    return nothing if missed > MISSED * np.count_nonzero(ink) else found & ~near


def _fills(ink: Array, inside: Array) -> bool:
    """Whether there is enough ``ink`` (H, W) bool over enough of the length of a region."""
    if np.count_nonzero(ink) < max(LEAST_INK * np.count_nonzero(inside), 1):
        return False
    length, whole = (max(cv2.boundingRect(one.view(np.uint8))[2:]) for one in (ink, inside))
    return bool(length >= SPAN * whole)


def _strokes(grey: Array, contrast: float, height: float) -> Array:
    """What is as narrow as a stroke and no rule, (H, W) bool; letters are darker by ``contrast``, or lighter."""
    own, other = cv2.MORPH_BLACKHAT, cv2.MORPH_TOPHAT
    if contrast < 0:
        own, other = other, own
    narrow = np.zeros(grey.shape, np.uint8)
    for operation, width in ((own, STROKE), (other, NARROW)):
        side = max(int(width * height) | 1, 5)
        stands_out = cv2.morphologyEx(grey, operation, np.ones((side, side), np.uint8))
        narrow |= (stands_out > int(LIKE * abs(contrast))).view(np.uint8)
    upright, level = (
        np.ones((max(int(ACROSS * height), 5), 1), np.uint8),
        np.ones((1, int(ALONG * height) + 5), np.uint8),
    )
    rules = cv2.morphologyEx(narrow, cv2.MORPH_OPEN, upright) | cv2.morphologyEx(narrow, cv2.MORPH_OPEN, level)
    return (narrow > 0) & (cv2.dilate(rules, np.ones((5, 5), np.uint8)) == 0)
