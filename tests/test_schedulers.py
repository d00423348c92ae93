"""Schedulers that are not ours: named by a file, and hanging in the middle of a run."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import draw_page
from processes import CHEAP, DaskProcesses, end, preload, program, run, seen, spy, start, wait_until
from storm import PROGRAM, digests

pytestmark = pytest.mark.slow


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskProcesses]:
    with DaskProcesses(tmp_path, workers=0) as started:
        yield started


def test_a_scheduler_file_will_do_for_workers_and_runs(tmp_path: Path, cluster: DaskProcesses) -> None:
    source = draw_page(tmp_path / "a.pdf", pages=2)
    wait_until(cluster.file.exists)
    words = [*PROGRAM, "worker", cluster.file, "--cpus", "1", "--gpus", "0", "--memory", "2GiB"]
    workers = start([*words, "--folder", tmp_path / "scratch"], tmp_path / "workers.log")
    try:
        cluster.wait_for_workers(1)
        done = run([*PROGRAM, source, *CHEAP, "--scheduler", cluster.file, "--out", tmp_path / "out"])
        assert done.returncode == 0, done.stderr
        assert list(digests(tmp_path / "out")) == ["a.pdf"]
    finally:
        end(workers)


def test_a_scheduler_that_hangs_ends_the_run_with_its_own_code(tmp_path: Path, cluster: DaskProcesses) -> None:
    source = draw_page(tmp_path / "a.pdf", pages=6)
    words = [*program(tmp_path, remover="WaitingRemover"), source, *CHEAP, "--remover", "fake"]
    cluster.start_worker(*preload(tmp_path, remover="WaitingRemover"), *spy(tmp_path))
    client = start([*words, "--scheduler", cluster.address, "--out", tmp_path / "out"], tmp_path / "log")
    try:
        wait_until(lambda: any(told[3] == "restore_page" for told in seen(tmp_path)))  # and waits for a sign there
        cluster.scheduler.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        assert client.wait(120) == 7, (tmp_path / "log").read_text()
        assert time.monotonic() - began < 75
    finally:
        cluster.scheduler.send_signal(signal.SIGCONT)
        end(client)
    assert "did not answer" in json.loads((tmp_path / "out" / "report.json").read_text())["ended_early"]["what"]
