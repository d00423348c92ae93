"""Small pages with and without something left on them, and what a reader says."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.readings import NOTHING_READ, Reading
from pipeline.types import TextRegion
from workflows.pages.sight import Ink, Tools

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


class Stand:
    """Tools that see dark pixels as text, and removers that need so many ``tries`` until something goes."""

    def __init__(self, tries, by_ink=False, whole_regions=False):
        self.tries, self.calls = tries, []
        find_staying = (lambda image, near: np.zeros(near.shape, bool)) if by_ink else None
        self.tools = Tools(
            self.detect,
            self.read_ink,
            self.find_ink,
            self.read_text,
            self.remove,
            self.fill,
            None,
            find_staying,
            by_ink,
            whole_regions,
        )

    def detect(self, image):
        dark = cv2.dilate((image.min(axis=2) < 100).astype(np.uint8), np.ones((13, 13), np.uint8))
        count, _, stats, _ = cv2.connectedComponentsWithStats(dark)
        boxes = [(x, y, x + w, y + h) for x, y, w, h in stats[1:count, :4]]
        return [TextRegion(np.float32([[a, b], [c, b], [c, d], [a, d]])) for a, b, c, d in boxes]

    def read_ink(self, image, wanted):
        return Ink(np.where(image.min(axis=2) < 100, 255, 0), np.zeros(image.shape[:2], bool))

    def find_ink(self, image, regions):
        return image.min(axis=2) < 100

    def read_text(self, image, regions):
        return [reading("Text", 0.9) if (image < 100).any() else NOTHING_READ for _ in regions]

    def remove(self, image, mask, name="remove"):
        self.calls.append((name, mask))
        done = len(self.calls) >= self.tries
        return np.where(mask[..., None], np.uint8(230), image) if done else image

    def fill(self, image, mask):
        return self.remove(image, mask, "fill")
