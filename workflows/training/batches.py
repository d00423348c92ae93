"""What is trained and on what: the task, and its batches, each made from its number alone."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import Dataset

from pipeline.types import Array
from workflows.training.folders import FolderSamples
from workflows.training.settings import TrainSettings
from workflows.training.shards import Shards
from workflows.training.synthesis import Sample, Synthesizer


class Task(Protocol):
    """What is trained, and on what."""

    name: str

    def build(self) -> nn.Module:
        """The network, random or from weights to start with."""
        ...

    def batch(self, samples: Sequence[Sample], rng: np.random.Generator) -> dict[str, Array]:
        """One batch, arrays whose first axis is the sample; runs in loader processes."""
        ...

    def loss(self, model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Scalars to log; "loss" is what is minimized."""
        ...

    def preview(self, model: nn.Module, batch: dict[str, Tensor]) -> Array:
        """A picture of what the network does to a batch, (H, W, 3) uint8 RGB."""
        ...

    def export(self, model: nn.Module, path: Path, card: dict[str, Any]) -> None:
        """Write the weights as the program loads them, with a model card."""
        ...


class Source(Protocol):
    """Something with samples by number."""

    def sample(self, index: int) -> Sample:
        """The sample of that number, always the same."""
        ...


class ByTurns:
    """Several sources, one sample each in turn."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources

    def sample(self, index: int) -> Sample:
        """See ``Source.sample``."""
        return self._sources[index % len(self._sources)].sample(index)


class Batches(Dataset[dict[str, Any]]):
    """Batches by number."""

    def __init__(self, task: Task, settings: TrainSettings) -> None:
        self._task, self._settings = task, settings
        self._source: Source | None = None

    def __len__(self) -> int:
        return self._settings.steps

    def __getitem__(self, number: int) -> dict[str, Any]:
        if self._source is None:  # opened in the process that reads it
            cv2.setNumThreads(1)
            self._source = open_source(self._settings)
        size = self._settings.batch
        samples = [self._source.sample(number * size + k) for k in range(size)]
        made = self._task.batch(samples, np.random.default_rng([self._settings.seed, number, 1]))
        return {name: torch.from_numpy(part) for name, part in made.items()}


def open_source(settings: TrainSettings) -> Source:
    """Samples from shards, from a data set, or from both by turns. Raises InputError."""
    sources: list[Source] = []
    if settings.shards:
        sources.append(Synthesizer(Shards(settings.shards), settings.side, settings.seed))
    for folder in settings.data:
        hand = settings.data_ink == "handwritten"
        sources.append(FolderSamples(folder, settings.side, settings.seed, handwritten=hand))
    return sources[0] if len(sources) == 1 else ByTurns(sources)


def choose_workers(settings: TrainSettings, device: str, processes: int, cores: int) -> int:
    """How many processes make samples for each that trains: a GPU waits for one alone, a CPU has no core for more."""
    if settings.workers is not None:
        return settings.workers
    return max(1, (cores - 1) // processes) if device == "cuda" else 1
