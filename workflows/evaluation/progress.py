"""How far a long command is: a bar on a terminal, else a line in the log now and then."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from typing import TypeVar

log = logging.getLogger("restore_docs")

LOG_EVERY_SECONDS = 10.0
T = TypeVar("T")


def shown(items: Sequence[T], what: str) -> Iterator[T]:
    """Pass items on, and show how many are done."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track

        yield from track(items, what, len(items), console=Console(stderr=True), transient=True)
        return
    told = time.monotonic()
    for count, item in enumerate(items):
        if time.monotonic() - told >= LOG_EVERY_SECONDS:
            told = time.monotonic()
            log.info("%d of %d %s", count, len(items), what)
        yield item
