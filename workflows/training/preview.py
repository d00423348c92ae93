"""A sheet of training samples to look at before training: page, without handwriting, without text, labels."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.errors import OutputError, UsageError
from workflows.training.ctrnet_task import CtrnetTask
from workflows.training.machine_material import write_machine_shards
from workflows.training.shards import SUFFIX, Shards
from workflows.training.synthesis import LABEL_COLOURS, Sample, Synthesizer

USUAL_FOLDER = Path("shards")
_BATCH = 8


class Rates(NamedTuple):
    """Samples that one process makes in a second: by themselves, and as batches for CTRNet, the dearer ones."""

    samples: float
    batches: float


@contextmanager
def find_material(given: Sequence[Path], seed: int) -> Iterator[tuple[Sequence[Path], str]]:
    """Folders with shards and what to say of them: those given, else ./shards, else some of what the machine has."""
    if given:
        yield given, ""
    elif any(USUAL_FOLDER.glob(f"*{SUFFIX}")):
        yield [USUAL_FOLDER], f"shards from {USUAL_FOLDER}/"
    else:
        with tempfile.TemporaryDirectory() as folder:
            told = write_machine_shards(Path(folder), seed)
            made = f"no shards are named and none lie in {USUAL_FOLDER}/: drawn forms, pens, and lines of {told}"
            yield [Path(folder)], f"{made} (better material: restore-docs train prepare)"


def check_picture(out: Path) -> None:
    """Raise UsageError or OutputError unless a picture can be written to ``out``: drawing takes a while."""
    if not out.suffix or not cv2.haveImageWriter(str(out)):
        raise UsageError(f"{out} is no name of a picture", "name a file that ends in .png")
    if out.is_dir() or not out.resolve().parent.is_dir():
        raise OutputError(f"{out} cannot be written", "name a .png in a folder that is there")


def preview_samples(shards: Sequence[Path], out: Path, *, count: int, side: int, seed: int) -> Rates:
    """Write a picture of ``count`` samples, two a row; returns how fast they were made.

    Raises InputError for shards that cannot be read, UsageError or OutputError when the picture cannot be written.
    """
    check_picture(out)
    synthesizer = Synthesizer(Shards(shards), side, seed)
    begun = time.perf_counter()
    samples = [synthesizer.sample(index) for index in range(count)]
    spent = time.perf_counter() - begun
    strips = [np.concatenate([s.image, s.printed, s.blank, LABEL_COLOURS[s.labels]], axis=1) for s in samples]
    if len(strips) % 2:
        strips.append(np.full_like(strips[0], 255))
    rows = [np.concatenate(strips[k : k + 2], axis=1) for k in range(0, len(strips), 2)]
    if not cv2.imwrite(str(out), np.concatenate(rows)[..., ::-1]):
        raise OutputError(f"{out} cannot be written", "check space and permissions")
    return Rates(count / spent, count / (spent + _time_batches(samples, seed)))


def _time_batches(samples: list[Sample], seed: int) -> float:
    """Seconds that making CTRNet's batches of samples takes."""
    task = CtrnetTask()
    task.batch(samples[:1], np.random.default_rng(seed))  # what is compiled is compiled before the clock starts
    begun = time.perf_counter()
    for start in range(0, len(samples), _BATCH):
        task.batch(samples[start : start + _BATCH], np.random.default_rng([seed, start]))
    return time.perf_counter() - begun
