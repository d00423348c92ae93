"""Model cards: what weights were trained from, how, by which program and on what, so that it can be done again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import platform
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from workflows.training.settings import TrainSettings
from workflows.training.shards import SUFFIX

_ROOT = Path(__file__).parents[2]


def describe_settings(settings: TrainSettings) -> dict[str, Any]:
    """A run's settings as JSON has them: paths by their last part, shards by their names and SHA-256.

    Where things lay on the machine that trained is nobody's business.
    """
    given = dataclasses.asdict(settings) | {"shards": digest_shards(settings.shards)}
    return {name: _plain(value) for name, value in given.items() if name not in ("out", "resume")}


def describe_run(settings: TrainSettings, described: dict[str, Any], device: torch.device) -> dict[str, Any]:
    """What a card says whatever the step: ``described`` settings, data, start, program and machine."""
    card: dict[str, Any] = {"settings": described, "licence": settings.licence, "machine": describe_machine(device)}
    card |= {"torch": str(torch.__version__), "commit": find_commit()}
    if settings.init is not None:
        card["init"] = {"file": settings.init.name, "sha256": _digest(settings.init), "card": _read_card(settings.init)}
    return card


def digest_shards(folders: Sequence[Path]) -> list[str]:
    """``name SHA-256`` of every shard, in the order in which they are read."""
    paths = [path for folder in folders for path in sorted(folder.glob(f"*{SUFFIX}"))]
    return [f"{path.name} {_digest(path)}" for path in paths]


def describe_machine(device: torch.device) -> str:
    """The processor, its cores and torch's threads, and the GPU that trains, if one does."""
    cpu = f"{_processor()}, {count_cores()} cores, {torch.get_num_threads()} threads"
    return f"{torch.cuda.get_device_name(device)}; {cpu}" if device.type == "cuda" else cpu


def count_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def find_commit() -> str:
    """The commit of the checkout that this program runs from, with "-dirty" if it was changed; "" without one."""
    if not (_ROOT / ".git").exists():
        return ""
    command = ["git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_card(path: Path) -> dict[str, Any]:
    """The card in one of our own files; the published checkpoint has none."""
    try:
        with safe_open(path, "numpy") as file:
            return dict(json.loads((file.metadata() or {}).get("card", "{}")))
    except (OSError, SafetensorError, ValueError):
        return {}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    return value.name if isinstance(value, Path) else value
