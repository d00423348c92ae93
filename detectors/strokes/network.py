"""The stroke network: per pixel, is it printed ink, handwritten ink, or neither?

A U-Net (Ronneberger et al., MICCAI 2015) of 0.8 M parameters: the page is folded to half its size, halved three times
more, read at the bottom by dilated convolutions that see some 300 px around, and brought up again.
Tensors are (B, C, H, W); sides are multiples of ``STRIDE``.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

STRIDE = 16
CLASSES = 3  # neither, printed, handwritten


@dataclass(frozen=True, slots=True)
class StrokeConfig:
    """How wide the network is at a half, a quarter, an eighth and a sixteenth of the page's size."""

    half: int = 24
    quarter: int = 32
    eighth: int = 64
    sixteenth: int = 128

    def as_metadata(self) -> dict[str, int]:
        """The sizes by name."""
        return asdict(self)


class ConvBlock(nn.Sequential):
    """A 3 x 3 convolution, batch norm and ReLU."""

    def __init__(self, c_in: int, c_out: int, stride: int = 1, dilation: int = 1) -> None:
        super().__init__(
            nn.Conv2d(c_in, c_out, 3, stride, dilation, dilation, bias=False),
            nn.BatchNorm2d(c_out),
            nn.ReLU(inplace=True),
        )


class ResidualBlock(nn.Module):
    """A dilated convolution added to what it reads."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.conv = ConvBlock(width, width, dilation=dilation)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to the same."""
        return x + self.conv(x)


class StrokeNetwork(nn.Module):
    """(B, 3, H, W) RGB in [0, 1] to (B, 3, H, W) logits of neither, printed ink, handwritten ink."""

    def __init__(self, config: StrokeConfig | None = None) -> None:
        super().__init__()
        self.config = config or StrokeConfig()
        half, quarter, eighth, sixteenth = self.config.as_metadata().values()
        self.enter = nn.Sequential(nn.PixelUnshuffle(2), ConvBlock(12, half), ConvBlock(half, half))
        self.down1 = nn.Sequential(ConvBlock(half, quarter, 2), ConvBlock(quarter, quarter))
        self.down2 = nn.Sequential(ConvBlock(quarter, eighth, 2), ConvBlock(eighth, eighth))
        self.down3 = ConvBlock(eighth, sixteenth, 2)
        self.bottom = nn.Sequential(*(ResidualBlock(sixteenth, dilation) for dilation in (1, 2, 4)))
        self.up3 = nn.Sequential(ConvBlock(sixteenth + eighth, eighth), ConvBlock(eighth, eighth))
        self.up2 = nn.Sequential(ConvBlock(eighth + quarter, quarter), ConvBlock(quarter, quarter))
        self.up1 = nn.Sequential(ConvBlock(quarter + half, half), ConvBlock(half, half))
        self.leave = nn.Sequential(nn.Conv2d(half, 4 * CLASSES, 1), nn.PixelShuffle(2))

    def forward(self, image: Tensor) -> Tensor:
        """See the class."""
        s1 = self.enter(2 * image - 1)
        s2 = self.down1(s1)
        s3 = self.down2(s2)
        x = self.bottom(self.down3(s3))
        x = self.up3(torch.cat((_double(x), s3), 1))
        x = self.up2(torch.cat((_double(x), s2), 1))
        x = self.up1(torch.cat((_double(x), s1), 1))
        logits: Tensor = self.leave(x)
        return logits


def fold_norms(network: StrokeNetwork) -> StrokeNetwork:
    """Fold every batch norm into the convolution before it, for inference. In place; evaluation mode from then on."""
    network.eval().requires_grad_(False)
    for block in [module for module in network.modules() if isinstance(module, ConvBlock)]:
        parts: Any = block
        parts[0] = torch.nn.utils.fuse_conv_bn_eval(parts[0], parts[1])
        parts[1] = nn.Identity()
    return network


def _double(x: Tensor) -> Tensor:
    return functional.interpolate(x, scale_factor=2.0, mode="nearest")
