"""Print that looks handwritten here and there: shapes that are on the page again and again, and not as handwriting."""

from __future__ import annotations

import cv2
import numpy as np

from detectors.strokes.darkness import darkness
from pipeline.pens import APART, DARKER
from pipeline.types import Array

DARK = 20  # grey levels darker than the paper around it
SIDES = 8, 80  # px: dots are all alike, and what is larger is no letter, circle, or check box ...
LARGE, TWINS = 400, 2  # px, ... but an ornament, up to this size; nobody draws so many others just like it
SOME, FEW = 0.02, 0.5  # of a shape: handwriting has more, and print less, of ink that looks handwritten
SIZE = 1  # px by which the sides of two like shapes differ, ...
AREA = 0.25  # ... this share by which their areas do, ...
ALIKE = 0.93  # ... and so much of each lies within a pixel of the other
OTHERS, LOOKED_AT = 4, 60  # so many printed ones make a shape a printed one; of so many at most
RIM = 2  # px of ink around a shape


def repeated_print(image: Array, ink: Array) -> Array:
    """Which of the handwritten ``ink`` is of shapes that are printed elsewhere on the page, (H, W) bool.

    Circles to be filled in, check boxes, the letters of a script that the stroke network does not know. Nobody writes
    the same shape to the pixel: ornaments are known by one another, though all of them look handwritten.
    ``image`` (H, W, 3) uint8 RGB, ``ink`` (H, W) bool.
    """
    found = np.zeros(ink.shape, bool)
    if not ink.any():
        return found
    dark = (darkness(image) >= DARK).view(np.uint8)
    count, label, boxes, _ = cv2.connectedComponentsWithStats(dark, connectivity=8)
    share = np.bincount(label[ink], minlength=count) / boxes[:, cv2.CC_STAT_AREA]
    sides = boxes[:, cv2.CC_STAT_WIDTH : cv2.CC_STAT_HEIGHT + 1]
    fits = (sides.min(axis=1) >= SIDES[0]) & (sides.max(axis=1) <= LARGE)
    fits[0] = False
    small = sides.max(axis=1) <= SIDES[1]
    letters, ornaments = np.flatnonzero(fits & small & (share < FEW)), np.flatnonzero(fits & ~small)
    for number in np.flatnonzero(fits & (share > SOME)):
        own, printed = boxes[number], letters if small[number] else ornaments
        like = (np.abs(sides[printed] - own[2:4]) <= SIZE).all(axis=1) & (printed != number)
        like &= np.abs(boxes[printed, cv2.CC_STAT_AREA] - own[4]) <= AREA * own[4]
        others, enough = printed[like][:LOOKED_AT], OTHERS if small[number] else TWINS
        if len(others) >= enough and _count_alike(image, label, boxes, number, others, enough) >= enough:
            x, y, width, height, _ = own.tolist()
            window = slice(max(y - RIM, 0), y + height + RIM), slice(max(x - RIM, 0), x + width + RIM)
            shape = (label[window] == number).view(np.uint8)
            found[window] |= cv2.dilate(shape, np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)).view(bool)
    return found & ink


def _count_alike(image: Array, label: Array, boxes: Array, number: int, others: Array, enough: int) -> int:
    """How many of the ``others`` have the shape and the colour of a ``number``; it counts to ``enough`` only."""
    shape, near, colour = _look(image, label, boxes, number)
    alike = 0
    for other in others:
        its_shape, its_near, its_colour = _look(image, label, boxes, other)
        height, width = np.minimum(shape.shape, its_shape.shape)
        part = slice(0, height), slice(0, width)
        both = (shape[part] & its_near[part]).sum() >= ALIKE * shape.sum()
        both &= (its_shape[part] & near[part]).sum() >= ALIKE * its_shape.sum()
        alike += int(both and np.linalg.norm(colour - its_colour) <= APART)
        if alike >= enough:
            break
    return alike


def _look(image: Array, label: Array, boxes: Array, number: int) -> tuple[Array, Array, Array]:
    """A shape in its box with a rim of one pixel, (H, W) bool, what is near it, the same, and its colour, (3,)."""
    x, y, width, height, _ = boxes[number].tolist()
    window = slice(y, y + height), slice(x, x + width)
    own = label[window] == number
    shape = np.pad(own, 1)
    near = cv2.dilate(shape.view(np.uint8), np.ones((3, 3), np.uint8)).view(bool)
    return shape, near, np.percentile(image[window][own], DARKER, axis=0)
