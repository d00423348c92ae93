"""Training runs of a few steps on the CPU, for tests."""

from __future__ import annotations

import csv

from workflows.training.loop import LOSSES
from workflows.training.settings import TrainSettings


def quick(shards, out, kind=TrainSettings, **changes):
    """Settings of a run that takes about a second; the same in every process."""
    values = {"steps": 6, "batch": 2, "side": 64, "workers": 0, "threads": 1, "precision": "32-true", "log_every": 1}
    values |= {"accelerator": "cpu", "save_every": 3}
    return kind(shards=(shards,), out=out, **(values | changes))


def read_log(out):
    """The rows of a run's log."""
    with (out / LOSSES).open(newline="") as file:
        return list(csv.DictReader(file))


def losses(out):
    """The losses of a run by step."""
    return {int(row["step"]): float(row["loss"]) for row in read_log(out)}


def as_options(settings):
    """The settings of ``quick`` as words of a command line."""
    names = (
        "steps",
        "batch",
        "side",
        "workers",
        "threads",
        "precision",
        "log_every",
        "accelerator",
        "save_every",
        "out",
    )
    pairs = [("--" + name.replace("_", "-"), str(getattr(settings, name))) for name in [*names, "out"]]
    shards = [("--shards", str(folder)) for folder in settings.shards]
    return [word for pair in (*pairs, *shards) for word in pair]
