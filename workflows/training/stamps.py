"""Rubber stamps: a frame, which stays on a page, and the words in it, which are text; turned, blotchy, transparent."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.types import Array
from workflows.training.degrade import smooth_noise

_LEAST_PX, _MOST_PX = 36, 150  # the longer side of a stamp


def draw_stamp(lines: list[Array], rng: np.random.Generator) -> tuple[Array, Array]:
    """(frame, words) as ink coverage, (H, W) float32 in [0, 1] each, of one size.

    ``lines`` are up to two lines of type as coverage, which are fitted into the frame; without any it stays empty.
    """
    width = int(rng.integers(_LEAST_PX, _MOST_PX))
    kind = rng.random()
    height = width if kind < 0.4 else int(width * rng.uniform(0.3, 0.7))
    canvas = (height + 12, width + 12)
    frame, words = np.zeros(canvas, np.uint8), np.zeros(canvas, np.float32)
    if kind < 0.55:
        inner = 0.62
        _rings(frame, (width, height), rng)
    else:
        inner = 0.86
        _boxes(frame, (width, height), rng)
    _fit(words, lines, (int(width * inner), int(height * inner * (0.6 if kind < 0.55 else 0.85))))
    turned = _turn([frame.astype(np.float32) / 255, words], rng)
    blotchy = _worn(turned[0].shape, rng)
    # resizing and turning may go beyond 1 by a rounding
    return (turned[0] * blotchy).clip(0, 1), (turned[1] * blotchy).clip(0, 1)


def lay_stamp(image: Array, coverage: Array, corner: tuple[int, int], colour: Array) -> None:
    """Stamp ``image``, (S, S, 3) float32 of 0 to 255, in place: what is below shows through; cut off at its borders."""
    x, y = corner
    part = image[max(y, 0) : max(y + coverage.shape[0], 0), max(x, 0) : max(x + coverage.shape[1], 0)]
    share = coverage[max(-y, 0) :, max(-x, 0) :][: part.shape[0], : part.shape[1], None]
    part *= 1 - share * (1 - colour / 255)


def stamp_colour(rng: np.random.Generator) -> Array:
    """Blue, violet, red, green or black ink, (3,) float32 of 0 to 255."""
    inks = ((40, 60, 170), (90, 50, 150), (190, 40, 50), (40, 120, 70), (40, 40, 45))
    return (np.array(inks[int(rng.integers(len(inks)))], np.float32) + rng.normal(0, 15, 3)).clip(0, 220).astype("f4")


def _rings(frame: Array, size: tuple[int, int], rng: np.random.Generator) -> None:
    centre, axes = (6 + size[0] // 2, 6 + size[1] // 2), (size[0] // 2, size[1] // 2)
    cv2.ellipse(frame, centre, axes, 0, 0, 360, 255, int(rng.integers(1, 5)), cv2.LINE_AA)
    for share in (0.86, 0.7):
        if rng.random() < 0.5:
            cv2.ellipse(frame, centre, (int(axes[0] * share), int(axes[1] * share)), 0, 0, 360, 255, 1, cv2.LINE_AA)


def _boxes(frame: Array, size: tuple[int, int], rng: np.random.Generator) -> None:
    weight = int(rng.integers(1, 5))
    cv2.rectangle(frame, (6, 6), (6 + size[0], 6 + size[1]), 255, weight)
    if rng.random() < 0.4:
        inset = 6 + weight + int(rng.integers(2, 5))
        cv2.rectangle(frame, (inset, inset), (12 + size[0] - inset, 12 + size[1] - inset), 255, 1)


def _fit(words: Array, lines: list[Array], room: tuple[int, int]) -> None:
    """Lay lines one below the other in the middle, as large as there is room for."""
    for number, line in enumerate(lines):
        high = room[1] / len(lines)
        scale = min(room[0] / line.shape[1], 0.85 * high / line.shape[0])
        width, height = (max(2, int(length * scale)) for length in line.shape[::-1])
        small = cv2.resize(line, (width, height), interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        x = (words.shape[1] - width) // 2
        y = int((words.shape[0] - room[1]) / 2 + high * (number + 0.5) - height / 2)
        words[y : y + height, x : x + width] = small


def _turn(parts: list[Array], rng: np.random.Generator) -> list[Array]:
    height, width = parts[0].shape
    angle = rng.normal(0, 12) if rng.random() < 0.9 else rng.uniform(-90, 90)
    reach = int(np.hypot(height, width)) + 2
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
    matrix[:, 2] += (reach - np.array([width, height])) / 2
    return [cv2.warpAffine(part, matrix, (reach, reach), flags=cv2.INTER_LINEAR) for part in parts]


def _worn(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """How much ink came off everywhere, (H, W) float32: fine grain, and whole parts that are pale."""
    size = (shape[0], shape[1])
    grain = 0.5 + 0.5 * smooth_noise(size, rng.uniform(1, 2), rng)
    pale = smooth_noise(size, rng.uniform(15, 50), rng)
    worn = 1 - rng.uniform(0, 0.7) * grain.clip(0, 1) - rng.uniform(0, 0.3) * pale
    return (worn * rng.uniform(0.5, 1)).clip(0, 1).astype(np.float32)
