"""What the two trainers' command lines share."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

from pipeline.errors import RestoreError
from workflows.exit_codes import code_for_error
from workflows.training.batches import Task
from workflows.training.loop import train
from workflows.training.settings import Settings, read_settings


def run_trainer(
    arguments: list[str] | None, description: str, kind: type[Settings], make: Callable[[Settings], Task]
) -> int:
    """Read the settings, train, print the weights' path; the exit code. Foreseen errors become a line on stderr."""
    try:
        settings = read_settings(arguments, description, kind)
        tell(train(make(settings), settings))
    except RestoreError as error:
        print(f"restore-docs: {error}", file=sys.stderr)
        return int(code_for_error(error))
    return 0


def tell(weights: Path) -> None:
    """Print where the weights are: once, however many processes trained them."""
    if os.environ.get("LOCAL_RANK", "0") == "0":  # set by whatever starts a process per device
        print(weights)
