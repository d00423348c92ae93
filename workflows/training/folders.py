"""Samples from data sets in SCUT's layout: ``all_images``, ``all_labels`` (without text) and ``all_gts`` side by side.

File names are alike but for their suffix. ``all_gts`` may be missing; where it is there, a line of it is a text
region, ``x1,y1,...,xn,yn`` and perhaps the text. Images are used as they are, degraded no further.
"""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import InputError
from pipeline.types import Array
from workflows.training.synthesis import HANDWRITTEN, PRINTED, Sample

LEAST_DIFFERENCE = 20  # grey levels: photographs that were retouched and compressed differ a little everywhere
REACH = 5  # px by which ink may leave its region
_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


class FolderSamples:
    """Crops of ``side`` px out of a data set; sample k depends on the folder, the seed and k alone."""

    def __init__(self, folder: Path, side: int, seed: int, *, handwritten: bool = False) -> None:
        """``handwritten`` says that what the data set removes is handwriting. Raises InputError."""
        self._side, self._seed, self._kind = side, seed, HANDWRITTEN if handwritten else PRINTED
        labels = _by_stem(folder / "all_labels")
        self._pairs = [(path, labels[stem]) for stem, path in _by_stem(folder / "all_images").items() if stem in labels]
        self._regions = folder / "all_gts"
        if not self._pairs:
            raise InputError(
                f"{folder} holds no pairs of images", "it needs all_images/ and all_labels/ with the same file names"
            )

    def sample(self, index: int) -> Sample:
        """The sample of that number. Raises InputError for an image that cannot be read."""
        rng = np.random.default_rng([self._seed, index])
        path, truth = self._pairs[int(rng.integers(len(self._pairs)))]
        image, blank = _read(path), _read(truth)
        if image.shape != blank.shape:
            raise InputError(f"{path} and {truth} differ in size", "remove the pair")
        ink = np.abs(image.astype(np.int16) - blank).max(axis=2) > LEAST_DIFFERENCE
        ink &= self._inside(path.stem, image.shape[:2])
        image, blank, ink = (_at_least(part, self._side) for part in (image, blank, ink.astype(np.uint8)))
        y, x = (int(rng.integers(size - self._side + 1)) for size in image.shape[:2])
        crop = (slice(y, y + self._side), slice(x, x + self._side))
        printed = blank if self._kind == HANDWRITTEN else image
        image, printed, blank = (np.ascontiguousarray(part[crop]) for part in (image, printed, blank))
        return Sample(image, printed, blank, (ink[crop] * self._kind).astype(np.uint8))

    def _inside(self, stem: str, shape: tuple[int, ...]) -> Array:
        path = self._regions / f"{stem}.txt"
        if not path.is_file():
            return np.ones(shape, bool)
        inside = np.zeros(shape, np.uint8)
        for line in path.read_text(encoding="utf-8-sig").splitlines():
            numbers = re.match(r"\s*-?\d+(?:\.\d+)?(?:\s*,\s*-?\d+(?:\.\d+)?)+", line)
            values = np.array(re.findall(r"-?\d+(?:\.\d+)?", numbers[0]) if numbers else [], np.float64)
            corners = values[: len(values) // 2 * 2].reshape(-1, 2)
            if len(corners) >= 3:
                cv2.fillPoly(inside, [corners.astype(np.int32)], 1)
        return cv2.dilate(inside, np.ones((2 * REACH + 1,) * 2, np.uint8)).astype(bool)


def _by_stem(folder: Path) -> dict[str, Path]:
    paths = folder.iterdir() if folder.is_dir() else ()
    return {path.stem: path for path in sorted(paths) if path.suffix.lower() in _SUFFIXES}


def _read(path: Path) -> Array:
    image = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"{path} is no image that can be read", "remove it from the data set")
    return np.ascontiguousarray(image[..., ::-1])


def _at_least(image: Array, side: int) -> Array:
    down, across = (max(side - size, 0) for size in image.shape[:2])
    return cv2.copyMakeBorder(image, 0, down, 0, across, cv2.BORDER_REPLICATE) if down or across else image
