"""``python -m workflows.training.ctrnet``: train CTRNet for documents from shards."""

from __future__ import annotations

from workflows.training.command import run_trainer
from workflows.training.ctrnet_settings import CtrnetSettings
from workflows.training.ctrnet_task import CtrnetTask


def main(arguments: list[str] | None = None) -> int:
    """Run the trainer; the exit code."""
    return run_trainer(arguments, "Train CTRNet for documents.", CtrnetSettings, CtrnetTask.of)


if __name__ == "__main__":
    raise SystemExit(main())
