"""The discriminator that CTRNet is trained against: a patch map of how real an image looks.

CTRNet: Liu et al., "Don't Forget Me: Accurate Background Recovery for Text Removal via Modeling Local-Global Context",
ECCV 2022. Spectral normalization: Miyato et al., ICLR 2018. Needed for training only.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import spectral_norm

from pipeline.errors import SetupError
from remover.ctrnet.entries import fill, read_entries, unwrapped

SLOPE = 0.2  # of the leaky ReLUs
PREFIX = "discriminator."
REMEDY = "give a CTRNet training checkpoint, whose entries discriminator.conv1.0.weight_orig and so on are complete"


class Judgement(NamedTuple):
    """What the discriminator says of a batch of images.

    ``map`` is (B, 1, H', W') float32 in [0, 1], 1 where a patch looks real; H' = H/8 - 2 for multiples of 8.
    ``features`` are the outputs of the five layers: the first four after their leaky ReLU, the last before the sigmoid.
    """

    map: Tensor
    features: list[Tensor]


class Discriminator(nn.Module):
    """Five spectrally normalized convolutions without bias, 4x4, the first three of stride 2.

    The first layer is registered as ``conv1`` and as ``features``, as in the published checkpoints: its entries stand
    twice in the state dictionary and are the same tensors. A forward pass in training mode takes one step of power
    iteration; in evaluation mode the stored vectors are used as they are.
    """

    def __init__(self, in_channels: int = 3) -> None:
        super().__init__()
        self.conv1 = self.features = _build_layer(in_channels, 64, stride=2)
        self.conv2 = _build_layer(64, 128, stride=2)
        self.conv3 = _build_layer(128, 256, stride=2)
        self.conv4 = _build_layer(256, 512, stride=1)
        self.conv5 = nn.Sequential(_build_conv(512, 1, stride=1))

    def forward(self, image: Tensor) -> Judgement:
        """Judge ``image``, (B, 3, H, W) RGB in [0, 1]. Raises RuntimeError (torch's) below 24 x 24 pixels."""
        outputs = []
        hidden = image
        for layer in (self.conv1, self.conv2, self.conv3, self.conv4, self.conv5):
            hidden = layer(hidden)
            outputs.append(hidden)
        # In half precision the sigmoid of a confident patch is exactly 1, and the loss of it cannot be learned from
        return Judgement(torch.sigmoid(hidden.float()), outputs)


def _build_conv(in_channels: int, out_channels: int, stride: int) -> nn.Module:
    # The hook, not torch's newer parametrization: the published entries are weight_orig, weight_u and weight_v
    conv = nn.Conv2d(in_channels, out_channels, kernel_size=4, stride=stride, padding=1, bias=False)
    return spectral_norm(conv, n_power_iterations=1, eps=1e-12)


def _build_layer(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(_build_conv(in_channels, out_channels, stride), nn.LeakyReLU(SLOPE))


def load_discriminator(path: Path) -> Discriminator:
    """The discriminator in the CTRNet training checkpoint at ``path``, in evaluation mode, on the CPU.

    Its entries start with ``discriminator.`` there, or with nothing where the file holds no other network; "module." is
    taken out of their names, which training on several GPUs puts there. Raises SetupError when the file cannot be read,
    when an entry is missing, unknown or does not fit, or when the first layer is not the same under both its names.
    """
    entries = unwrapped(read_entries(path, REMEDY))
    ours = {name.removeprefix(PREFIX): value for name, value in entries.items() if name.startswith(PREFIX)} or entries
    network = Discriminator()
    fill(network, ours, path, REMEDY)
    unknown = [name for name in ours if name not in network.state_dict()]
    if unknown:
        raise SetupError(f"{path} has entries that are none of the discriminator's: {', '.join(unknown)}", REMEDY)
    twins = {name: name.replace("features.", "conv1.") for name in ours if name.startswith("features.")}
    unlike = [name for name, twin in twins.items() if not torch.equal(ours[name], ours[twin])]
    if unlike:
        what = f"{path} holds two first layers: {', '.join(f'{name} is not {twins[name]}' for name in unlike)}"
        raise SetupError(what, REMEDY)
    return network.eval()
