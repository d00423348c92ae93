"""Rules and the lines of figures: what goes on straight from a line that is no handwriting is none either."""

from __future__ import annotations

import cv2
import numpy as np

from detectors.strokes.darkness import darkness
from pipeline.types import Array

SHORTEST = 40  # px: so much of a line is no handwriting; the strokes of letters are shorter
WIDEST = 12  # px: bars are wider
FAINTEST = 20  # grey levels darker than the paper
RIM = 0.5  # of a line's darkness: so dark it is across its width, ...
BODY = 0.6  # ... so dark along its middle, ...
WHOLE = 0.9  # ... for so much of its length, ...
CLEAR = 0.4  # ... and no darker is the paper beside it
ALIKE = 40.0  # grey levels, in their colours, between a line and what goes on as the same
REACH = 10  # px to both sides of an edge in which its line is looked for ...
EDGE = 3  # ... whose darkest is so near to it
GAP = 4  # px: a line ends where more is missing


def lines_in(image: Array, ink: Array) -> Array:
    """Which of the handwritten ``ink`` is part of a straight line most of which is not, (H, W) bool.

    At the corners of figures and where letters stand on a rule, the stroke network takes bits of lines for handwriting.
    They have the line's colour and lie between its edges; a pen that crosses it does not, and does not come back.

    ``image`` (H, W, 3) uint8 RGB, ``ink`` (H, W) bool.
    """
    found = np.zeros(ink.shape, bool)
    if not ink.any():
        return found
    dark = darkness(image)
    near = cv2.dilate(ink.view(np.uint8), np.ones((5, 5), np.uint8))
    edges = cv2.createLineSegmentDetector().detect(np.where(near > 0, 0, dark))[0]
    for edge in () if edges is None else edges[:, 0].astype(np.float64):
        if np.hypot(*(edge[2:] - edge[:2])) >= SHORTEST:
            columns, rows = _going_on(edge, image, dark, ink)
            found[rows, columns] = True
    # what is drawn aslant leaves holes
    return cv2.morphologyEx(found.view(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)).view(bool) & ink


def _going_on(edge: Array, image: Array, dark: Array, ink: Array) -> tuple[Array, Array]:
    """The columns and rows (N,) of ink that belongs to the line an edge (4,) is of; as far as the edge is long."""
    nothing = np.zeros(0, int), np.zeros(0, int)
    columns, rows, own = _strip(edge, ink.shape)
    written = ink[rows, columns]
    plain = own & ~written.any(axis=1)
    if not written.any() or np.count_nonzero(plain) < SHORTEST:
        return nothing
    strip = dark[rows, columns]
    line = _across(np.median(strip[plain], axis=0))
    if line is None:
        return nothing
    (first, last), level = line
    body = strip[:, first : last + 1].max(axis=1) >= BODY * level
    if body[plain].mean() < WHOLE:
        return nothing
    wide = slice(first - 1, last + 2)  # with its rims, which are paler
    columns, rows, written = columns[:, wide], rows[:, wide], written[:, wide]
    known = body & ~written.any(axis=1)
    colours = image[rows, columns].astype(np.float32)
    alike = np.linalg.norm(colours - np.median(colours[known & own], axis=0), axis=2) <= ALIKE
    line_goes_on = body & alike[:, 1:-1].any(axis=1)
    line_goes_on &= _reached(line_goes_on | written.any(axis=1), own)
    if np.count_nonzero(line_goes_on & ~known) > np.count_nonzero(line_goes_on & known):
        return nothing
    chosen = alike & written & line_goes_on[:, None]
    return columns[chosen], rows[chosen]


def _strip(edge: Array, shape: tuple[int, ...]) -> tuple[Array, Array, Array]:
    """The columns and rows (N, 2 * REACH + 1) int of the pixels beside an edge and, its length further, beyond it.

    And which of the N steps are the edge's own, (N,) bool.
    """
    length = float(np.hypot(*(edge[2:] - edge[:2])))
    way = (edge[2:] - edge[:2]) / length
    steps = np.arange(-length, 2 * length)
    spots = edge[:2] + steps[:, None] * way
    inside = ((spots >= REACH) & (spots <= np.array(shape[1::-1]) - 1 - REACH)).all(axis=1)
    sideways = np.arange(-REACH, REACH + 1)[:, None] * np.array([-way[1], way[0]])
    own = (steps >= 0) & (steps <= length)
    columns, rows = np.moveaxis(np.rint(spots[inside, None] + sideways).astype(int), -1, 0)
    return columns, rows, own[inside]


def _across(profile: Array) -> tuple[tuple[int, int], float] | None:
    """First and last offset of a line in the darkness across it, and its darkness; None if there is no thin line."""
    middle = slice(REACH - EDGE, REACH + EDGE + 1)
    first = last = REACH - EDGE + int(profile[middle].argmax())
    level = float(profile[first])
    while first > 1 and profile[first - 1] >= RIM * level:
        first -= 1
    while last < 2 * REACH - 1 and profile[last + 1] >= RIM * level:
        last += 1
    if level < FAINTEST or last - first >= WIDEST or first < 2 or last > 2 * REACH - 2:
        return None
    return None if max(profile[first - 2], profile[last + 2]) > CLEAR * level else ((first, last), level)


def _reached(goes_on: Array, own: Array) -> Array:
    """Which steps (N,) bool lie on a stretch without a gap that has one of the line's ``own``."""
    closed = cv2.morphologyEx(goes_on.view(np.uint8)[None], cv2.MORPH_CLOSE, np.ones((1, GAP + 1), np.uint8))
    stretch = cv2.connectedComponents(closed, connectivity=8)[1][0]
    return (stretch > 0) & np.isin(stretch, stretch[own])
