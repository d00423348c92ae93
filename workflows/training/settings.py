"""What a training run can be told: from a TOML file, then from the command line.

Plain dataclasses, as a trainer runs from a checkout with little installed.
"""

from __future__ import annotations

import argparse
import dataclasses
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """A training run. Raises UsageError for values that make none.

    ``shards`` are folders with training material, ``data`` data sets in SCUT's layout and ``data_ink`` what they
    remove ("printed" or "handwritten"); all take turns. ``out`` is the run's own folder (a checkpoint there is gone on
    from), ``steps`` how many batches of ``batch`` crops of ``side`` px, ``rate`` the highest learning rate, reached
    after ``warm_up`` steps, ``clip`` the largest gradient norm, ``ema`` how slowly the average follows, ``init``
    weights to start from. ``workers`` processes make samples; ``threads`` is torch's own number (0 = its choice).
    ``accelerator``, ``devices`` and ``precision`` are Lightning Fabric's.
    """

    out: Path
    shards: tuple[Path, ...] = ()
    data: tuple[Path, ...] = ()
    data_ink: str = "printed"
    steps: int = 20000
    batch: int = 8
    side: int = 256
    rate: float = 2e-3
    warm_up: int = 200
    weight_decay: float = 1e-4
    clip: float = 1.0
    ema: float = 0.998
    seed: int = 1
    init: Path | None = None
    workers: int = 1
    threads: int = 0
    accelerator: str = "auto"
    devices: int = 1
    precision: str = "bf16-mixed"
    log_every: int = 20
    save_every: int = 250

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "side", "warm_up", "devices", "log_every", "save_every"):
            if getattr(self, name) < 1:
                raise UsageError(f"{name} {getattr(self, name)} must be at least 1")
        if self.side % 32:
            raise UsageError(f"side {self.side} is no multiple of 32")
        if self.data_ink not in ("printed", "handwritten"):
            raise UsageError(f"there is no ink {self.data_ink!r}", "data_ink is printed or handwritten")
        if not self.shards and not self.data:
            raise UsageError("neither shards nor data are named", "make shards with restore-docs train prepare")


def read_settings(arguments: list[str] | None, description: str) -> TrainSettings:
    """Settings from a command line: ``--config FILE`` first, then ``--name value`` for each. Raises UsageError."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--config", type=Path, help="a TOML file with any of these")
    for field in dataclasses.fields(TrainSettings):
        name = "--" + field.name.replace("_", "-")
        parser.add_argument(name, nargs="+" if str(field.type).startswith("tuple") else None, default=None)
    given = vars(parser.parse_args(arguments))
    config = given.pop("config")
    return build_settings(config, {name: value for name, value in given.items() if value is not None})


def build_settings(config: Path | None, given: dict[str, Any]) -> TrainSettings:
    """Settings from a TOML file and what was given besides, which goes first. Raises UsageError."""
    values: dict[str, Any] = {}
    if config is not None:
        try:
            values = tomllib.loads(config.read_text())
        except (OSError, tomllib.TOMLDecodeError) as error:
            raise UsageError(f"{config} cannot be read: {error}") from error
    values |= given
    known = {field.name: field for field in dataclasses.fields(TrainSettings)}
    for name in values:
        if name not in known:
            raise UsageError(f"there is no training setting {name!r}", f"the settings are {', '.join(known)}")
    if "out" not in values:
        raise UsageError("--out is missing")
    try:
        return TrainSettings(**{name: _convert(str(known[name].type), value) for name, value in values.items()})
    except (TypeError, ValueError) as error:
        raise UsageError(f"a training setting has the wrong type: {error}") from error


def _convert(kind: str, value: Any) -> Any:
    if kind.startswith("tuple"):
        return tuple(Path(item) for item in ([value] if isinstance(value, str) else value))
    if kind.startswith("Path"):
        return Path(value)
    return {"int": int, "float": float, "str": str}[kind](value)
