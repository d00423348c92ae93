"""How workers come to a run: slow ones do not keep it waiting, and a scheduler that hangs is noticed."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from processes import DaskProcesses

from pipeline.errors import ClusterError
from workflows.config import RunSettings
from workflows.workers import admission, dask_questions
from workflows.workers.dask_cluster import connect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(100)]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskProcesses]:
    """Two workers, one of which hangs."""
    with DaskProcesses(tmp_path, workers=0) as started:
        started.start_worker("--name", "quick")
        started.start_worker("--name", "hung")
        started.wait_for_workers(2)
        started.send_a_worker(1, signal.SIGSTOP)
        yield started
        started.send_a_worker(1, signal.SIGCONT)


def settings_for(cluster: DaskProcesses) -> RunSettings:
    return RunSettings(detector="annotated", mask="classical", remover="fill", scheduler=cluster.address)


def test_a_worker_that_hangs_does_not_keep_the_others_waiting(
    cluster: DaskProcesses, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(admission, "SLOW_SECONDS", 2)
    monkeypatch.setattr(dask_questions, "WORKER_SECONDS", 2)
    with caplog.at_level(logging.WARNING):
        admitted = connect(settings_for(cluster))
    assert admitted.slots == 1
    assert any("hung at tcp" in record.getMessage() for record in caplog.records)
    future = admitted.submit("x", abs, -3)
    landed = []
    while not landed:
        landed = admitted.wait(1)
    assert landed[0].future is future and landed[0].value == 3
    admitted.close()


def test_a_scheduler_that_hangs_while_workers_are_looked_at_is_noticed(
    cluster: DaskProcesses, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dask_questions, "ANSWER_SECONDS", 3)
    look, hung = admission._let_them_look, threading.Event()

    def hang_meanwhile(*words):  # type: ignore[no-untyped-def]
        def hang() -> None:
            time.sleep(1)
            cluster.scheduler.send_signal(signal.SIGSTOP)
            hung.set()

        threading.Thread(target=hang).start()
        look(*words)

    monkeypatch.setattr(admission, "_let_them_look", hang_meanwhile)
    began = time.monotonic()
    try:
        with pytest.raises(ClusterError, match="did not answer"):
            connect(settings_for(cluster))
        assert hung.is_set() and time.monotonic() - began < 60
    finally:
        cluster.scheduler.send_signal(signal.SIGCONT)
