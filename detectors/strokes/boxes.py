"""Check boxes in a mask of ink: what has the shape of one, and is no ink to the stroke network, stays on the page."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from detectors.strokes.feet import on_feet, without_feet
from detectors.strokes.pieces import chosen_pieces
from detectors.strokes.syllables import with_vowels, without_vowels
from pipeline.masks import grow
from pipeline.types import Array

SIDES = 9, 160  # px: check boxes of 8 points at 100 dpi, and of 25 at 400
SQUARENESS = 1.6  # the longer side over the shorter, at most
FRAME = 0.2  # of its shorter side: so far from its outline ...
FRAME_SHARE = 0.94  # ... lies nearly all of a box, ...
CORNER = 0.12  # of its shorter side: so near to its corners it begins, but for one that may be gone; no O nor D does
LARGE = 44  # px of its shorter side: of larger letters the network may see nothing, and circles to fill in are smaller
SIDE_SHARE = 0.75  # ... and so much of each side is there: the network sees letters in bits of some
THICK = 0.27  # as FRAME, of marks by which scanners find their way: frames too thick for any letter
LEAST_MARK = 32  # px: the least side of a mark; smaller letters B and m are as thick
SOLID = 0.95  # of a mark's band is dark, and so much light within it; of a light letter's dark tile is not
APART = 0.35  # of its side: so near beside a mark, or a box, there is nothing of its size, as the next letter ...
HIGHER = 0.95  # of its side
BETWEEN = 0.3  # of its side: so near on both sides of a letter 口 in a line there are others, and on one of a box
LETTERS = 1.5  # ... would be: half as large at least, and no more than so many times
AROUND = 2  # of its side: more than LETTERS and BETWEEN
HALO = 3  # px around what the network is sure of: the edges of letters


def check_boxes(ink: Array, seen: Array, dark: Array | None = None) -> Array:
    """Pixels of ``ink`` (H, W) bool that belong to empty check boxes, (H, W) bool.

    ``ink`` is a mask by contrast, ``seen`` (H, W) bool what is surely ink to the stroke network, ``dark`` (H, W) bool
    what is darker than the paper, on the mask and off it: a box that a region of text cuts is seen whole there. A box
    beside a short label ("Yes", "No") is half of its region's ink, so that the share of ink on which the two agree says
    nothing there; its shape does. A tick is seen, and most of the box it stands in: that goes as a whole. So do the
    letters 口 and O. Marks by which scanners find their way are thicker than those, and stay whatever the network says.
    """
    halo = grow(seen, HALO)
    boxes = np.zeros(ink.shape, bool)
    for shapes in (ink,) if dark is None else (ink, dark):
        around = ink if dark is None else dark
        frames = without_vowels(without_feet(_frames(shapes & ~halo, _frame), around), around)
        boxes |= not_between(frames, shapes) | alone(_frames(shapes, _mark), shapes)
    return boxes & ink


def letters_like_boxes(dark: Array) -> Array:
    """Letters 口, and what encloses 国, among ``dark`` marks (H, W) bool that nothing touches, (H, W) bool.

    Of such a letter at a line's end the network takes a stroke or two for a rule's.
    """
    frames = _frames(dark, _square)
    return on_feet(frames, dark) | with_vowels(frames, dark)


def not_between(boxes: Array, shapes: Array) -> Array:
    """``boxes`` (H, W) bool less those that stand between two of the ``shapes`` (H, W) bool, as a letter in a line.

    These are at least half as large, and on the left and the right, or above and below.
    """
    return _kept(boxes, shapes, 1 / 2, lambda near: (near[0] and near[1]) or (near[2] and near[3]))


def not_beside_higher(boxes: Array, shapes: Array) -> Array:
    """``boxes`` (H, W) bool less those beside any of the ``shapes`` (H, W) bool that is as high as they are.

    A letter 口 is lower than its neighbours, and a check box higher than its label.
    """
    return _kept(boxes, shapes, HIGHER, any)


def _kept(boxes: Array, shapes: Array, lowest: float, is_letter: Callable[[list[bool]], bool]) -> Array:
    """Those of the boxes that are no letters by what is right on the left, on the right, above and below them.

    That are shapes which are no boxes, no larger than a letter beside them would be, and no lower than ``lowest``.
    """
    others = shapes & ~grow(boxes, 1) if boxes.any() else shapes
    # what is near and reaches out of a window of this size is larger than any letter that counts
    return chosen_pieces(boxes, AROUND, lambda at, box: not is_letter(_neighbours(others[at], box, lowest)))


def _neighbours(shapes: Array, box: Array, lowest: float) -> list[bool]:
    """Whether there is a shape like a letter right on the left, on the right, above and below a box, (H, W) bool."""
    x, y, width, height = cv2.boundingRect(box.view(np.uint8))
    side = max(width, height)
    _, _, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(shapes).view(np.uint8), connectivity=8)
    left, top, wide, high = stats[1:, :4].T
    alike = np.maximum(wide, high) <= LETTERS * side
    level = alike & (high >= lowest * height) & (np.minimum(top + high, y + height) - np.maximum(top, y) > 0)
    plumb = alike & (wide >= lowest * width) & (np.minimum(left + wide, x + width) - np.maximum(left, x) > 0)
    gaps = (level, x - left - wide), (level, left - x - width), (plumb, y - top - high), (plumb, top - y - height)
    return [bool((where & (gap > -side / 4) & (gap < BETWEEN * side)).any()) for where, gap in gaps]


def alone(boxes: Array, shapes: Array, together: bool = False) -> Array:
    """Those of ``boxes`` (H, W) bool right beside which no shape of their size stands, among ``shapes`` (H, W) bool.

    ``together``: other boxes may.
    """
    if not boxes.any():
        return boxes
    count, label, stats, _ = cv2.connectedComponentsWithStats((shapes | boxes).view(np.uint8), connectivity=8)
    is_box = np.bincount(label[boxes], minlength=count) >= SIDE_SHARE * stats[:, cv2.CC_STAT_AREA]
    is_box[0] = False
    others = ~is_box if together else np.ones(count, bool)
    others[0] = False
    left, top, wide, high = stats[:, :4].T
    kept = np.zeros(count, bool)
    for number in np.unique(label[boxes]):
        x, y, width, height = stats[number, :4]
        side = max(width, height)
        across = np.maximum(left - x - width, x - left - wide)
        down = np.maximum(top - y - height, y - top - high)
        beside = (np.minimum(across, down) < 0) & (np.maximum(across, down) < APART * side)
        alike = (np.maximum(wide, high) >= side / 2) & (np.maximum(wide, high) <= LETTERS * side) & others
        alike[number] = False
        kept[number] = not (beside & alike).any()
    return boxes & kept[label]


def _frames(shapes: Array, frame_of: Callable[[Array], Array | None]) -> Array:
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
        frame = frame_of(piece)
        if frame is not None:
            found[window] |= piece | frame
    return found


def _frame(piece: Array) -> Array | None:
    """The frame a piece (H, W) bool is, with what is missing of it, (H, W) bool; None if it is no such frame."""
    box = _Box.around(piece)
    return box.frame(piece.shape) if box.is_frame(FRAME) else None


def _square(piece: Array) -> Array | None:
    """A frame as ``_frame`` gives it, but no ring."""
    box = _Box.around(piece)
    return box.frame(piece.shape) if box.is_frame(FRAME) and box.has_corners() else None


def _mark(piece: Array) -> Array | None:
    """A mark as ``_frame`` gives a frame."""
    if min(piece.shape) < LEAST_MARK:
        return None
    box = _Box.around(piece)
    thick = box.is_frame(THICK) and not box.is_frame(FRAME)
    return box.frame(piece.shape) if thick and box.is_solid(piece) else None


class _Box:
    """The smallest box around points, upright or turned; their places (N, 2) are px from its middle along its axes."""

    def __init__(self, points: Array) -> None:
        self._middle, sides, angle = cv2.minAreaRect(points)
        self._axes = _axes(angle)
        self._shorter, self._longer = sorted(sides)
        self._half = np.array(sides, np.float32) / 2
        self._placed = (points - np.float32(self._middle)) @ self._axes.T
        self._depth = self._half - np.abs(self._placed)  # from the nearer of the two sides that each axis crosses

    @classmethod
    def around(cls, piece: Array) -> _Box:
        """The box around a piece (H, W) bool."""
        return cls(cv2.findNonZero(piece.view(np.uint8)).reshape(-1, 2).astype(np.float32))

    def is_frame(self, share: float) -> bool:
        """Whether nearly all points are so near to its sides, by a share of the shorter, and no side lacks many."""
        if self._shorter < SIDES[0] - 1 or self._longer > SQUARENESS * self._shorter:
            return False
        inside = self._depth.min(axis=1) <= max(share * self._shorter, 2.0)
        if float(inside.mean()) < FRAME_SHARE or any(self._gaps(side) for side in range(4)):
            return False
        return self._shorter < LARGE or self.has_corners()

    def has_corners(self) -> bool:
        """Whether no more than one of its corners is gone."""
        near = np.float32(max(CORNER * self._shorter, 2.0))
        signs = np.array([(-1, -1), (-1, 1), (1, -1), (1, 1)], np.float32)
        away = np.linalg.norm(self._placed[None] - (signs * self._half)[:, None], axis=2).min(axis=1)
        return int(np.count_nonzero(away <= near)) >= 3

    def is_solid(self, piece: Array) -> bool:
        """Whether a piece (H, W) bool is all of the band along its sides, corners too, and nothing within."""
        around = self._shorter + self._longer + 2
        width = (around - float(np.sqrt(max(around**2 - 4 * len(self._placed), 0)))) / 4  # of a band of so many points
        depth = self._depths(piece.shape)
        band, within = (depth >= 1) & (depth < width - 2), depth > width + 2
        if not (band.any() and within.any()):
            return False
        return bool(piece[band].mean() >= SOLID and (~piece[within]).mean() >= SOLID)

    def frame(self, shape: tuple[int, ...]) -> Array:
        """The frame in an image of this shape, as thick as the points make it, (H, W) bool."""
        thickness = len(self._placed) / (2 * (self._shorter + self._longer))
        nearest = self._depths(shape)
        return (nearest >= 0) & (nearest <= 1.5 * thickness)

    def _depths(self, shape: tuple[int, ...]) -> Array:
        """How far within the box the pixels of an image of this shape are, (H, W) px."""
        grid = np.stack(np.meshgrid(np.arange(shape[1]), np.arange(shape[0])), axis=-1).astype(np.float32)
        away: Array = np.abs((grid - np.float32(self._middle)) @ self._axes.T)
        return np.asarray((self._half - away).min(axis=2))

    def _gaps(self, side: int) -> bool:
        """Whether too much is missing along one of the sides."""
        axis, sign = side // 2, 1 if side % 2 else -1
        reach = max(FRAME * 2 * float(self._half.min()), 2.0)
        near = (self._depth[:, axis] <= reach) & (np.sign(self._placed[:, axis]) == sign)
        along = self._placed[near, 1 - axis]
        if not len(along):
            return True
        steps = np.round(along - along.min())  # whole pixels in upright boxes, where halves would be rounded together
        return len(np.unique(steps)) < SIDE_SHARE * (2 * float(self._half[1 - axis]) - 1)


def _axes(angle: float) -> Array:
    turn = np.deg2rad(angle)
    return np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]], np.float32)
