"""Inputs, outputs and weights behind URLs."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from conftest import Outcome, draw_page
from processes import CHEAP, PLAIN, run
from storm import PROGRAM, digests

from pipeline.errors import InputError, OutputError, SetupError
from workflows.commands import run_command
from workflows.config import RunSettings
from workflows.pages import tools
from workflows.storage import patience, places
from workflows.storage.url_memory import Marker
from workflows.workers.cluster import SerialCluster

Program = Callable[..., Outcome]
URL = "memory://job"


@pytest.fixture(autouse=True)
def memory() -> Iterator[Any]:
    fs = fsspec.filesystem("memory")
    fs.store.clear()
    yield fs
    fs.store.clear()


def put(fs: Any, *paths: Path) -> None:
    for path in paths:
        for name in (path.name, f"{path.name}.json"):
            fs.pipe_file(f"/job/in/{name}", path.with_name(name).read_bytes())


def behind(fs: Any, folder: str) -> dict[str, str]:
    files = {p.rsplit("/", 1)[-1]: p for p in fs.find(folder) if "/.restore-docs/" not in p and not p.endswith(".json")}
    return {name: hashlib.sha256(fs.cat_file(path)).hexdigest() for name, path in files.items()}


def test_from_url_to_url_with_markers_and_the_same_bytes(tmp_path: Path, restore_docs: Program, memory: Any) -> None:
    sources = [draw_page(tmp_path / "a.pdf", pages=3), draw_page(tmp_path / "b.png")]
    put(memory, *sources)
    assert restore_docs(*sources, "--out", tmp_path / "out", *CHEAP, "--jobs", "1").code == 0
    words = (f"{URL}/in", "--out", f"{URL}/out", *CHEAP, "--jobs", "1")
    done = restore_docs(*words)
    assert done.code == 0, done.stderr
    assert behind(memory, "/job/out") == digests(tmp_path / "out")
    assert len(memory.glob("/job/out/.restore-docs/done/*.json")) == 2
    report = json.loads(memory.cat_file("/job/out/report.json"))
    sources_told = [d["source"] for d in report["documents"] if d["status"] != "SKIPPED"]
    assert sources_told == [f"{URL}/in/a.pdf", f"{URL}/in/b.png"]
    assert not memory.glob("/job/out/.restore-docs/work/*") and not memory.exists("/job/out/.restore-docs/lock.json")
    again = restore_docs(*words)
    assert again.stdout.startswith("4 documents: 2 restored, 2 skipped") and "2 documents done already" in again.stdout
    memory.rm_file("/job/out/b.png")
    memory.pipe_file("/job/out/a.pdf", b"damaged")
    redone = restore_docs(*words)
    assert redone.code == 0 and "done already" not in redone.stdout
    assert behind(memory, "/job/out") == digests(tmp_path / "out")
    told = restore_docs("status", f"{URL}/out")
    assert told.code == 0 and "ended with exit code 0" in told.stdout


def test_files_of_others_behind_a_url_stay(tmp_path: Path, restore_docs: Program, memory: Any) -> None:
    put(memory, draw_page(tmp_path / "a.png"))
    memory.pipe_file("/job/out/a.png", b"precious")
    words = (f"{URL}/in/*.png", "--out", f"{URL}/out", *CHEAP, "--jobs", "1")
    assert restore_docs(*words).code == 6
    assert memory.cat_file("/job/out/a.png") == b"precious"
    assert restore_docs(*words, "--on-existing", "fail").code == 5


def test_outputs_are_ours_before_they_are_written(
    tmp_path: Path, restore_docs: Program, memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(self: Marker, digests: object) -> None:
        raise KeyboardInterrupt

    put(memory, draw_page(tmp_path / "a.png"))
    words = (f"{URL}/in/*.png", "--out", f"{URL}/out", *CHEAP, "--jobs", "1")
    with monkeypatch.context() as patch:
        patch.setattr(Marker, "finish", dies)
        assert restore_docs(*words).code == 130
    assert memory.exists("/job/out/a.png")
    done = restore_docs(*words)
    assert done.code == 0 and "done already" not in done.stdout, done.stderr
    assert "1 document done already" in restore_docs(*words).stdout


class Watched(SerialCluster):
    """Knows whether it is a worker that asks the store, or the client."""

    working = False

    def submit(self, *words: Any, **how: Any) -> Any:
        Watched.working = True
        try:
            return super().submit(*words, **how)
        finally:
            Watched.working = False


def test_the_client_asks_the_store_once_for_a_document(
    tmp_path: Path, restore_docs: Program, memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests take a store some 30 ms, and there is one client for all workers."""
    asked: list[str] = []

    def counting(method: str) -> Callable[..., Any]:
        real = getattr(type(memory), method)

        def count(self: Any, path: Any, *arguments: Any, **options: Any) -> Any:
            client = threading.current_thread() is threading.main_thread() and not Watched.working
            if client and any(f"/{kind}/" in str(path) for kind in ("out", "done", "work")):
                asked.append(f"{method} {path}")
            return real(self, path, *arguments, **options)

        return count

    monkeypatch.setattr(run_command, "open_cluster", lambda *_: Watched())
    for method in ("cat_file", "pipe_file", "exists", "info", "ls", "open", "rm", "rm_file", "get_file", "put_file"):
        monkeypatch.setattr(type(memory), method, counting(method))
    for count in (1, 4, 4):
        put(memory, *(draw_page(tmp_path / f"{n}.png") for n in range(count)))
        asked.clear()
        assert restore_docs(f"{URL}/in/*.png", "--out", f"{URL}/out", *CHEAP, "--jobs", "1").code == 0
        assert [what[:8] for what in asked if "/done/" in what] == ["cat_file"] * count
        assert not [what for what in asked if re.search(r"/out/\d+\.png|/work/[0-9a-f]{16}", what)]


def test_what_is_not_there_is_told(tmp_path: Path, restore_docs: Program, memory: Any) -> None:
    done = restore_docs(f"{URL}/none.pdf", "--out", tmp_path / "out", *CHEAP)
    assert done.code == 3 and "memory://job/none.pdf" in done.stderr
    put(memory, draw_page(tmp_path / "a.png"))
    memory.pipe_file("/job/in/a.png", b"\x89PNG\r\n\x1a\n broken")
    broken = restore_docs(f"{URL}/in/a.png", "--out", tmp_path / "out", *CHEAP, "--jobs", "1")
    failure = broken.document("a.png")["failure"]
    assert broken.code == 3 and "memory://job/in/a.png" in failure["what"] and "/tmp" not in failure["what"]
    with pytest.raises(SetupError, match="nonsense"):
        places.open_fs("nonsense://x")
    with pytest.raises(InputError, match="memory://job/gone"), places.reading("memory://job/gone"):
        pass


def test_a_second_run_on_a_url_says_so_and_leaves(tmp_path: Path, restore_docs: Program, memory: Any) -> None:
    from workflows.storage.url_memory import UrlLock

    put(memory, draw_page(tmp_path / "a.png"))
    with UrlLock(f"{URL}/out/.restore-docs", f"{URL}/out"):
        done = restore_docs(f"{URL}/in/a.png", "--out", f"{URL}/out", *CHEAP, "--jobs", "1")
    assert done.code == 5 and "another run is writing" in done.stderr


def test_a_store_that_is_out_for_a_moment_may_pass(monkeypatch: pytest.MonkeyPatch, memory: Any) -> None:
    def out_of_order(*_: object, **__: object) -> None:
        raise ConnectionResetError

    monkeypatch.setattr(type(memory), "pipe_file", out_of_order)
    monkeypatch.setattr(patience, "PAUSES_SECONDS", (0.0,))
    with pytest.raises(OutputError) as raised:
        places.write_text(f"{URL}/x", "x")
    assert raised.value.transient


def test_weights_behind_a_url_are_fetched_and_are_part_of_the_settings(memory: Any) -> None:
    from workflows.pages.tools import remover_settings
    from workflows.workers.setup import demands_of, find_refusal

    memory.pipe_file("/job/w.safetensors", b"some weights")
    settings = RunSettings(weights=f"{URL}/w.safetensors")
    fetched = remover_settings(settings).weights
    assert fetched is not None and fetched.read_bytes() == b"some weights"
    before, demands = settings.digest(), demands_of(settings)
    assert find_refusal(demands) == ""
    memory.pipe_file("/job/w.safetensors", b"other weights")
    assert settings.digest() != before and "w.safetensors" in find_refusal(demands)
    tools.make_remover.cache_clear()


def test_anonymizing_needs_folders_and_writes_no_names_elsewhere(
    tmp_path: Path, restore_docs: Program, memory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    put(memory, draw_page(tmp_path / "a.png"))
    assert restore_docs(f"{URL}/in", "--out", tmp_path / "out", "--anonymize").code == 2
    assert restore_docs(tmp_path / "a.png", "--out", f"{URL}/out", "--anonymize").code == 2
    assert not list(tmp_path.rglob("names.json")) and not list(tmp_path.glob("memory*"))


@pytest.mark.slow
def test_workers_reach_urls_as_well(tmp_path: Path) -> None:
    """``file://`` goes the way of all URLs, and processes share it."""
    (tmp_path / "in").mkdir()
    sources = [draw_page(tmp_path / "in" / name, pages=2) for name in ("a.pdf", "b.pdf")]
    words = [*PROGRAM, f"file://{tmp_path}/in/*.pdf", "--out", f"file://{tmp_path}/out", "--detector", "annotated"]
    done = run([*words, *PLAIN, "--jobs", "2"])
    assert done.returncode == 0, done.stderr
    assert run([*PROGRAM, *sources, "--out", tmp_path / "calm", *CHEAP, "--jobs", "1"]).returncode == 0
    assert digests(tmp_path / "out") == digests(tmp_path / "calm")
