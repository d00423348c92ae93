"""4 x 4 transposed convolutions of stride 2 on a CPU, in bfloat16, with four ninths of the multiplications.

Outputs of odd and of even rows and columns are four convolutions by 2 x 2 taps of the same image. Winograd's F(3 x 3,
2 x 2) does each: it takes the sums of 4 x 4 pixels that F(2 x 2, 3 x 3) does (``remover.ctrnet.winograd``), so that
bfloat16 carries it as well, and gives 3 x 3 outputs for 16 products where 36 were. The four share the sums, so that a
matrix product makes all their outputs: six rows and columns of the result from a patch.

In float32 it is not used: its kernels are four times as large, which there would be half a gigabyte more.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.types import Array
from remover.ctrnet.bands import for_each_band
from remover.ctrnet.doubling_bfloat16 import add_products
from remover.ctrnet.products import BAND_TILES, Scratch, arrange, as_array, multiply
from remover.ctrnet.winograd_sums import add_pixels

STEP, PATCH = 3, 4  # pixels from tile to tile, and a patch's side
_TAPS = ((2, 0), (3, 1))  # of two neighbouring pixels, for the odd output and the even one after it
_KERNEL = [[1, 0], [0.5, 0.5], [0.5, -0.5], [0, 1]]


class DoublingConvolution(nn.Module):
    """Does what ``nn.ConvTranspose2d`` with a 4 x 4 kernel, stride 2 and padding 1 does, and a leaky ReLU after it.

    (B, C_in, H, W) to (B, C_out, 2 H, 2 W), bfloat16, channels last, without gradients; it does not change with
    ``to``. Sums are float32, and rounded before and after the products. ``slope`` is that of the leaky ReLU. The bytes
    of an image depend neither on threads nor on the images beside it: bands are as its size has them.
    """

    def __init__(self, plain: nn.ConvTranspose2d, scratch: Scratch, slope: float) -> None:
        super().__init__()
        shape = (plain.kernel_size, plain.stride, plain.padding, plain.output_padding, plain.dilation, plain.groups)
        if shape != ((4, 4), (2, 2), (1, 1), (0, 0), (1, 1), 1):
            raise ValueError(f"no plain 4 x 4 transposed convolution of stride 2: {plain}")
        self._scratch, self._slope, self._channels = scratch, slope, plain.weight.shape[1]
        taps = plain.weight.detach().double()[:, :, _TAPS][..., _TAPS]
        across = torch.tensor(_KERNEL, dtype=torch.float64)
        mixed = (torch.einsum("y,iopyqx,bx->bpqoi", row, taps, across).flatten(1, 3).bfloat16() for row in across)
        self._kernels = [arrange(kernel) for row in mixed for kernel in row]
        bias = torch.zeros(self._channels) if plain.bias is None else plain.bias.detach().float()
        self._bias = bias.numpy().copy()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, 2 H, 2 W), channels last."""
        count, _, height, width = x.shape
        down, across = height // STEP + 1, width // STEP + 1  # one pixel beyond the end has outputs
        band = _share(down, BAND_TILES / across)
        images = x.permute(0, 2, 3, 1).contiguous()
        result = torch.empty(count, 2 * height, 2 * width, self._channels, dtype=torch.bfloat16)
        for image, target in zip(images, result, strict=True):
            for_each_band(partial(self._add_band, image, (band, down, across), as_array(target)), range(0, down, band))
        return result.permute(0, 3, 1, 2)

    def _add_band(self, image: Tensor, tiles: tuple[int, int, int], target: Array, first: int) -> None:
        """The outputs of the band from row ``first`` on; ``tiles`` rows in a band, rows, and tiles in a row."""
        band, down, across = tiles
        rows, c_in, c_out = min(band, down - first), image.shape[2], self._channels
        columns = self._scratch.reserve("columns", torch.float32, PATCH, across * STEP + 1, c_in)
        sums = self._scratch.reserve("sums", torch.bfloat16, PATCH, PATCH, rows, across, c_in)
        add_pixels(as_array(image), (1, False), (STEP, first), columns.numpy(), as_array(sums))
        parts = sums.view(PATCH * PATCH, rows * across, c_in)
        products = tuple(as_array(multiply(part, kernel)) for part, kernel in zip(parts, self._kernels, strict=True))
        half, line = np.empty((STEP, PATCH, 4 * c_out), np.float32), np.empty((STEP, 4 * c_out), np.float32)
        add_products(products, across, first, self._bias, np.float32(self._slope), half, line, target)


def _share(rows: int, wanted: float) -> int:
    """Rows in a band, of about so many: at least two bands, for two threads, and about the same in each."""
    bands = max(2, round(rows / wanted))
    return -(-rows // bands)
