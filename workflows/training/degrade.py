"""What a scanner does to a page, done alike to a page and to what it would be without its text.

Every step draws its numbers once and applies them to all images, so that the images go on differing by the text only.
Images are (H, W, 3) float32 RGB of 0 to 255, all of one size.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import cv2
import numpy as np

from pipeline.types import Array

Images = list[Array]
Step = Callable[[Images, np.random.Generator], Images]

CLEAN = 0.12  # the share of samples that are left as they were rendered
BILEVEL = 0.06  # ... and of those that come out black and white


def degrade(
    images: Sequence[Array], rng: np.random.Generator, *, clean: float = CLEAN, turns: bool = True
) -> tuple[Images, Images]:
    """(as scanned, as scanned but before noise and compression): the second is what labels are read from.

    The first are (H, W, 3) uint8, the second float32; of a black and white scan both are the same. ``clean`` is how
    likely images are left as they are; without ``turns`` they stay in their place.
    """
    work = list(images)
    if rng.random() < clean:
        return [_levels(image) for image in work], work
    for chance, step in _PAPER if turns else _PAPER[1:]:
        if rng.random() < chance:
            work = step(work, rng)
    if rng.random() < BILEVEL:
        work = _threshold(work, rng)
        return [_levels(image) for image in work], work
    quiet = work
    for chance, step in _SENSOR:
        if rng.random() < chance:
            work = step(work, rng)
    return [_levels(image) for image in work], quiet


def smooth_noise(shape: tuple[int, int], cell: float, rng: np.random.Generator) -> Array:
    """A random field of about unit variance, (H, W) float32, that varies over ``cell`` px."""
    small = (max(2, round(shape[0] / cell) + 2), max(2, round(shape[1] / cell) + 2))
    field = rng.standard_normal(small, np.float32)
    return cv2.resize(field, shape[::-1], interpolation=cv2.INTER_CUBIC) if cell > 1 else field[: shape[0], : shape[1]]


def _levels(image: Array) -> Array:
    return np.rint(image).clip(0, 255).astype(np.uint8)


def _turn(images: Images, rng: np.random.Generator) -> Images:
    height, width = images[0].shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), rng.normal(0, 0.8), rng.uniform(0.93, 1.07))
    matrix[:, 2] += rng.uniform(-0.5, 0.5, 2)
    way = {"flags": cv2.INTER_LINEAR if rng.random() < 0.7 else cv2.INTER_CUBIC, "borderMode": cv2.BORDER_REFLECT_101}
    return [cv2.warpAffine(image, matrix, (width, height), **way) for image in images]


def _fade(images: Images, rng: np.random.Generator) -> Images:
    strength = rng.uniform(0.45, 0.95)
    return [255 - (255 - image) * strength for image in images]


def _show_through(images: Images, rng: np.random.Generator) -> Images:
    """Print on the back of the sheet: the page itself, mirrored and moved, as good as any other."""
    shape = images[0].shape[:2]
    back = np.roll(images[0].mean(axis=2)[:, ::-1], rng.integers(0, shape[0], 2), (0, 1))
    back = cv2.GaussianBlur(back, (0, 0), rng.uniform(0.8, 2.5))
    shade = 1 - rng.uniform(0.04, 0.2) * (1 - back / 255)
    return [image * shade[..., None] for image in images]


def _tint(images: Images, rng: np.random.Generator) -> Images:
    paper = np.array([1.0, 1 - abs(rng.normal(0, 0.03)), 1 - abs(rng.normal(0, 0.08))]) * rng.uniform(0.78, 1.0)
    if rng.random() < 0.15:
        paper = rng.uniform(0.7, 1.0, 3)
    return [image * paper.astype(np.float32) for image in images]


def _texture(images: Images, rng: np.random.Generator) -> Images:
    shape = images[0].shape[:2]
    field = smooth_noise(shape, rng.uniform(1.5, 5), rng) * rng.uniform(0.002, 0.02)
    field += smooth_noise(shape, rng.uniform(20, 90), rng) * rng.uniform(0.0, 0.03)
    return [image * (1 + field[..., None]) for image in images]


def _light(images: Images, rng: np.random.Generator) -> Images:
    height, width = images[0].shape[:2]
    down, across = np.mgrid[0:height, 0:width].astype(np.float32) / max(height, width) - 0.5
    angle, depth = rng.uniform(0, 2 * np.pi), rng.uniform(0.02, 0.35)
    shade = 1 - depth * (0.5 + np.cos(angle) * across + np.sin(angle) * down)
    return [image * shade[..., None] for image in images]


def _blur(images: Images, rng: np.random.Generator) -> Images:
    sigma = rng.uniform(0.3, 1.3)
    return [cv2.GaussianBlur(image, (0, 0), sigma) for image in images]


def _sharpen(images: Images, rng: np.random.Generator) -> Images:
    amount = rng.uniform(0.2, 0.9)
    return [image + amount * (image - cv2.GaussianBlur(image, (0, 0), 1.2)) for image in images]


def _low_resolution(images: Images, rng: np.random.Generator) -> Images:
    size = images[0].shape[1::-1]
    small = tuple(round(side * rng.uniform(0.5, 0.9)) for side in (size[0],) * 2)
    return [
        cv2.resize(cv2.resize(i, small, interpolation=cv2.INTER_AREA), size, interpolation=cv2.INTER_LINEAR)
        for i in images
    ]


def _noise(images: Images, rng: np.random.Generator) -> Images:
    shape, strength = images[0].shape, rng.gamma(1.6, 2.2)
    grain = rng.standard_normal((*shape[:2], 1), np.float32)
    if rng.random() < 0.5:
        grain = 0.6 * grain + 0.8 * rng.standard_normal(shape, np.float32)
    if rng.random() < 0.4:
        grain = cv2.GaussianBlur(grain, (0, 0), 0.6).reshape(*shape[:2], -1) * 1.8
    return [image + strength * grain for image in images]


def _grey(images: Images, rng: np.random.Generator) -> Images:
    weights = np.array([0.299, 0.587, 0.114], np.float32)
    return [np.repeat((image @ weights)[..., None], 3, axis=2) for image in images]


def _jpeg(images: Images, rng: np.random.Generator) -> Images:
    options = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 96))]
    coded = (cv2.imencode(".jpg", _levels(image)[..., ::-1], options)[1] for image in images)
    return [cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32) for data in coded]


def _threshold(images: Images, rng: np.random.Generator) -> Images:
    grain = rng.standard_normal(images[0].shape[:2], np.float32) * rng.uniform(0, 12)
    paper = np.percentile(images[-1].mean(axis=2), 75)
    level = paper * rng.uniform(0.55, 0.8)
    return [
        np.repeat(np.where(i.mean(axis=2) + grain < level, 0, 255)[..., None], 3, 2).astype(np.float32) for i in images
    ]


_PAPER: tuple[tuple[float, Step], ...] = (
    (0.55, _turn),  # first, for those who turn images themselves
    (0.3, _fade),
    (0.12, _show_through),
    (0.6, _tint),
    (0.5, _texture),
    (0.4, _light),
    (0.2, _low_resolution),
    (0.6, _blur),
    (0.12, _sharpen),
)
_SENSOR: tuple[tuple[float, Step], ...] = ((0.8, _noise), (0.3, _grey), (0.6, _jpeg))
