"""Workers with a GPU beside others, as far as Dask is told: who does what, and what becomes of a run without them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import draw_page
from processes import DaskProcesses, end, run, seen, spy, start, wait_until
from storm import PROGRAM, digests

pytestmark = pytest.mark.slow
NETWORK = ("--detector", "annotated", "--remover", "ctrnet", "--mask", "classical", "--report", "json")
GPU = ("--resources", "GPU=1", "--name", "gpu")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskProcesses]:
    with DaskProcesses(tmp_path, workers=0) as started:
        yield started


@pytest.fixture
def words(tmp_path: Path, cluster: DaskProcesses, documents: Path) -> list[object]:
    """The program on a document of 12 pages, with a small network."""
    source = draw_page(tmp_path / "a.pdf", pages=12)
    options = (*NETWORK, "--weights", documents, "--scheduler", cluster.address, "--out", tmp_path / "out")
    return [*PROGRAM, source, *options]


def functions_of(folder: Path, worker: str) -> set[str]:
    return {told[3] for told in seen(folder) if told[0] == worker and told[2] == "run"}


def test_gpu_workers_remove_text_and_do_nothing_else_and_each_loads_once(
    tmp_path: Path, cluster: DaskProcesses, words: list[object]
) -> None:
    cluster.start_worker(*GPU, *spy(tmp_path))
    cluster.start_worker("--name", "cpu", *spy(tmp_path))
    cluster.wait_for_workers(2)
    done = run(words)
    assert done.returncode == 0, done.stderr
    assert functions_of(tmp_path, "gpu") == {"remove_texts"}
    assert functions_of(tmp_path, "cpu") == {"inspect_source", "prepare_page", "finish_page", "assemble_document"}
    loads = sorted((told[0], told[3]) for told in seen(tmp_path) if told[2] == "load")
    assert loads == [("cpu", "cpu"), ("gpu", "auto")]


def test_gpu_workers_alone_do_whole_pages(tmp_path: Path, cluster: DaskProcesses, words: list[object]) -> None:
    cluster.start_worker(*GPU, *spy(tmp_path))
    cluster.wait_for_workers(1)
    done = run(words)
    assert done.returncode == 0, done.stderr
    assert functions_of(tmp_path, "gpu") == {"inspect_source", "restore_page", "assemble_document"}
    one = run([*words[:-4], "--out", tmp_path / "one", "--jobs", "1", "--device", "cpu"])
    assert one.returncode == 0 and digests(tmp_path / "one") == digests(tmp_path / "out")


def test_the_only_gpu_worker_dies_and_comes_back_and_has_removed_all_text(
    tmp_path: Path, cluster: DaskProcesses, words: list[object]
) -> None:
    words[len(PROGRAM)] = draw_page(tmp_path / "long.pdf", pages=40)  # more than are done before it is killed
    cluster.start_worker(*GPU, *spy(tmp_path))
    cluster.start_worker("--name", "cpu", *spy(tmp_path))
    cluster.wait_for_workers(2)
    client = start(words, tmp_path / "log")
    try:
        wait_until(lambda: "remove_texts" in functions_of(tmp_path, "gpu"))
        cluster.kill_a_worker(0)
        assert client.wait(120) == 0, (tmp_path / "log").read_text()
    finally:
        end(client)
    assert functions_of(tmp_path, "gpu") == {"remove_texts"}
    assert len({told[1] for told in seen(tmp_path) if told[0] == "gpu" and told[2] == "run"}) == 2
    assert functions_of(tmp_path, "cpu") == {"inspect_source", "prepare_page", "finish_page", "assemble_document"}
