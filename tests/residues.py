"""Small pages with and without something left on them, and what a reader says."""

from __future__ import annotations

import numpy as np

from pipeline.readings import Reading

SIDE = 200
REGION = np.float32([[40, 40], [120, 40], [120, 70], [40, 70]])


def reading(text, score):
    count = len(text)
    return Reading(text, score, np.zeros((count, 2), np.float32), np.full(count, score, np.float32))


def paper(level=230):
    rng = np.random.default_rng(0)
    return np.clip(rng.normal(level, 2, (SIDE, SIDE, 1)).round(), 0, 255).astype(np.uint8).repeat(3, 2)


def with_bars(image, level=30):
    result = image.copy()
    for x in range(46, 114, 8):
        result[46:64, x : x + 3] = level
    return result


def bars():
    return (with_bars(np.full((SIDE, SIDE, 3), 255, np.uint8)) < 255).any(axis=2)


def dark_box(level=50):
    image = paper()
    image[30:90, 30:150] = level
    return image
