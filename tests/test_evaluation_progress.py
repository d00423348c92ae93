"""How far a long command is: passed on one by one, told now and then, and nothing of it on stdout."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from test_make_pairs import QUICK, Program, document, told

from workflows.commands import make_pairs
from workflows.evaluation import progress
from workflows.evaluation.progress import LOG_EVERY_SECONDS, shown


def test_without_a_terminal_a_line_is_logged_now_and_then(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    monkeypatch.setattr(progress.time, "monotonic", lambda: now)
    caplog.set_level(logging.INFO, "restore_docs")
    passed = []
    for item in shown("abcdefg", "pages"):
        passed.append((item, [record.getMessage() for record in caplog.records]))
        now += LOG_EVERY_SECONDS / 2.5
    assert [item for item, _ in passed] == list("abcdefg")
    assert passed[2][1] == [] and passed[3][1] == ["3 of 7 pages"] == passed[5][1]
    assert passed[6][1] == ["3 of 7 pages", "6 of 7 pages"]


def test_items_are_taken_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for terminal in (False, True):
        monkeypatch.setattr(progress.sys.stderr, "isatty", lambda terminal=terminal: terminal, raising=False)
        passed = shown(range(5), "pages")
        assert [next(passed), next(passed)] == [0, 1]
        assert list(passed) == [2, 3, 4]


def test_on_a_terminal_a_bar_goes_to_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "restore_docs")
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    assert list(shown([1, 2, 3], "pages")) == [1, 2, 3]
    streams = capsys.readouterr()
    assert "pages" in streams.err and streams.out == "" and not caplog.records


def test_pairs_are_written_one_by_one(tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out"
    there: list[set[str]] = []

    def watched(jobs: Any, what: str) -> Any:
        assert what == "pages"
        for job in jobs:
            there.append({path.relative_to(out).as_posix() for path in out.rglob("*.*")})
            yield job

    monkeypatch.setattr(make_pairs, "shown", watched)
    assert restore_docs("make-pairs", document(tmp_path / "a.pdf"), "--out", out, *QUICK).code == 0
    first = {"input/a_p1.png", "gt/a_p1.png", "mask/a_p1.png", "json/a_p1.json", "pages.jsonl"}
    assert there == [set(), first], "a page is whole before the next is begun"


def test_a_run_that_is_stopped_leaves_whole_pairs(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"

    def stopped(jobs: Any, what: str) -> Any:
        yield jobs[0]
        raise KeyboardInterrupt

    monkeypatch.setattr(make_pairs, "shown", stopped)
    assert restore_docs("make-pairs", document(tmp_path / "a.pdf"), "--out", out, *QUICK).code == 130
    assert [path.stem for path in (out / "json").iterdir()] == ["a_p1"] and len(told(out, "a_p1")["words"]) == 6
