"""Training the stroke network: cross entropy and the overlap of masks, on synthetic samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from detectors.strokes.network import CLASSES, StrokeNetwork
from detectors.strokes.weights import load_network, save_network
from pipeline.types import Array
from workflows.training.settings import TrainSettings
from workflows.training.synthesis import LABEL_COLOURS, Sample

CLASS_WEIGHTS = (1.0, 1.5, 2.0)  # neither, printed, handwritten: the rarer, the dearer


class StrokesTask:
    """The stroke network and its loss."""

    name = "strokes"

    def __init__(self, init: Path | None = None) -> None:
        self._init = init

    @classmethod
    def of(cls, settings: TrainSettings) -> StrokesTask:
        """The task that a run's settings describe."""
        return cls(settings.init)

    def build(self) -> nn.Module:
        """See ``Task.build``."""
        network: Any = StrokeNetwork() if self._init is None else load_network(self._init)
        return cast(nn.Module, network.to(memory_format=torch.channels_last))  # half as fast again on a CPU

    def batch(self, samples: Sequence[Sample], rng: np.random.Generator) -> dict[str, Array]:
        """``image`` (B, 3, S, S) uint8 RGB and ``labels`` (B, S, S) uint8."""
        images = np.stack([np.moveaxis(sample.image, 2, 0) for sample in samples])
        return {"image": images, "labels": np.stack([sample.labels for sample in samples])}

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Weighted cross entropy, and one minus the dice coefficient of both kinds of ink."""
        logits = model(_scaled(batch["image"])).float()
        labels = batch["labels"].long()
        weights = torch.tensor(CLASS_WEIGHTS, device=logits.device)
        entropy = functional.cross_entropy(logits, labels, weights)
        shares = logits.softmax(1)[:, 1:]
        truth = functional.one_hot(labels, CLASSES).permute(0, 3, 1, 2)[:, 1:].float()
        common = (shares * truth).sum((0, 2, 3))
        dice = 1 - (2 * common + 1) / (shares.sum((0, 2, 3)) + truth.sum((0, 2, 3)) + 1)
        found = ((shares > 0.5) & (truth > 0.5)).sum((0, 2, 3)) / truth.sum((0, 2, 3)).clamp(min=1)
        return {
            "loss": entropy + 0.5 * dice.mean(),
            "entropy": entropy,
            "dice_printed": dice[0],
            "dice_handwritten": dice[1],
            "recall_printed": found[0],
            "recall_handwritten": found[1],
        }

    def preview(self, model: nn.Module, batch: dict[str, Tensor]) -> Array:
        """Rows of the page, its labels, and what the network says."""
        said = model(_scaled(batch["image"])).argmax(1)
        pages = batch["image"].permute(0, 2, 3, 1).cpu().numpy()
        rows = zip(pages, LABEL_COLOURS[batch["labels"].cpu().numpy()], LABEL_COLOURS[said.cpu().numpy()], strict=True)
        return np.concatenate([np.concatenate(row, axis=1) for row in rows])

    def export(self, model: nn.Module, path: Path, card: dict[str, Any]) -> None:
        """See ``Task.export``."""
        assert isinstance(model, StrokeNetwork)
        count = sum(part.numel() for part in model.parameters())
        network = f"strokes: neither, printed ink, handwritten ink; {count} parameters"
        save_network(model, path, {"network": network, **card})


def _scaled(images: Tensor) -> Tensor:
    """(B, 3, S, S) uint8 to float32 in [0, 1], channels last."""
    return images.contiguous(memory_format=torch.channels_last).float() / 255
