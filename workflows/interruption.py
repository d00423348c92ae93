"""Ctrl-C and SIGTERM: the first ends a run cleanly, the second leaves at once."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

import psutil

from workflows.exit_codes import ExitCode


@contextmanager
def interruptible() -> Iterator[None]:
    """Turn the first signal into KeyboardInterrupt, wherever the program is; the next one ends the process."""
    came = 0

    def interrupt(number: int, frame: FrameType | None) -> None:
        nonlocal came
        came += 1
        if came > 1:
            leave_at_once()
        raise KeyboardInterrupt

    before: dict[int, Any] = {}
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            before[number] = signal.signal(number, interrupt)
    except ValueError:  # not in the main thread: whoever embeds us handles signals
        yield
        return
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(name, handler)


def leave_at_once() -> None:
    """End this process and those it started, now. Finished pages are on disk; the rest is done by the next run."""
    with suppress(psutil.Error):
        for child in psutil.Process().children(recursive=True):
            with suppress(psutil.Error):
                child.kill()
    os._exit(int(ExitCode.INTERRUPTED))
