"""Figures that a machine draws and that are no text: charts with solid bars, pies, icons, codes of squares.

Each is drawn on ``canvas``, (S, S, 3) uint8 RGB, in place, and gives the boxes in which text would stand.
"""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.types import Array
from workflows.training.colours import Colour, draw_line_colour, draw_tone

Slot = tuple[int, int, int, int]

_ICONS = {  # outlines in units of the icon's half side, y down
    "triangle": ((0, -1), (0.95, 0.8), (-0.95, 0.8)),
    "arrow": ((-1, -0.3), (0.1, -0.3), (0.1, -0.8), (1, 0), (0.1, 0.8), (0.1, 0.3), (-1, 0.3)),
    "house": ((0, -1), (1, -0.1), (0.75, -0.1), (0.75, 0.9), (-0.75, 0.9), (-0.75, -0.1), (-1, -0.1)),
    "plus": ((-0.3, -1), (0.3, -1), (0.3, -0.3), (1, -0.3), (1, 0.3), (0.3, 0.3), (0.3, 1), (-0.3, 1), (-0.3, 0.3),
             (-1, 0.3), (-1, -0.3), (-0.3, -0.3)),
    "flag": ((-0.7, 1), (-0.7, -1), (0.9, -0.5), (-0.45, 0.0), (-0.45, 1)),
    "bolt": ((0.2, -1), (-0.7, 0.2), (-0.1, 0.2), (-0.3, 1), (0.7, -0.3), (0.05, -0.3)),
}  # fmt: skip


def draw_chart(canvas: Array, rng: np.random.Generator) -> list[Slot]:
    """Axes with solid bars, or a pie, and places for their labels."""
    side = canvas.shape[0]
    wide, high = (int(v) for v in rng.integers(side // 4, side * 3 // 4, 2))
    x, y = (int(v) for v in rng.integers(0, side // 3, 2))
    if rng.random() < 0.25:
        return _pie(canvas, (x + wide // 2, y + high // 2), min(wide, high) // 2, rng)
    count, colour = int(rng.integers(3, 12)), draw_line_colour(rng)
    step = wide / count
    bar, tone, slots = max(2, int(step * rng.uniform(0.3, 1.0))), draw_tone(rng, 0, 200), []
    for number in range(count):
        left, top = x + int(number * step), y + int(high * rng.uniform(0, 0.95))
        cv2.rectangle(canvas, (left, top), (left + bar - 1, y + high), tone, -1)
        if rng.random() < 0.2:
            tone = draw_tone(rng, 0, 200)
        slots.append((left, y + high + 2, left + max(bar, 10), y + high + 14))
    cv2.line(canvas, (x, y), (x, y + high), colour, 1)
    cv2.line(canvas, (x, y + high), (x + wide, y + high), colour, int(rng.choice([1, 1, 2])))
    return [slot for slot in slots if slot[2] < side and slot[3] < side]


def _pie(canvas: Array, centre: tuple[int, int], radius: int, rng: np.random.Generator) -> list[Slot]:
    ends = np.sort(rng.uniform(0, 360, int(rng.integers(3, 7))))
    for start, end in zip(ends, [*ends[1:], ends[0] + 360], strict=True):
        cv2.ellipse(canvas, centre, (radius, radius), 0, start, end, draw_tone(rng, 0, 230), -1, cv2.LINE_AA)
    return []


def draw_icons(canvas: Array, rng: np.random.Generator) -> list[Slot]:
    """Small solid and outlined signs: arrows, stars, houses, bullets, in a row or anywhere."""
    side, colour = canvas.shape[0], draw_line_colour(rng)
    size, in_row = int(rng.integers(4, min(40, side // 4))), rng.random() < 0.5
    x, y = (int(v) for v in rng.integers(size, side - size, 2))
    kind, slots = _any_icon(rng), []
    for _ in range(int(rng.integers(1, 8))):
        _icon(canvas, (x, y), size, kind, colour, rng)
        slots.append((x + size + 3, y - size, x + size + 120, y + size))
        if in_row:
            y += int(size * rng.uniform(2.2, 3))
        else:
            x, y = (int(v) for v in rng.integers(size, side - size, 2))
            kind = _any_icon(rng)
    inside = [(left, max(top, 0), min(right, side), min(bottom, side)) for left, top, right, bottom in slots]
    return [slot for slot in inside if slot[2] - slot[0] > 8 and slot[3] - slot[1] > 6]


def _any_icon(rng: np.random.Generator) -> str:
    return str(rng.choice([*_ICONS, "star", "dot", "square", "heart"]))


def _icon(
    canvas: Array, centre: tuple[int, int], size: int, kind: str, colour: Colour, rng: np.random.Generator
) -> None:
    if kind == "dot":
        cv2.circle(canvas, centre, size, colour, -1, cv2.LINE_AA)
        return
    if kind in ("star", "heart", "square"):
        turn = np.linspace(0, 2 * np.pi, {"star": 10, "heart": 40, "square": 4}[kind], endpoint=False)
        reach = np.where(np.arange(len(turn)) % 2, 0.42, 1.0) if kind == "star" else np.ones(len(turn))
        outline = np.stack([np.sin(turn) * reach, -np.cos(turn) * reach], 1)
        if kind == "heart":
            down = -13 * np.cos(turn) + 5 * np.cos(2 * turn) + 2 * np.cos(3 * turn) + np.cos(4 * turn)
            outline = np.stack([np.sin(turn) ** 3, down / 16], 1)
        elif kind == "square":
            outline = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    else:
        outline = np.array(_ICONS[kind])
    points = np.rint(outline * size + centre).astype(np.int32)
    if rng.random() < 0.7:
        cv2.fillPoly(canvas, [points], colour, cv2.LINE_AA)
    else:
        cv2.polylines(canvas, [points], True, colour, int(rng.choice([1, 1, 2])), cv2.LINE_AA)


def draw_code(canvas: Array, rng: np.random.Generator) -> list[Slot]:
    """A square of squares, as QR codes and Data Matrix are; it can be read by nobody."""
    count, cell = int(rng.choice([12, 16, 21, 25, 29, 33])), int(rng.integers(2, 7))
    cells = rng.random((count, count)) < 0.5
    if count >= 21:
        finder = np.pad(np.pad(np.ones((3, 3), bool), 1), 1, constant_values=True)
        for down, across in ((slice(7), slice(7)), (slice(7), slice(-7, None)), (slice(-7, None), slice(7))):
            cells[down, across] = finder
        cells[7, :8] = cells[:8, 7] = cells[7, -8:] = cells[:8, -8] = cells[-8, :8] = cells[-8:, 7] = False
    else:
        cells[:, 0] = cells[-1] = True
    quiet = np.pad(cells, 2)
    drawn = np.kron(quiet, np.ones((cell, cell), bool))
    side = canvas.shape[0]
    x, y = (int(v) for v in rng.integers(-drawn.shape[0] // 4, max(side - drawn.shape[0] // 2, 1), 2))
    part = canvas[max(y, 0) : y + drawn.shape[0], max(x, 0) : x + drawn.shape[1]]
    shown = drawn[max(-y, 0) :, max(-x, 0) :][: part.shape[0], : part.shape[1]]
    part[:] = (255, 255, 255)
    part[shown] = draw_tone(rng, 0, 70)
    return []
