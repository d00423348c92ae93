"""Colours of what machines draw on sheets, RGB of 0 to 255."""

from __future__ import annotations

import colorsys

import numpy as np

from pipeline.types import Array

Colour = tuple[int, int, int]


def draw_tone(rng: np.random.Generator, low: int, high: int) -> Colour:
    """A grey or a colour whose channels lie from ``low`` to ``high``."""
    if rng.random() < 0.5:
        return (int(rng.integers(low, high + 1)),) * 3
    red, green, blue = (int(level) for level in rng.integers(low, high + 1, 3))
    return red, green, blue


def draw_line_colour(rng: np.random.Generator) -> Colour:
    """Dark mostly, as rules and outlines are."""
    return draw_tone(rng, 0, 60) if rng.random() < 0.6 else draw_tone(rng, 40, 210)


def draw_vivid(rng: np.random.Generator) -> Array:
    """A saturated colour as of text markers and filled cells, (3,) float32 of 0 to 255: light mostly, of any hue."""
    hue, saturation, value = rng.uniform(0, 1), rng.uniform(0.25, 0.95), 1 - 0.5 * rng.uniform(0, 1) ** 3
    return np.array(colorsys.hsv_to_rgb(hue, saturation, value), np.float32) * np.float32(255)
