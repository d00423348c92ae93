"""Pages that fail, one way each: what fails is blamed alone, what may pass is tried again, and hopeless runs end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fakes
import pytest
from conftest import Outcome, draw_page
from processes import PLAIN, program, run

from detectors.registry import DETECTORS
from pipeline.errors import RestoreError, StageError
from workflows.batch_settings import BatchSettings
from workflows.workers import flights
from workflows.workers.cluster import Landing, SerialCluster
from workflows.workers.flights import Flight, Flights

Program = Callable[..., Outcome]


def report(out: Path) -> dict[str, Any]:
    return dict(json.loads((out / "report.json").read_text()))


def test_a_page_that_kills_one_that_sleeps_and_one_that_raises_are_each_blamed_alone(tmp_path: Path) -> None:
    bad = draw_page(tmp_path / "bad.pdf", pages=6)
    started = [*program(tmp_path, "TroublesomeDetector"), bad, "--out", tmp_path / "out", "--detector", "fake"]
    done = run([*started, "--jobs", "2", "--page-timeout", "4", *PLAIN])
    assert done.returncode == 6, done.stderr
    (entry,) = report(tmp_path / "out")["documents"]
    assert [page["page_number"] for page in entry["pages"]] == [1, 2, 3, 4, 5, 6]
    assert [page["status"] for page in entry["pages"]] == ["UNCHANGED", *["FAILED"] * 3, *["UNCHANGED"] * 2]
    killed, slept, raised = (page["failure"] for page in entry["pages"][1:4])
    assert killed["kind"] == "KilledWorker" and "died" in killed["what"]
    assert slept["stage"] == "time limit" and "longer than 4 s" in slept["what"] and "page 3" in slept["what"]
    assert raised["stage"] == "detect" and "ZeroDivisionError" in raised["what"]
    assert not list((tmp_path / "out").rglob("*.late")) and not list((tmp_path / "out").rglob("*.part"))


@pytest.mark.slow
def test_a_time_limit_holds_for_a_single_job(tmp_path: Path) -> None:
    bad = draw_page(tmp_path / "bad.pdf", pages=3)
    started = [*program(tmp_path, "TroublesomeDetector"), bad, "--pages", "1,3", "--out", tmp_path / "out"]
    done = run([*started, "--detector", "fake", "--jobs", "1", "--page-timeout", "2", *PLAIN])
    assert done.returncode == 6, done.stderr
    assert [page["status"] for page in report(tmp_path / "out")["documents"][0]["pages"]] == ["UNCHANGED", "FAILED"]


def test_what_may_pass_is_tried_again_and_nothing_else(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flights, "FIRST_PAUSE_SECONDS", 0.01)
    source = draw_page(tmp_path / "a.pdf", pages=3)
    words = ("--detector", "fake", "--jobs", "1", *PLAIN)
    monkeypatch.setitem(DETECTORS, "fake", fakes.FlakyDetector)
    monkeypatch.setattr(fakes.FlakyDetector, "failures", 2)
    done = restore_docs(source, "--out", tmp_path / "two", *words)
    assert done.code == 0 and done.stderr.count("once more in") == 2
    monkeypatch.setattr(fakes.FlakyDetector, "failures", 3)
    over = restore_docs(source, "--out", tmp_path / "three", *words)
    assert over.code == 6 and "Stale file handle" in over.document("a.pdf")["failure"]["what"]
    monkeypatch.setattr(fakes.FlakyDetector, "failures", 1)
    assert restore_docs(source, "--out", tmp_path / "none", "--retries", "0", *words).code == 6
    from workflows.pages import tools

    tools.make_detector.cache_clear()
    monkeypatch.setitem(DETECTORS, "fake", fakes.RaisingDetector)
    plain = restore_docs(source, "--out", tmp_path / "bug", *words)
    assert plain.code == 6 and "once more" not in plain.stderr


def test_pauses_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    class BusyError(RestoreError):
        transient = True

    class Counting(SerialCluster):
        told = 0

        def submit(self, *words: Any, **how: Any) -> Any:
            Counting.told += 1
            return super().submit("x", raise_busy)

    def raise_busy() -> None:
        raise BusyError("busy")

    times: list[float] = []
    monkeypatch.setattr(flights.log, "warning", lambda text, what, pause: times.append(pause))
    monkeypatch.setattr(flights, "FIRST_PAUSE_SECONDS", 0.02)
    landed: list[Landing] = []
    cluster = Counting()
    air = Flights(cluster, retries=3)
    air.launch(Flight(cluster.submit, landed.append))
    while len(air):
        air.settle()
    assert times == [0.02, 0.04, 0.08] and Counting.told == 4
    assert len(landed) == 1 and isinstance(landed[0].error, BusyError)


def test_a_hopeless_run_ends_early(tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DETECTORS, "fake", fakes.HungryDetector)
    sources = [draw_page(tmp_path / f"{n:02}.png") for n in range(30)]
    words = (*sources, "--detector", "fake", "--jobs", "1", *PLAIN)
    done = restore_docs(*words, "--out", tmp_path / "share", "--max-failed", "5%")
    assert done.code == 6 and done.report["ended_early"]["kind"] == "TooManyFailures"
    assert done.report["totals"]["pages"]["total"] < 25 and done.report["totals"]["documents"]["total"] == 30
    few = restore_docs(*words, "--out", tmp_path / "few", "--max-failed", "3")
    assert few.code == 6 and "4 of 4 pages failed" in few.stderr
    every = restore_docs(*words, "--out", tmp_path / "all")
    assert every.code == 6 and every.report["ended_early"] is None


@pytest.mark.parametrize(
    ("limit", "failed", "done", "ends"),
    [("", 9, 9, False), ("5%", 1, 20, False), ("5%", 2, 20, True), ("5%", 19, 19, False), ("0", 1, 1, True)],
)
def test_what_is_too_much(limit: str, failed: int, done: int, ends: bool) -> None:
    assert BatchSettings(max_failed=limit).too_many_failed(failed, done) is ends


def test_an_error_of_a_worker_says_whether_it_may_pass() -> None:
    import pickle

    from workflows.pages.stages import travels

    @travels
    def task() -> None:
        try:
            raise ConnectionResetError
        except OSError as error:
            raise StageError("the share is gone") from error

    with pytest.raises(StageError) as raised:
        task()
    assert pickle.loads(pickle.dumps(raised.value)).transient and raised.value.__cause__ is None
