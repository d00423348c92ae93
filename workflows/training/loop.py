"""The training loop of both networks: Lightning Fabric, a moving average of the weights, and checkpoints to go on from.

Every batch has a number and is made from that number alone; a run that was killed and resumed sees the same batches
and, on the same machine, has the same losses as one that was left alone.
"""

from __future__ import annotations

import csv
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from pipeline.errors import SetupError, UsageError
from workflows.training.batches import Batches, Task, choose_workers, open_source
from workflows.training.cards import count_cores, describe_run, describe_settings
from workflows.training.checkpoints import CHECKPOINT, drop_later_rows, misfit, read_checkpoint, write_checkpoint
from workflows.training.settings import TrainSettings

LOSSES, WEIGHTS = "losses.csv", "weights.safetensors"


def train(task: Task, settings: TrainSettings) -> Path:
    """Train until ``settings.steps`` are done; the folder holds checkpoint, weights, losses and previews.

    Goes on from ``settings.resume``, or else from the folder's last checkpoint if there is one. Returns the exported
    weights' path. Raises InputError for shards or a checkpoint that cannot be read, UsageError for a checkpoint of
    other settings, SetupError for a device that is not there.
    """
    torch.manual_seed(settings.seed)
    if settings.threads:
        torch.set_num_threads(settings.threads)
    fabric = _launch(settings)
    settings.out.mkdir(parents=True, exist_ok=True)
    Run(task, settings, fabric).run()
    return settings.out / WEIGHTS


def _launch(settings: TrainSettings) -> Any:
    try:
        from lightning.fabric import Fabric
    except ModuleNotFoundError as error:
        raise SetupError(f"training needs lightning: {error}", "pip install 'restore-docs[train]'") from error
    try:
        fabric = Fabric(accelerator=settings.accelerator, devices=settings.devices, precision=settings.precision)
        fabric.launch()
    except Exception as error:  # whatever lightning raises
        what = f"{settings.devices} device(s) of kind {settings.accelerator!r} cannot be used: {error}"
        raise SetupError(what, "see --accelerator and --devices; --accelerator cpu goes everywhere") from error
    return fabric


def seed_of_step(seed: int, step: int, rank: int) -> int:
    """What torch draws from in a step (dropout), by its number alone: no state of its generator is to be kept."""
    return int(np.random.SeedSequence([seed, step, rank, 2]).generate_state(1, np.uint64)[0])


class Run:
    """One training run: what changes from step to step, and where it is kept."""

    def __init__(self, task: Task, settings: TrainSettings, fabric: Any) -> None:
        self.task, self.settings, self.fabric = task, settings, fabric
        open_source(settings)  # what is wrong with the material is said here, not by a loader process
        plain = task.build()
        self._described = describe_settings(settings)
        self._card = describe_run(settings, self._described, fabric.device)
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
        workers = choose_workers(settings, fabric.device.type, fabric.world_size, count_cores())
        loader: DataLoader[dict[str, Any]] = DataLoader(
            Batches(self.task, settings),
            batch_size=None,
            sampler=numbers,
            num_workers=workers,
            multiprocessing_context="forkserver" if workers else None,
            prefetch_factor=4 if workers else None,
            pin_memory=fabric.device.type == "cuda",
        )
        for batch in loader:
            yield {name: part.to(fabric.device, non_blocking=True) for name, part in batch.items()}

    def _learn(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        torch.manual_seed(seed_of_step(self.settings.seed, self.step, self.fabric.global_rank))
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
        is_new = not path.exists() or not path.stat().st_size
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
            "settings": json.dumps(self._described),
            "model": self.model.module.state_dict(),
            "average": self.average.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        write_checkpoint(out, state, self.settings.keep_checkpoints)
        card = {"steps": str(self.step), "hours": f"{self.seconds / 3600:.2f}", **self._card}
        self.average.eval()
        self.task.export(self.average, out / f".{WEIGHTS}.part", card)
        (out / f".{WEIGHTS}.part").replace(out / WEIGHTS)
        with torch.inference_mode():
            picture = self.task.preview(self.average, batch)
        cv2.imwrite(str(out / f"preview-{self.step:07d}.png"), picture[..., ::-1])

    def _resume(self) -> None:
        settings = self.settings
        path = settings.resume or settings.out / CHECKPOINT
        if settings.resume is None and not path.exists():
            return
        state = read_checkpoint(path, self.fabric.device, self._described)
        try:
            self.model.module.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, KeyError, ValueError, TypeError) as error:
            raise misfit(path, error) from error
        self.step, self.seconds = state["step"], state["seconds"]
        if self.step > settings.steps or (self.step == settings.steps and not (settings.out / WEIGHTS).exists()):
            raise UsageError(
                f"{path} is of step {self.step}: there is nothing to do until {settings.steps}", "raise --steps"
            )
        if self.fabric.is_global_zero:
            drop_later_rows(settings.out / LOSSES, self.step)


def learning_rate(step: int, settings: TrainSettings) -> float:
    """Rises over the first steps, then falls along a cosine to a fiftieth of its height."""
    rising = min(1.0, (step + 1) / max(settings.warm_up, 1))
    share = min(1.0, step / max(settings.steps, 1))
    return settings.rate * rising * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * share)))


def _copy(model: nn.Module) -> nn.Module:
    import copy

    return copy.deepcopy(model).requires_grad_(False)
