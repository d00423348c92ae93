"""4 x 4 convolutions that halve or double an image, on a CPU, in bfloat16, with four ninths of the multiplications.

Doubling: outputs of odd and of even rows and columns are four convolutions of the same image by 2 x 2 taps. Halving:
pairs of rows and columns are one pixel each with four times the channels, and one convolution of those by 2 x 2 taps.
Winograd's F(3 x 3, 2 x 2) does either: it takes the sums of 4 x 4 pixels that F(2 x 2, 3 x 3) does
(``remover.ctrnet.winograd``), so that bfloat16 carries it as well, and gives 3 x 3 outputs for 16 products where 36
were. When doubling, one matrix product makes the outputs of all four: six rows and columns of the result from a patch.

In float32 it is not used: kernels become four times as large, which there would be 0.7 GB more for CTRNet as published.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.types import Array
from remover.ctrnet.bands import for_each_band, share
from remover.ctrnet.products import BAND_TILES, Scratch, arrange, as_array, multiply
from remover.ctrnet.resizing_bfloat16 import add_products
from remover.ctrnet.winograd_sums import add_pixels

STEP, PATCH = 3, 4  # pixels from tile to tile, and a patch's side
_DOUBLING = ((2, 0), (3, 1))  # the taps of two neighbouring pixels, for an odd output and the even one after it
_HALVING = ((0, 2), (1, 3))  # those of the first of two pairs and the second, for the odd pixel and the even one


class _TwoByTwo(nn.Module):
    """What both share: patches, products and sums; the bytes of an image depend neither on threads nor on a batch.

    ``taps`` is (S, S, C_out, C_in, 2, 2) float32 with S by S outputs, the first of which come before a pixel, at each:
    1 or 2. ``edge`` zeros lie around the image.
    """

    def __init__(self, taps: Tensor, bias: Tensor | None, edge: int, scratch: Scratch, slope: float) -> None:
        super().__init__()
        self._side, self._channels = taps.shape[1:3]
        self._edge, self._scratch, self._slope = edge, scratch, np.float32(slope)
        rows = _mix(*taps.permute(4, 5, 0, 1, 2, 3).contiguous())  # once, not for each of the 16
        self._kernels = [arrange(one.flatten(0, 2).bfloat16()) for row in rows for one in _mix(*row)]
        known = torch.zeros(self._channels) if bias is None else bias.detach().float()
        self._bias = known.numpy().copy()

    def _convolve(self, images: Tensor, height: int, width: int) -> Tensor:
        """``images`` (B, H, W, C_in), contiguous, to (B, C_out, height, width), channels last."""
        down, across = (-(-(side + self._side - 1) // (STEP * self._side)) for side in (height, width))
        band = share(down, BAND_TILES / across)
        result = torch.empty(len(images), height, width, self._channels, dtype=torch.bfloat16)
        for image, target in zip(images, result, strict=True):
            for_each_band(partial(self._add_band, image, (band, down, across), as_array(target)), range(0, down, band))
        return result.permute(0, 3, 1, 2)

    def _add_band(self, image: Tensor, tiles: tuple[int, int, int], target: Array, first: int) -> None:
        """The outputs of the band from row ``first`` on; ``tiles`` rows in a band, rows, and tiles in a row."""
        band, down, across = tiles
        rows, c_in = min(band, down - first), image.shape[2]
        columns = self._scratch.reserve("columns", torch.float32, PATCH, across * STEP + 1, c_in)
        sums = self._scratch.reserve("sums", torch.bfloat16, PATCH, PATCH, rows, across, c_in)
        add_pixels(as_array(image), (self._edge, False), (STEP, first), columns.numpy(), as_array(sums))
        parts = sums.view(PATCH * PATCH, rows * across, c_in)
        products = tuple(as_array(multiply(part, kernel)) for part, kernel in zip(parts, self._kernels, strict=True))
        outputs = self._side**2 * self._channels
        half, line = np.empty((STEP, PATCH, outputs), np.float32), np.empty((STEP, outputs), np.float32)
        add_products(products, self._side, across, first, self._bias, self._slope, half, line, target)


class DoublingConvolution(_TwoByTwo):
    """Does what ``nn.ConvTranspose2d`` with a 4 x 4 kernel, stride 2 and padding 1 does, and a leaky ReLU after it.

    In bfloat16, input and output, channels last, without gradients; it does not change with ``to``. Sums are float32,
    and rounded before and after the products. ``slope`` is that of the leaky ReLU.
    """

    def __init__(self, plain: nn.ConvTranspose2d, scratch: Scratch, slope: float) -> None:
        _check(plain, nn.ConvTranspose2d, 1)
        taps = plain.weight.detach()[:, :, _DOUBLING][..., _DOUBLING]
        super().__init__(taps.permute(2, 4, 1, 0, 3, 5), plain.bias, 1, scratch, slope)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, 2 H, 2 W), channels last."""
        return self._convolve(x.permute(0, 2, 3, 1).contiguous(), 2 * x.shape[2], 2 * x.shape[3])


class HalvingConvolution(_TwoByTwo):
    """Does what ``nn.Conv2d`` with a 4 x 4 kernel and stride 2 does, padding 0 or 1, and a leaky ReLU after it.

    Sides are even; else as ``DoublingConvolution``.
    """

    def __init__(self, plain: nn.Conv2d, scratch: Scratch, slope: float) -> None:
        _check(plain, nn.Conv2d, 0, 1)
        taps = plain.weight.detach()[:, :, _HALVING][..., _HALVING]  # (o, i, p, y, q, x)
        super().__init__(taps.permute(0, 2, 4, 1, 3, 5).flatten(1, 3)[None, None], plain.bias, 0, scratch, slope)
        self._padding = int(plain.padding[0])

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, H / 2, W / 2), or one less of each without padding; channels last."""
        count, channels, height, width = x.shape
        high, wide, padding = height // 2 + self._padding, width // 2 + self._padding, self._padding
        pairs = torch.zeros(count, high, wide, 2, 2, channels, dtype=x.dtype)
        pixels = x.permute(0, 2, 3, 1)
        for p in range(2):
            for q in range(2):
                part = pixels[:, p - padding & 1 :: 2, q - padding & 1 :: 2]
                down, across = (padding * (1 - side) for side in (p, q))
                pairs[:, down : down + part.shape[1], across : across + part.shape[2], p, q] = part
        return self._convolve(pairs.flatten(3), high - 1, wide - 1)


def _mix(first: Tensor, second: Tensor) -> tuple[Tensor, ...]:
    """Two taps as the four products need them."""
    return first, (first + second) / 2, (first - second) / 2, second


def _check(plain: nn.Conv2d | nn.ConvTranspose2d, kind: type[nn.Module], *paddings: int) -> None:
    """Raises ValueError unless it is a plain 4 x 4 one of stride 2."""
    rest = (plain.kernel_size, plain.stride, plain.output_padding, plain.dilation, plain.groups)
    if (
        not isinstance(plain, kind)
        or rest != ((4, 4), (2, 2), (0, 0), (1, 1), 1)
        or plain.padding not in {(padding, padding) for padding in paddings}
    ):
        raise ValueError(f"no plain 4 x 4 convolution of stride 2: {plain}")
