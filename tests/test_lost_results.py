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
from workflows.config import RunSettings
from workflows.workers import dask_cluster, dask_questions
from workflows.workers.cluster import Landing
from workflows.workers.dask_cluster import DaskCluster, start_local
from workflows.workers.flights import Flight, Flights

SETTINGS = RunSettings(detector="annotated", mask="classical", remover="fill", verify="off", device="cpu")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskCluster]:
    cluster = start_local(1, SETTINGS, tmp_path)
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
def test_results_of_a_worker_that_hangs_hold_up_no_others_and_come_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_questions, "FETCH_SECONDS", 2)
    monkeypatch.setattr(dask_cluster, "ASIDE_SECONDS", 4)
    cluster = start_local(2, SETTINGS, tmp_path)
    hung = 0
    try:
        futures = [cluster.submit("pid", os.getpid) for _ in range(6)]
        wait_until(lambda: all(future.status == "finished" for future in futures))
        pids = {future: future.result() for future in futures}
        hung = next(iter(pids.values()))
        of_hung = {future for future, pid in pids.items() if pid == hung}
        assert 0 < len(of_hung) < 6
        os.kill(hung, signal.SIGSTOP)
        landed = {landing.future: landing.value for landing in landings(cluster)}
        assert landed == {future: pid for future, pid in pids.items() if pid != hung}
        more = [cluster.submit("abs", abs, -n) for n in range(8)]
        began, came = time.monotonic(), 0
        while came == 0:
            came = sum(landing.future in more for landing in cluster.wait(0.2))
        assert time.monotonic() - began < 15, "those that do not come are not waited for again and again"
        os.kill(hung, signal.SIGCONT)
        late: dict[Any, Any] = {}
        deadline = time.monotonic() + 60
        while not of_hung <= late.keys() and time.monotonic() < deadline:
            late |= {landing.future: landing.value for landing in cluster.wait(0.5)}
        assert {future: late[future] for future in of_hung} == dict.fromkeys(of_hung, hung)
    finally:
        if hung:
            os.kill(hung, signal.SIGCONT)
        cluster.close()


@pytest.mark.slow
def test_what_was_put_aside_is_looked_at_without_waiting(cluster: DaskCluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dask_cluster, "ASIDE_SECONDS", 0)
    future = cluster.submit("pid", os.getpid)
    wait_until(lambda: future.status == "finished")
    with monkeypatch.context() as deaf:
        deaf.setattr(dask_cluster, "results_of", lambda client, keys: {})
        assert cluster.wait(0.5) == []
    began = time.monotonic()
    (landing,) = cluster.wait(4)
    assert landing.value == future.result() and time.monotonic() - began < 3


@pytest.mark.slow
def test_a_scheduler_that_is_gone_is_told_after_what_it_finished(cluster: DaskCluster) -> None:
    done, dropped = cluster.submit("pid", os.getpid), cluster.submit("sleep", time.sleep, 60)
    wait_until(lambda: done.status == "finished")
    dropped.cancel()
    wait_until(lambda: dropped.status == "cancelled")
    time.sleep(0.5)  # both have been put into the queue
    (landing,) = landings(cluster)
    assert landing.future is done and landing.error is None
    with pytest.raises(ClusterError, match="scheduler was lost"):
        landings(cluster)
