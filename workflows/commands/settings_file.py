"""Settings from a TOML file and from the command line, merged and checked."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.errors import UsageError, nearest_name
from workflows.config import RunSettings


def load_settings(options: dict[str, Any], config: Path | None) -> RunSettings:
    """Merge a TOML file and the options given on the command line, which win. Raises UsageError that names the key."""
    merged = _read_toml(config) if config is not None else {}
    where = dict.fromkeys(merged, f"{config}: ") | dict.fromkeys(options, "--")
    merged.update(options)
    try:
        return RunSettings(**merged)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        # A field of several types gives an error per type: all of them say what would have been right.
        same = [e["msg"] for e in error.errors() if e["loc"][:1] == first["loc"][:1]]
        told = " or ".join(m.removeprefix("Value error, ").removeprefix("Input ") for m in same)
        label = where.get(name, "") + (name.replace("_", "-") if where.get(name) == "--" else name)
        raise UsageError(f"{label}: {told}" if name else told, _given(first)) from None


def _given(error: Any) -> str:
    return f"given: {error['input']!r}" if error["loc"] and error["loc"][0] != "password" else ""


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the configuration {path}: {error.strerror}", "check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}", "see docs/usage.md") from None
    keys = {key.replace("-", "_"): value for key, value in table.items()}
    for key in keys:
        if key not in RunSettings.model_fields:
            near = nearest_name(key, RunSettings.model_fields)
            raise UsageError(f"{path}: unknown key {key!r}", f"the nearest known key is {near!r}")
    return keys
