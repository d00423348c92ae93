"""Reading a page with the stroke network: per pixel, how likely it is printed ink and how likely handwritten ink."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from detectors.strokes.network import STRIDE, fold_norms
from detectors.strokes.weights import SHIPPED, load_network
from pipeline.threads import map_in_threads
from pipeline.types import Array

BLOCK = 1024  # px: pages are read in blocks of this side ...
HALO = 64  # ... with so much of their surroundings; blocks stand at fixed places, so a page is always read alike
AROUND, LEAST = 64, 256  # px: of a block no more is read than so much around what is wanted, and so much in all


class StrokeReader:
    """The stroke network on the CPU, one page at a time."""

    def __init__(self, weights: Path = SHIPPED, *, bf16: bool | None = None, threads: int = 1) -> None:
        """Load the weights. ``bf16`` None computes in bfloat16 where the CPU does. Raises SetupError.

        ``threads`` says how many blocks are read side by side.
        """
        torch.set_num_threads(1)  # pages are worked on side by side, and a page is read alike wherever that is
        network: Any = fold_norms(load_network(weights))
        self._dtype = torch.bfloat16 if (_has_bf16() if bf16 is None else bf16) else torch.float32
        self._threads = threads
        self._network = network.to(dtype=self._dtype, memory_format=torch.channels_last)

    def read(self, image: Array, wanted: Array | None = None) -> Array:
        """How likely every pixel is printed ink and handwritten ink: (H, W, 2) uint8, 255 for certain.

        ``image`` is the page, (H, W, 3) uint8 RGB. Of each block the box around what is ``wanted`` (H, W) bool is read,
        and the rest comes back 0; None reads all of the page.
        """
        height, width = image.shape[:2]
        result = np.zeros((height, width, 2), np.uint8)
        blocks = [
            (slice(top, min(top + BLOCK, height)), slice(left, min(left + BLOCK, width)))
            for top in range(0, height, BLOCK)
            for left in range(0, width, BLOCK)
        ]
        chosen = blocks if wanted is None else [part for block in blocks if (part := _wanted_part(wanted, block))]
        levels = map_in_threads(lambda inner: self._read_block(image, inner), chosen, self._threads)
        for inner, read in zip(chosen, levels, strict=True):
            result[inner] = read
        return result

    def _read_block(self, image: Array, inner: tuple[slice, slice]) -> Array:
        before = [min(part.start, HALO) for part in inner]
        outer = image[
            inner[0].start - before[0] : inner[0].stop + HALO,
            inner[1].start - before[1] : inner[1].stop + HALO,
        ]
        down, across = (-side % STRIDE for side in outer.shape[:2])
        padded = cv2.copyMakeBorder(outer, 0, down, 0, across, cv2.BORDER_REPLICATE)
        with torch.inference_mode():
            pixels = torch.from_numpy(padded).permute(2, 0, 1)[None].to(self._dtype) / 255
            shares = self._network(pixels.contiguous(memory_format=torch.channels_last)).float().softmax(1)[0, 1:]
            levels = (shares * 255).round_().to(torch.uint8).permute(1, 2, 0).numpy()
        high, wide = (part.stop - part.start for part in inner)
        return levels[before[0] : before[0] + high, before[1] : before[1] + wide]


def _wanted_part(wanted: Array, block: tuple[slice, slice]) -> tuple[slice, slice] | None:
    """The part of a block to be read for what is wanted in it, (H, W) bool; None if nothing is."""
    x, y, width, height = cv2.boundingRect(wanted[block].view(np.uint8))
    return (_widened(block[0], y, height), _widened(block[1], x, width)) if width else None


def _widened(side: slice, start: int, length: int) -> slice:
    """From ``start``, so many pixels along one side of a block, and those around them that are read as well."""
    around = max(AROUND, (LEAST - length + 1) // 2)
    first, last = side.start + start - around, side.start + start + length + around
    return slice(max(first, side.start), min(last, side.stop))


def _has_bf16() -> bool:
    probes: Iterator[Any]
    probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(probe is not None and probe() for probe in probes)
