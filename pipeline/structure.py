"""RTV structure maps: what is left of an image when its texture is smoothed away and its structure stays.

Xu, Yan, Xia, Jia: "Structure Extraction from Texture via Relative Total Variation", ACM TOG 31(6), 2012. Every outer
iteration weighs each pair of neighbours by how much the differences around it agree in sign, and solves a linear
system with those weights; its right-hand side is the input every time. Two traits of the published program are not in
the paper, and are kept: the image is blurred before differences are taken (not the inverse of them afterwards), and
the blur pads with zeros, so that less is smoothed along the frame. The definition is the exact solution; how near it
comes is the tolerance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.tiling import plan_blocks
from pipeline.types import Array, Box

LEAST_SIGMA = 0.5
# How far around a box a page is mapped with it. What lies farther changes the map in the box by 2e-5 to 3e-5 in
# relative L2 on scanned pages (by 1e-4 with 32 px), and by a seventh of a grey level at most.
HALO = 48
# Pages are mapped in blocks of at most this many pixels a side; larger ones take as long or longer, and more memory.
BLOCK_SIDE = 1024
_RANGES = {
    "lam": (0.0, 0.05, "in (0, 0.05]"),
    "sigma": (0.0, 6.0, "in (0, 6]"),
    "sharpness": (0.001, 0.03, "in [0.001, 0.03]"),
    "tolerance": (1e-6, 1e-1, "in [1e-6, 0.1]"),
}


@dataclass(frozen=True, slots=True)
class StructureSettings:
    """What shapes a structure map; the defaults are the published ones.

    ``lam`` weighs smoothing against fidelity; ``sigma`` (pixels) is the scale of texture at first, halved after every
    iteration down to 0.5; ``sharpness`` is the gradient below which edges are not told apart; ``tolerance`` bounds the
    relative error of each linear solve. Raises ValueError, with the range, when made outside it.
    """

    lam: float = 0.01
    sigma: float = 3.0
    sharpness: float = 0.02
    iterations: int = 4
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        for name, (low, high, words) in _RANGES.items():
            value = getattr(self, name)
            if not (low <= value <= high and value > 0):
                raise ValueError(f"{name} {value!r} must be {words}")
        if self.iterations < 1 or self.iterations != int(self.iterations):
            raise ValueError(f"iterations {self.iterations!r} must be a whole number of at least 1")


def structure_map(
    image: Array,
    lam: float = 0.01,
    sigma: float = 3.0,
    sharpness: float = 0.02,
    iterations: int = 4,
    tolerance: float = 1e-3,
) -> Array:
    """The structure of an image: float32 in [0, 1], of the same shape.

    ``image`` is (H, W) or (H, W, 1 or 3), uint8 or uint16 (full scale is 1) or float in [0, 1]; colours may come in any
    order. Every channel keeps its mean and stays within its range. The relative L2 error against the exact solution
    is about ``tolerance`` at most. Raises ValueError for other shapes, types and values, and for parameters outside
    their ranges: see ``StructureSettings``.
    """
    settings = StructureSettings(lam, sigma, sharpness, iterations, tolerance)
    planes = as_planes(image)
    if len(planes) == 3 and (planes[0] == planes[1]).all() and (planes[0] == planes[2]).all():
        planes = np.repeat(_smooth(planes[:1], settings), 3, axis=0)  # grey: a third of the work
    else:
        planes = _smooth(planes, settings)
    return np.ascontiguousarray(np.moveaxis(planes, 0, 2)).reshape(image.shape)


def structure_at(image: Array, boxes: Sequence[Box], settings: StructureSettings | None = None) -> Array:
    """The structure of a page where tiles lie, every place computed once; zero elsewhere.

    ``image`` is the page, (H, W, 3) uint8 RGB; ``boxes`` are in its pixels and may reach past its edge. Returns
    (H, W, 3) float32 in [0, 1] that agrees inside the boxes with the map of the whole page, within the tolerance: each
    block of the page is computed with a rim of ``HALO`` pixels around it that is then dropped.
    """
    chosen = settings or StructureSettings()
    height, width = image.shape[:2]
    result = np.zeros(image.shape, np.float32)
    for block in plan_blocks(boxes, width, height, HALO, BLOCK_SIDE):
        x0, y0 = max(block.x0 - HALO, 0), max(block.y0 - HALO, 0)
        part = image[y0 : block.y1 + HALO, x0 : block.x1 + HALO]
        smooth = structure_map(part, chosen.lam, chosen.sigma, chosen.sharpness, chosen.iterations, chosen.tolerance)
        inner = Box(block.x0 - x0, block.y0 - y0, block.x1 - x0, block.y1 - y0)
        result[block.slices] = smooth[inner.slices]
    return result


def as_planes(image: Array) -> Array:
    """(C, H, W) float32 in [0, 1] of an image that ``structure_map`` takes. Raises ValueError for any other."""
    if image.ndim not in (2, 3) or (image.ndim == 3 and image.shape[2] not in (1, 3)) or not image.size:
        raise ValueError(f"an image is (H, W) or (H, W, 1 or 3) and not empty, not {image.shape}")
    planes = np.ascontiguousarray(np.moveaxis(np.atleast_3d(image), 2, 0))
    if image.dtype in (np.uint8, np.uint16):
        scaled = planes.astype(np.float32)
        scaled /= np.float32(np.iinfo(image.dtype).max)
        return scaled
    if not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"an image is uint8, uint16 or float, not {image.dtype}")
    if not (planes.min() >= 0 and planes.max() <= 1):  # NaN is neither
        raise ValueError("a float image holds values in [0, 1]")
    return planes.astype(np.float32)


def gaussian_taps(sigma: float) -> Array:
    """Taps of the blur, (n,) float32 that sum to 1: 5 sigma of them, rounded half up, made odd by its lowest bit."""
    count = math.floor(5 * sigma + 0.5) | 1
    position = np.arange(count) - (count - 1) / 2
    taps = np.exp(-(position**2) / (2 * sigma * sigma))
    taps[taps < np.finfo(np.float64).eps * taps.max()] = 0
    return (taps / taps.sum()).astype(np.float32)


def _smooth(f: Array, settings: StructureSettings) -> Array:
    """The outer iterations, on (C, H, W) float32."""
    from pipeline import structure_solver as solver  # starts a compiler: only when it is needed

    x, blurred = f.copy(), np.empty_like(f)
    systems = solver.Systems(*f.shape[1:])
    sigma = settings.sigma
    # not np.linalg.norm, whose BLAS would start threads of its own beside ours
    limits = settings.tolerance * np.sqrt(np.einsum("chw,chw->c", f, f, dtype=np.float64))
    for _ in range(int(settings.iterations)):
        taps = gaussian_taps(sigma)
        for channel, result in zip(x, blurred, strict=True):
            cv2.sepFilter2D(channel, cv2.CV_32F, taps, taps, dst=result, borderType=cv2.BORDER_CONSTANT)
        systems.factorize(*solver.couple(x, blurred, settings.sharpness, settings.lam))
        for channel, target, limit in zip(x, f, limits, strict=True):
            systems.solve(channel, target, float(limit))
        sigma = max(sigma / 2, LEAST_SIGMA)
    # The exact solution lies within the input's range; rounding may step an ulp out of it.
    return np.clip(x, f.min(axis=(1, 2), keepdims=True), f.max(axis=(1, 2), keepdims=True), out=x)
