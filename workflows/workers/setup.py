"""What makes a Dask worker one that may have our work: the same program, the same weights, loaded once.

A worker that passes is given a resource named after what was checked, and all our tasks ask for that resource. So Dask
itself keeps work from a worker that did not pass, or that joined a moment ago and was not looked at yet. One without a
GPU is given a second resource, which tasks ask for that are to keep away from the workers with one.

As ``--preload workflows.workers.setup`` it loads our code into a plain ``dask worker`` before there is work.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.errors import RestoreError
from workflows.config import RunSettings
from workflows.pages.tools import load_tools
from workflows.storage.places import digest_there, is_url, place_of
from workflows.versions import installation

PLENTY = 1e9  # of the resource: it says who may have work, not how much
GPU = "GPU"  # the resource of workers that have one

_REFUSALS: dict[str, str] = {}  # in a worker: why it may not have the work that asks for a resource; "" if it may


@dataclass(frozen=True, slots=True)
class Demands:
    """What a worker must have. ``resource`` is what it gets if it does."""

    installation: dict[str, str]
    files: dict[str, str]

    @property
    def resource(self) -> str:
        """The same for the same demands."""
        told = json.dumps([self.installation, self.files], sort_keys=True)
        return f"restore-docs-{hashlib.sha256(told.encode()).hexdigest()[:12]}"

    @property
    def resource_beside_gpus(self) -> str:
        """What a worker gets besides if it does and has no GPU."""
        return f"{self.resource}-cpu"


def demands_of(settings: RunSettings) -> Demands:
    """What this run asks of workers: this installation, and the files that settings name, with their digests."""
    paths = [getattr(settings, name) for name in ("weights", "stroke_weights", "words", "zones", "template")]
    named = [place_of(path) for path in paths if path is not None]
    named += [str(path) for path in settings.detector_files]
    files = [place if is_url(place) else str(Path(place).absolute()) for place in named]
    return Demands(installation(), {place: digest_there(place)[:16] for place in files})


def find_refusal(demands: Demands) -> str:
    """Why this process may not have the work, in words; "" if it may."""
    here = installation()
    differing = [name for name, wanted in demands.installation.items() if here.get(name) != wanted]
    if differing:
        name = differing[0]
        more = f" (and {len(differing) - 1} more)" if len(differing) > 1 else ""
        return f"{name} is {here.get(name, 'not there')}, and here it is {demands.installation[name]}{more}"
    for place, wanted in demands.files.items():
        try:
            found = digest_there(place)[:16]
        except RestoreError as error:
            return error.what
        if found != wanted:
            name = place.rsplit("/", 1)[-1]
            other = f"another file: SHA-256 {found}..., and here it is {wanted}..." if found else "not there for it"
            return f"the file {name} of the settings is {other}"
    return ""


def make_plugin(demands: Demands, settings: RunSettings, beside_gpus: bool) -> Any:
    """The plugin that Dask runs once in every worker, and in every worker that comes later.

    ``beside_gpus``: whether those without a GPU work for others that have one, and load their models for that.
    """
    cpu_settings = settings.beside_gpu if beside_gpus else settings
    from distributed import WorkerPlugin

    class _SetUp(WorkerPlugin):  # type: ignore[misc]
        name = demands.resource

        async def setup(self, worker: Any) -> None:
            await set_up(worker, demands, settings if has_gpu(worker.state.total_resources) else cpu_settings)

    return _SetUp()


async def set_up(worker: Any, demands: Demands, settings: RunSettings) -> None:
    """Look at this worker, load the models, and only then let work come."""
    calm_opencv()
    refusal = await asyncio.to_thread(find_refusal, demands)
    if not refusal:
        await asyncio.to_thread(load_tools, settings)
        beside = [] if has_gpu(worker.state.total_resources) else [demands.resource_beside_gpus]
        await worker.set_resources(**dict.fromkeys([demands.resource, *beside], PLENTY))
        _show_again(worker)
    _REFUSALS[demands.resource] = refusal


def _show_again(worker: Any) -> None:
    """Have the scheduler look for what this worker may do now: it does so when one joins, and not when one is given a
    resource. Tasks that wait for it would wait for ever, as results do that died with the only worker of a kind."""
    from distributed.core import Status

    if worker.status is Status.running:
        worker.status = Status.paused
        worker.status = Status.running


def has_gpu(resources: Mapping[str, float]) -> bool:
    """Whether a worker with these resources is one that removes text on a GPU."""
    return bool(resources.get(GPU))


def refusal_here(resource: str) -> str:
    """Runs on a worker: why it was refused, "" if it was not, or is being looked at."""
    return _REFUSALS.get(resource, "")


def calm_opencv() -> None:
    """One thread for each task: workers share the machine already."""
    import cv2

    cv2.setNumThreads(1)


def dask_setup(worker: Any) -> None:
    """Dask's hook for ``--preload``: importing this module has loaded our code before the worker is asked for work."""
    del worker
    calm_opencv()


# Every process of Dask's keeps its last thousand messages and transitions for Dask's developers, and an hour of its
# own load. A page is several messages: with fewer of them memory is soon as high as it will be.
SHORT_LOGS = {
    "distributed.admin.low-level-log-length": 100,
    "distributed.admin.system-monitor.log-length": 240,
}
# Spilling would put pixels of uncleaned pages on disk, where nobody looks for them. Profiles grow with the time that a
# worker runs, and are for writing Dask graphs. Workers read this when they start: from the environment, but for ours.
DASK_SETTINGS = {
    "distributed.worker.memory.target": False,
    "distributed.worker.memory.spill": False,
    "distributed.worker.profile.enabled": False,
    **SHORT_LOGS,
}


def as_environment(settings: Mapping[str, object]) -> dict[str, str]:
    """Dask's settings as the variables that it reads them from."""
    return {f"DASK_{name.upper().replace('.', '__').replace('-', '_')}": str(to) for name, to in settings.items()}


ENVIRONMENT = {
    **as_environment(DASK_SETTINGS),
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
}
SCHEDULER_ENVIRONMENT = as_environment(SHORT_LOGS)
