"""Bubbles and boxes to fill in on a page: what looks like letters and stays, told by shape and the stroke network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from detectors.strokes.boxes import alone, check_boxes
from detectors.strokes.bubbles import answer_bubbles, are_letters, find_marks
from detectors.strokes.darkness import dark_marks
from detectors.strokes.regions import SURE
from detectors.strokes.targets import targets
from pipeline.residue import BELIEVED
from pipeline.types import Array


def blanks(image: Array, wanted: Array, likelihood: Callable[[Array], Array]) -> Array:
    """Pixels of bubbles and boxes to fill in, and of marks by which scanners find their way, (H, W) bool.

    They are looked for where it is ``wanted`` (H, W) bool on a page (H, W, 3) uint8 RGB. ``likelihood`` says how likely
    the pixels of a mask (H, W) bool are ink, (H, W) uint8: letters O, D and 口 are ink, and no blanks. A box is none
    where the network believes in ink at all, nor beside something of its size, as a letter is in a word: whoever looks
    for text that is left may find it there.
    """
    dark = dark_marks(image, wanted)
    shapes = find_marks(dark)
    bubbles, corners = answer_bubbles(image, wanted, (), shapes), targets(shapes, dark.shape) & wanted
    marks = dark & wanted
    boxes = check_boxes(marks, np.zeros(wanted.shape, bool))
    if not (bubbles.any() or boxes.any()):
        return corners
    likely = likelihood(bubbles | boxes)
    if are_letters(bubbles, dark_marks(image, bubbles), likely >= SURE):
        bubbles = np.zeros(wanted.shape, bool)
    return corners | bubbles | alone(check_boxes(marks, likely >= BELIEVED), marks, together=True)
