"""Matrix products on a CPU by oneDNN, on weights that it has arranged beforehand, and the memory around them."""

from __future__ import annotations

import contextlib
import threading
from typing import Any

import torch
from torch import Tensor

from pipeline.types import Array

BAND_TILES = 512  # rows of a product at a time; fewer leave the products too small, more fall out of the cache


class Scratch(threading.local):
    """Memory for what lies between the steps, kept from call to call: getting it anew costs as much as using it.

    Each thread has its own: tiles may be worked on side by side.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Tensor] = {}

    def reserve(self, name: str, dtype: torch.dtype, *shape: int) -> Tensor:
        """A tensor of this shape, any content; in one thread the same memory for every call with this name."""
        count = int(torch.Size(shape).numel())
        if name not in self._kept or self._kept[name].numel() < count:
            self._kept[name] = torch.empty(count, dtype=dtype)
        return self._kept[name][:count].view(shape)


def can_multiply(dtype: torch.dtype) -> bool:
    """Whether this torch has what ``multiply`` needs, and this processor a use for it."""
    if dtype == torch.bfloat16 and not _computes_in_bfloat16():
        return False
    with contextlib.suppress(RuntimeError, AttributeError):
        ones = torch.ones(16, 16, dtype=dtype)
        return bool((multiply(ones, arrange(ones)) == 16).all())
    return False


def _computes_in_bfloat16() -> bool:
    probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return any(probe is not None and probe() for probe in probes)


def arrange(kernel: Tensor) -> Tensor:
    """(C_out, C_in) as oneDNN likes it for about a band of rows."""
    arranged: Tensor = torch.ops.mkldnn._reorder_linear_weight(kernel.contiguous(), BAND_TILES)
    return arranged


def multiply(x: Tensor, arranged: Tensor) -> Tensor:
    """(rows, C_in) to (rows, C_out), of the type of ``x``."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, arranged, None, "none", [], "")
    return product


def as_array(x: Tensor) -> Array:
    """The same memory for numpy, which takes bfloat16 for whole numbers."""
    bits: Any = x.view(torch.uint16) if x.dtype == torch.bfloat16 else x
    return bits.numpy()
