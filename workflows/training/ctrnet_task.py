"""What the trainer of CTRNet for documents needs to know: the network, what it is shown, and what it is told.

The network, ``remover.ctrnet.network.DOCUMENTS``, predicts what to add to a fill of the strokes. The loss is in
``ctrnet_losses``.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.errors import SetupError, UsageError
from pipeline.types import Array
from remover.ctrnet import GeneratorConfig, load_generator, save_generator
from remover.ctrnet.documents import grey_structure, prepare
from remover.ctrnet.network import DOCUMENTS, RDB, Generator, ResBlock
from workflows.training.ctrnet_losses import Trainee, unpack
from workflows.training.ctrnet_settings import CtrnetSettings, LossSettings
from workflows.training.overlays import blur_borders, draw_blobs, draw_rules, overwrite

if TYPE_CHECKING:
    from workflows.training.synthesis import Sample

LEAST_HAND = 0.002  # the share of a sample's pixels that must be handwriting for it to be removed alone
# A machine that only trains may lack it; the structure maps are then made by torch, where the network is
HAS_NUMBA = importlib.util.find_spec("numba") is not None
_ONLY_HAND = 0.5
_ONLY_PART = 0.1
_RULED = 0.5  # how often rules are drawn under the strokes
_OVERWRITTEN, _MUCH_INK = 0.8, 0.15  # how often strokes of another sample are added, and above which share never
_RESIDUAL_GAIN = 0.3  # of the last layer of what is added to its input: many of them in a row do not grow


class CtrnetTask:
    """Trains CTRNet for documents."""

    name = "ctrnet"

    def __init__(
        self, config: GeneratorConfig = DOCUMENTS, init: Path | None = None, loss: LossSettings | None = None
    ) -> None:
        """The network's ``config``, or weights to start from (``init``, which bring theirs), and the loss."""
        self._config, self._init, self._loss = config, init, loss or LossSettings()

    @classmethod
    def of(cls, settings: CtrnetSettings) -> CtrnetTask:
        """The task that a run's settings describe. Raises UsageError for sizes that make no network."""
        try:
            config = replace(DOCUMENTS, **settings.network.given())
        except ValueError as error:
            raise UsageError(f"the settings of [network] make no network: {error}", "choose other sizes") from error
        return cls(config, settings.init, settings.loss)

    def build(self) -> nn.Module:
        """The network to train, on the CPU: random by torch's generator, or ``init``'s.

        Raises SetupError for weights that cannot be used, UsageError for losses that the network cannot have.
        """
        _keep_memory_whole()
        if self._init is not None:
            generator = load_generator(self._init)
        else:
            generator = Generator(self._config)
            initialize(generator)
        if not generator.config.prefill:
            raise SetupError(
                "a network that takes no prefill is not trained on strokes", "start from one for documents"
            )
        trainee: Any = Trainee(generator, self._loss).train()
        return cast(nn.Module, trainee.to(memory_format=torch.channels_last))

    def batch(self, samples: Sequence[Sample], rng: np.random.Generator) -> dict[str, Array]:
        """What the network is shown of samples, S x S each, and what it should say.

        ``image``, ``prefill`` and ``truth`` (B, 3, S, S) uint8 RGB, ``mask`` (B, 1, S, S) uint8 {0, 1}, ``soft_mask``,
        ``structure`` and ``truth_structure`` (B, 1, S, S) float32 in [0, 1]; without numba the last two are left out.
        """
        strokes = [sample.labels > 0 for sample in samples]
        others = [strokes[number - 1] if len(samples) > 1 else None for number in range(len(samples))]
        made = [_show(sample, other, rng) for sample, other in zip(samples, others, strict=True)]
        return {name: np.stack([one[name] for one in made]) for name in made[0]}

    def loss(self, model: nn.Module, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """``loss`` is to be made small; its terms and PSNRs under the strokes (dB) are for the log."""
        terms: dict[str, Tensor] = model(batch)
        return terms

    def preview(self, model: nn.Module, batch: Mapping[str, Tensor]) -> Array:
        """(H, W, 3) uint8 RGB: a row per sample of its input, mask, prefill, composited prediction and truth."""
        trainee: Any = model
        training = trainee.training
        trainee.eval()
        inputs = unpack(batch)
        with torch.no_grad():
            predicted = trainee.generator(*inputs[:5]).prediction.float()
        trainee.train(training)
        image, mask, _, _, prefill, truth, _ = inputs
        columns = (image, mask.expand_as(image), prefill, torch.lerp(image, predicted, mask), truth)
        rows = torch.cat(columns, 3).permute(0, 2, 3, 1).flatten(0, 1)
        return (rows * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()

    def export(self, model: nn.Module, path: Path, card: Mapping[str, Any]) -> None:
        """Write the generator as one of our own files, in float16. Raises OutputError."""
        trainee: Any = model
        count = sum(part.numel() for part in trainee.generator.parameters())
        network = f"ctrnet for documents: CTRNet's generator on a filled image; {count} parameters"
        save_generator(trainee.generator, path, {"network": network, **card}, half=True)


def _show(sample: Sample, strokes: Array | None, rng: np.random.Generator) -> dict[str, Array]:
    """One sample as ``CtrnetTask.batch`` gives it, turned and mirrored at random, with an imperfect stroke mask.

    ``strokes`` (S, S) bool are another sample's, if there is one, which may be written over it: more to learn from at
    no cost.
    """
    turns, mirrored = int(rng.integers(4)), bool(rng.integers(2))

    def turn(array: Array) -> Array:
        turned = np.rot90(array, turns)
        return np.ascontiguousarray(turned[:, ::-1] if mirrored else turned)

    image, printed, blank, labels = sample.image, sample.printed, sample.blank, sample.labels
    if rng.random() < _RULED:
        image, printed, blank = draw_rules([image, printed, blank], labels > 0, rng)
    image, labels = turn(image), turn(labels)
    only_hand = (labels == 2).mean() > LEAST_HAND and rng.random() < _ONLY_HAND
    ink = labels == 2 if only_hand else labels > 0
    if not only_hand and rng.random() < _ONLY_PART:  # as when words are chosen
        ink &= draw_blobs(ink.shape, rng, most=4, largest=ink.shape[0] // 3)
    if strokes is not None and rng.random() < _OVERWRITTEN and ink.mean() < _MUCH_INK:
        image, written = overwrite(image, strokes, rng)
        ink = ink | written
    mask = blur_borders(ink, rng)
    # What is not replaced stays, ink that the mask misses included: so it will be when the page is put together
    truth = np.where(mask[..., None], turn(printed if only_hand else blank), image)
    prefill, soft_mask, structure = prepare(image, mask, with_structure=HAS_NUMBA)
    pictures = {"image": image, "prefill": prefill, "truth": truth}
    maps = {"mask": mask.astype(np.uint8), "soft_mask": soft_mask}
    if HAS_NUMBA:
        maps |= {"structure": structure, "truth_structure": grey_structure(truth)}
    channels = {name: np.ascontiguousarray(np.moveaxis(picture, 2, 0)) for name, picture in pictures.items()}
    return channels | {name: one[None] for name, one in maps.items()}


@torch.no_grad()
def initialize(generator: Generator) -> None:
    """Draw weights by which signals keep their size from layer to layer; torch's own make them fade. In place.

    Layers that are zero stay so.
    """
    for layer in generator.modules():
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d) and layer.weight.any():
            taps = layer.weight[0, 0].numel() / (layer.stride[0] ** 2 if isinstance(layer, nn.ConvTranspose2d) else 1)
            # 2 would keep the variance where a ReLU follows, 1 where none does
            nn.init.normal_(layer.weight, std=(1.6 / (layer.in_channels * taps)) ** 0.5)
            if layer.bias is not None:
                layer.bias.zero_()
    for block in generator.modules():
        if isinstance(block, ResBlock):
            last: Any = block.conv_block[4]
            last.weight *= _RESIDUAL_GAIN
        elif isinstance(block, RDB):
            block.lff.weight *= _RESIDUAL_GAIN


def _keep_memory_whole() -> None:
    """Leave oneDNN aside on x86 processors without AVX-512: with torch 2.13 CTRNet's gradients write past their memory.

    The process then dies of a double free. The stroke network's training was not seen to, nor were predictions.
    """
    if torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2"):
        torch.backends.mkldnn.enabled = False  # type: ignore[assignment]
