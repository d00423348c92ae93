"""Pens and what people do with them on paper: ticks, crosses, circles, underlines, scribbles and signatures."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from pipeline.types import Array
from workflows.training.degrade import smooth_noise

Path2 = Array  # (N, 2) float points (x, y), in units of the mark's size
Mark = Callable[[np.random.Generator], list[Path2]]
_SUBPIXEL = 4

_PENS = (  # RGB and how often: ballpoint blue and black, red, pencil, green, violet
    ((25, 45, 150), 0.28),
    ((30, 30, 35), 0.26),
    ((200, 40, 45), 0.18),
    ((120, 120, 122), 0.18),
    ((30, 120, 60), 0.06),
    ((110, 50, 140), 0.04),
)


def pen_colour(rng: np.random.Generator) -> tuple[Array, float]:
    """(RGB, float32 of 0 to 255; how much of the paper shows through where the ink is thin, 0 to 1)."""
    chances = np.array([chance for _, chance in _PENS])
    index = int(rng.choice(len(_PENS), p=chances))
    colour = np.array(_PENS[index][0], np.float32) + rng.normal(0, 14, 3).astype(np.float32)
    grainy = rng.uniform(0.3, 0.75) if index == 3 else rng.uniform(0, 0.35)
    return colour.clip(0, 210), float(grainy)


def roughen(coverage: Array, grainy: float, rng: np.random.Generator) -> Array:
    """Ink as a pen leaves it: ``coverage`` (H, W) float32 in [0, 1], thinner here and there."""
    if grainy < 0.05:
        return coverage
    grain = smooth_noise(coverage.shape, rng.uniform(1, 2.2), rng)
    pressure = smooth_noise(coverage.shape, 30, rng)
    return coverage * (1 - grainy * (0.45 + 0.35 * grain + 0.2 * pressure).clip(0, 1))


def pen_mark(side: int, rng: np.random.Generator, draw: Mark | None = None) -> Array:
    """A mark about ``side`` px large, on a canvas of twice that: (2 side, 2 side) float32 ink coverage in [0, 1].

    ``draw`` is the mark, one of ``MARKS_IN_BOXES`` for instance; chance decides without.
    """
    draw = draw or _MARKS[int(rng.choice(len(_MARKS), p=_CHANCES))]
    width = _pen_width(side, rng)
    canvas = np.zeros((2 * side, 2 * side), np.uint8)
    for path in draw(rng):
        bent = path * [1, rng.uniform(0.5, 1.3)]
        turn = rng.normal(0, 0.15)
        rotated = bent @ np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        _stroke(canvas, rotated * side + side, width, rng)
    return canvas.astype(np.float32) / 255


def pen_ring(size: tuple[int, int], rng: np.random.Generator) -> Array:
    """A ring drawn by hand around something of ``size`` (width, height) px, which lies in the middle of its canvas.

    (2 height + 16, 2 width + 16) float32 ink coverage in [0, 1].
    """
    middle = np.array(size) + 8
    canvas = np.zeros(tuple(2 * middle[::-1]), np.uint8)
    (path,) = _circle(rng, 1.0)
    reach = np.array(size) * rng.uniform(1.15, 1.7) + 4  # hands leave room around small letters
    _stroke(canvas, path * reach + middle, _pen_width(max(size), rng), rng)
    return canvas.astype(np.float32) / 255


def ring_path(rng: np.random.Generator) -> Path2:
    """A ring about as wide as 1 and up to as high, as hands draw it, around (0, 0)."""
    return _circle(rng)[0]


def _pen_width(side: int, rng: np.random.Generator) -> float:
    return float(np.exp(rng.uniform(np.log(1.0), np.log(max(1.5, min(9.0, side / 7))))))


def _stroke(canvas: Array, points: Array, width: float, rng: np.random.Generator) -> None:
    """Draw a path whose width follows the pressure of the hand."""
    pressure = np.interp(np.arange(len(points)), np.linspace(0, len(points), 5), rng.uniform(0.7, 1.25, 5))
    fixed = np.rint(points * (1 << _SUBPIXEL)).astype(np.int32)
    for start, end, weight in zip(fixed[:-1], fixed[1:], pressure, strict=False):
        thickness = max(1, int(width * weight + rng.random()))
        cv2.line(canvas, start.tolist(), end.tolist(), 255, thickness, cv2.LINE_AA, _SUBPIXEL)


def _smooth(knots: Array, count: int = 48) -> Path2:
    """A curve through points, Catmull and Rom's."""
    knots = np.asarray(knots, np.float64)
    padded = np.concatenate([2 * knots[:1] - knots[1:2], knots, 2 * knots[-1:] - knots[-2:-1]])
    t = np.linspace(0, len(knots) - 1 - 1e-6, count)
    index, u = t.astype(int), (t % 1)[:, None]
    a, b, c, d = (padded[index + k] for k in range(4))
    return 0.5 * (2 * b + (c - a) * u + (2 * a - 5 * b + 4 * c - d) * u**2 + (3 * b - a - 3 * c + d) * u**3)


def _jitter(points: list[list[float]], rng: np.random.Generator, by: float = 0.06) -> Array:
    return np.array(points) + rng.normal(0, by, (len(points), 2))


def _tick(rng: np.random.Generator) -> list[Path2]:
    return [_smooth(_jitter([[-0.4, 0.0], [-0.15, 0.35], [0.1, -0.1], [0.5, -0.5]], rng))]


def _cross(rng: np.random.Generator) -> list[Path2]:
    down, up = _jitter([[-0.4, -0.4], [0, 0], [0.4, 0.4]], rng), _jitter([[0.4, -0.4], [0, 0], [-0.4, 0.4]], rng)
    return [_smooth(down, 20), _smooth(up, 20)]


def _circle(rng: np.random.Generator, flattest: float = 0.4) -> list[Path2]:
    angles = np.linspace(0, 2 * np.pi * rng.uniform(0.9, 1.25), 12) + rng.uniform(0, 6)
    radius = 0.5 + rng.normal(0, 0.03, 12)
    return [_smooth(np.stack([radius * np.cos(angles), radius * np.sin(angles) * rng.uniform(flattest, 1)], 1), 80)]


def _wave(rng: np.random.Generator) -> list[Path2]:
    count = int(rng.integers(4, 14))
    x = np.linspace(-0.7, 0.7, count) + rng.normal(0, 0.02, count)
    return [_smooth(np.stack([x, rng.uniform(0.04, 0.25) * np.where(np.arange(count) % 2, 1, -1)], 1), 8 * count)]


def _dash(rng: np.random.Generator) -> list[Path2]:
    """An underline, a strike-through, a margin line: straight as a hand draws it."""
    length, lean = rng.uniform(0.3, 0.9), rng.normal(0, 0.04)
    knots = np.array([[-length, -lean], [-length / 3, 0], [length / 3, 0], [length, lean]])
    knots += rng.normal(0, 0.012, knots.shape)
    return [_smooth(knots[:, ::-1] if rng.random() < 0.2 else knots, 30)]


def _scribble(rng: np.random.Generator) -> list[Path2]:
    count = int(rng.integers(6, 18))
    x = np.linspace(-0.5, 0.5, count) + rng.normal(0, 0.05, count)
    y = np.where(np.arange(count) % 2, 0.35, -0.35) + rng.normal(0, 0.08, count)
    return [_smooth(np.stack([x, y * rng.uniform(0.3, 1)], 1), 8 * count)]


def _signature(rng: np.random.Generator) -> list[Path2]:
    count = int(rng.integers(10, 24))
    angles = np.cumsum(rng.uniform(0.6, 1.6, count))
    x = np.linspace(-0.8, 0.8, count) + 0.08 * np.cos(angles)
    y = rng.uniform(0.05, 0.3) * np.sin(angles) * rng.uniform(0.4, 1.6, count)
    return [_smooth(np.stack([x, y], 1), 9 * count)]


def _arrow(rng: np.random.Generator) -> list[Path2]:
    shaft = _smooth(_jitter([[-0.6, 0.1], [0.0, -0.05], [0.55, 0.0]], rng), 24)
    return [shaft, _smooth(_jitter([[0.35, -0.15], [0.55, 0.0], [0.35, 0.15]], rng, 0.03), 16)]


MARKS_IN_BOXES: tuple[Mark, ...] = (_tick, _tick, _cross, _cross, _scribble)
_MARKS: tuple[Mark, ...]
_MARKS = (_tick, _cross, _circle, _wave, _dash, _scribble, _signature, _arrow)
_CHANCES = (0.14, 0.12, 0.2, 0.1, 0.2, 0.1, 0.09, 0.05)
