"""Checkpoints of a training run: written whole, numbered, gone on from only with the settings they were made with."""

from __future__ import annotations

import csv
import io
import json
import pickle
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from pipeline.errors import InputError, UsageError

CHECKPOINT, NUMBERED = "last.ckpt", "step-{:07d}.ckpt"
# Settings that say how long a run goes on, where and how, and not what is learned from what
FREE = frozenset(
    (
        "steps",
        "workers",
        "threads",
        "accelerator",
        "precision",
        "log_every",
        "save_every",
        "keep_checkpoints",
        "licence",
    )
)


def write_checkpoint(out: Path, state: Mapping[str, Any], keep: int) -> None:
    """Write ``state`` as the folder's last checkpoint and, beside it, as one of the ``keep`` latest numbered ones.

    Each is written beside and then moved: a kill leaves the last ones whole.
    """
    part = out / f".{CHECKPOINT}.part"
    torch.save(dict(state), part)
    part.replace(out / CHECKPOINT)
    if not keep:
        return
    shutil.copyfile(out / CHECKPOINT, part)
    newest = out / NUMBERED.format(state["step"])
    part.replace(newest)
    # those of later steps are of a run that went further, and stay until this one gets there
    older = sorted(path for path in out.glob(NUMBERED.format(0).replace("0000000", "*")) if path.name <= newest.name)
    for path in older[:-keep]:
        path.unlink()


def read_checkpoint(path: Path, device: Any, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The state in a checkpoint, its tensors on ``device``, for a run with ``settings`` (``cards.describe_settings``).

    A checkpoint that does not say its settings, as earlier ones, is taken at its word. Raises InputError when it is
    none, UsageError when it was made with other settings.
    """
    try:
        state = dict(torch.load(path, map_location=device, weights_only=True))
        stored = json.loads(state.get("settings", "{}"))
        state |= {"step": int(state["step"]), "seconds": float(state["seconds"])}
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, EOFError, pickle.UnpicklingError) as error:
        raise misfit(path, error) from error
    then, now = _flat(stored), _flat(settings)
    others = [
        f"{name} was {then[name]!r} and is {now[name]!r}"
        for name in sorted(then.keys() & now)
        if then[name] != now[name]
    ]
    if others:
        raise UsageError(
            f"{path} was made with other settings: {'; '.join(others)}",
            "give those of then, or begin anew from its weights: --init FILE.safetensors and another --out",
        )
    return state


def misfit(path: Path, error: Exception) -> InputError:
    """What to say of a checkpoint that cannot be used."""
    return InputError(
        f"{path} does not fit this run: {error}", "name another checkpoint or another --out, or remove it"
    )


def drop_later_rows(path: Path, step: int) -> None:
    """Forget what a log, CSV, holds beyond a checkpoint, as those steps are done again, and rows that were torn."""
    if not path.exists():
        return
    # a kill may leave the last line without its end, its number or its values cut short
    whole = path.read_bytes().decode("utf-8", "replace").rpartition("\n")[0]
    rows = [row for row in csv.reader(io.StringIO(whole)) if row]
    kept = rows[:1] + [
        row for row in rows[1:] if len(row) == len(rows[0]) and row[0].isdecimal() and int(row[0]) <= step
    ]
    part = path.with_name(f".{path.name}.part")
    with part.open("w", newline="") as file:
        csv.writer(file).writerows(kept)
    part.replace(path)


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by name, those in tables as ``table.name``, without those that may change."""
    found: dict[str, Any] = {}
    for name, value in settings.items():
        inner = {f"{name}.{key}": part for key, part in value.items()} if isinstance(value, Mapping) else {name: value}
        found |= {} if name in FREE else inner
    return found
