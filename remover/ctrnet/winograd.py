"""3 x 3 convolutions on a CPU with fewer multiplications: Winograd's F(4 x 4, 3 x 3), and F(2 x 2, 3 x 3) in bfloat16.

Lavin and Gray: "Fast Algorithms for Convolutional Neural Networks", CVPR 2016. Every 6 x 6 patch becomes 36 sums of its
pixels, 36 matrix products mix the channels, and 36 products become 4 x 4 outputs: a quarter of the multiplications. In
float32 that is exact to some 1e-5 of the outputs' size; fewer bits do not carry it. They do carry the smaller one,
4 x 4 patches for 2 x 2 outputs, whose sums are of four numbers at most: four ninths of the multiplications.

Bands of a few rows are done at a time, so that what lies between the steps stays in the cache. The products are
oneDNN's, on weights that it has arranged beforehand: a quarter faster than torch's own in float32.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from pipeline.types import Array
from remover.ctrnet.bands import for_each_band, share
from remover.ctrnet.products import BAND_TILES, Scratch, arrange, as_array, multiply
from remover.ctrnet.winograd_sums import Modulated, add_pixels, add_products, normalize

# by their outputs a side: the matrix that mixes a kernel's taps, and what it is to be divided by
_KERNELS = {
    4: ([[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], 24),
    2: ([[2, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 2]], 2),
}


class WinogradConv2d(nn.Module):
    """Does what a plain 3 x 3 ``nn.Conv2d`` of stride 1 does, with channels last, without gradients.

    In float32 or bfloat16, whichever ``dtype`` says, of input and output; it does not change with ``to``. ``mirrored``
    puts a pixel all around that mirrors the image, before a plain convolution without padding; ``slope`` is that of a
    leaky ReLU that follows.
    """

    def __init__(
        self, plain: nn.Conv2d, scratch: Scratch, dtype: torch.dtype, mirrored: bool = False, slope: float = 1.0
    ) -> None:
        super().__init__()
        if plain.kernel_size != (3, 3) or plain.stride != (1, 1) or plain.padding not in ((0, 0), (1, 1)):
            raise ValueError(f"no plain 3 x 3 convolution of stride 1: {plain}")
        self._edge, self._slope, self._dtype, self._scratch = int(plain.padding[0]), slope, dtype, scratch
        if mirrored and self._edge:
            raise ValueError("what is mirrored already has no other padding")
        self._mirrored = mirrored
        self.tile = 2 if dtype == torch.bfloat16 else 4
        matrix, denominator = _KERNELS[self.tile]
        across = torch.tensor(matrix, dtype=torch.float64) / denominator
        weight = plain.weight.detach().double()
        self._channels = weight.shape[0]
        # a row of the patch at a time, as all of them in float64 are large
        mixed = (torch.einsum("y,oiyx,bx->boi", row, weight, across).to(dtype) for row in across)
        self._kernels = [arrange(kernel) for row in mixed for kernel in row]
        bias = torch.zeros(self._channels) if plain.bias is None else plain.bias.detach().float()
        self._bias = bias.numpy().copy()

    def forward(self, x: Tensor, modulated: Tensor | None = None) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, H', W'), channels last.

        With an image that is ``modulated``, (B, C_out / 2, H', W'), half of the outputs are scales for what instance
        norm makes of it, and half are shifts; then that is the result.
        """
        edge = (1, True) if self._mirrored else (self._edge, False)
        height, width = (side + 2 * edge[0] - 2 for side in x.shape[2:])
        down, across = -(-height // self.tile), -(-width // self.tile)
        images = x.permute(0, 2, 3, 1).contiguous()
        channels = self._channels if modulated is None else self._channels // 2
        result = torch.empty(x.shape[0], down * self.tile, across * self.tile, channels, dtype=self._dtype)
        band = share(down, BAND_TILES / across / (1 if self.tile == 2 else 2))  # 36 products in 32 bits take more room
        for k, (image, target) in enumerate(zip(images, result, strict=True)):
            other = None if modulated is None else normalize(as_array(modulated[k].permute(1, 2, 0).contiguous()))
            add = partial(self._add_band, image, edge, (band, down, across), other, as_array(target))
            for_each_band(add, range(0, down, band))
        return result[:, :height, :width].permute(0, 3, 1, 2)

    def _add_band(
        self,
        image: Tensor,
        edge: tuple[int, bool],
        tiles: tuple[int, int, int],
        other: Modulated | None,
        target: Array,
        first: int,
    ) -> None:
        """The outputs of the band from row ``first`` on; ``tiles`` rows in a band, rows, and tiles in a row."""
        band, down, across = tiles
        products = self._multiply(image, edge, (first, min(band, down - first), across))
        add_products(products, first, self._bias, self._slope, other, target)

    def _multiply(self, image: Tensor, edge: tuple[int, bool], tiles: tuple[int, int, int]) -> tuple[Array, ...]:
        """The products of one band: ``image`` (H, W, C_in), ``tiles`` first row, rows and tiles in a row."""
        first, down, across = tiles
        patch, c_in = self.tile + 2, image.shape[2]
        columns = self._scratch.reserve("columns", torch.float32, patch, across * self.tile + 2, c_in)
        sums = self._scratch.reserve("sums", self._dtype, patch, patch, down, across, c_in)
        add_pixels(as_array(image), edge, (self.tile, first), columns.numpy(), as_array(sums))
        parts = sums.view(patch * patch, down * across, c_in)
        return tuple(as_array(multiply(part, kernel)) for part, kernel in zip(parts, self._kernels, strict=True))
