"""3 x 3 convolutions on a CPU with a quarter of the multiplications: Winograd's F(4 x 4, 3 x 3).

Lavin and Gray: "Fast Algorithms for Convolutional Neural Networks", CVPR 2016. Every 6 x 6 patch becomes 36 sums of its
pixels, 36 matrix products mix the channels, and 36 products become 4 x 4 outputs. In float32 that is exact to some 1e-5
of the outputs' size; fewer bits do not carry it. Bands of a few rows are done at a time, so that what lies between the
steps stays in the cache.
"""

from __future__ import annotations

import threading

import torch
from torch import Tensor, nn
from torch.nn import functional

TILE = 4  # outputs a side
PATCH = TILE + 2
BAND_TILES = 512  # patches at a time; fewer leave the matrix products too small, more fall out of the cache

_INPUT = [[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0]]
_INPUT += [[0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]]
_KERNEL = [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]]  # twenty-fourths
_OUTPUT = [[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]]


class Scratch(threading.local):
    """Memory for what lies between the steps, kept from call to call: getting it anew costs as much as using it.

    Each thread has its own: tiles may be worked on side by side.
    """

    def __init__(self) -> None:
        self._kept: dict[str, Tensor] = {}

    def reserve(self, name: str, *shape: int) -> Tensor:
        """A float32 tensor of this shape, any content; in one thread the same memory for every call with this name."""
        count = int(torch.Size(shape).numel())
        if name not in self._kept or self._kept[name].numel() < count:
            self._kept[name] = torch.empty(count)
        return self._kept[name][:count].view(shape)


class WinogradConv2d(nn.Module):
    """Does what a plain 3 x 3 ``nn.Conv2d`` of stride 1 does, on float32 with channels last, without gradients."""

    kernels: Tensor
    to_sums: Tensor
    from_products: Tensor
    bias: Tensor | None

    def __init__(self, plain: nn.Conv2d, scratch: Scratch) -> None:
        super().__init__()
        if plain.kernel_size != (3, 3) or plain.stride != (1, 1) or plain.padding not in ((0, 0), (1, 1)):
            raise ValueError(f"no plain 3 x 3 convolution of stride 1: {plain}")
        self.padding = int(plain.padding[0])
        across = torch.tensor(_KERNEL, dtype=torch.float64) / 24
        mixed = torch.einsum("ay,oiyx,bx->abio", across, plain.weight.detach().double(), across)
        self.register_buffer("kernels", mixed.reshape(PATCH * PATCH, *mixed.shape[2:]).float().contiguous())
        self.register_buffer("bias", None if plain.bias is None else plain.bias.detach().clone())
        for name, matrix in (("to_sums", _INPUT), ("from_products", _OUTPUT)):
            once = torch.tensor(matrix, dtype=torch.float32)
            self.register_buffer(name, torch.kron(once, once), persistent=False)
        self._scratch = scratch

    def forward(self, x: Tensor) -> Tensor:
        """(B, C_in, H, W) to (B, C_out, H', W'), channels last."""
        height, width = (side + 2 * self.padding - 2 for side in x.shape[2:])
        down, across = -(-height // TILE), -(-width // TILE)
        edge = (self.padding, across * TILE + 2 - x.shape[3] - self.padding)
        end = (self.padding, down * TILE + 2 - x.shape[2] - self.padding)
        rows = functional.pad(x, (*edge, *end)).permute(0, 2, 3, 1).contiguous()
        result = torch.empty(x.shape[0], down, TILE, across, TILE, self.kernels.shape[2])
        band = max(1, BAND_TILES // across)
        for image, target in zip(rows, result, strict=True):
            for top in range(0, down, band):
                self._convolve(image[top * TILE :], target[top : top + band])
        if self.bias is not None:
            result += self.bias
        whole = result.view(x.shape[0], down * TILE, across * TILE, -1)[:, :height, :width]
        return whole.permute(0, 3, 1, 2)

    def _convolve(self, image: Tensor, target: Tensor) -> None:
        """One band: ``image`` (H, W, C_in) from its first row on, ``target`` (n, 4, across, 4, C_out)."""
        down, _, across, _, c_out = target.shape
        row, column, _ = image.stride()
        c_in, tiles, sums = image.shape[2], down * across, PATCH * PATCH
        patches = image.as_strided(
            (PATCH, PATCH, down, across, c_in), (row, column, TILE * row, TILE * column, 1), image.storage_offset()
        )
        gathered = self._scratch.reserve("patches", PATCH, PATCH, down, across, c_in).copy_(patches)
        mixed = self._scratch.reserve("sums", sums, tiles * c_in)
        torch.mm(self.to_sums, gathered.view(sums, -1), out=mixed)
        products = self._scratch.reserve("products", sums, tiles, c_out)
        torch.bmm(mixed.view(sums, tiles, c_in), self.kernels, out=products)
        outputs = self._scratch.reserve("patches", TILE * TILE, tiles * c_out)  # the patches are no longer needed
        torch.mm(self.from_products, products.view(sums, -1), out=outputs)
        target.copy_(outputs.view(TILE, TILE, down, across, c_out).permute(2, 0, 3, 1, 4))
