"""What tells the letter 口, and what encloses 国 and 四, from a check box: their strokes reach beyond a corner.

Chinese and Japanese print draws the uprights of such a letter a little further down than the stroke between them, and
with serifs further up, too. A box has nothing there: of some 200 on the sample pages none has a pixel more at both ends
of a side. Korean ㅁ without serifs has nothing there either, and is not told from a box by this.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detectors.strokes.pieces import Window, chosen_pieces
from pipeline.types import Array

LEAST = 2  # px that feet reach out at least ...
LEAST_SHARE = 0.03  # ... and of the frame's height; letters do by 0.05 to 0.13, their rims left out
MOST_SHARE = 0.22  # of it; longer ones are rules that run on
CORNER = 0.25  # of its width: so near its ends they stand
CROSSING = 3  # sides with feet, and more: a box whose lines were drawn too long
MIDDLE = 0.35, 0.65  # between these shares of its width there is none


def without_feet(frames: Array, shapes: Array) -> Array:
    """``frames`` (H, W) bool less those with feet, on one of their sides or two, among all ``shapes`` (H, W) bool."""
    return _with_sides(frames, shapes, lambda sides: not 0 < sides < CROSSING)


def on_feet(frames: Array, shapes: Array) -> Array:
    """Those of the ``frames`` (H, W) bool that surely are letters: with feet on one of their sides.

    Two opposite sides have some where a box was drawn with too long lines, or a letter has serifs.
    """
    return _with_sides(frames, shapes, lambda sides: sides == 1)


def _with_sides(frames: Array, shapes: Array, wanted: Callable[[int], bool]) -> Array:
    """Those of the frames of which the number of sides with feet is ``wanted``."""

    def is_wanted(window: Window, frame: Array) -> bool:
        around = shapes[window]
        # a page may lie on its side
        return wanted(sum(_stands(np.rot90(frame, turn), np.rot90(around, turn)) for turn in range(4)))

    return chosen_pieces(frames, MOST_SHARE, is_wanted)


def _stands(frame: Array, shapes: Array) -> bool:
    """Whether a frame (H, W) bool has a foot at both ends of its lower side, and nothing between them."""
    columns, rows = np.flatnonzero(frame.any(axis=0)), np.flatnonzero(frame.any(axis=1))
    left, width, height = int(columns[0]), int(columns[-1] - columns[0]) + 1, int(rows[-1] - rows[0]) + 1
    middle = slice(left + int(MIDDLE[0] * width), left + int(np.ceil(MIDDLE[1] * width)))
    drawn = (frame & shapes)[::-1, middle]  # a frame is given with what was missing of it
    below = shapes[len(frame) - int(np.median(drawn.argmax(axis=0))) :]
    ends = max(int(CORNER * width), 2)
    feet = [_length(below[:, part]) for part in (slice(left, left + ends), slice(left + width - ends, left + width))]
    longer = min(feet) - _length(below[:, middle])
    return longer >= max(LEAST, LEAST_SHARE * height) and max(feet) <= MOST_SHARE * height


def _length(below: Array) -> int:
    """How many rows from the first on hold something, of (H, W) bool."""
    empty = np.flatnonzero(~below.any(axis=1))
    return int(empty[0]) if len(empty) else len(below)
