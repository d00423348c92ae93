"""The stroke network's weights in and out: safetensors with sizes, a model card and a SHA-256. Nothing loads half."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from detectors.strokes.network import StrokeConfig, StrokeNetwork
from pipeline.errors import OutputError, SetupError

FORMAT = "restore-docs strokes 1"
SHIPPED = Path(__file__).with_name("strokes.safetensors")
_REMEDY = "name a file that restore-docs train strokes has written"


def save_network(network: StrokeNetwork, path: Path, card: Mapping[str, Any]) -> None:
    """Write the weights as float16. ``card`` says where they come from. Raises OutputError."""
    tensors = {
        name: (t.half() if t.is_floating_point() else t).detach().cpu().contiguous()
        for name, t in network.state_dict().items()
    }
    metadata = {"format": FORMAT, "config": json.dumps(network.config.as_metadata()), "card": json.dumps(dict(card))}
    try:
        save_file(tensors, path, metadata | {"sha256": digest(tensors)})
    except (OSError, SafetensorError) as error:
        raise OutputError(f"{path} cannot be written: {error}", "check space and permissions") from error


def load_network(path: Path) -> StrokeNetwork:
    """The network with these weights, in evaluation mode, on the CPU, float32.

    Raises SetupError when the file cannot be read, was altered, or does not fit the network.
    """
    tensors, metadata = _read(path)
    if metadata.get("format") != FORMAT:
        raise SetupError(f"{path} holds no stroke network: its format is {metadata.get('format')!r}", _REMEDY)
    if metadata.get("sha256") != digest(tensors):
        raise SetupError(f"{path} was altered or damaged: its tensors do not match their SHA-256", "get it again")
    try:
        network = StrokeNetwork(StrokeConfig(**json.loads(metadata["config"])))
        whole = {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()}
        network.load_state_dict(whole, strict=True)
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise SetupError(f"{path} does not fit the stroke network: {error}", _REMEDY) from error
    return network.eval()


def read_card(path: Path) -> dict[str, Any]:
    """The model card. Raises SetupError."""
    return dict(json.loads(_read(path)[1].get("card", "{}")))


def digest(tensors: Mapping[str, Tensor]) -> str:
    """SHA-256 over names, types, shapes and bytes, in the order of the names."""
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise SetupError(f"{path} cannot be read: {error}", _REMEDY) from error
