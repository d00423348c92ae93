"""What a training run can be told: from a TOML file, then from the command line.

Plain dataclasses, as a trainer runs from a checkout with little installed.
"""

from __future__ import annotations

import argparse
import dataclasses
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from pipeline.errors import UsageError

LICENCE = "AGPL-3.0-or-later"
ACCELERATORS, PRECISIONS, INKS = (
    ("auto", "cpu", "cuda", "gpu", "mps"),
    ("bf16-mixed", "32-true"),
    ("printed", "handwritten"),
)
_LEAST = dict.fromkeys(("steps", "batch", "side", "warm_up", "devices", "log_every", "save_every"), 1)
_LEAST |= dict.fromkeys(("seed", "workers", "threads", "keep_checkpoints", "weight_decay", "ema"), 0)
_WORDS = {"accelerator": ACCELERATORS, "precision": PRECISIONS, "data_ink": INKS}

Settings = TypeVar("Settings", bound="TrainSettings")


@dataclass(frozen=True, slots=True)
class TrainSettings:
    """A training run. Raises UsageError for values that make none.

    ``shards`` are folders with training material, ``data`` data sets in SCUT's layout and ``data_ink`` what they
    remove ("printed" or "handwritten"); all take turns. ``out`` is the run's own folder (a checkpoint there is gone on
    from, or ``resume``, any other one), ``steps`` how many batches of ``batch`` crops of ``side`` px, ``rate`` the
    highest learning rate, reached after ``warm_up`` steps, ``clip`` the largest gradient norm, ``ema`` how slowly the
    average follows, ``init`` weights to start from. ``workers`` processes make samples (None: one, or as many as there
    are cores to spare beside a GPU); ``threads`` is torch's own number (0 = its choice). ``accelerator``, ``devices``
    and ``precision`` are Lightning Fabric's. ``keep_checkpoints`` are the latest ones to keep beside the last, and
    ``licence`` is what the weights' card says.
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
    resume: Path | None = None
    workers: int | None = None
    threads: int = 0
    accelerator: str = "auto"
    devices: int = 1
    precision: str = "bf16-mixed"
    log_every: int = 20
    save_every: int = 250
    keep_checkpoints: int = 3
    licence: str = LICENCE

    def __post_init__(self) -> None:
        for name, least in _LEAST.items():
            value = getattr(self, name)
            if value is not None and not value >= least:
                raise UsageError(f"{name} {value} must be at least {least}")
        for name in ("rate", "clip"):
            if not getattr(self, name) > 0:
                raise UsageError(f"{name} {getattr(self, name)} must be more than 0")
        if not self.ema < 1:
            raise UsageError(f"ema {self.ema} must be less than 1", "at 1 the average would never follow the weights")
        if self.side % 32:
            raise UsageError(f"side {self.side} is no multiple of 32")
        for name, known in _WORDS.items():
            if getattr(self, name) not in known:
                raise UsageError(f"there is no {name} {getattr(self, name)!r}", f"{name} is one of {', '.join(known)}")
        if not self.shards and not self.data:
            raise UsageError("neither shards nor data are named", "make shards with restore-docs train prepare")


def list_options(kind: type[TrainSettings]) -> Iterator[tuple[str, dataclasses.Field[Any]]]:
    """The options of a kind of settings: each with the TOML table it stands in, "" where that is none."""
    for field in dataclasses.fields(kind):
        inner = _table(field)
        if inner is None:
            yield "", field
        else:
            yield from ((field.name, part) for part in dataclasses.fields(inner))


def read_settings(arguments: list[str] | None, description: str, kind: type[Settings]) -> Settings:
    """Settings from a command line: ``--config FILE`` first, then ``--name value`` for each. Raises UsageError."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--config", type=Path, help="a TOML file with any of these")
    for _, field in list_options(kind):
        name = "--" + field.name.replace("_", "-")
        many: dict[str, Any] = {"nargs": "+", "action": "extend"} if str(field.type).startswith("tuple") else {}
        parser.add_argument(name, default=None, **many)
    given = vars(parser.parse_args(arguments))
    return build_settings(given.pop("config"), given, kind)


def build_settings(config: Path | None, given: Mapping[str, Any], kind: type[Settings]) -> Settings:
    """Settings from a TOML file and options, which go first; None was not given. Raises UsageError."""
    values: dict[str, Any] = {}
    if config is not None:
        try:
            values = tomllib.loads(config.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:  # no UTF-8 and no TOML are ValueErrors
            raise UsageError(f"{config} cannot be read: {error}", "name a TOML file") from error
    tables = {field.name: table for table, field in list_options(kind) if table}
    for name, value in given.items():
        if value is None:
            continue
        if name in tables:
            values[tables[name]] = _as_table(tables[name], values.get(tables[name], {})) | {name: value}
        else:
            values[name] = value
    if "out" not in values:
        raise UsageError("--out is missing", "name the run's folder")
    return cast(Settings, _fill(kind, values, ""))


def _table(field: dataclasses.Field[Any]) -> Any:
    """The dataclass that a field holds, a table of its own in a file; None for a plain value."""
    made = field.default_factory
    return made if isinstance(made, type) and dataclasses.is_dataclass(made) else None


def _as_table(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UsageError(f"{name} {value!r} is no table", f"write [{name}] and its settings below")
    return value


def _fill(kind: Any, values: dict[str, Any], table: str) -> Any:
    known = {field.name: field for field in dataclasses.fields(kind)}
    filled = {}
    for name, value in values.items():
        if name not in known:
            where = f" in [{table}]" if table else ""
            raise UsageError(f"there is no training setting {name!r}{where}", f"the settings are {', '.join(known)}")
        inner = _table(known[name])
        filled[name] = _convert(known[name], value) if inner is None else _fill(inner, _as_table(name, value), name)
    return kind(**filled)


def _convert(field: dataclasses.Field[Any], value: Any) -> Any:
    kind = str(field.type).removesuffix(" | None")
    try:
        if kind.startswith("tuple"):
            return tuple(_path(item) for item in ([value] if isinstance(value, str) else value))
        return _READERS[kind](value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"the training setting {field.name} has the wrong type: {error}") from error


def _path(value: Any) -> Path:
    if not isinstance(value, str | Path) or not str(value):
        raise ValueError(f"{value!r} is no path")
    return Path(value)


def _whole(value: Any) -> int:
    if isinstance(value, str):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{value!r} is no whole number")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not math.isfinite(float(value)):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def _truth(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if value not in ("true", "false"):
        raise ValueError(f"{value!r} is neither true nor false")
    return bool(value == "true")


def _word(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no word")
    return value


_READERS = {"Path": _path, "int": _whole, "float": _number, "bool": _truth, "str": _word}
