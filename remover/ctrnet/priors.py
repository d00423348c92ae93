"""Frozen networks whose features CTRNet is trained towards: the TResNet-L trunk and the first layers of VGG-16.

CTRNet: Liu et al., "Don't Forget Me: Accurate Background Recovery for Text Removal via Modeling Local-Global Context",
ECCV 2022. TResNet: Ridnik et al., WACV 2021. Activated batch norm: Rota Bulo et al., CVPR 2018 (InPlaceABN). VGG:
Simonyan and Zisserman, ICLR 2015. Needed for training only.
"""

from __future__ import annotations

import functools
import importlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.errors import SetupError
from remover.ctrnet.entries import fill, read_entries, unwrapped

ABN_EPS = 1e-5
ABN_MOMENTUM = 0.1
AbnMaker = Callable[[int, float | None], nn.Module]  # (channels, slope of the leaky ReLU, None for identity)

TRUNK_REMEDY = (
    "give the TResNet-L checkpoint trained with the asymmetric loss on Open Images: "
    "a dictionary with its weights under 'model', saved by torch"
)
VGG_REMEDY = (
    "give torchvision's VGG-16 weights for ImageNet, a state dictionary with features.0.weight and so on, "
    "or a CTRNet training checkpoint with extractor.enc_1.0.weight and so on"
)
EXTRACTOR = "extractor."  # what the names of these features start with in a CTRNet training checkpoint


class PlainABN(nn.Module):
    """Batch norm and activation with InPlaceABN's arithmetic and entries, in plain torch.

    The scale is |weight| + eps, never the signed weight: InPlaceABN must be able to undo it. A plain batch norm that
    loads the same weights is wrong wherever one is negative.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int, slope: float | None) -> None:
        super().__init__()
        self.slope = slope
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalize and activate ``x``, (B, channels, H, W); statistics of the batch in training mode."""
        scale = self.weight.abs() + ABN_EPS
        mean, var = self.running_mean, self.running_var
        x = functional.batch_norm(x, mean, var, scale, self.bias, self.training, ABN_MOMENTUM, ABN_EPS)
        return x if self.slope is None else functional.leaky_relu(x, self.slope)


def choose_abn() -> AbnMaker:
    """InPlaceABN, which saves memory, where the package ``inplace_abn`` can be imported; PlainABN elsewhere."""
    try:
        package = importlib.import_module("inplace_abn")
    except ImportError:
        return PlainABN
    return functools.partial(_build_in_place, package.InPlaceABN)


def _build_in_place(kind: Callable[..., nn.Module], channels: int, slope: float | None) -> nn.Module:
    chosen = {"activation": "identity"} if slope is None else {"activation": "leaky_relu", "activation_param": slope}
    layer = kind(channels, eps=ABN_EPS, momentum=ABN_MOMENTUM, **chosen)
    # Its version 1.1 counts batches, to no effect here; the published checkpoints and PlainABN have no such entry
    layer.register_buffer("num_batches_tracked", None)
    layer.register_load_state_dict_pre_hook(_drop_batch_count)  # type: ignore[no-untyped-call]
    return layer


def _drop_batch_count(_: nn.Module, state: dict[str, Any], prefix: str, *__: object) -> None:
    """InPlaceABN adds the entry to what it loads, and torch would then report it as unexpected."""
    state.pop(f"{prefix}num_batches_tracked", None)


class SpaceToDepth(nn.Module):
    """4x4 pixels become 48 channels at a quarter of the size: channel (dy * 4 + dx) * C + c."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, 16 C, H/4, W/4); H and W are multiples of 4."""
        batch, channels, height, width = x.shape
        blocks = x.reshape(batch, channels, height // 4, 4, width // 4, 4)
        return blocks.permute(0, 3, 5, 1, 2, 4).reshape(batch, 16 * channels, height // 4, width // 4)


class BlurDownsample(nn.Module):
    """Every second pixel of the image blurred by outer([1, 2, 1]) / 16, mirrored at the borders. No entries."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        taps = torch.tensor([1.0, 2.0, 1.0]) / 4
        self.register_buffer("kernel", torch.outer(taps, taps), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, ceil(H/2), ceil(W/2))."""
        channels = x.shape[1]
        padded = functional.pad(x, (1, 1, 1, 1), mode="reflect")
        return functional.conv2d(padded, self.kernel.expand(channels, 1, 3, 3), stride=2, groups=channels)


class SqueezeExcite(nn.Module):
    """Weigh the channels by what is in all of the image (Hu et al., CVPR 2018)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(channels // 4, 64)
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.fc2 = nn.Conv2d(hidden, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape."""
        means = x.mean(dim=(2, 3), keepdim=True)
        return x * torch.sigmoid(self.fc2(functional.relu(self.fc1(means))))


def _conv_abn(abn: AbnMaker, channels: tuple[int, int], kernel: int, slope: float | None) -> nn.Sequential:
    conv = nn.Conv2d(*channels, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, abn(channels[1], slope))


class BasicBlock(nn.Module):
    """Two convolutions, squeeze-excite, and the residual; with ``halve`` at half the size."""

    def __init__(self, abn: AbnMaker, in_channels: int, out_channels: int, halve: bool = False) -> None:
        super().__init__()
        conv1 = _conv_abn(abn, (in_channels, out_channels), 3, 1e-3)
        self.conv1 = nn.Sequential(conv1, BlurDownsample()) if halve else conv1
        self.conv2 = _conv_abn(abn, (out_channels, out_channels), 3, None)
        self.se = SqueezeExcite(out_channels)
        self.downsample: nn.Module = nn.Identity()
        if halve:
            pool = nn.AvgPool2d(2, ceil_mode=True, count_include_pad=False)
            self.downsample = nn.Sequential(pool, _conv_abn(abn, (in_channels, out_channels), 1, None))

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W), or half of H and W, rounded up."""
        return functional.relu(self.se(self.conv2(self.conv1(x))) + self.downsample(x))


class TResNetTrunk(nn.Module):
    """TResNet-L up to its second stage: what the context features of CTRNet are compared with.

    Frozen: no gradients for its weights, and always in evaluation mode, also when what holds it is put into training
    mode, which would move its statistics. ``abn`` makes its activated batch norms; see ``choose_abn``.
    """

    def __init__(self, abn: AbnMaker | None = None) -> None:
        super().__init__()
        made = abn or choose_abn()
        layers: OrderedDict[str, nn.Module] = OrderedDict(
            space_to_depth=SpaceToDepth(),
            conv1=_conv_abn(made, (48, 76), 3, 1e-2),
            layer1=nn.Sequential(*(BasicBlock(made, 76, 76) for _ in range(4))),
            layer2=nn.Sequential(
                BasicBlock(made, 76, 152, halve=True), *(BasicBlock(made, 152, 152) for _ in range(4))
            ),
        )
        self.body = nn.Sequential(layers)
        self.requires_grad_(False)
        self.eval()

    def train(self, mode: bool = True) -> TResNetTrunk:
        """Stay in evaluation mode, whatever ``mode``."""
        return super().train(False)

    def forward(self, image: Tensor) -> Tensor:
        """Features of ``image``: (B, 3, H, W) RGB -> (B, 152, H/8, W/8), not negative.

        The range is [0, 1] without normalization, as far as is known of how the published weights were trained.
        Raises ValueError unless H and W are multiples of 8.
        """
        if image.ndim != 4 or image.shape[2] % 8 or image.shape[3] % 8:
            raise ValueError(f"images are (B, 3, H, W), H and W multiples of 8, not {tuple(image.shape)}")
        features: Tensor = self.body(image)
        return features


class VggFeatures(nn.Module):
    """The outputs of the first three poolings of VGG-16, for the perceptual and the style loss. Frozen."""

    def __init__(self) -> None:
        super().__init__()
        self.enc_1 = _vgg_stage(3, 64, 2)
        self.enc_2 = _vgg_stage(64, 128, 2)
        self.enc_3 = _vgg_stage(128, 256, 3)
        self.requires_grad_(False)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Features of ``image``, (B, 3, H, W) RGB in [0, 1], used without normalization: 64, 128 and 256 channels.

        Their sizes are a half, a quarter and an eighth of H and W, rounded down each time. Gradients reach the image.
        """
        first = self.enc_1(image)
        second = self.enc_2(first)
        return first, second, self.enc_3(second)


def _vgg_stage(in_channels: int, out_channels: int, count: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for index in range(count):
        layers += [nn.Conv2d(out_channels if index else in_channels, out_channels, 3, padding=1), nn.ReLU()]
    return nn.Sequential(*layers, nn.MaxPool2d(2))


def load_trunk(path: Path, abn: AbnMaker | None = None) -> TResNetTrunk:
    """The trunk with the weights of the published checkpoint at ``path``, on the CPU.

    The checkpoint holds the whole classifier; what is not of the trunk is left aside. "module." is taken out of its
    names, which training on several GPUs puts there. Raises SetupError when the file cannot be read, or when an entry
    of the trunk is missing or has another shape.
    """
    checkpoint = read_entries(path, TRUNK_REMEDY)
    entries = checkpoint.get("model", checkpoint)
    if not isinstance(entries, Mapping):
        raise SetupError(f"{path} holds no dictionary under 'model' but a {type(entries).__name__}", TRUNK_REMEDY)
    trunk = TResNetTrunk(abn)
    fill(trunk, unwrapped(entries), path, TRUNK_REMEDY)
    return trunk


def load_vgg(path: Path) -> VggFeatures:
    """The features with torchvision's weights at ``path``, or with those in a CTRNet training checkpoint, on the CPU.

    Of torchvision's entries ``features.N.weight`` and ``features.N.bias`` the first 14 are used; a training checkpoint
    has them as ``extractor.enc_N.*``, with "module." where training on several GPUs puts it. Raises SetupError as
    ``load_trunk`` does, with the file's own names in the message.
    """
    vgg = VggFeatures()
    entries = unwrapped(read_entries(path, VGG_REMEDY))
    of_training = any(name.startswith(EXTRACTOR) for name in entries)
    fill(vgg, entries, path, VGG_REMEDY, EXTRACTOR.__add__ if of_training else _torchvision_name)
    return vgg


def _torchvision_name(name: str) -> str:
    """enc_2.0.weight -> features.5.weight: the stages begin at layers 0, 5 and 10."""
    stage, index, kind = name.removeprefix("enc_").split(".")
    return f"features.{5 * (int(stage) - 1) + int(index)}.{kind}"
