"""What CTRNet is trained to make small.

CTRNet: Liu et al., "Don't Forget Me: Accurate Background Recovery for Text Removal via Modeling Local-Global Context",
ECCV 2022. Its training loop was never released: the terms are the paper's, their exact form and weights are ours.
Every term is a scalar, 0 where nothing is wrong (the adversarial ones: near 0), computed in float32 whatever the
network's precision. Unless said otherwise, gradients reach the first argument only: what it is compared with is taken
as given. Terms raise ValueError where shapes differ: broadcasting would hide a mistake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn import functional

TEXT_WEIGHT = 5.0  # of an error inside text, against 1 outside: ours


def combine(terms: Mapping[str, Tensor], weights: Mapping[str, float]) -> Tensor:
    """The weighted sum of ``terms``, scalars by name.

    A term of weight 0 may be absent, which saves computing it, and counts for nothing if present. Raises ValueError
    for a term that ``weights`` does not know, for a missing term that has a weight, and when no term has one.
    """
    wanted = [name for name, weight in weights.items() if weight]
    unknown, missing = sorted(set(terms) - set(weights)), [name for name in wanted if name not in terms]
    if unknown or missing or not wanted:
        raise ValueError(f"unknown terms {unknown}, missing terms {missing}, terms with a weight {wanted}")
    return torch.stack([weights[name] * terms[name] for name in wanted]).sum()


def structure_l1(coarse_output: Tensor, truth_structure: Tensor, weight: Tensor | None = None) -> Tensor:
    """Mean absolute error of the coarse output against the structure map of the text-free image, both (B, 3, H, W).

    ``weight`` (B, 1, H, W) says how much each pixel counts in the mean.
    """
    if weight is None:
        return _weighted_l1(coarse_output, truth_structure, None, 1.0)
    _refuse_other_shapes(coarse_output, truth_structure, weight)
    error = (coarse_output.float() - truth_structure.detach().float()).abs() * weight
    return error.sum() / (coarse_output.shape[1] * weight.sum())


def multiscale_l1(
    outputs: Sequence[Tensor], truth: Tensor, text_mask: Tensor, text_weight: float = TEXT_WEIGHT
) -> Tensor:
    """The sum over the scales of the mean absolute error, in which pixels of text count ``text_weight`` times.

    ``outputs`` are the generator's out1 (B, 3, H/4, W/4), out2 (H/2) and prediction (H), the one of full size last;
    ``truth`` is (B, 3, H, W) in [0, 1]; ``text_mask`` is (B, 1, H, W) in [0, 1], 1 = text. Both are resized to each
    output by area averaging: a coarse pixel is compared with the mean of the pixels it covers, without aliasing, and
    counts as text by the share of text in them. The nearest pixel would lose thin strokes, or double them.
    """
    if outputs[-1].shape != truth.shape:
        raise ValueError(f"the last output is {tuple(outputs[-1].shape)}, the truth {tuple(truth.shape)}")
    scales = [
        _weighted_l1(output, _resize(truth, output), _resize(text_mask, output), text_weight) for output in outputs
    ]
    return torch.stack(scales).sum()


def context_l1(
    predicted: Tensor, features: Tensor, text_mask: Tensor | None = None, text_weight: float = TEXT_WEIGHT
) -> Tensor:
    """Mean absolute error of the predicted context features against those of the trunk, of the text-free image.

    Both are (B, 152, H/8, W/8). With ``text_mask`` (B, 1, H, W), resized by area averaging, features count more by the
    share of text in the 8x8 pixels they stand for.
    """
    resized = None if text_mask is None else _resize(text_mask, predicted)
    return _weighted_l1(predicted, features, resized, text_weight)


def perceptual_l1(predicted: Sequence[Tensor], truth: Sequence[Tensor]) -> Tensor:
    """The sum over the layers of the mean absolute error between VGG features of the prediction and of the truth.

    Both are as ``VggFeatures`` returns them. Johnson et al., ECCV 2016, with L1 for L2.
    """
    return torch.stack([_weighted_l1(*pair, None, 1.0) for pair in zip(predicted, truth, strict=True)]).sum()


def style_l1(predicted: Sequence[Tensor], truth: Sequence[Tensor]) -> Tensor:
    """The sum over the layers of the mean absolute error between the Gram matrices of VGG features.

    Both are as ``VggFeatures`` returns them. Gatys et al., CVPR 2016, with L1 for L2.
    """
    grams = [(gram_matrix(ours), gram_matrix(theirs)) for ours, theirs in zip(predicted, truth, strict=True)]
    return torch.stack([_weighted_l1(*pair, None, 1.0) for pair in grams]).sum()


def gram_matrix(features: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, C) float32: products of channels summed over the pixels, divided by C * H * W."""
    with torch.autocast(features.device.type, enabled=False):  # in half precision the sum would overflow
        flat = features.float().flatten(2)
        return flat @ flat.mT / flat[0].numel()


def generator_adversarial(predicted_map: Tensor) -> Tensor:
    """How far the generator is from passing for real: binary cross-entropy of the map of its prediction against 1.

    ``predicted_map`` is the discriminator's, any shape, in [0, 1]. The non-saturating loss of Goodfellow et al., 2014.
    """
    return _cross_entropy(predicted_map, 1.0)


def discriminator_adversarial(truth_map: Tensor, predicted_map: Tensor) -> Tensor:
    """How far the discriminator is from telling truth and prediction apart: the mean of its two cross-entropies.

    Against 1 for the map of the truth, against 0 for that of the prediction, which the caller has detached before the
    discriminator saw it. Gradients reach both maps.
    """
    return (_cross_entropy(truth_map, 1.0) + _cross_entropy(predicted_map, 0.0)) / 2


def _cross_entropy(patch_map: Tensor, label: float) -> Tensor:
    with torch.autocast(patch_map.device.type, enabled=False):  # torch refuses this loss in half precision
        return functional.binary_cross_entropy(
            patch_map.float(), torch.full_like(patch_map, label, dtype=torch.float32)
        )


def _resize(given: Tensor, output: Tensor) -> Tensor:
    return functional.interpolate(given.float(), size=output.shape[-2:], mode="area")


def _weighted_l1(output: Tensor, truth: Tensor, text_mask: Tensor | None, text_weight: float) -> Tensor:
    _refuse_other_shapes(output, truth, text_mask)
    error = (output.float() - truth.detach().float()).abs()
    if text_mask is not None:
        error = error * (1 + (text_weight - 1) * text_mask.detach())
    return error.mean()


def _refuse_other_shapes(output: Tensor, truth: Tensor, mask: Tensor | None) -> None:
    if output.shape != truth.shape:
        raise ValueError(f"{tuple(output.shape)} cannot be compared with {tuple(truth.shape)}")
    if mask is not None and mask.shape != (output.shape[0], 1, *output.shape[2:]):
        raise ValueError(f"a mask of {tuple(mask.shape)} does not fit {tuple(output.shape)}")
