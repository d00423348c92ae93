"""A result that is gone before it was looked at: its worker died, and the scheduler did not."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from processes import wait_until

from pipeline.errors import ClusterError
from workflows.cluster import Landing
from workflows.config import RunSettings
from workflows.dask_cluster import DaskCluster, start_local
from workflows.flights import Flight, Flights


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    settings = RunSettings(detector="annotated", mask="classical", remover="fill", verify="off", device="cpu")
    cluster = start_local(1, settings, tmp_path)
    yield cluster
    cluster.close()


def landings(cluster: DaskCluster, seconds: float = 60) -> list[Landing]:
    deadline, landed = time.monotonic() + seconds, []
    while not landed and time.monotonic() < deadline:
        landed = cluster.wait(0.5)
    return landed


@pytest.mark.slow
@pytest.mark.parametrize("stays", [False, True])
def test_a_result_that_died_with_its_worker_is_made_anew(cluster: DaskCluster, stays: bool) -> None:
    started: list[Any] = []
    landed: list[Landing] = []

    def start() -> Any:
        started.append(cluster.submit("pid", os.getpid, stays=stays))
        return started[-1]

    flights = Flights(cluster, retries=0)
    flights.launch(Flight(start, landed.append))
    wait_until(lambda: started[0].status == "finished")
    died = started[0].result()
    os.kill(died, signal.SIGKILL)
    wait_until(lambda: started[0].status == "lost")
    flights.settle()  # neither the scheduler's loss nor an end
    assert landed == []
    deadline = time.monotonic() + 60
    while len(flights) and time.monotonic() < deadline:
        flights.settle()
    (landing,) = landed
    assert landing.error is None and not landing.died
    assert started[-1].result() not in (None, died)
    assert landing.value == (None if stays else started[-1].result())


@pytest.mark.slow
def test_a_result_that_cannot_be_fetched_in_time_is_fetched_later(
    cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []

    def answer_late(question, seconds=20.0):  # type: ignore[no-untyped-def]
        calls.append(question)
        if len(calls) == 1:
            raise ClusterError("the Dask scheduler did not answer for 20 s")
        return question()

    future = cluster.submit("pid", os.getpid)
    wait_until(lambda: future.status == "finished")
    monkeypatch.setattr("workflows.dask_cluster.ask", answer_late)
    assert cluster.wait(0.5) == []
    (landing,) = landings(cluster)
    assert landing.value == future.result() and len(calls) > 1


@pytest.mark.slow
def test_a_scheduler_that_is_gone_is_still_told(cluster: DaskCluster) -> None:
    future = cluster.submit("sleep", time.sleep, 60)
    future.cancel()
    wait_until(lambda: future.status == "cancelled")
    with pytest.raises(ClusterError, match="scheduler was lost"):
        landings(cluster)
