"""Check boxes in a mask of ink: what has the shape of one, and is no ink to the stroke network, stays on the page."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.masks import grow
from pipeline.types import Array

SIDES = 9, 160  # px: check boxes of 8 points at 100 dpi, and of 25 at 400
SQUARENESS = 1.6  # the longer side over the shorter, at most
FRAME = 0.2  # of its shorter side: so far from its outline ...
FRAME_SHARE = 0.94  # ... lies nearly all of a box, ...
SIDE_SHARE = 0.75  # ... and so much of each side is there: the network sees letters in bits of some
HALO = 3  # px around what the network is sure of: the edges of letters


def check_boxes(ink: Array, seen: Array, dark: Array | None = None) -> Array:
    """Pixels of ``ink`` (H, W) bool that belong to empty check boxes, (H, W) bool.

    ``ink`` is a mask by contrast, ``seen`` (H, W) bool what is surely ink to the stroke network, ``dark`` (H, W) bool
    what is darker than the paper, on the mask and off it: a box that a region of text cuts is seen whole there. A box
    beside a short label ("Yes", "No") is half of its region's ink, so that the share of ink on which the two agree says
    nothing there; its shape does. A tick is seen, and most of the box it stands in: that goes as a whole. So do the
    letters 口 and O.
    """
    halo = grow(seen, HALO)
    shapes = (ink,) if dark is None else (ink, dark)
    boxes = np.zeros(ink.shape, bool)
    for shape in shapes:
        boxes |= _frames(shape & ~halo)
    return boxes & ink


def _frames(shapes: Array) -> Array:
    """The frames among connected shapes (H, W) bool, with what is missing of them, (H, W) bool."""
    found = np.zeros(shapes.shape, bool)
    _, label, stats, _ = cv2.connectedComponentsWithStats(shapes.view(np.uint8), connectivity=8)
    shorter, longer = np.sort(stats[:, 2:4], axis=1).T
    for number in np.flatnonzero((shorter >= SIDES[0]) & (longer <= SIDES[1])):
        x, y, width, height, _ = (int(value) for value in stats[number])
        if number == 0:
            continue
        window = slice(y, y + height), slice(x, x + width)
        piece = label[window] == number
        frame = _frame(piece)
        if frame is not None:
            found[window] |= piece | frame
    return found


def _frame(piece: Array) -> Array | None:
    """The frame a piece (H, W) bool is, with what is missing of it, (H, W) bool; None if it is no such frame."""
    points = cv2.findNonZero(piece.view(np.uint8)).reshape(-1, 2).astype(np.float32)
    middle, sides, angle = cv2.minAreaRect(points)
    shorter, longer = sorted(sides)
    if shorter < SIDES[0] - 1 or longer > SQUARENESS * shorter:
        return None
    half = np.array(sides, np.float32) / 2
    placed = (points - np.float32(middle)) @ _axes(angle).T  # the box stands upright, its middle at 0
    depth = half - np.abs(placed)  # from the nearer of the two sides that each axis crosses
    inside = depth.min(axis=1) <= max(FRAME * shorter, 2.0)
    if float(inside.mean()) < FRAME_SHARE or any(_gaps(placed, depth, half, side) for side in range(4)):
        return None
    thickness = len(points) / (2 * (shorter + longer))
    grid = np.stack(np.meshgrid(np.arange(piece.shape[1]), np.arange(piece.shape[0])), axis=-1).astype(np.float32)
    all_depths = half - np.abs((grid - np.float32(middle)) @ _axes(angle).T)
    nearest: Array = all_depths.min(axis=2)
    return (nearest >= 0) & (nearest <= 1.5 * thickness)


def _axes(angle: float) -> Array:
    turn = np.deg2rad(angle)
    return np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]], np.float32)


def _gaps(placed: Array, depth: Array, half: Array, side: int) -> bool:
    """Whether too much is missing along one of the sides of a box of points (N, 2) in its own coordinates."""
    axis, sign = side // 2, 1 if side % 2 else -1
    reach = max(FRAME * 2 * float(half.min()), 2.0)
    along = placed[(depth[:, axis] <= reach) & (np.sign(placed[:, axis]) == sign), 1 - axis]
    if not len(along):
        return True
    steps = np.round(along - along.min())  # whole pixels in upright boxes, where halves would be rounded together
    return len(np.unique(steps)) < SIDE_SHARE * (2 * float(half[1 - axis]) - 1)
