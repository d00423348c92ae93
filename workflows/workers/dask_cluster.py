"""A Dask cluster as a ``Cluster``: a local one that is started here, or one that is there already."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from pipeline.errors import ClusterError
from workflows.config import RunSettings
from workflows.machine import memory_limit
from workflows.workers.admission import admit_workers, may_use_gpus
from workflows.workers.cluster import BYTES_PER_JOB, Landing
from workflows.workers.dask_questions import RUN_AGAIN, ask, refusals_of, results_of, workers_of
from workflows.workers.parcels import call, pack
from workflows.workers.setup import DASK_SETTINGS, GPU, SHORT_LOGS, demands_of

log = logging.getLogger("restore_docs")

CONNECT_SECONDS = 15
WATCH_SECONDS = 5  # between looks at the cluster
ASIDE_SECONDS = 10  # before a result that did not come is asked for again
BARREN_SECONDS = 120  # without any worker that may have our work: one that starts again loads its models first
# Dask would start the tasks of a dead worker again this often; we do that ourselves, one at a time (see ``flights``).
ALLOWED_DEATHS = 0


class DaskCluster:
    """A Dask client, and the local cluster behind it if we started one."""

    def __init__(self, client: Any, local: Any | None, settings: RunSettings) -> None:
        """Look at every worker. Raises ClusterError when none may have our work, or none has the GPU asked for."""
        self._client, self._local = client, local
        self._serial = 0
        self._ended: SimpleQueue[Any] = SimpleQueue()
        self._pending: dict[str, Any] = {}
        self._staying: set[str] = set()
        self._aside: dict[str, tuple[Any, float]] = {}
        self._gone = False
        self._stalled: set[str] = set()
        self._for_gpu: set[str] = set()
        self._watched = self._fertile = time.monotonic()
        # on a scheduler that is not ours, one death that is told stands for several: Dask tries again itself
        self.deaths_to_blame = 2 if local is not None else 1
        demands = demands_of(settings)
        self._resource = demands.resource
        self._ways = admit_workers(client, demands, settings)
        self._lacks = ""
        self.slots, self.gpus, self.memory = 1, 0, BYTES_PER_JOB
        self._count(workers_of(client))

    def submit(
        self, name: str, function: Callable[..., Any], *arguments: Any, gpu: bool = False, stays: bool = False
    ) -> Any:
        """Submit under a readable, unique key, so that Dask's dashboard and logs name stages and pages."""
        self._serial += 1
        key = f"{function.__name__}-{self._serial}-{name}"
        gpu = gpu and self._ways.on_gpus
        resources = dict.fromkeys(self._ways.removal if gpu else self._ways.rest, 1)
        # results of other tasks stay in sight: the scheduler sees to it that they are there
        seen = [argument for argument in arguments if _is_result(argument)]
        parcel = pack(function, {n: argument for n, argument in enumerate(arguments) if not _is_result(argument)})
        priority = 0 if stays and not gpu else 10
        future = self._client.submit(call, parcel, *seen, key=key, pure=False, resources=resources, priority=priority)
        self._pending[key] = future
        if stays:
            self._staying.add(key)
        if gpu:
            self._for_gpu.add(key)
        future.add_done_callback(self._ended.put)
        return future

    def wait(self, seconds: float) -> list[Landing]:
        """See ``Cluster.wait``. Looks at the cluster now and then, whether anything ends or not."""
        if self._gone:
            raise ClusterError("the Dask scheduler was lost", RUN_AGAIN)
        lost = self._watch()
        if lost:
            return lost
        ended = self._found_again()
        patience = 0.0 if ended else min(seconds, WATCH_SECONDS)
        try:
            ended.append(self._ended.get(timeout=patience) if patience > 0 else self._ended.get_nowait())
            while True:
                ended.append(self._ended.get_nowait())
        except Empty:
            pass
        return self._land([future for future in ended if future.key in self._pending])

    def _land(self, ended: list[Any]) -> list[Landing]:
        """Landings of those that ended. What is lost with its worker before it was fetched, Dask makes anew: later."""
        from distributed import KilledWorker

        fetched = [f.key for f in ended if f.status == "finished" and f.key not in self._staying]
        values = results_of(self._client, fetched) if fetched else {}
        landed = []
        for future in ended:
            status = future.status  # now: it may have changed since
            if future.key in values:
                landed.append(Landing(future, values[future.key]))
            elif status == "error":
                error = future.exception()
                landed.append(Landing(future, None, error, died=isinstance(error, KilledWorker)))
            elif status == "finished" and future.key in self._staying:
                landed.append(Landing(future))
            elif status == "cancelled":
                self._gone = True  # told when what came with it has been handed on
            else:
                # one that is lost is looked at as soon as it is there again, one that could not be fetched later
                pause = ASIDE_SECONDS if status == "finished" else 0
                self._aside[future.key] = (future, time.monotonic() + pause)
        for landing in landed:
            self._drop(landing.future.key)
        return landed

    def _drop(self, key: str) -> Any:
        self._staying.discard(key)
        self._for_gpu.discard(key)
        self._aside.pop(key, None)
        return self._pending.pop(key, None)

    def _found_again(self) -> list[Any]:
        """Those that were put aside and have ended. They are looked at, as Dask's callbacks take them for done."""
        now = time.monotonic()
        found = [future for future, not_before in self._aside.values() if now >= not_before and future.done()]
        for future in found:
            del self._aside[future.key]
        return found

    def _watch(self) -> list[Landing]:
        """Every few seconds: is the scheduler there, are there workers, and does it know of what we wait for?"""
        now = time.monotonic()
        if now - self._watched < WATCH_SECONDS:
            return []
        self._watched = now
        if self._client.status not in ("running", "connecting"):
            raise ClusterError("the Dask scheduler was lost", RUN_AGAIN)
        self._count(workers_of(self._client))
        if not self._lacks:
            self._fertile = now
        elif now - self._fertile > BARREN_SECONDS:
            told = "".join(f"; {line}" for line in refusals_of(self._client, self._resource).values())
            raise ClusterError(
                f"no {self._lacks} was left for {BARREN_SECONDS} s{told}", "start some and run the same command"
            )
        return self._forgotten()

    def _forgotten(self) -> list[Landing]:
        """What no worker works on, twice in a row, while workers for it are there and have nothing else of ours: Dask
        looks at such tasks when a worker joins or is shown again, with its resource, and may have missed them."""
        held = {key for keys in ask(self._client.processing).values() for key in keys}
        idle: set[str] = set()
        for kind, workers in ((self._for_gpu, self._removing), (self._pending.keys() - self._for_gpu, self.slots)):
            if workers and not held & kind:
                idle |= {key for key in kind if not self._pending[key].done()}
        lost, self._stalled = idle & self._stalled, idle
        return [Landing(self._drop(key), forgotten=True) for key in lost]

    def _count(self, workers: dict[str, Any]) -> None:
        """See who is there. That GPUs remove the text stays so when the last of their workers is gone for a while."""
        doing, removing = self._ways.able(self._ways.rest, workers), self._ways.able(self._ways.removal, workers)
        self.slots, self._removing = sum(worker["nthreads"] for worker in doing), len(removing)
        self.memory = sum(worker.get("memory_limit") or BYTES_PER_JOB for worker in doing)
        self.gpus = max(1, self._removing) if self._ways.apart else 0
        self._lacks = self._ways.lacking(workers)

    def spoilt(self, future: Any) -> bool:
        """See ``Cluster.spoilt``."""
        return bool(future.status == "error")

    def close(self) -> None:
        """Close the client, which drops its tasks, and the cluster if it is ours."""
        self._pending.clear()
        for part in (self._client, self._local):
            if part is not None:
                try:
                    ask(part.close)
                except Exception as error:
                    log.debug("closing: %s", type(error).__name__)


def connect(settings: RunSettings) -> DaskCluster:
    """A client of the scheduler that is there. Raises ClusterError."""
    address = str(settings.scheduler)
    _quieten()
    from distributed import Client

    place = {"address": address} if "://" in address else {"scheduler_file": address}
    if "scheduler_file" in place and ":" in address and not Path(address).exists():
        place = {"address": address}
    try:
        client = Client(**place, timeout=CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        raise ClusterError(
            f"no Dask scheduler answers at {address}: {error}", "check the address, or leave --scheduler away"
        ) from error
    try:
        client.wait_for_workers(1, timeout=CONNECT_SECONDS)
        return DaskCluster(client, None, settings)
    except TimeoutError as error:
        client.close()
        remedy = "start some with: restore-docs worker"
        raise ClusterError(f"the scheduler at {address} has no workers", remedy) from error
    except ClusterError:
        client.close()
        raise


def start_local(jobs: int, settings: RunSettings, scratch: Path) -> DaskCluster:
    """A cluster on this machine: processes for ``jobs`` pages, and one more for each GPU that removers may use."""
    _quieten()
    import dask
    from distributed import Client, Nanny, Scheduler, SpecCluster

    dask.config.set(
        {
            **DASK_SETTINGS,
            "distributed.scheduler.allowed-failures": ALLOWED_DEATHS,
            "temporary-directory": str(scratch),  # its locks would stay behind anywhere else
        }
    )
    gpus = count_gpus() if may_use_gpus(settings) else 0
    own = {
        "nthreads": 1,
        "host": "127.0.0.1",
        "dashboard": False,
        "local_directory": str(scratch),
        "memory_limit": int(0.9 * memory_limit() / (jobs + gpus)),
        "silence_logs": logging.CRITICAL,
        "preload": ["workflows.workers.deaf_worker"],
    }
    hidden = {"env": {"CUDA_VISIBLE_DEVICES": ""}} if gpus else {}
    workers: dict[Any, Any] = {n: {"cls": Nanny, "options": {**own, **hidden}} for n in range(jobs)}
    for n in range(gpus):
        seen = {"env": {"CUDA_VISIBLE_DEVICES": str(n)}, "resources": {GPU: 1}}
        workers[f"gpu-{n}"] = {"cls": Nanny, "options": {**own, **seen}}
    # a free port for the dashboard: two runs on one machine must not quarrel over 8787
    options = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    local = SpecCluster(
        scheduler={"cls": Scheduler, "options": options}, workers=workers, silence_logs=logging.CRITICAL
    )
    return DaskCluster(Client(local, set_as_default=False), local, settings)


def _is_result(argument: Any) -> bool:
    """Whether an argument is what another task gives, or a list of such."""
    from distributed import Future

    return isinstance(argument, Future) or (isinstance(argument, list) and any(map(_is_result, argument)))


def count_gpus() -> int:
    """NVIDIA GPUs that this process may use, told without loading torch."""
    import os

    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    if seen is not None:
        return len([part for part in seen.split(",") if part.strip() and part.strip() != "-1"])
    folder = Path("/proc/driver/nvidia/gpus")
    return len(list(folder.iterdir())) if folder.is_dir() else 0


def _quieten() -> None:
    """Keep Dask's own log out of ours, and its memory of messages short; must come before distributed is imported."""
    import dask

    dask.config.set({"logging.distributed": "critical", **SHORT_LOGS})
