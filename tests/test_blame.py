"""Pages that take their workers down, on a scheduler that is not ours: each is blamed alone, and nobody else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import draw_page
from processes import PLAIN, DaskProcesses, preload, program, run

pytestmark = pytest.mark.slow
NO_DEATH_ALLOWED = {"DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0"}


def pages_of(out: Path) -> list[dict[str, Any]]:
    (document,) = json.loads((out / "report.json").read_text())["documents"]
    return list(document["pages"])


def test_a_killer_a_sleeper_and_a_raiser_are_each_blamed_alone(tmp_path: Path) -> None:
    bad = draw_page(tmp_path / "bad.pdf", pages=6)
    started = [*program(tmp_path, "TroublesomeDetector"), bad, "--out", tmp_path / "out", "--detector", "fake", *PLAIN]
    with DaskProcesses(tmp_path, workers=0, more_for_scheduler=NO_DEATH_ALLOWED) as cluster:
        for _ in range(2):
            cluster.start_worker(*preload(tmp_path, "TroublesomeDetector"))
        done = run([*started, "--page-timeout", "4", "--scheduler", cluster.address])
    assert done.returncode == 6, done.stderr
    pages = pages_of(tmp_path / "out")
    assert [page["page_number"] for page in pages] == [1, 2, 3, 4, 5, 6]
    assert [page["status"] for page in pages] == ["UNCHANGED", *["FAILED"] * 3, *["UNCHANGED"] * 2]
    killed, slept, raised = (page["failure"] for page in pages[1:4])
    assert killed["kind"] == "KilledWorker" and "longer than 4 s" in slept["what"]
    assert "ZeroDivisionError" in raised["what"]


def test_pages_prepared_by_a_worker_that_died_are_not_blamed_for_those_that_kill_the_next(tmp_path: Path) -> None:
    source = draw_page(tmp_path / "a.pdf", pages=6)
    fakes = ("RelapsingDetector", "WaitingRemover")
    words = [*program(tmp_path, *fakes), source, "--out", tmp_path / "out", "--detector", "fake", *PLAIN]
    with DaskProcesses(tmp_path, workers=0, more_for_scheduler=NO_DEATH_ALLOWED) as cluster:
        cluster.start_worker(*preload(tmp_path, *fakes))
        cluster.start_worker(*preload(tmp_path, *fakes), "--resources", "GPU=1")
        cluster.wait_for_workers(2)
        done = run([*words, "--remover", "fake", "--scheduler", cluster.address])
    looks = (tmp_path / "looks").read_text().split()
    most = max(map(looks.count, looks))
    assert (tmp_path / "go").exists() and most >= 3, "what was prepared was lost, and when it was made anew, too"
    assert done.returncode == 0, done.stderr
    assert [page["status"] for page in pages_of(tmp_path / "out")] == ["UNCHANGED"] * 6
