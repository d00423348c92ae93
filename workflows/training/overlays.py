"""What CTRNet for documents is shown besides the samples: rules under strokes, more strokes, and imperfect masks.

They are drawn over what the shards hold.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.types import Array
from remover.fill import has_greys

_HOLES, _EXTRAS = 0.3, 0.5
_MOST_RULES = 5
_UNDER_TEXT, _UPRIGHT, _BROKEN, _TINTED = 0.75, 0.2, 0.15, 0.2
_POINT = 4  # bits after the point in the ends of rules


def draw_rules(pictures: Sequence[Array], ink: Array, rng: np.random.Generator) -> list[Array]:
    """The pictures, (S, S, 3) uint8 RGB of one place, with the same rules and tints in each.

    Text runs along the rows, and most rules lie close under its lines, through what hangs down: where words are
    underlined, a plain fill takes the rule for the paper. On dark paper they are light.
    """
    through = np.ones((*ink.shape, 3), np.float32)
    for _ in range(int(rng.integers(1, _MOST_RULES + 1))):
        cover = _tint(ink.shape, rng) if rng.random() < _TINTED else _rule(ink, rng)
        passed = rng.uniform(0.05, 0.9, 3) if rng.random() < 0.4 else np.full(3, rng.uniform(0.05, 0.9))
        through *= 1 - cover[..., None] * (1 - passed).astype(np.float32)
    if not has_greys(pictures[-1]):
        through = np.repeat(through.min(2, keepdims=True) > 0.5, 3, 2).astype(np.float32)
    if pictures[-1].mean() > 100:
        return [np.rint(picture * through).astype(np.uint8) for picture in pictures]
    return [np.rint(255 - (255 - picture.astype(np.float32)) * through).astype(np.uint8) for picture in pictures]


def _rule(ink: Array, rng: np.random.Generator) -> Array:
    """How much of each pixel a rule covers, (S, S) float32 in [0, 1]."""
    side = ink.shape[0]
    upright = bool(rng.random() < _UPRIGHT)
    along = ink.T if upright else ink
    start, length = int(rng.integers(-side // 2, side - 40)), int(rng.integers(40, 2 * side))
    profile = along[:, max(start, 0) : max(start + length, 1)].mean(1)  # a rule may end before the crop begins
    full = profile > rng.uniform(0, 0.5) * profile.max()
    ends = np.flatnonzero(full[:-1] & ~full[1:])
    at = rng.normal(1, 3) + rng.choice(ends) if ends.size and rng.random() < _UNDER_TEXT else rng.uniform(0, side)
    rise = rng.normal(0, 0.01) * length
    width = int(rng.choice([1, 2, 3, 4, 6], p=[0.3, 0.3, 0.2, 0.15, 0.05]))
    points = [(round(x * 2**_POINT), round(y * 2**_POINT)) for x, y in ((start, at), (start + length, at + rise))]
    cover = np.zeros(ink.shape, np.uint8)
    cv2.line(cover, points[0], points[1], 255, width, cv2.LINE_AA, _POINT)
    if rng.random() < _BROKEN:
        period = int(rng.integers(3, 20))
        cover[:, (np.arange(side) + start) % period < rng.uniform(0.3, 0.6) * period] = 0
    soft = cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.3, 1.0)).astype(np.float32) / 255
    return np.ascontiguousarray(soft.T) if upright else soft


def _tint(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """As ``_rule``, of a field with straight edges."""
    cover = np.zeros(shape, np.uint8)
    low, high = rng.integers(-shape[0] // 2, shape[0], 2), rng.integers(shape[0] // 8, shape[0] * 2, 2)
    cv2.rectangle(cover, [int(x) for x in low], [int(x) for x in low + high], 255, -1)
    return cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.3, 1.0)).astype(np.float32) / 255


def overwrite(image: Array, strokes: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """The image with some of the strokes, shifted and turned, in one colour over it; and where that changed it."""
    turned = np.rot90(strokes, int(rng.integers(4)))
    shifted = np.roll(turned, tuple(int(step) for step in rng.integers(0, strokes.shape[0], 2)), (0, 1))
    shifted &= draw_blobs(strokes.shape, rng, most=4, largest=strokes.shape[0] // 3)
    cover = cv2.GaussianBlur(shifted.astype(np.float32), (0, 0), rng.uniform(0.4, 1.0)) * rng.uniform(0.7, 1)
    dark = rng.uniform(0, 90) if rng.random() < 0.6 else rng.uniform(0, 160, 3)  # print and pencils, or pens
    colour = np.broadcast_to(dark if image.mean() > 100 else 255 - np.asarray(dark), 3)
    changed = image + cover[..., None] * (colour - image.astype(np.float32))
    written = np.rint(changed).clip(0, 255).astype(np.uint8)
    return written, cover > 0.02


def blur_borders(ink: Array, rng: np.random.Generator) -> Array:
    """The mask of ink as it may be found: grown by up to 3 px, holes in it, and more than the ink here and there."""
    mask = ink.astype(np.uint8)
    for _ in range(int(rng.choice(4, p=(0.15, 0.4, 0.3, 0.15)))):
        shape = cv2.MORPH_CROSS if rng.integers(2) else cv2.MORPH_RECT
        mask = cv2.dilate(mask, cv2.getStructuringElement(shape, (3, 3)))
    found = mask > 0
    if rng.random() < _HOLES:
        found &= ~draw_blobs(ink.shape, rng, most=8, largest=4)
    if rng.random() < _EXTRAS:
        found |= draw_blobs(ink.shape, rng, most=8, largest=12)
    return found


def draw_blobs(shape: tuple[int, ...], rng: np.random.Generator, most: int, largest: int) -> Array:
    """(H, W) bool: up to ``most`` ellipses with half axes of up to ``largest`` px."""
    blobs = np.zeros(shape[:2], np.uint8)
    for _ in range(int(rng.integers(1, most + 1))):
        centre = (int(rng.integers(shape[1])), int(rng.integers(shape[0])))
        axes = (int(rng.integers(1, largest + 1)), int(rng.integers(1, largest + 1)))
        cv2.ellipse(blobs, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    return blobs > 0
