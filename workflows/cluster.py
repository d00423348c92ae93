"""Where tasks run: in this process, on a local Dask cluster, or on one that is there already. One interface.

Dask does not hold back tasks by itself in every case (see ``workflows.restore``), so whoever submits keeps a window.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Collection
from concurrent.futures import Future
from typing import Any, Protocol

import psutil

from pipeline.errors import ClusterError

# What one page at the default limits may need at its peak; decides how many pages are worked on at once.
BYTES_PER_JOB = 2_500_000_000
WORKER_START_SECONDS = 30
# Dask would start the tasks of a dead worker again this often; we do that ourselves, one at a time (see Run._drain).
ALLOWED_DEATHS = 0


class Cluster(Protocol):
    """Runs functions and tells when they are done. ``slots`` is how many tasks run at once."""

    slots: int

    def submit(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Start ``function``; arguments that are futures of this cluster are replaced by their results."""
        ...

    def wait(self, futures: Collection[Any]) -> list[Any]:
        """Block until at least one of ``futures`` is done, and return those that are. Raises ClusterError."""
        ...

    def outcome(self, future: Any) -> tuple[Any, BaseException | None]:
        """(result, None) or (None, error) of a future that is done. Raises ClusterError when it was lost."""
        ...

    def lost_its_worker(self, future: Any) -> bool:
        """Whether a future that is done failed because the process that worked on it died."""
        ...

    def close(self) -> None:
        """Stop. Tasks that have not started are dropped."""
        ...


class SerialCluster:
    """Everything in this process, at once: the debugger's path, and what ``--jobs 1`` means."""

    slots = 1

    def submit(self, name: str, function: Callable[..., Any], *arguments: Any) -> Future[Any]:
        """Run the function now; an error is kept for ``outcome``, as a cluster would."""
        del name
        future: Future[Any] = Future()
        try:
            future.set_result(function(*[a.result() if isinstance(a, Future) else a for a in arguments]))
        except Exception as error:
            future.set_exception(error)
        return future

    def wait(self, futures: Collection[Future[Any]]) -> list[Future[Any]]:
        """All of them: each was done when it was submitted."""
        return list(futures)

    def outcome(self, future: Future[Any]) -> tuple[Any, BaseException | None]:
        """The result or the error of a future."""
        error = future.exception()
        return (None, error) if error is not None else (future.result(), None)

    def lost_its_worker(self, future: Future[Any]) -> bool:
        """Never: we would be gone as well."""
        return False

    def close(self) -> None:
        """Nothing to stop."""


class DaskCluster:
    """A Dask client, and the local cluster behind it if we started one."""

    def __init__(self, client: Any, local: Any | None) -> None:
        self._client = client
        self._local = local
        self._serial = 0
        self.slots = max(1, sum(client.nthreads().values()))

    def submit(self, name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """Submit under a readable, unique key, so that Dask's dashboard and logs name stages and pages."""
        self._serial += 1
        key = f"{function.__name__}-{name}-{self._serial}"
        return self._client.submit(function, *arguments, key=key, pure=False)

    def wait(self, futures: Collection[Any]) -> list[Any]:
        """Wait in slices, so that a scheduler that went away is noticed."""
        from distributed import wait

        pending = list(futures)
        while True:
            done = [future for future in pending if future.done()]
            if done:
                return done
            if self._client.status not in ("running", "connecting"):
                raise ClusterError("the Dask scheduler was lost", "start it again and run the same command")
            try:
                with self._client.as_current():
                    wait(pending, timeout=5, return_when="FIRST_COMPLETED")
            except TimeoutError:
                continue

    def outcome(self, future: Any) -> tuple[Any, BaseException | None]:
        """Fetch a small result or an error; a cancelled or lost future means that the cluster is gone."""
        if future.status in ("cancelled", "lost"):
            raise ClusterError(f"the cluster lost {future.key}", "run the same command again")
        error = future.exception()
        return (None, error) if error is not None else (future.result(), None)

    def lost_its_worker(self, future: Any) -> bool:
        """Dask says so by the error."""
        from distributed import KilledWorker

        return future.status == "error" and isinstance(future.exception(), KilledWorker)

    def close(self) -> None:
        """Close the client, and the cluster if it is ours."""
        self._client.close()
        if self._local is not None:
            self._local.close()


def decide_jobs(jobs: str | int) -> int:
    """How many pages at once: as asked, else as many as cores and memory allow."""
    if jobs != "auto":
        return int(jobs)
    return max(1, min(count_cores(), int(psutil.virtual_memory().available // BYTES_PER_JOB)))


def count_cores() -> int:
    """The cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def open_cluster(jobs: int, scheduler: str | None) -> Cluster:
    """The cluster that the settings ask for. Raises ClusterError when it cannot be had."""
    if scheduler is not None:
        return _connect(scheduler)
    return SerialCluster() if jobs == 1 else _start_local(jobs)


def _quieten() -> None:
    """Keep Dask's own log out of ours; must come before distributed is imported."""
    import dask

    dask.config.set({"logging.distributed": "critical"})


def _connect(address: str) -> DaskCluster:
    _quieten()
    from distributed import Client

    try:
        client = Client(address, timeout=WORKER_START_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {address}: {error}", "check the address, or leave --scheduler away"
        ) from error
    try:
        client.wait_for_workers(1, timeout=WORKER_START_SECONDS)
    except TimeoutError as error:
        client.close()
        raise ClusterError(f"the scheduler at {address} has no workers", "start some with: dask worker") from error
    return DaskCluster(client, None)


def _start_local(jobs: int) -> DaskCluster:
    _quieten()
    import dask
    from distributed import Client, LocalCluster

    dask.config.set(
        {
            # Pages are held back by our own window; spilling would put pixels on disk in places nobody looks at.
            "distributed.worker.memory.target": False,
            "distributed.worker.memory.spill": False,
            "distributed.scheduler.allowed-failures": ALLOWED_DEATHS,
        }
    )
    local = LocalCluster(
        n_workers=jobs,
        threads_per_worker=1,
        processes=True,
        dashboard_address="127.0.0.1:0",  # a free port: two runs on one machine must not quarrel over 8787
        silence_logs=logging.CRITICAL,
    )
    return DaskCluster(Client(local, set_as_default=False), local)
