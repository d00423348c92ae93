"""``python -m workflows.training.strokes``: train the stroke network from shards."""

from __future__ import annotations

from workflows.training.command import run_trainer
from workflows.training.settings import TrainSettings
from workflows.training.strokes_task import StrokesTask


def main(arguments: list[str] | None = None) -> int:
    """Run the trainer; the exit code."""
    return run_trainer(arguments, "Train the stroke network.", TrainSettings, StrokesTask.of)


if __name__ == "__main__":
    raise SystemExit(main())
