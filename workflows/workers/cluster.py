"""Where tasks run: in this process, on a local Dask cluster, or on one that is there already. One interface.

Dask does not hold back tasks by itself in every case (see ``workflows.workers.flights``), so whoever submits keeps a
window.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from workflows.config import RunSettings
from workflows.machine import count_cores, memory_free

# What one page at the default limits may need at its peak; decides how many pages are worked on at once.
BYTES_PER_JOB = 2_500_000_000


@dataclass(frozen=True, slots=True)
class Landing:
    """A task that came to its end: what it gave or the error, and whether the process that worked on it died.

    ``forgotten``: it never ran and never will, as the cluster does not know it any more.
    """

    future: Any
    value: Any = None
    error: BaseException | None = None
    died: bool = False
    forgotten: bool = False


class Cluster(Protocol):
    """Runs functions and tells when they are done.

    ``slots`` is how many tasks run at once beside GPUs, and ``memory`` the bytes for the pages that they have. ``gpus``
    is how many workers do nothing but remove text on a GPU: 0 for a whole run, when whoever has a page removes its
    text, or at least 1. ``deaths_to_blame`` is how often a task must take down its worker, with nothing beside it, to
    be the one to blame: others may kill a worker, too.
    """

    slots: int
    gpus: int
    memory: int
    deaths_to_blame: int

    def submit(
        self, name: str, function: Callable[..., Any], *arguments: Any, gpu: bool = False, stays: bool = False
    ) -> Any:
        """Start ``function``; arguments that are futures of this cluster are replaced by their results.

        ``gpu``: on one, where text is removed on GPUs. ``stays``: the result is not fetched, its landing has none.
        """
        ...

    def wait(self, seconds: float) -> list[Landing]:
        """Those that ended since the last call, or else the first within ``seconds``. Raises ClusterError."""
        ...

    def spoilt(self, future: Any) -> bool:
        """Whether a result that was there was lost with its worker, and making it anew has failed: for good."""
        ...

    def close(self) -> None:
        """Stop. Tasks that have not started are dropped."""
        ...


class SerialCluster:
    """Everything in this process, at once: the debugger's path, and what ``--jobs 1`` means."""

    slots = 1
    gpus = 0
    memory = BYTES_PER_JOB
    deaths_to_blame = 1

    def __init__(self) -> None:
        self._landed: list[Landing] = []

    def submit(
        self, name: str, function: Callable[..., Any], *arguments: Any, gpu: bool = False, stays: bool = False
    ) -> Any:
        """Run the function now; an error is kept for ``wait``, as a cluster would."""
        del name, gpu, stays
        future: Future[Any] = Future()
        try:
            value = function(*[_resolved(argument) for argument in arguments])
        except Exception as error:
            self._landed.append(Landing(future, None, error))
        else:
            future.set_result(value)
            self._landed.append(Landing(future, value))
        return future

    def wait(self, seconds: float) -> list[Landing]:
        """All of them: each was done when it was submitted."""
        if not self._landed and seconds > 0:
            time.sleep(seconds)
        landed, self._landed = self._landed, []
        return landed

    def spoilt(self, future: Any) -> bool:
        """Nothing is lost in one process."""
        del future
        return False

    def close(self) -> None:
        """Nothing to stop."""


def _resolved(argument: Any) -> Any:
    """An argument with results in the place of futures, also in a list."""
    if isinstance(argument, list):
        return [_resolved(part) for part in argument]
    return argument.result() if isinstance(argument, Future) else argument


def decide_jobs(jobs: str | int) -> int:
    """How many pages at once: as asked, else as many as cores and memory allow."""
    if jobs != "auto":
        return int(jobs)
    return max(1, min(count_cores(), memory_free() // BYTES_PER_JOB))


def in_process(jobs: int, settings: RunSettings) -> bool:
    """Whether pages are worked on in this process. It cannot end itself: a time limit needs another."""
    return jobs == 1 and settings.scheduler is None and not isinstance(settings.page_timeout, float)


def open_cluster(jobs: int, settings: RunSettings, scratch: Path) -> Cluster:
    """The cluster that the settings ask for; ``scratch`` is for what Dask keeps on disk. Raises ClusterError."""
    if in_process(jobs, settings):
        return SerialCluster()
    from workflows.workers.dask_cluster import connect, start_local

    return start_local(jobs, settings, scratch) if settings.scheduler is None else connect(settings)
