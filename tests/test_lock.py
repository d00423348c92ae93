"""One run at a time on an output folder: who waits for whom."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from processes import wait_until

from pipeline.errors import OutputError
from workflows.storage import folder_lock
from workflows.storage.folder_lock import FolderLock


def test_a_lock_of_a_dead_process_here_is_taken_over_at_once(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path, "out")
    held = folder_lock.myself() | {"token": "gone", "renewed": 3}
    for gone in ({"pid": 2**22 + 1}, {"born": held["born"] - 1000}):  # no such process; the number is used again
        (tmp_path / folder_lock.NAME).write_text(json.dumps(held | gone))
        began = time.monotonic()
        with lock:
            assert time.monotonic() - began < 1
        assert not (tmp_path / folder_lock.NAME).exists()


def test_a_lock_of_another_host_is_waited_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder_lock.LEASE_SECONDS <= 30
    monkeypatch.setattr(folder_lock, "LEASE_SECONDS", 2.0)
    away = folder_lock.myself() | {"where": "elsewhere", "token": "theirs", "renewed": 3}
    (tmp_path / folder_lock.NAME).write_text(json.dumps(away))
    began = time.monotonic()
    with FolderLock(tmp_path, "out"):
        assert 2 <= time.monotonic() - began < 10


def test_a_lock_that_another_host_renews_is_respected(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    away = folder_lock.myself() | {"where": "elsewhere", "host": "far-away", "token": "theirs"}
    path = tmp_path / folder_lock.NAME
    path.write_text(json.dumps(away | {"renewed": 1}))
    monkeypatch.setattr(folder_lock.time, "sleep", lambda _: path.write_text(json.dumps(away | {"renewed": 2})))
    with pytest.raises(OutputError, match="far-away"), FolderLock(tmp_path, "out"):
        pass
    assert path.exists(), "it is theirs"


def test_who_lost_the_lock_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_lock, "RENEW_SECONDS", 0.05)
    with FolderLock(tmp_path, "out") as lock:
        lock.check()
        (tmp_path / folder_lock.NAME).write_text(json.dumps({"token": "somebody else's"}))
        wait_until(lambda: lock.lost, 10)
        with pytest.raises(OutputError, match="took over"):
            lock.check()
    assert (tmp_path / folder_lock.NAME).exists()
