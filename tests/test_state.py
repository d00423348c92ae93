"""What a run leaves for the next one: finished pages, and what ``status`` tells."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import fakes
import psutil
import pytest
from conftest import Outcome, draw_page
from processes import CHEAP, PLAIN, program, run, start, wait_until
from storm import PROGRAM, digests, pages_done

from detectors.registry import DETECTORS
from pipeline.errors import OutputError
from pipeline.results import PageResult
from pipeline.types import PageRef
from workflows.commands import run_command
from workflows.pages import page_tasks, tools
from workflows.reporting.run_status import status_command
from workflows.storage import manifest
from workflows.storage.manifest import Manifest
from workflows.workers.cluster import SerialCluster

Program = Callable[..., Outcome]


class CountingDetector(fakes.InterruptedDetector):
    """Is interrupted on page 4 the first time, and counts the pages that it looks at."""

    seen: list[int] = []  # noqa: RUF012 - a fake's tally
    interrupts = 1

    def detect(self, image, ref):  # type: ignore[no-untyped-def]
        if ref.page_number == 4 and CountingDetector.interrupts:
            CountingDetector.interrupts = 0
            raise KeyboardInterrupt
        self.seen.append(ref.page_number)
        return ()


def test_finished_pages_are_not_redone(tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DETECTORS, "fake", CountingDetector)
    monkeypatch.setattr(CountingDetector, "seen", [])
    monkeypatch.setattr(CountingDetector, "interrupts", 1)
    source, out = draw_page(tmp_path / "a.pdf", pages=6), tmp_path / "out"
    words = (source, "--detector", "fake", "--jobs", "1", *PLAIN)
    assert restore_docs(*words, "--out", out).code == 130
    assert CountingDetector.seen == [1, 2, 3]
    (work,) = (out / ".restore-docs" / "work").glob("*/*")
    (work / "000002.pdf").write_bytes(b"damaged")
    done = restore_docs(*words, "--out", out)
    assert done.code == 0 and sorted(CountingDetector.seen[3:]) == [2, 4, 5, 6], "a damaged page is no finished one"
    assert [page["page_number"] for page in done.document("a.pdf")["pages"]] == [1, 2, 3, 4, 5, 6]
    assert restore_docs(*words, "--out", tmp_path / "calm").code == 0
    assert digests(out) == digests(tmp_path / "calm")
    assert not (out / ".restore-docs" / "work").exists()


def test_pages_of_other_settings_or_another_input_are_redone(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DETECTORS, "fake", CountingDetector)
    source, out = draw_page(tmp_path / "a.pdf", pages=5), tmp_path / "out"
    words = (source, "--out", out, "--detector", "fake", "--jobs", "1", *PLAIN)
    for change in (lambda: ("--dpi", "90"), lambda: (draw_page(source, pages=5, words=1), ())[1]):
        monkeypatch.setattr(CountingDetector, "seen", [])
        monkeypatch.setattr(CountingDetector, "interrupts", 1)
        assert restore_docs(*words, "--on-existing", "overwrite").code == 130
        assert restore_docs(*words, *change()).code == 0
        assert sorted(CountingDetector.seen) == sorted([1, 2, 3, 1, 2, 3, 4, 5])


class Haunted(SerialCluster):
    """Where the first page of a run that died is finished late: when the next run puts its pages together."""

    first: list[Any] = []  # noqa: RUF012 - what that page's task was given

    def submit(self, name: str, function: Callable[..., Any], *arguments: Any, **how: bool) -> Any:
        if function.__name__ == "restore_page" and not self.first:
            self.first.extend(arguments)
        if function.__name__ == "assemble_document":
            ref, settings, target = self.first
            with suppress(OutputError):  # there is no place for it any more
                page_tasks.restore_page(replace(ref, document=f"{ref.document}.before"), settings, target)
        return super().submit(name, function, *arguments, **how)


@pytest.mark.parametrize("change", ["settings", "input"])
def test_a_task_of_a_run_that_died_writes_over_no_page_of_the_next(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    monkeypatch.setitem(DETECTORS, "fake", CountingDetector)
    monkeypatch.setattr(CountingDetector, "interrupts", 1)
    monkeypatch.setattr(Haunted, "first", [])
    source, out = draw_page(tmp_path / "a.pdf", pages=5), tmp_path / "out"
    shutil.copy(source, f"{source}.before")
    words = [source, "--detector", "fake", "--jobs", "1", *PLAIN]
    with monkeypatch.context() as patch:
        patch.setattr(run_command, "open_cluster", lambda *_: Haunted())
        assert restore_docs(*words, "--out", out).code == 130
        if change == "input":
            draw_page(source, pages=5, words=1)
        else:
            words += ["--dpi", "90"]
        assert restore_docs(*words, "--out", out).code == 0
    assert restore_docs(*words, "--out", tmp_path / "calm").code == 0
    assert digests(out) == digests(tmp_path / "calm")
    assert not (out / ".restore-docs" / "work").exists()


def test_work_files_of_other_settings_are_cleared_away(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DETECTORS, "fake", CountingDetector)
    source, out = draw_page(tmp_path / "a.pdf", pages=5), tmp_path / "out"
    words = (source, "--out", out, "--detector", "fake", "--jobs", "1", *PLAIN)
    for more in ((), ("--dpi", "90"), ("--dpi", "90")):
        monkeypatch.setattr(CountingDetector, "interrupts", 1)
        assert restore_docs(*words, *more).code == 130
        (work,) = (out / ".restore-docs" / "work").glob("*/*")
        assert len(list(work.glob("*.pdf"))) == 3
        if more:  # what a task of a run before writes after that
            (work.parent / "0123456789abcdef").mkdir()


def test_the_pages_of_a_failed_document_are_kept_for_a_run_that_does_better(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DETECTORS, "fake", fakes.RaisingDetector)
    source, out = draw_page(tmp_path / "a.pdf", pages=4), tmp_path / "out"
    words = (source, "--out", out, "--detector", "fake", "--jobs", "1", *PLAIN)
    assert restore_docs(*words).code == 6
    tools.make_detector.cache_clear()
    monkeypatch.setitem(DETECTORS, "fake", CountingDetector)
    monkeypatch.setattr(CountingDetector, "seen", [])
    assert restore_docs(*words).code == 0 and CountingDetector.seen == [2]


def test_identical_inputs_each_get_their_output(tmp_path: Path, restore_docs: Program) -> None:
    first = draw_page(tmp_path / "a.png")
    second = tmp_path / "b.png"
    second.write_bytes(first.read_bytes())
    (tmp_path / "b.png.json").write_bytes((tmp_path / "a.png.json").read_bytes())
    words = (first, second, "--out", tmp_path / "out", *CHEAP, "--jobs", "1")
    assert restore_docs(*words).code == 0 and len(digests(tmp_path / "out")) == 2
    (tmp_path / "out" / "b.png").unlink()
    again = restore_docs(*words)
    assert again.document("a.png")["reused"] and not again.document("b.png")["reused"]
    assert len(digests(tmp_path / "out")) == 2


# -- the manifest ---------------------------------------------------------------------------------------------------


def test_the_journal_suits_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Manifest(tmp_path / "local.sqlite") as local:
        assert local.journal == "wal"
    monkeypatch.setattr(manifest, "is_shared", lambda folder: True)
    with Manifest(tmp_path / "share.sqlite") as share:
        assert share.journal == "delete"
        page = PageResult(PageRef("a.pdf", 0), path="work", digest="d")
        share.store_page("a.pdf", "i", "s", page)
        assert share.find_pages("a.pdf", "i", "s") == [page]
        assert share.find_pages("a.pdf", "i", "other") == []
    with sqlite3.connect(tmp_path / "share.sqlite") as db:
        assert db.execute("SELECT count(*) FROM pages").fetchone() == (1,)
    db.close()


@pytest.mark.parametrize(("kind", "shared"), [("nfs4", True), ("cifs", True), ("fuse.sshfs", True), ("ext4", False)])
def test_a_share_is_known_by_its_file_system(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, shared: bool
) -> None:
    (root, *_) = psutil.disk_partitions(all=True)
    here = [root._replace(mountpoint="/", fstype="ext4"), root._replace(mountpoint=str(tmp_path), fstype=kind)]
    monkeypatch.setattr(manifest.psutil, "disk_partitions", lambda all: here)
    (tmp_path / "state").mkdir()
    assert manifest.is_shared(tmp_path / "state") is shared


# -- interruptions, and what status says -----------------------------------------------------------------------------


def test_status_while_it_runs_and_after_and_what_the_first_signal_does(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = draw_page(tmp_path / "a.pdf", pages=200), tmp_path / "out"
    words = [*program(tmp_path, "SlowDetector"), source, "--out", out, "--detector", "fake", *PLAIN]
    process = start([*words, "--jobs", "1"], tmp_path / "log")
    wait_until(lambda: pages_done(out, process.pid) >= 2)
    status_command(str(out), as_json=False)
    told = capsys.readouterr().out
    assert told.startswith("running: process") and "of 200 in documents opened" in told
    second = run([*words, "--jobs", "1"])
    assert second.returncode == 5 and "another run is writing" in second.stderr
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 130
    status_command(str(out), as_json=True)
    after = json.loads(capsys.readouterr().out)
    assert after["ended"] == 130 and after["pages_by_status"]["UNCHANGED"] >= 2 and after["lock"] is None
    assert json.loads((out / "report.json").read_text())["ended_early"]["kind"] == "Interrupted"
    assert not (out / "a.pdf").exists() and len(list(out.rglob("work/*/*/*.pdf"))) >= 2


def test_a_killed_run_is_said_to_be_dead(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = draw_page(tmp_path / "a.pdf", pages=200), tmp_path / "out"
    words = [*program(tmp_path, "SlowDetector"), source, "--out", out, "--detector", "fake", *PLAIN]
    process = start([*words, "--jobs", "1"], tmp_path / "log")
    wait_until(lambda: pages_done(out, process.pid) >= 1)
    process.kill()
    process.wait()
    status_command(str(out), as_json=False)
    assert capsys.readouterr().out.startswith("died: process")


def two_pages_into_a_run(tmp_path: Path) -> tuple[Path, subprocess.Popen[bytes], list[psutil.Process]]:
    """A run on two processes that would go on for long: where it writes, itself, and what it started."""
    source, out = draw_page(tmp_path / "a.pdf", pages=400), tmp_path / "out"
    words = [*program(tmp_path, "SlowDetector"), source, "--out", out, "--detector", "fake", *PLAIN]
    process = start([*words, "--jobs", "2"], tmp_path / "log")
    wait_until(lambda: pages_done(out, process.pid) >= 2)
    return out, process, psutil.Process(process.pid).children(recursive=True)


@pytest.mark.slow
def test_the_second_signal_leaves_at_once_and_leaves_nobody_behind(tmp_path: Path) -> None:
    out, process, family = two_pages_into_a_run(tmp_path)
    os.kill(process.pid, signal.SIGINT)
    os.kill(process.pid, signal.SIGINT)
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    assert process.wait(10) == 130
    wait_until(lambda: not psutil.wait_procs(family, timeout=0.1)[1], 15)
    again = run([*PROGRAM, draw_page(tmp_path / "b.png"), "--out", out, *CHEAP, "--jobs", "1"])
    assert again.returncode == 0, again.stderr


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_goes_to_all_processes_and_only_the_client_speaks(tmp_path: Path) -> None:
    out, process, family = two_pages_into_a_run(tmp_path)
    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(60) == 130 and not psutil.wait_procs(family, timeout=15)[1]
    said = (tmp_path / "log").read_text()
    assert "restore-docs: interrupted" in said and "Traceback" not in said, said
    assert len(list(out.rglob("work/*/*/*.pdf"))) >= 2


def test_status_of_a_folder_without_a_run(tmp_path: Path, restore_docs: Program) -> None:
    done = restore_docs("status", tmp_path)
    assert done.code == 2 and "no run has written" in done.stderr
