"""Answer bubbles: the circles of a form or an exam that are filled in. They stay, and the letters in them go."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from detectors.strokes.darkness import dark_marks
from detectors.strokes.likeness import Circle, find_alike
from detectors.strokes.round_marks import Mark, find_marks, outside
from pipeline.types import Array

EVEN = 48  # grey levels of a bubble that is filled in range no wider, if nothing can be read in it
FEWEST = 6  # alike on a page, apart from other marks: of fewer any may be a letter
ALIKE = 0.15  # by which their diameters differ
APART = 0.4  # of its diameter: so near beside it there is nothing but bubbles; letters of a word stand closer
LOWEST = 0.55  # of the height of its line of text: a letter o has a third
CLOSE = 3.0  # diameters from one middle to the next: a bubble has two others of its size so near
THIN = 10  # percent of the bubbles have lines so wide or less: empty ones
RULE = 4  # times as long as a bubble: what is longer is a rule or a frame
LIKE = 0.6  # correlation of a ring with what is usual of them, where its line is broken; letters O have 0.3 to 0.8 ...
LIKE_BESIDE = 0.7  # ... of one beside something; of one that has the shape, though a label touches it; and of discs
LIKE_RINGS, LIKE_DISCS = 0.5, 0.75
RIM = 1.5  # px around its line that belong to it
LETTERS = 0.75  # of circles' lines are surely ink if they are letters O, 0.98 and more; of bubbles 0.03 to 0.54 ...
LETTER = 0.9  # ... in all; of one letter beside a word 0.97 and more


@dataclass(frozen=True, slots=True, eq=False)
class Bubbles:
    """Pixels of bubbles: ``all``, and of them those with something right ``beside``, (H, W) bool."""

    all: Array
    beside: Array


def answer_bubbles(image: Array, ink: Array, outlines: Sequence[Array]) -> Array:
    """All pixels of ``find_bubbles`` by the page's own marks, (H, W) bool."""
    return find_bubbles(image, ink, outlines, find_marks(dark_marks(image, ink))).all


def find_bubbles(image: Array, ink: Array, outlines: Sequence[Array], marks: Sequence[Mark]) -> Bubbles:
    """Pixels of ``ink`` (H, W) bool on the lines of bubbles, and in those that are filled in.

    ``image`` (H, W, 3) uint8 RGB; ``outlines`` (N, 2) are the regions of text; ``marks`` are ``find_marks`` of
    ``dark_marks``.
    A row of circles looks like a word to a detector, and their lines like ink to a mask by contrast. What tells them
    from letters: there are many of one size, as high as their lines, with two others near and nothing else beside them.
    """
    stay, beside = np.zeros(ink.shape, np.uint8), np.zeros(ink.shape, np.uint8)
    rings = _high([mark for mark in marks if mark.ring], outlines)
    chosen = _alone([ring for ring in rings if _count_alike(ring, _sizes(rings)) >= FEWEST], marks)
    chosen = _stand_among(chosen, chosen)
    chosen = [ring for ring in chosen if _count_alike(ring, _sizes(chosen)) >= FEWEST]
    if not chosen:
        return Bubbles(stay.view(bool), beside.view(bool))
    line = float(np.percentile([ring.line for ring in chosen], THIN))
    alone, others = _alike(image, chosen, chosen, marks)
    rings = [*chosen, *alone, *others]
    discs = _stand_among([mark for mark in marks if mark.disc], rings)
    for mark in (*rings, *discs, *itertools.chain(*_alike(image, discs, rings, marks))):
        _draw(stay, mark, line, image)
    for mark in others:
        _draw(beside, mark, line, image)
    return Bubbles(stay.view(bool) & ink, beside.view(bool) & ink)


def _alike(
    image: Array, known: Sequence[Mark], bubbles: Sequence[Mark], marks: Sequence[Mark]
) -> tuple[list[Mark], list[Mark]]:
    """What looks like the ``known`` rings, or discs, and stands among ``bubbles``: alone, and beside other ``marks``.

    A letter O may, too, if it is as large, round and thin; but it stands in a word. So what is beside something has to
    look more like them; and then the network says whether it is a letter (``without_letters``).
    """
    if len(known) < FEWEST:
        return [], []
    disc, line = known[0].disc, float(np.median([mark.line for mark in known]))
    shaped = np.array([mark.middle for mark in marks if mark.ring]).reshape(-1, 2)
    found, like = [], []
    for group in _by_size(known):
        for circle in find_alike(image, group, LIKE_DISCS if disc else LIKE_RINGS):
            has_shape = bool((np.hypot(*(shaped - circle.middle).T) < circle.size / 4).any())
            if disc or has_shape or circle.likeness >= LIKE:
                found.append(_round_mark(circle, not disc, line))
                if disc or has_shape or circle.likeness >= LIKE_BESIDE:
                    like.append(found[-1])
    alone = _alone(found, _outside_of((*found, *bubbles), marks))
    alone = _stand_among(alone, (*bubbles, *alone))
    known_alone = set(map(id, alone))
    return alone, _stand_among([mark for mark in like if id(mark) not in known_alone], (*bubbles, *alone))


def _by_size(known: Sequence[Mark]) -> list[list[Circle]]:
    """The circles of marks, in groups of one size each; groups of a few are none."""
    groups: list[list[Circle]] = []
    for mark in sorted(known, key=lambda mark: mark.size):
        if not groups or mark.size > (1 + ALIKE) * groups[-1][0].size:
            groups.append([])
        groups[-1].append(Circle(mark.middle, mark.size))
    return [group for group in groups if len(group) >= FEWEST]


def _outside_of(rings: Sequence[Mark], marks: Sequence[Mark]) -> list[Mark]:
    """Those of the marks that are no pieces of the rings, nor in them."""
    x, y, width, height = np.array([ring.box for ring in rings]).reshape(-1, 4).T
    left = []
    for mark in marks:
        own = (x <= mark.box[0]) & (y <= mark.box[1])
        own &= (mark.box[0] + mark.box[2] <= x + width) & (mark.box[1] + mark.box[3] <= y + height)
        if not own.any():
            left.append(mark)
    return left


def _round_mark(circle: Circle, ring: bool, line: float) -> Mark:
    (x, y), size = circle.middle, circle.size
    side = round(size) + 2  # pieces of its line may reach out of it
    box = (round(x - side / 2), round(y - side / 2), side, side)
    return Mark(box, ring, not ring, ((x, y), (size, size), 0.0), line)


def are_letters(bubbles: Array, dark: Array, sure: Array) -> bool:
    """Whether what looks like ``bubbles`` (H, W) bool are letters O.

    ``dark`` (H, W) bool are marks darker than the paper, ``sure`` (H, W) bool is what is surely ink to the network.
    """
    lines = bubbles & dark
    return int(np.count_nonzero(lines & sure)) >= LETTERS * int(np.count_nonzero(lines))


def without_letters(bubbles: Bubbles, dark: Array, sure: Array) -> Array:
    """The pixels of bubbles less those that are letters, (H, W) bool: all, if most are, or some beside something.

    ``dark`` and ``sure`` as for ``are_letters``.
    """
    if not bubbles.all.any() or are_letters(bubbles.all, dark, sure):
        return np.zeros(bubbles.all.shape, bool)
    if not bubbles.beside.any():
        return bubbles.all
    count, label = cv2.connectedComponents(bubbles.beside.view(np.uint8), connectivity=8)
    lines = np.bincount(label[bubbles.beside & dark], minlength=count)
    of_sure = np.bincount(label[bubbles.beside & dark & sure], minlength=count)
    letter = of_sure >= LETTER * lines
    letter[0] = False
    return bubbles.all & ~letter[label]


def _high(rings: Sequence[Mark], outlines: Sequence[Array]) -> list[Mark]:
    """Those of the rings that take up most of the height of the line of text they stand in."""
    lines = [outline.astype(np.float32) for outline in outlines]
    heights = [min(cv2.minAreaRect(line)[1]) for line in lines]
    return [
        ring
        for ring in rings
        if not any(
            ring.size < LOWEST * height and cv2.pointPolygonTest(line, ring.middle, False) >= 0
            for line, height in zip(lines, heights, strict=True)
        )
    ]


def _count_alike(mark: Mark, sizes: Array) -> int:
    return int(np.count_nonzero(np.abs(sizes - mark.size) <= max(ALIKE * mark.size, 1.5)))


def _sizes(marks: Sequence[Mark]) -> Array:
    return np.array([mark.size for mark in marks])


def _stand_among(marks: Sequence[Mark], bubbles: Sequence[Mark]) -> list[Mark]:
    """Those of the marks that have two bubbles of their size beside them."""
    middles, sizes = np.array([bubble.middle for bubble in bubbles]).reshape(-1, 2), _sizes(bubbles)
    chosen = []
    for mark in marks:
        away = np.hypot(*(middles - mark.middle).T)
        if _count_alike(mark, sizes[(away > 0) & (away < CLOSE * mark.size)]) >= 2:
            chosen.append(mark)
    return chosen


def _alone(rings: Sequence[Mark], marks: Sequence[Mark]) -> list[Mark]:
    """Those of the rings with nothing else than bubbles right beside, above or below them, outside of them."""
    others = np.array([mark.box for mark in marks if not (mark.ring or mark.disc)]).reshape(-1, 4)
    left, top, wide, high = others.T
    chosen = []
    for ring in rings:
        x, y, width, height = ring.box
        longer = np.maximum(wide, high)
        across = np.maximum(left - x - width, x - left - wide)
        down = np.maximum(top - y - height, y - top - high)
        inside = (left >= x) & (top >= y) & (left + wide <= x + width) & (top + high <= y + height)
        beside = (np.minimum(across, down) < 0) & (np.maximum(across, down) < APART * width) & ~inside
        if not (beside & (longer >= 0.3 * width) & (longer <= RULE * width)).any():  # specks and dots are no letters
            chosen.append(ring)
    return chosen


def _draw(stay: Array, mark: Mark, line: float, image: Array) -> None:
    """Mark a disc, or the line of a ring: what is in the ring is a letter, or paper, or a pencil's filling."""
    if mark.ellipse is None:
        return
    x, y, width, height = mark.box
    margin = int(RIM) + 1
    rows = np.arange(max(y - margin, 0), min(y + height + margin, stay.shape[0]))
    columns = np.arange(max(x - margin, 0), min(x + width + margin, stay.shape[1]))
    away = outside(mark.ellipse, columns[None].astype(np.float32), rows[:, None].astype(np.float32))
    own, inside = away <= RIM, away < -line - RIM
    window = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if not mark.disc or _is_uneven(image[window][inside]):
        own &= ~inside
    stay[window] |= own.view(np.uint8)


def _is_uneven(pixels: Array) -> bool:
    """Whether something may be read in a disc of these pixels, (N, 3)."""
    return len(pixels) > 0 and float(np.ptp(np.percentile(pixels.mean(axis=1), (5, 95)))) > EVEN
