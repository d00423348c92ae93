"""Weights in and out: the published training checkpoint, and our own files. Nothing is loaded half.

The published ``.pth`` is one flat dictionary of the whole training module, with ``generator.*`` among its keys and
``module.`` wherever a parallel wrapper stood. Ours is safetensors, whose metadata hold the configuration, a model card
and the SHA-256 of the tensors. Both are read without running code from the file.
"""

from __future__ import annotations

import hashlib
import json
import pickle
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from pipeline.errors import OutputError, SetupError
from remover.ctrnet.network import Generator, GeneratorConfig

PREFIX = "generator."
FORMAT = "restore-docs ctrnet 1"
_REMEDY = "give a CTRNet checkpoint (.pth) or one of our own files (.safetensors) as --weights"


def load_generator(source: str | Path | Mapping[str, Tensor], config: GeneratorConfig | None = None) -> Generator:
    """The generator with these weights: in evaluation mode, on the CPU, float32.

    ``source`` is a path, or a mapping of checkpoint names to tensors (with the prefix ``generator.``, or without where
    there is nothing else). ``config`` is for smaller networks than the published one; our own files bring theirs.

    Raises:
        SetupError: the file cannot be read or was altered; or a key of the generator is missing, unknown, no tensor of
            the right kind (weights are real numbers, counters whole ones) or of another shape, or a weight is not
            finite. All such keys are listed.
    """
    name = "the given weights"
    if isinstance(source, Mapping):
        tensors = _of_generator(source, name)
    else:
        name = str(source)
        if Path(source).suffix == ".safetensors":
            tensors, config = _read_own(Path(source))
        else:
            tensors = _of_generator(_read_checkpoint(Path(source)), name)
    generator = Generator(config)
    _refuse_mismatch(tensors, generator.state_dict(), name)
    # float16 in a file is for its size only; integers are counters and stay what they are
    generator.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in tensors.items()}, strict=True)
    return generator.eval()


def save_generator(generator: Generator, path: Path, card: Mapping[str, Any], *, half: bool = False) -> None:
    """Write our own file. ``card`` says where the weights come from; ``half`` stores them as float16.

    Raises OutputError when it cannot be written.
    """
    tensors = {
        name: (t.half() if half and t.is_floating_point() else t).detach().cpu().contiguous()
        for name, t in generator.state_dict().items()
    }
    metadata = {
        "format": FORMAT,
        "config": json.dumps(asdict(generator.config)),
        "card": json.dumps(dict(card)),
        "sha256": digest_tensors(tensors),
    }
    try:
        save_file(tensors, path, metadata)
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{path} cannot be written: {error}", "check space and permissions") from error


def read_card(path: Path) -> dict[str, Any]:
    """The model card of one of our own files. Raises SetupError."""
    metadata = _open_own(path)[1]
    return dict(json.loads(metadata["card"]))


def digest_tensors(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _read_checkpoint(path: Path) -> Mapping[str, Any]:
    try:
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, pickle.UnpicklingError, EOFError, ValueError, KeyError) as error:
        reason = str(error).strip().splitlines()
        raise SetupError(
            f"{path} is no checkpoint that can be read: {reason[0] if reason else error!r}", _REMEDY
        ) from (error)
    if not isinstance(loaded, Mapping):
        raise SetupError(f"{path} holds a {type(loaded).__name__}, no dictionary of weights", _REMEDY)
    return loaded


def _of_generator(loaded: Mapping[str, Any], name: str) -> dict[str, Tensor]:
    """The generator's tensors under their names without prefix; other networks' are left out."""
    plain: dict[str, Any] = {}
    for key, value in loaded.items():
        bare = str(key).replace("module.", "")
        if bare in plain:
            raise SetupError(f"{name} holds {bare} twice, once with 'module.' in its name", _REMEDY)
        plain[bare] = value
    ours = {key[len(PREFIX) :]: value for key, value in plain.items() if key.startswith(PREFIX)}
    if not ours and any(key.startswith(("coarse_gen.", "texture_generator.")) for key in plain):
        ours = plain
    if not ours:
        there = ", ".join(sorted({key.split(".")[0] for key in plain})) or "none"
        raise SetupError(f"{name}: no key starts with {PREFIX!r}; there are {there}", _REMEDY)
    others = [f"{key} is {_kind(value)}" for key, value in ours.items() if not isinstance(value, Tensor | np.ndarray)]
    if others:
        raise SetupError(f"{name} does not fit the network; no tensors: {', '.join(others)}", _REMEDY)
    return {key: torch.as_tensor(value) for key, value in ours.items()}


def _refuse_mismatch(tensors: Mapping[str, Tensor], wanted: Mapping[str, Tensor], name: str) -> None:
    both = [(key, tensors[key], wanted[key]) for key in wanted if key in tensors]
    found = {
        "missing": [key for key in wanted if key not in tensors],
        "unknown": [key for key in tensors if key not in wanted],
        "of another shape": [
            f"{key} {tuple(ours.shape)} instead of {tuple(theirs.shape)}"
            for key, ours, theirs in both
            if ours.shape != theirs.shape
        ],
        # an integer weight or a counter with a fraction would be rounded into place without a word
        "of another kind": [
            f"{key} is {_kind(ours)}, not {_kind(theirs)}"
            for key, ours, theirs in both
            if ours.is_complex() or ours.is_floating_point() != theirs.is_floating_point()
        ],
        "not finite": [key for key, ours, _ in both if not bool(ours.isfinite().all())],
    }
    faults = [f"{what}: {', '.join(keys)}" for what, keys in found.items() if keys]
    if faults:
        raise SetupError(f"{name} does not fit the network; " + "; ".join(faults), _REMEDY)


def _kind(value: object) -> str:
    return str(value.dtype).removeprefix("torch.") if isinstance(value, Tensor) else type(value).__name__


def _open_own(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise SetupError(f"{path} cannot be read: {error}", _REMEDY) from error


def _read_own(path: Path) -> tuple[dict[str, Tensor], GeneratorConfig]:
    tensors, metadata = _open_own(path)
    if metadata.get("format") != FORMAT:
        raise SetupError(f"{path} is no file of ours: its format is {metadata.get('format')!r}", _REMEDY)
    if metadata.get("sha256") != digest_tensors(tensors):
        raise SetupError(f"{path} was altered or damaged: its tensors do not match their SHA-256", "get it again")
    try:
        return tensors, GeneratorConfig(**json.loads(metadata["config"]))
    except (KeyError, ValueError, TypeError) as error:
        raise SetupError(f"{path} holds no configuration that can be used: {error}", "get it again") from error
