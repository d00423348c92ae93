"""A Dask cluster as a ``Cluster``: a local one that is started here, or one that is there already."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from pipeline.errors import ClusterError
from workflows.cluster import BYTES_PER_JOB, Landing
from workflows.config import RunSettings
from workflows.dask_questions import RUN_AGAIN, ask, refusals_of, steadily, workers_of
from workflows.parcels import call, pack
from workflows.worker_setup import DASK_SETTINGS, GPU, SHORT_LOGS, Demands, demands_of, make_plugin

log = logging.getLogger("restore_docs")

CONNECT_SECONDS = 15
SET_UP_SECONDS = 600  # models are loaded
WATCH_SECONDS = 5  # between looks at the cluster
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
        self._lost: list[Any] = []
        self._stalled: set[str] = set()
        self._watched = self._fertile = time.monotonic()
        # on a scheduler that is not ours, one death that is told stands for several: Dask tries again itself
        self.deaths_to_blame = 2 if local is not None else 1
        self._needs_gpu = settings.remover != "fill" and settings.device == "cuda"
        self._uses_gpu = settings.remover != "fill" and settings.device != "cpu"
        if self._needs_gpu:
            _wait_for_gpu(client)
        demands = demands_of(settings)
        self._resource = demands.resource
        _set_up_workers(client, demands, settings)
        self.slots, self.gpus, self.memory = 1, 0, BYTES_PER_JOB
        self._count(workers_of(client))

    def submit(
        self, name: str, function: Callable[..., Any], *arguments: Any, gpu: bool = False, stays: bool = False
    ) -> Any:
        """Submit under a readable, unique key, so that Dask's dashboard and logs name stages and pages."""
        self._serial += 1
        key = f"{function.__name__}-{self._serial}-{name}"
        resources = {self._resource: 1} | ({GPU: 1} if gpu and self.gpus else {})
        # results of other tasks stay in sight: the scheduler sees to it that they are there
        seen = [argument for argument in arguments if _is_result(argument)]
        parcel = pack(function, {n: argument for n, argument in enumerate(arguments) if not _is_result(argument)})
        priority = 0 if stays and not gpu else 10
        future = self._client.submit(call, parcel, *seen, key=key, pure=False, resources=resources, priority=priority)
        self._pending[key] = future
        if stays:
            self._staying.add(key)
        future.add_done_callback(self._ended.put)
        return future

    def wait(self, seconds: float) -> list[Landing]:
        """See ``Cluster.wait``. Looks at the cluster now and then, whether anything ends or not."""
        lost = self._watch()
        if lost:
            return lost
        ended = self._found_again()
        try:
            ended.append(self._ended.get(timeout=min(seconds, WATCH_SECONDS) if seconds > 0 else 0.0001))
            while True:
                ended.append(self._ended.get_nowait())
        except Empty:
            pass
        return self._land([future for future in ended if future.key in self._pending])

    def _land(self, ended: list[Any]) -> list[Landing]:
        """Landings of those that ended. What is lost with its worker before it was fetched, Dask makes anew: later."""
        from distributed import KilledWorker

        values = self._fetch([f for f in ended if f.status == "finished" and f.key not in self._staying])
        landed = []
        for future in ended:
            status = future.status  # now: it may have changed since, and then what was fetched is no result
            if status == "cancelled":
                raise ClusterError("the Dask scheduler was lost", RUN_AGAIN)
            if status == "error":
                error = future.exception()
                landed.append(Landing(future, None, error, died=isinstance(error, KilledWorker)))
            elif future.key in values:
                landed.append(Landing(future, values[future.key]))
            elif status == "finished" and future.key in self._staying:
                landed.append(Landing(future))
            else:
                self._lost.append(future)
        for landing in landed:
            self._pending.pop(landing.future.key, None)
            self._staying.discard(landing.future.key)
        return landed

    def _fetch(self, finished: list[Any]) -> dict[str, Any]:
        """Results by key; none when they do not come in time, as when the worker that had them died or is busy."""
        try:
            return (
                dict(ask(lambda: self._client.gather({f.key: f for f in finished}, errors="skip"))) if finished else {}
            )
        except ClusterError:
            return {}

    def _found_again(self) -> list[Any]:
        """Those that were lost and have ended since. They are looked at, as Dask's callbacks take them for done."""
        found = [future for future in self._lost if future.done()]
        self._lost = [f for f in self._lost if f.key in self._pending and f not in found]
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
        if self.slots and (self.gpus or not self._needs_gpu):
            self._fertile = now
        elif now - self._fertile > BARREN_SECONDS:
            kind = "GPU worker" if self.slots else "worker"
            told = "".join(f"; {line}" for line in refusals_of(self._client, self._resource))
            raise ClusterError(
                f"no {kind} was left for {BARREN_SECONDS} s{told}", "start some and run the same command"
            )
        return self._forgotten() if self.slots else []

    def _forgotten(self) -> list[Landing]:
        """What no worker works on, twice in a row, while workers are there: Dask does not look at such tasks again
        when a worker is given a resource after it joined."""
        held = {key for keys in ask(self._client.processing).values() for key in keys}
        idle = set() if held & self._pending.keys() else {k for k, f in self._pending.items() if not f.done()}
        lost, self._stalled = idle & self._stalled, idle
        landed = [Landing(self._pending.pop(key), forgotten=True) for key in lost]
        self._staying -= lost
        return landed

    def _count(self, workers: dict[str, Any]) -> None:
        fit = [worker for worker in workers.values() if self._resource in worker.get("resources", {})]
        gpus = [worker for worker in fit if worker["resources"].get(GPU)]
        self.gpus = len(gpus) if self._uses_gpu else 0
        self.slots = sum(worker["nthreads"] for worker in fit)
        self.memory = sum(worker.get("memory_limit") or BYTES_PER_JOB for worker in fit)

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
    import psutil
    from distributed import Client, Nanny, Scheduler, SpecCluster

    dask.config.set(
        {
            **DASK_SETTINGS,
            "distributed.scheduler.allowed-failures": ALLOWED_DEATHS,
            "temporary-directory": str(scratch),  # its locks would stay behind anywhere else
        }
    )
    gpus = count_gpus() if settings.device != "cpu" and settings.remover != "fill" else 0
    own = {
        "nthreads": 1,
        "host": "127.0.0.1",
        "dashboard": False,
        "local_directory": str(scratch),
        "memory_limit": int(0.9 * psutil.virtual_memory().total / (jobs + gpus)),
        "silence_logs": logging.CRITICAL,
        "preload": ["workflows.deaf_worker"],
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


def _set_up_workers(client: Any, demands: Demands, settings: RunSettings) -> None:
    """Let every worker look at itself, now and when it joins. Raises ClusterError when none passes."""
    # a worker that has none of our code cannot even read the plugin, which is told as an error here
    plugin = make_plugin(demands, settings)
    trouble = ""
    try:
        steadily(client, lambda: client.register_plugin(plugin), SET_UP_SECONDS)
    except ClusterError:
        raise
    except Exception as error:
        trouble = f"{type(error).__name__}: {error}"
    told = refusals_of(client, demands.resource, trouble)
    for line in told:
        log.warning("a worker is given no work: %s", line)
    if told and len(told) == len(workers_of(client)):
        raise ClusterError(
            f"no worker may have this work; {'; '.join(told)}", "install the same program and weights on every worker"
        )


def _wait_for_gpu(client: Any) -> None:
    deadline = time.monotonic() + CONNECT_SECONDS
    while not any(worker.get("resources", {}).get(GPU) for worker in workers_of(client).values()):
        if time.monotonic() > deadline:
            raise ClusterError(
                "no worker of this cluster has a GPU, and --device cuda asks for one",
                "start one with: restore-docs worker (or dask worker --resources GPU=1), or use --device auto",
            )
        time.sleep(0.5)


def _quieten() -> None:
    """Keep Dask's own log out of ours, and its memory of messages short; must come before distributed is imported."""
    import dask

    dask.config.set({"logging.distributed": "critical", **SHORT_LOGS})
