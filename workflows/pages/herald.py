"""Ends its parent when a page takes too long, and says so first in a store of objects, where other hosts see it.

The parent cannot: when it hangs in C code none of its threads may run, and the timer that ends it without Python's help
(``workflows.pages.guard``) can write to an open file only. Dask gives the page to another host at once, so the word
must be there before the parent is gone.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

READ = 65_536  # bytes at once


class Herald:
    """The end of the parent: started with its first page, gone with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._count = 0

    @contextmanager
    def watching(self, seconds: float, mark: Path, url: str) -> Iterator[None]:
        """End this process if the block takes longer, and say "late" in ``mark`` and at ``url`` before that."""
        with self._lock:
            self._count += 1
            number = self._count
        self._tell(f"{number}\t{seconds}\t{mark}\t{url}\n")
        try:
            yield
        finally:
            self._tell(f"{number}\n")

    def _tell(self, line: str) -> None:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                words = [sys.executable, "-P", "-m", "workflows.pages.herald"]
                self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)
            assert self._process.stdin is not None
            with suppress(
                OSError
            ):  # it died: the timer of ``workflows.pages.guard`` is left, which other hosts do not see
                self._process.stdin.write(line.encode())
                self._process.stdin.flush()


def main() -> None:
    """Watch until the input ends, as it does with the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the client
    parent, half = os.getppid(), b""
    running: dict[str, tuple[float, str, str]] = {}
    while True:
        soonest = min((deadline for deadline, _, _ in running.values()), default=None)
        patience = None if soonest is None else max(0.0, soonest - time.monotonic())
        if select.select([sys.stdin.fileno()], [], [], patience)[0]:
            part = os.read(sys.stdin.fileno(), READ)
            if not part:
                return
            *lines, half = (half + part).split(b"\n")
            for line in lines:
                number, *more = line.decode().split("\t")
                running.pop(number, None)
                if more:
                    running[number] = (time.monotonic() + float(more[0]), more[1], more[2])
        else:
            _, mark, url = min(running.values())
            _say(mark, url)
            os.kill(parent, signal.SIGKILL)
            return


def _say(mark: str, url: str) -> None:
    """Here, and where everybody sees it. A store that is out must not keep a page that hangs alive."""
    from workflows.storage.places import write_text  # here: a process that has nothing to say stays small

    with suppress(Exception):
        Path(mark).write_text("late")
    with suppress(Exception):
        write_text(url, "late")


if __name__ == "__main__":
    main()
