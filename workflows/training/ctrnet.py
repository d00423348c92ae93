"""``python -m workflows.training.ctrnet``: train CTRNet for documents from shards."""

from __future__ import annotations

from workflows.training.command import run_trainer
from workflows.training.ctrnet_task import CtrnetTask, CtrnetTaskSettings


def main(arguments: list[str] | None = None) -> int:
    """Run the trainer; the exit code."""
    return run_trainer(
        arguments, "Train CTRNet for documents.", lambda settings: CtrnetTask(CtrnetTaskSettings(init=settings.init))
    )


if __name__ == "__main__":
    raise SystemExit(main())
