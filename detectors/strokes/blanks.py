"""Bubbles and boxes to fill in on a page: what looks like letters and stays, told by shape and the stroke network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detectors.strokes.boxes import alone, check_boxes
from detectors.strokes.bubbles import Bubbles, find_bubbles, without_letters
from detectors.strokes.darkness import dark_marks
from detectors.strokes.regions import SURE
from detectors.strokes.round_marks import find_marks
from detectors.strokes.targets import targets
from pipeline.masks import grow
from pipeline.residue import BELIEVED
from pipeline.types import Array

RIM = 2  # px around boxes and marks


def blanks(image: Array, wanted: Array, likelihood: Callable[[Array], Array]) -> Array:
    """Pixels of bubbles and boxes to fill in, and of marks by which scanners find their way, (H, W) bool.

    They are looked for where it is ``wanted`` (H, W) bool on a page (H, W, 3) uint8 RGB. ``likelihood`` says how likely
    the pixels of a mask (H, W) bool are ink, (H, W) uint8: letters O, D and 口 are ink, and no blanks. A box is none
    where the network believes in ink at all, nor beside something of its size, as a letter is in a word: whoever looks
    for text that is left may find it there.
    """
    dark = dark_marks(image, wanted)
    bubbles, corners = _round_ones(image, wanted, dark)
    marks = dark & wanted
    boxes = check_boxes(marks, np.zeros(wanted.shape, bool))
    if not (bubbles.all.any() or boxes.any()):
        return corners
    likely = likelihood(bubbles.all | boxes)
    rings = without_letters(bubbles, dark_marks(image, bubbles.all), likely >= SURE)
    square = alone(check_boxes(marks, likely >= BELIEVED), marks, together=True)
    # with their rims, or what is painted over a broad mark takes after it and is read; labels stand close to bubbles
    return corners | rings | (grow(square, RIM) & wanted)


def round_blanks(image: Array, wanted: Array) -> Array:
    """Pixels of bubbles and targets by their shapes alone, (H, W) bool; see ``blanks``."""
    bubbles, corners = _round_ones(image, wanted, dark_marks(image, wanted))
    return bubbles.all | corners


def _round_ones(image: Array, wanted: Array, dark: Array) -> tuple[Bubbles, Array]:
    marks = find_marks(dark)
    return find_bubbles(image, wanted, (), marks), targets(marks, dark) & wanted
