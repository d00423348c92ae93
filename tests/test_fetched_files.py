"""Files fetched from URLs, by processes with several threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from pipeline.errors import InputError
from workflows.storage import places
from workflows.storage.fetched_files import KEPT, FetchedFiles

URL = "memory://files"


@pytest.fixture(autouse=True)
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    for n in range(3 * KEPT):
        fs.pipe_file(f"/files/{n}.pdf", f"this is {n}".encode())
    monkeypatch.setattr(places, "_FETCHED", FetchedFiles())
    yield fs
    fs.store.clear()


def test_a_file_stays_while_it_is_read_and_a_few_after_that() -> None:
    with places.reading(f"{URL}/0.pdf") as held:
        seen = []
        for n in range(1, 3 * KEPT):
            with places.reading(f"{URL}/{n}.pdf") as local:
                seen.append(local)
        assert Path(held).read_text() == "this is 0"
        assert [path for path in seen if Path(path).exists()] == seen[-KEPT:]
    with places.reading(f"{URL}/1.pdf") as local:
        assert Path(local).read_text() == "this is 1" and not Path(held).exists(), "it was the oldest"


def test_what_a_setting_names_stays() -> None:
    kept = places.local_path(Path(f"{URL}/0.pdf"))
    assert places.local_path(Path(f"{URL}/0.pdf")) == kept
    for n in range(1, 3 * KEPT):
        with places.reading(f"{URL}/{n}.pdf"):
            pass
    assert kept.read_text() == "this is 0"


def test_threads_fetch_a_file_once_and_never_see_half_of_it(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    fetched, read, together = [], [], threading.Barrier(8)

    def slowly(self: Any, path: str, local: str, **_: Any) -> None:
        fetched.append(path)
        content = self.cat_file(path)
        Path(local).write_bytes(content[:4])
        time.sleep(0.2)
        Path(local).write_bytes(content)

    def look(n: int) -> None:
        together.wait()
        with places.reading(f"{URL}/{n % 2}.pdf") as local:
            read.append((n % 2, Path(local).read_text()))

    monkeypatch.setattr(type(memory), "get_file", slowly)
    threads = [threading.Thread(target=look, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(fetched) == ["/files/0.pdf", "/files/1.pdf"]
    assert sorted(read) == [(n, f"this is {n}") for n in (0, 1) for _ in range(4)]


def test_half_of_a_file_is_fetched_again(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(self: Any, path: str, local: str, **_: Any) -> None:
        Path(local).write_bytes(b"half")
        raise ConnectionResetError

    with monkeypatch.context() as patch:
        patch.setattr(type(memory), "get_file", breaks)
        with pytest.raises(InputError) as raised, places.reading(f"{URL}/0.pdf"):
            pass
    assert raised.value.transient
    with places.reading(f"{URL}/0.pdf") as local:
        assert Path(local).read_text() == "this is 0"


def test_what_a_person_says_of_a_file_is_part_of_it(memory: Any) -> None:
    for said in (None, b"one thing", b"another"):
        if said:
            memory.pipe_file("/files/0.pdf.json", said)
        with places.reading(f"{URL}/0.pdf") as local:
            beside = Path(f"{local}.json")
            assert (beside.read_bytes() if beside.exists() else None) == said
