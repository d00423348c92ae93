"""Which workers of a cluster a run has, and which of them do what: decided once, when it begins.

With GPU workers and others, the GPUs remove text and do nothing else. With GPU workers only, each does whole pages.
Without any, text is removed like all else. What dies and comes back changes nothing in that: pages of one run would
come from different devices.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.errors import ClusterError
from workflows.config import RunSettings
from workflows.workers.dask_questions import Question, refusals_of, steadily, workers_of
from workflows.workers.setup import GPU, Demands, has_gpu, make_plugin

log = logging.getLogger("restore_docs")

SET_UP_SECONDS = 600  # models are loaded
SLOW_SECONDS = 30  # that slow workers may keep a run waiting that has some already
ONE_KIND_SECONDS = 120  # the same, when none of those with a GPU has passed yet, or none of the others
GPU_SECONDS = 15  # for a worker with the GPU that is asked for to be there


@dataclass(frozen=True, slots=True)
class Ways:
    """Where tasks go: the resources that the removal of text asks for, and those that all the rest does."""

    removal: tuple[str, ...]
    rest: tuple[str, ...]

    @property
    def on_gpus(self) -> bool:
        """Whether text is removed on GPU workers."""
        return GPU in self.removal

    @property
    def apart(self) -> bool:
        """Whether other workers do the rest."""
        return self.on_gpus and self.rest[0] != self.removal[0]

    def able(self, resources: Sequence[str], workers: Mapping[str, Any]) -> list[Any]:
        """Those workers, as a scheduler describes them, that have these resources."""
        return [w for w in workers.values() if all(w.get("resources", {}).get(name) for name in resources)]

    def lacking(self, workers: Mapping[str, Any]) -> str:
        """The kind of worker that there is none of, "" if the run can go on."""
        if not self.able(self.rest, workers):
            return "CPU worker" if self.apart else "GPU worker" if self.on_gpus else "worker"
        return "" if self.able(self.removal, workers) else "GPU worker"


def may_use_gpus(settings: RunSettings) -> bool:
    """Whether a run has use for workers with a GPU."""
    return settings.remover != "fill" and settings.device != "cpu"


def choose_ways(demands: Demands, settings: RunSettings, workers: Mapping[str, Any]) -> Ways:
    """Where tasks go, given the workers that passed. Raises ClusterError when a GPU is asked for and none passed."""
    every, beside_gpus = (demands.resource,), (demands.resource_beside_gpus,)
    if not may_use_gpus(settings):
        return Ways(every, every)
    passed = [worker["resources"] for worker in workers.values() if worker.get("resources", {}).get(demands.resource)]
    if any(map(has_gpu, passed)):
        return Ways((*every, GPU), every if all(map(has_gpu, passed)) else beside_gpus)
    if settings.device == "cuda":
        raise ClusterError("no worker with a GPU may have this work", "see the log, or use --device auto")
    return Ways(beside_gpus, beside_gpus)


def admit_workers(client: Any, demands: Demands, settings: RunSettings) -> Ways:
    """Let every worker look at itself, now and when it joins. Raises ClusterError when none passes."""
    if may_use_gpus(settings) and settings.device == "cuda":
        _wait_for_gpu(client)
    there = [worker.get("resources", {}) for worker in workers_of(client).values()]
    plugin = make_plugin(demands, settings, may_use_gpus(settings) and any(map(has_gpu, there)))
    _let_them_look(client, plugin, demands.resource)
    told = refusals_of(client, demands.resource)
    for line in told.values():
        log.warning("a worker is given no work: %s", line)
    workers = workers_of(client)
    if told and len(told) >= len(workers):
        raise ClusterError(
            f"no worker may have this work; {'; '.join(told.values())}",
            "install the same program and weights on every worker",
        )
    for address, worker in workers.items():
        if address not in told and demands.resource not in worker.get("resources", {}):
            log.warning("a worker gets work later, it is still loading its models: %s", worker.get("name", address))
    return choose_ways(demands, settings, workers)


def _let_them_look(client: Any, plugin: Any, resource: str) -> None:
    """Wait until all workers that are there have looked at themselves; not for slow ones, where others have."""
    began = time.monotonic()
    looking = Question(lambda: steadily(client, lambda: client.register_plugin(plugin), SET_UP_SECONDS))
    while not looking.answered(0.5):
        waited, workers = time.monotonic() - began, workers_of(client)  # which also sees that the scheduler is there
        kinds, passed = _kinds(workers), _kinds(workers, resource)
        if waited > SET_UP_SECONDS or (passed and waited > (SLOW_SECONDS if passed == kinds else ONE_KIND_SECONDS)):
            return
    try:
        looking.answer()
    except ClusterError:
        raise
    except Exception as error:  # of a worker that cannot even read the plugin, as it has none of our code: it is told
        log.debug("a worker could not look at itself: %s", type(error).__name__)


def _kinds(workers: Mapping[str, Any], resource: str = "") -> set[bool]:
    """With and without a GPU: the kinds of workers there are, of those that have a resource."""
    resources = [worker.get("resources", {}) for worker in workers.values()]
    return {has_gpu(has) for has in resources if not resource or resource in has}


def _wait_for_gpu(client: Any) -> None:
    deadline = time.monotonic() + GPU_SECONDS
    while not any(has_gpu(worker.get("resources", {})) for worker in workers_of(client).values()):
        if time.monotonic() > deadline:
            raise ClusterError(
                "no worker of this cluster has a GPU, and --device cuda asks for one",
                "start one with: restore-docs worker (or dask worker --resources GPU=1), or use --device auto",
            )
        time.sleep(0.5)
