"""Ends a page that takes too long, wherever it hangs.

A page that sleeps in C code listens to nobody, and a thread of Python's would wait for a lock that it holds. So the
process that works on it is ended, by a timer that needs no Python: ``faulthandler``'s. What it writes before is the
sign to the run, and to whichever process is given the page next, that this page ran out of time. Where pages are made
behind a URL, hosts have no disk in common: there ``workflows.pages.herald`` does the same, and says so in the store.
"""

from __future__ import annotations

import faulthandler
import hashlib
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path

from pipeline.errors import StageError
from pipeline.types import PageRef
from workflows.pages.herald import Herald
from workflows.storage.places import is_url, read_text

MARK = ".late"  # after the name of what is made
HERALD_SECONDS = 30.0  # that the herald is given to speak


class _Timers:
    """The deadlines of a process: of all that run, the next one is the timer's."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._running: dict[int, tuple[float, int]] = {}
        self._count = 0

    def add(self, seconds: float, file: int) -> int:
        with self._lock:
            self._count += 1
            self._running[self._count] = (time.monotonic() + seconds, file)
            self._arm()
            return self._count

    def remove(self, number: int) -> None:
        with self._lock:
            del self._running[number]
            self._arm()

    def _arm(self) -> None:
        faulthandler.cancel_dump_traceback_later()
        if self._running:
            deadline, file = min(self._running.values())
            faulthandler.dump_traceback_later(max(0.001, deadline - time.monotonic()), exit=True, file=file)


_TIMERS = _Timers()
_HERALD = Herald()


@contextmanager
def time_limit(ref: PageRef, seconds: float | None, place: str) -> Iterator[None]:
    """End this process if what happens inside takes longer than ``seconds``; None is for ever.

    ``place`` is what is made. Raises StageError at once when the page ended another process in this way before.
    """
    if seconds is None:
        yield
        return
    mark, seen = mark_at(place), f"{place}{MARK}" if is_url(place) else ""
    if ran_out(mark) or (seen and read_text(seen) is not None):
        raise too_late(ref, seconds)
    mark.parent.mkdir(parents=True, exist_ok=True)
    with mark.open("wb") as file, _HERALD.watching(seconds, mark, seen) if seen else nullcontext():
        # behind a URL the herald comes first, and this is for the day that it dies
        number = _TIMERS.add(max(0.05, seconds + (HERALD_SECONDS if seen else 0)), file.fileno())
        try:
            yield
        finally:
            _TIMERS.remove(number)
            with suppress(OSError):
                mark.unlink()


def mark_at(place: str) -> Path:
    """The mark of what is worked on at a place; of a URL it is on the worker's own disk, and seen by that host."""
    if is_url(place):
        name = hashlib.sha256(place.encode()).hexdigest()[:32]
        return Path(tempfile.gettempdir(), f"restore-docs-{name}{MARK}")
    return Path(place + MARK)


def ran_out(mark: Path | None) -> bool:
    """Whether the page that this mark belongs to was ended by its time limit."""
    try:
        return mark is not None and mark.stat().st_size > 0
    except OSError:
        return False


def too_late(ref: PageRef, seconds: float) -> StageError:
    """What is said of such a page."""
    what = f"{ref.document}, page {ref.page_number} took longer than {seconds:g} s and was ended"
    return StageError(
        what, "leave it out with --pages, or allow more with --page-timeout", "time limit", ref.page_number
    )
