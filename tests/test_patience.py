"""Disks, network shares and stores that are out for a moment, under the client itself."""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from conftest import Outcome, draw_page
from fakes import stuttering
from processes import CHEAP

from pipeline.errors import OutputError
from workflows.reporting import run_status
from workflows.storage import manifest, patience, places
from workflows.storage.manifest import Manifest
from workflows.workers import flights

Program = Callable[..., Outcome]
STALE = OSError(errno.ESTALE, "Stale file handle")
FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture(autouse=True)
def _in_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PAUSES_SECONDS", (0.0, 0.0, 0.0))
    monkeypatch.setattr(flights, "FIRST_PAUSE_SECONDS", 0.0)


@pytest.fixture
def store() -> Iterator[Any]:
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    yield fs
    fs.store.clear()


CALLS: dict[str, tuple[str, Callable[[str], object]]] = {
    "exists": ("exists", places.exists),
    "digest": ("is_file", places.digest_there),
    "remove": ("unlink", places.remove),
    "names": ("is_dir", places.names_in),
    "folder": ("mkdir", places.make_folder),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_share_that_is_out_for_a_moment_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    method, function = CALLS[call]
    place = tmp_path / "a"
    expected = function(str(place))
    monkeypatch.setattr(Path, method, stuttering(getattr(Path, method), STALE, 3))
    assert function(str(place)) == expected
    monkeypatch.setattr(Path, method, always := stuttering(getattr(Path, method), STALE, 99))
    with pytest.raises(OutputError, match="Stale file handle") as raised:
        function(str(place))
    assert raised.value.transient and always.failed == 4  # type: ignore[attr-defined]
    monkeypatch.setattr(Path, method, once := stuttering(getattr(Path, method), FULL, 1))
    with pytest.raises(OutputError, match="No space left"):
        function(str(place))
    assert once.failed == 1, "to try again would help nobody"  # type: ignore[attr-defined]


@pytest.mark.parametrize("method", ["open", "rm_file", "ls", "pipe_file", "cat_file", "find", "info"])
def test_a_run_outlives_a_store_that_is_out_for_a_moment(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch, store: Any, method: str
) -> None:
    store.pipe_file("/job/in/a.pdf", draw_page(tmp_path / "a.pdf", pages=2).read_bytes())
    store.pipe_file("/job/in/a.pdf.json", (tmp_path / "a.pdf.json").read_bytes())
    words = ("memory://job/in/*.pdf", "--out", "memory://job/out", *CHEAP, "--jobs", "1")
    assert restore_docs(*words).code == 0
    again = stuttering(getattr(type(store), method), ConnectionResetError(), 2)
    monkeypatch.setattr(type(store), method, again)
    done = restore_docs(*words)
    assert done.code == 0 and "done already" in done.stdout, done.stderr
    assert again.failed == 2, f"{method} is not used"  # type: ignore[attr-defined]
    monkeypatch.setattr(type(store), method, stuttering(getattr(type(store), method), ConnectionResetError(), 2))
    assert restore_docs(*words, "--on-existing", "overwrite").code == 0


def test_a_disk_that_stays_out_ends_the_run_with_a_report(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = draw_page(tmp_path / "a.png")
    words = (source, "--out", tmp_path / "out", *CHEAP, "--jobs", "1")
    assert restore_docs(*words).code == 0

    def is_file(path: Path) -> bool:
        if path == tmp_path / "out" / "a.png":
            raise STALE
        return path.exists()

    monkeypatch.setattr(Path, "is_file", is_file)
    done = restore_docs(*words)
    assert done.code == 5 and "Stale file handle" in done.stderr and "Traceback" not in done.stderr
    assert done.report["ended_early"]["kind"] == "OutputError" and done.document("a.png")["status"] == "FAILED"


def test_a_status_that_cannot_be_noted_is_no_reason_to_end(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    passing = OutputError("the store is out", "wait")
    passing.transient = True
    monkeypatch.setattr(run_status, "NOTE_SECONDS", 0.0)
    monkeypatch.setattr(Manifest, "note", stuttering(Manifest.note, passing, 99))
    source = draw_page(tmp_path / "a.pdf", pages=3)
    done = restore_docs(source, "--out", tmp_path / "out", *CHEAP, "--jobs", "1")
    assert done.code == 0 and done.stderr.count("what status tells is behind") == 1
    monkeypatch.setattr(Manifest, "note", stuttering(Manifest.note, OutputError("the disk is full", "free some"), 99))
    assert restore_docs(source, "--out", tmp_path / "other", *CHEAP, "--jobs", "1").code == 5


class StutteringDatabase:
    """A database on a share that is out for a moment."""

    def __init__(self, real: sqlite3.Connection, code: int) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = code
        self.execute = stuttering(real.execute, error)
        self.commit = stuttering(real.commit, error)


def test_a_manifest_on_a_share_that_is_out_for_a_moment(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Manifest(tmp_path / "m.sqlite") as kept:
        db = kept._db
        record = manifest.Record("i", "s", {"a": "d"}, ())
        kept._db = StutteringDatabase(db, sqlite3.SQLITE_IOERR_READ)  # type: ignore[assignment]
        with caplog.at_level(logging.WARNING):
            kept.store("a", record)
        assert kept.find("a") == record and caplog.text.count("disk I/O error") == 2
        kept._db = StutteringDatabase(db, sqlite3.SQLITE_CORRUPT)  # type: ignore[assignment]
        with pytest.raises(OutputError, match="manifest"):
            kept.find("a")
        kept._db = db
