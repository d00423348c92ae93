"""Published checkpoints of the networks that CTRNet is trained with: read without running code, and loaded whole."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.errors import SetupError

SHOWN_ENTRIES = 5  # of those that do not fit, in a message


def read_entries(path: Path, remedy: str) -> Mapping[str, Any]:
    """The dictionary that torch saved at ``path``. Raises SetupError, with ``remedy``, for anything else."""
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # reading bytes that are no pickle may raise anything
        raise SetupError(f"cannot read {path} as a checkpoint: {error}", remedy) from error
    if not isinstance(checkpoint, Mapping):
        raise SetupError(f"{path} holds no dictionary but a {type(checkpoint).__name__}", remedy)
    return checkpoint


def unwrapped(entries: Mapping[str, Any]) -> dict[str, Any]:
    """The entries with "module." taken out of their names, which training on several GPUs puts there."""
    return {str(name).replace("module.", ""): value for name, value in entries.items()}


def fill(
    module: nn.Module, entries: Mapping[str, Any], path: Path, remedy: str, published: Callable[[str], str] = str
) -> None:
    """Load all of ``module``'s entries, each from the one that ``published`` names; SetupError if any does not fit.

    One fits that is a tensor of the same shape, of finite real numbers.
    """
    own = module.state_dict()
    wrong = [published(name) for name, tensor in own.items() if not _fits(entries.get(published(name)), tensor)]
    if wrong:
        shown = ", ".join(wrong[:SHOWN_ENTRIES]) + (", ..." if len(wrong) > SHOWN_ENTRIES else "")
        what = f"{len(wrong)} of {len(own)} entries are missing in {path}, or have another shape or kind: {shown}"
        raise SetupError(what, remedy)
    module.load_state_dict({name: entries[published(name)] for name in own})


def _fits(value: object, tensor: Tensor) -> bool:
    return (
        isinstance(value, Tensor)
        and value.shape == tensor.shape
        and value.is_floating_point() == tensor.is_floating_point()
        and bool(value.isfinite().all())
    )
