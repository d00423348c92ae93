"""What is darker than the paper around it: by how much, and as marks whose shapes can be told.

The two ask for different things. ``darkness`` measures from the lightest nearby, so that a broad stroke is as dark in
its middle as at its edges. ``dark_marks`` cuts at what is usual nearby, so that marks on tinted and on unevenly lit
paper are apart, each with its own outline.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.masks import grow
from pipeline.types import Array

PAPER_SIDE = 15  # px, at half size: the lightest so far around is the paper
REACH = 60  # px around ink in which marks are looked for
WINDOW, CONTRAST = 41, 12  # px, and grey levels by which a mark is darker than what is usual so far around it


def darkness(image: Array) -> Array:
    """How much darker than the paper around it each pixel of an image (H, W, 3) uint8 RGB is, (H, W) uint8."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    half = cv2.resize(grey, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    half = cv2.dilate(cv2.medianBlur(half, 3), np.ones((PAPER_SIDE, PAPER_SIDE), np.uint8))
    return cv2.subtract(cv2.resize(half, grey.shape[::-1], interpolation=cv2.INTER_LINEAR), grey)


def dark_marks(image: Array, ink: Array) -> Array:
    """What is darker than the paper around it, in and near the ``ink`` (H, W) bool, (H, W) bool.

    A box or a circle is seen whole there where only a part of it is taken for ink, and a rule as a rule. ``image`` (H,
    W, 3) uint8 RGB.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    dark = cv2.adaptiveThreshold(grey, 1, cv2.ADAPTIVE_THRESH_MEAN_C, cv2.THRESH_BINARY_INV, WINDOW, CONTRAST)
    solid = (grey < np.median(grey) / 2).view(np.uint8)  # the middle of a disc is no darker than what is around it
    return ((dark | solid) & grow(ink, REACH)).view(bool)
