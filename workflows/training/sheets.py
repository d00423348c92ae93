"""Sheets of paper without text: forms, tables, diagrams, ruled paper, shading and pictures, drawn by a machine.

Everything here is what must stay on a page. A sheet is (S, S, 3) float32 RGB of 0 to 255; its slots are the boxes
(x0, y0, x1, y1) in which text would stand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.types import Array
from workflows.training.colours import Colour, draw_line_colour, draw_tone, draw_vivid
from workflows.training.figures import Slot, draw_chart, draw_code, draw_icons


class Sheet(NamedTuple):
    """A sheet and where text would stand on it."""

    image: Array
    slots: list[Slot]


def draw_sheet(side: int, rng: np.random.Generator, pictures: Sequence[Array] = ()) -> Sheet:
    """A random sheet. ``pictures``, (H, W, 3) uint8 RGB each, are laid somewhere on it; one may be all of it."""
    canvas = np.full((side, side, 3), 255, np.uint8)
    if rng.random() < 0.25:
        canvas[:] = draw_tone(rng, 170, 255)
    for picture in pictures:
        _lay_picture(canvas, picture, rng, all_over=len(pictures) == 1 and rng.random() < 0.5)
    if not pictures and rng.random() < 0.15:
        _gradient(canvas, (0, 0, side, side), rng)
    slots: list[Slot] = []
    for kind in rng.choice(len(_KINDS), int(rng.integers(1, 3)), p=_CHANCES):
        slots += _KINDS[kind](canvas, rng)
    return Sheet(canvas.astype(np.float32), slots)


def _lay_picture(canvas: Array, picture: Array, rng: np.random.Generator, *, all_over: bool) -> None:
    side = canvas.shape[0]
    width, height = (side, side) if all_over else rng.integers(side // 4, side, 2)
    scaled = cv2.resize(picture, (max(int(width), 8), max(int(height), 8)), interpolation=cv2.INTER_AREA)
    x, y = rng.integers(0, side - scaled.shape[1] + 1), rng.integers(0, side - scaled.shape[0] + 1)
    canvas[y : y + scaled.shape[0], x : x + scaled.shape[1]] = scaled


def _gradient(canvas: Array, box: Slot, rng: np.random.Generator) -> None:
    x0, y0, x1, y1 = box
    first, last = (np.array(draw_tone(rng, low, 255), np.float32) for low in (60, 120))
    down, across = np.mgrid[0 : y1 - y0, 0 : x1 - x0].astype(np.float32)
    angle = rng.uniform(0, np.pi / 2)
    share = np.cos(angle) * across / max(x1 - x0, 1) + np.sin(angle) * down / max(y1 - y0, 1)
    share = (share / max(float(share.max()), 1e-3))[..., None]
    canvas[y0:y1, x0:x1] = (first * (1 - share) + last * share).astype(np.uint8)


def _cuts(side: int, least: int, most: int, rng: np.random.Generator) -> list[int]:
    """Where the rules of a table stand along one axis."""
    step = rng.integers(least, most)
    even = rng.random() < 0.6
    places, at = [], int(rng.integers(-least, least))
    while at < side + most:
        places.append(at)
        at += int(step if even else rng.integers(least, most))
    return places


def _table(canvas: Array, rng: np.random.Generator) -> list[Slot]:
    side = canvas.shape[0]
    rows, columns = _cuts(side, 12, 60, rng), _cuts(side, 30, 160, rng)
    shaded, slots = rng.random() < 0.4, []
    for top, bottom in pairwise(rows):
        tone = _draw_ground(rng, 20, 245) if rng.random() < 0.3 else None
        for left, right in pairwise(columns):
            box = (max(left, 0), max(top, 0), min(right, side), min(bottom, side))
            if box[2] - box[0] < 8 or box[3] - box[1] < 6:
                continue
            if shaded and tone is not None:
                cv2.rectangle(canvas, box[:2], (box[2] - 1, box[3] - 1), tone, -1)
            slots.append(box)
    colour, style = draw_line_colour(rng), rng.random()
    for at in rows if style < 0.9 else []:
        cv2.line(canvas, (0, at), (side, at), colour, _weight(rng))
    for at in columns if style < 0.7 else []:
        cv2.line(canvas, (at, 0), (at, side), colour, _weight(rng))
    return slots


def _draw_ground(rng: np.random.Generator, low: int, high: int) -> Colour:
    """Of filled cells and panels: a tone, or a vivid colour as often."""
    if rng.random() < 0.5:
        return draw_tone(rng, low, high)
    red, green, blue = (int(level) for level in draw_vivid(rng))
    return red, green, blue


def _weight(rng: np.random.Generator) -> int:
    return int(rng.choice([1, 1, 1, 2, 2, 3, 4, 6]))


def _form(canvas: Array, rng: np.random.Generator) -> list[Slot]:
    side, colour, slots = canvas.shape[0], draw_line_colour(rng), []
    y = int(rng.integers(5, 40))
    while y < side:
        height, x = int(rng.integers(12, 44)), int(rng.integers(0, 60))
        while x < side:
            width = int(rng.integers(20, 180))
            kind = rng.random()
            box = (x, y, min(x + width, side), min(y + height, side))
            if kind < 0.35:
                _baseline(canvas, box, colour, rng)
                slots.append(box)
            elif kind < 0.6:
                cv2.rectangle(canvas, (x, y), (x + width, y + height), colour, _weight(rng))
                slots.append(box)
            elif kind < 0.8:
                _boxes(canvas, box, colour, rng)
            else:
                slots.append(box)
            x += width + int(rng.integers(4, 40))
        y += height + int(rng.integers(2, 24))
    return slots


def _baseline(canvas: Array, box: Slot, colour: tuple[int, int, int], rng: np.random.Generator) -> None:
    """A line to write on: whole, dashed or dotted."""
    x0, _, x1, y = box
    gap = int(rng.choice([0, 0, 0, 3, 5, 8]))
    if not gap:
        cv2.line(canvas, (x0, y), (x1, y), colour, min(2, _weight(rng)))
        return
    long = int(rng.choice([1, 2, gap, 2 * gap]))
    for x in range(x0, x1, long + gap):
        cv2.line(canvas, (x, y), (x + long - 1, y), colour, 1 if long > 2 else 2)


def _boxes(canvas: Array, box: Slot, colour: tuple[int, int, int], rng: np.random.Generator) -> None:
    """Check boxes, answer bubbles, a comb of cells."""
    x0, y0, x1, y1 = box
    size = max(6, min(y1 - y0, 30) - int(rng.integers(0, 6)))
    step = size if rng.random() < 0.3 else size + int(rng.integers(3, 20))
    bubbles = rng.random() < 0.4
    for x in range(x0, x1 - size, max(step, 4)):
        if bubbles:
            centre = (x + size // 2, y0 + size // 2)
            cv2.circle(canvas, centre, size // 2, colour, 1 if rng.random() < 0.8 else -1, cv2.LINE_AA)
        else:
            cv2.rectangle(canvas, (x, y0), (x + size, y0 + size), colour, int(rng.choice([1, 1, 2])))


def _ruled(canvas: Array, rng: np.random.Generator) -> list[Slot]:
    side, colour, step = canvas.shape[0], draw_tone(rng, 120, 225), int(rng.integers(10, 60))
    start = int(rng.integers(0, step))
    for at in range(start, side, step):
        cv2.line(canvas, (0, at), (side, at), colour, 1)
    if rng.random() < 0.5:
        for at in range(start, side, step):
            cv2.line(canvas, (at, 0), (at, side), colour, 1)
    return [(0, at, side, at + max(step, 16)) for at in range(start, side, max(step, 16))]


def _diagram(canvas: Array, rng: np.random.Generator) -> list[Slot]:
    """Machine-drawn figures: circles, boxes, arrows, curves, axes."""
    side, slots = canvas.shape[0], []
    for _ in range(int(rng.integers(3, 12))):
        x, y = (int(v) for v in rng.integers(0, side, 2))
        wide, high = (int(v) for v in rng.integers(10, side // 2, 2))
        colour, weight, kind = draw_line_colour(rng), int(rng.choice([1, 1, 2, 3])), rng.random()
        if kind < 0.2:
            cv2.ellipse(canvas, (x, y), (wide // 2, high // 2), 0, 0, 360, colour, weight, cv2.LINE_AA)
            slots.append((max(x - wide // 2, 0), max(y - 14, 0), min(x + wide // 2, side), min(y + 14, side)))
        elif kind < 0.3:
            cv2.circle(
                canvas, (x, y), int(rng.integers(2, 40)), colour, -1 if rng.random() < 0.4 else weight, cv2.LINE_AA
            )
        elif kind < 0.5:
            cv2.rectangle(canvas, (x, y), (x + wide, y + high), draw_tone(rng, 150, 250), -1)
            cv2.rectangle(canvas, (x, y), (x + wide, y + high), colour, weight)
            slots.append((x, y, min(x + wide, side), min(y + high, side)))
        elif kind < 0.75:
            cv2.arrowedLine(
                canvas, (x, y), (x + wide, y + int(rng.integers(-high, high))), colour, weight, cv2.LINE_AA, 0, 0.08
            )
        else:
            across = np.arange(0, side, 3)
            curve = y + high / 3 * np.sin(across / rng.uniform(8, 60) + rng.uniform(0, 6)) * np.exp(-across / side)
            cv2.polylines(canvas, [np.stack([across, curve], 1).astype(np.int32)], False, colour, weight, cv2.LINE_AA)
    return [slot for slot in slots if slot[2] - slot[0] > 8 and slot[3] - slot[1] > 6]


def _panels(canvas: Array, rng: np.random.Generator) -> list[Slot]:
    """Dark and tinted bars, labels, gradients: what light text stands on."""
    side, slots = canvas.shape[0], []
    for _ in range(int(rng.integers(1, 6))):
        x0, y0 = (int(v) for v in rng.integers(-20, side - 20, 2))
        box = (
            max(x0, 0),
            max(y0, 0),
            min(x0 + int(rng.integers(20, side)), side),
            min(y0 + int(rng.integers(12, 90)), side),
        )
        if box[2] - box[0] < 10 or box[3] - box[1] < 8:
            continue
        if rng.random() < 0.4:
            _gradient(canvas, box, rng)
        else:
            cv2.rectangle(canvas, box[:2], (box[2] - 1, box[3] - 1), _draw_ground(rng, 0, 235), -1)
        slots.append(box)
    return slots


def _hatch(canvas: Array, rng: np.random.Generator) -> list[Slot]:
    """Barcodes, hatching, dot screens: dense patterns that are no text."""
    side = canvas.shape[0]
    x, y = (int(v) for v in rng.integers(0, side - 30, 2))
    wide, high = (int(v) for v in rng.integers(20, side // 2, 2))
    part, kind = canvas[y : y + high, x : x + wide], rng.random()
    colour = draw_line_colour(rng)
    if kind < 0.4:
        bars = np.repeat(rng.random(part.shape[1]) < 0.5, int(rng.integers(1, 5)))[: part.shape[1]]
        part[:, bars] = colour
    elif kind < 0.7:
        step = int(rng.integers(3, 9))
        part[::step, ::step] = colour
    else:
        down, across = np.mgrid[0 : part.shape[0], 0 : part.shape[1]]
        part[(down + across) % int(rng.integers(4, 12)) == 0] = colour
    return []


_KINDS: tuple[Callable[[Array, np.random.Generator], list[Slot]], ...]
_KINDS = (_table, _form, _ruled, _diagram, _panels, _hatch, draw_chart, draw_icons, draw_code)
_CHANCES = (0.24, 0.24, 0.09, 0.12, 0.11, 0.06, 0.06, 0.05, 0.03)
