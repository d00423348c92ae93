"""Who does what in a run, by the workers that are there when it begins."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import ClusterError
from workflows.config import RunSettings
from workflows.workers.admission import choose_ways
from workflows.workers.setup import Demands

DEMANDS = Demands({}, {})
EVERY, BESIDE = DEMANDS.resource, DEMANDS.resource_beside_gpus
CPU = {"resources": {EVERY: 1e9, BESIDE: 1e9}}
GPU = {"resources": {EVERY: 1e9, "GPU": 1}}
REFUSED = {"resources": {"GPU": 1}}


def workers(*there: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {f"tcp://{number}": worker for number, worker in enumerate(there)}


@pytest.mark.parametrize(
    ("device", "there", "removal", "rest", "apart"),
    [
        ("auto", (CPU, GPU), (EVERY, "GPU"), (BESIDE,), True),
        ("cuda", (CPU, GPU), (EVERY, "GPU"), (BESIDE,), True),
        ("auto", (GPU, GPU), (EVERY, "GPU"), (EVERY,), False),
        ("auto", (CPU, REFUSED), (BESIDE,), (BESIDE,), False),
        ("cpu", (CPU, GPU), (EVERY,), (EVERY,), False),
    ],
)
def test_where_tasks_go(device: Any, there: Any, removal: Any, rest: Any, apart: bool) -> None:
    ways = choose_ways(DEMANDS, RunSettings(device=device), workers(*there))
    assert (ways.removal, ways.rest, ways.apart) == (removal, rest, apart)
    assert ways.lacking(workers(*there)) == ""


def test_a_gpu_worker_that_may_not_have_the_work_is_none() -> None:
    with pytest.raises(ClusterError, match="no worker with a GPU may have this work"):
        choose_ways(DEMANDS, RunSettings(device="cuda"), workers(CPU, REFUSED))


@pytest.mark.parametrize(
    ("began", "left", "lacking"),
    [
        ((CPU, GPU), (CPU,), "GPU worker"),
        ((CPU, GPU), (GPU,), "CPU worker"),
        ((CPU, GPU), (CPU, REFUSED), "GPU worker"),
        ((GPU,), (CPU,), "GPU worker"),
        ((GPU,), (), "GPU worker"),
        ((CPU,), (), "worker"),
        ((CPU,), (GPU,), "worker"),
    ],
)
def test_what_a_run_lacks_when_workers_are_gone(began: Any, left: Any, lacking: str) -> None:
    ways = choose_ways(DEMANDS, RunSettings(), workers(*began))
    assert ways.lacking(workers(*left)) == lacking
