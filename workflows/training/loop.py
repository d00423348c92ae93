"""The training loop of both networks: Lightning Fabric, a moving average of the weights, and checkpoints to go on from.

Every batch has a number and is made from that number alone; a run that was killed and resumed sees the same batches
and, on the same machine, has the same losses as one that was left alone.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import pickle
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from pipeline.errors import InputError
from pipeline.types import Array
from workflows.training.folders import FolderSamples
from workflows.training.settings import TrainSettings
from workflows.training.shards import Shards
from workflows.training.synthesis import Sample, Synthesizer

CHECKPOINT, LOSSES, WEIGHTS = "last.ckpt", "losses.csv", "weights.safetensors"


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

    def export(self, model: nn.Module, path: Path, card: dict[str, str]) -> None:
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


def train(task: Task, settings: TrainSettings) -> Path:
    """Train until ``settings.steps`` are done; the folder holds checkpoint, weights, losses and previews.

    Goes on from the folder's checkpoint if there is one. Returns the exported weights' path. Raises InputError for
    shards or a checkpoint that cannot be read.
    """
    from lightning.fabric import Fabric

    torch.manual_seed(settings.seed)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    fabric = Fabric(accelerator=settings.accelerator, devices=settings.devices, precision=settings.precision)
    fabric.launch()
    settings.out.mkdir(parents=True, exist_ok=True)
    Run(task, settings, fabric).run()
    return settings.out / WEIGHTS


class Run:
    """One training run: what changes from step to step, and where it is kept."""

    def __init__(self, task: Task, settings: TrainSettings, fabric: Any) -> None:
        self.task, self.settings, self.fabric = task, settings, fabric
        plain = task.build()
        self.average = _copy(plain).to(fabric.device)
        optimizer = torch.optim.AdamW(plain.parameters(), lr=settings.rate, weight_decay=settings.weight_decay)
        self.model, self.optimizer = fabric.setup(plain, optimizer)
        self.step, self.seconds = 0, 0.0
        self._resume()

    def run(self) -> None:
        """Train to the end."""
        settings = self.settings
        self.model.train()
        begun = time.perf_counter() - self.seconds
        for batch in self._batches():
            losses = self._learn(batch)
            self.step += 1
            self.seconds = time.perf_counter() - begun
            if self.step % settings.log_every == 0:
                self._log(losses)
            if self.step % settings.save_every == 0 or self.step == settings.steps:
                self._save(batch)

    def _batches(self) -> Iterator[dict[str, Tensor]]:
        """The batches not yet seen, this process' share of them, on its device."""
        fabric, settings = self.fabric, self.settings
        # with several devices a step is as many batches, each device taking its own
        numbers = range(
            self.step * fabric.world_size + fabric.global_rank, settings.steps * fabric.world_size, fabric.world_size
        )
        loader: DataLoader[dict[str, Any]] = DataLoader(
            Batches(self.task, settings),
            batch_size=None,
            sampler=numbers,
            num_workers=settings.workers,
            multiprocessing_context="forkserver" if settings.workers else None,
            prefetch_factor=4 if settings.workers else None,
            pin_memory=fabric.device.type == "cuda",
        )
        for batch in loader:
            yield {name: part.to(fabric.device, non_blocking=True) for name, part in batch.items()}

    def _learn(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        rate = learning_rate(self.step, self.settings)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        losses = self.task.loss(self.model, batch)
        self.optimizer.zero_grad(set_to_none=True)
        self.fabric.backward(losses["loss"])
        norm = self.fabric.clip_gradients(
            self.model, self.optimizer, max_norm=self.settings.clip, error_if_nonfinite=False
        )
        if not torch.isfinite(norm):  # one broken batch must not break the weights
            self.optimizer.zero_grad(set_to_none=True)
        self.optimizer.step()
        self._follow()
        return losses

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average towards the weights; early on faster, so that the random start is forgotten."""
        keep = min(self.settings.ema, (1 + self.step) / (10 + self.step))
        current = self.model.module.state_dict()
        for name, mean in self.average.state_dict().items():
            if mean.is_floating_point():
                mean.lerp_(current[name], 1 - keep)
            else:
                mean.copy_(current[name])

    def _log(self, losses: dict[str, Tensor]) -> None:
        if not self.fabric.is_global_zero:
            return
        row = {
            "step": self.step,
            "seconds": round(self.seconds, 1),
            "rate": learning_rate(self.step - 1, self.settings),
        }
        row |= {name: round(float(value.detach()), 6) for name, value in losses.items()}
        path = self.settings.out / LOSSES
        is_new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, row)
            if is_new:
                writer.writeheader()
            writer.writerow(row)

    def _save(self, batch: dict[str, Tensor]) -> None:
        """Checkpoint, weights and a picture; each written beside and then moved: a kill leaves the last ones whole."""
        if not self.fabric.is_global_zero:
            return
        out = self.settings.out
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "model": self.model.module.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        torch.save(state, out / f".{CHECKPOINT}.part")
        (out / f".{CHECKPOINT}.part").replace(out / CHECKPOINT)
        self.average.eval()
        self.task.export(self.average, out / f".{WEIGHTS}.part", self._card())
        (out / f".{WEIGHTS}.part").replace(out / WEIGHTS)
        with torch.inference_mode():
            picture = self.task.preview(self.average, batch)
        cv2.imwrite(str(out / f"preview-{self.step:07d}.png"), picture[..., ::-1])

    def _card(self) -> dict[str, str]:
        # where things lay on the machine that trained is nobody's business: "out" and folders' paths stay out
        given = dataclasses.asdict(self.settings)
        settings = {name: _name(value) for name, value in given.items() if name != "out"}
        return {"steps": str(self.step), "hours": f"{self.seconds / 3600:.2f}", "settings": json.dumps(settings)}

    def _resume(self) -> None:
        path = self.settings.out / CHECKPOINT
        if not path.exists():
            return
        try:
            state = torch.load(path, map_location=self.fabric.device, weights_only=True)
            self.model.module.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (OSError, RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError) as error:
            raise InputError(f"{path} does not fit this run: {error}", "name another --out, or remove it") from error
        self.step, self.seconds = state["step"], state["seconds"]
        _drop_later_rows(self.settings.out / LOSSES, self.step)


def learning_rate(step: int, settings: TrainSettings) -> float:
    """Rises over the first steps, then falls along a cosine to a fiftieth of its height."""
    rising = min(1.0, (step + 1) / max(settings.warm_up, 1))
    share = min(1.0, step / max(settings.steps, 1))
    return settings.rate * rising * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))


def _name(value: Any) -> str:
    """A setting as text, paths by their last part only."""
    if isinstance(value, tuple):
        return ", ".join(_name(part) for part in value)
    return value.name if isinstance(value, Path) else str(value)


def _copy(model: nn.Module) -> nn.Module:
    import copy

    return copy.deepcopy(model).requires_grad_(False)


def _drop_later_rows(path: Path, step: int) -> None:
    """Forget what was logged after the checkpoint: those steps are done again."""
    if not path.exists():
        return
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(row for row in rows if not row[0].isdigit() or int(row[0]) <= step)
