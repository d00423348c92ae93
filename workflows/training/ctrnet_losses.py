"""The network that is trained together with its loss: one module, whose forward pass gives the terms to make small.

Errors count under the strokes, where the prediction is used, and a little around them; every picture outside the mask
is the image itself, so that only what was filled can be wrong.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from remover.ctrnet import Prediction
from remover.ctrnet.discriminator import Discriminator
from remover.ctrnet.losses import (
    combine,
    context_l1,
    discriminator_adversarial,
    generator_adversarial,
    multiscale_l1,
    perceptual_l1,
    structure_l1,
    style_l1,
)
from remover.ctrnet.network import Generator
from remover.ctrnet.priors import TResNetTrunk, VggFeatures, load_trunk, load_vgg
from remover.ctrnet.structure import grey_structure_maps
from workflows.training.ctrnet_settings import LossSettings

NEAR_WEIGHT = 0.05  # of an error within reach of the strokes, against 1 under them
_LOG_FLOOR = 2e-4  # squared error: what a scan's grain leaves, which no network can know


class Trainee(nn.Module):
    """The generator with what it is trained by; its forward pass is the loss: one call for any wrapper.

    Raises SetupError for weights of VGG-16 or TResNet-L that do not load, UsageError for losses that the generator
    cannot have.
    """

    def __init__(self, generator: Generator, settings: LossSettings) -> None:
        super().__init__()
        self.generator = generator
        self.weights = settings.weights(has_heads=generator.config.auxiliary_heads)
        self.discriminator = Discriminator() if settings.adversarial else None
        if self.discriminator is not None:
            self.weights["discriminator"] = 1.0  # it learns by itself, at its own rate
        vgg = load_vgg(settings.vgg) if settings.vgg else None
        trunk = load_trunk(settings.trunk) if settings.trunk else None
        self._priors: tuple[VggFeatures | None, TResNetTrunk | None] = (vgg, trunk)  # in no checkpoint: never trained

    def forward(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """The terms of the loss and their weighted sum, ``loss``, for a batch as ``CtrnetTask.batch`` makes it.

        ``psnr`` and ``prefill_psnr``, in dB under the strokes, are for the log.
        """
        inputs = unpack(batch)
        mask, prefill, truth = inputs[1], inputs[4], inputs[5]
        predicted: Prediction = self.generator(*inputs[:5])
        terms = _compare(predicted, inputs)
        if predicted.out1 is not None and predicted.out2 is not None:
            terms["heads"] = multiscale_l1([predicted.out1, predicted.out2, predicted.prediction], truth, mask)
        terms |= self._compare_features(predicted, truth, mask)
        if self.discriminator is not None:
            composite = torch.lerp(truth, predicted.prediction.float(), mask)
            terms |= self._judge(self.discriminator, composite, truth)
        terms["loss"] = combine(terms, self.weights)
        with torch.no_grad():
            terms["psnr"] = _psnr(predicted.prediction.float().clamp(0, 1) - truth, mask)
            terms["prefill_psnr"] = _psnr(prefill - truth, mask)
        return terms

    def _compare_features(self, predicted: Prediction, truth: Tensor, mask: Tensor) -> dict[str, Tensor]:
        vgg, trunk = (None if prior is None else prior.to(truth.device) for prior in self._priors)
        terms = {}
        if vgg is not None:
            composite = torch.lerp(truth, predicted.prediction.float(), mask)
            ours, theirs = vgg(composite), vgg(truth)
            terms["perceptual"], terms["style"] = perceptual_l1(ours, theirs), style_l1(ours, theirs)
        if trunk is not None and predicted.context_feature is not None:
            terms["context"] = context_l1(predicted.context_feature, trunk(truth), mask)
        return terms

    @staticmethod
    def _judge(discriminator: Discriminator, composite: Tensor, truth: Tensor) -> dict[str, Tensor]:
        """How far the generator is from passing for real, and the discriminator from telling: one backward for both."""
        discriminator.requires_grad_(False)  # the generator's term is not to make the discriminator worse
        passing = generator_adversarial(discriminator(composite).map)
        discriminator.requires_grad_(True)
        telling = discriminator_adversarial(discriminator(truth).map, discriminator(composite.detach()).map)
        return {"adversarial": passing, "discriminator": telling}


def unpack(batch: Mapping[str, Tensor]) -> tuple[Tensor, ...]:
    """Image, mask, soft mask, structure, prefill, truth and its structure: float32, channels last."""
    image, prefill, truth = (batch[name].float() / 255 for name in ("image", "prefill", "truth"))
    pictures = {"structure": prefill, "truth_structure": truth}
    structure, truth_structure = (
        (batch[name].float() if name in batch else grey_structure_maps(picture)).expand_as(image)
        for name, picture in pictures.items()
    )
    mask, soft_mask = batch["mask"].float(), batch["soft_mask"].float()
    parts = (image, mask, soft_mask, structure, prefill, truth, truth_structure)
    return tuple(part.contiguous(memory_format=torch.channels_last) for part in parts)


def _compare(predicted: Prediction, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
    """The terms that need nothing but the prediction and the truth."""
    _, mask, soft_mask, _, _, truth, truth_structure = inputs
    error = predicted.prediction.float() - truth
    weight = torch.where(mask > 0, 1.0, NEAR_WEIGHT * (soft_mask > 0))
    total = 3 * weight.sum() + 1
    weighted = error * weight
    pooled = [functional.avg_pool2d(weighted, side).abs().sum() * side**2 for side in (2, 4)]
    return {
        "l1": weighted.abs().sum() / total,
        "l2": (weighted * error).sum() / total,
        "scales": torch.stack(pooled).sum() / total,
        "log": _log_error(error, mask),
        "structure": structure_l1(predicted.coarse, truth_structure, soft_mask + NEAR_WEIGHT),
    }


def _log_error(error: Tensor, mask: Tensor) -> Tensor:
    """The mean over samples of the natural logarithm of the squared error under the mask."""
    squares = (error.square() * mask).sum((1, 2, 3)) / (3 * mask.sum((1, 2, 3)) + 100)
    return torch.log(squares + _LOG_FLOOR).mean()


def _psnr(error: Tensor, mask: Tensor) -> Tensor:
    return -10 * torch.log10(((error * mask).square().sum() / (3 * mask.sum() + 1)).clamp_min(1e-10))
