"""Which pages are started when: the window, documents in turn, and the GPU's groups. In-process, with many slots."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import draw_page
from storm import digests

from pipeline.results import DocumentResult
from pipeline.types import PageRef
from remover.registry import REMOVERS
from workflows.config import RunSettings
from workflows.pages import page_tasks
from workflows.reporting.progress import LogLines
from workflows.restore import BYTES_PER_WAITING_PAGE, Run, window_of
from workflows.storage.inputs import find_sources, plan_outputs
from workflows.storage.manifest import Manifest
from workflows.workers.cluster import BYTES_PER_JOB, Landing, SerialCluster
from workflows.workers.page_flights import GROUP

SETTINGS = RunSettings(detector="annotated", mask="classical", remover="fill", report="json", page_timeout="off")


class ManySlots(SerialCluster):
    """Does one thing at a time, but is asked for many; notes what it was asked for."""

    slots, memory = 3, 10**12

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, bool, Sequence[Any]]] = []

    def submit(self, name: str, function: Callable[..., Any], *arguments: Any, **how: bool) -> Any:
        self.asked.append((function.__name__, how.get("gpu", False), arguments))
        return super().submit(name, function, *arguments, **how)


class WithGpu(ManySlots):
    """Has a worker with a GPU, as far as anyone is told."""

    slots, gpus = 6, 1


class Order(LogLines):
    """Notes in which order documents are finished."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []

    def document_done(self, document: DocumentResult) -> None:
        self.done.append(Path(document.source).name)


def go(folder: Path, sources: list[Path], cluster: SerialCluster, out: str) -> Order:
    state = folder / out / ".restore-docs"
    state.mkdir(parents=True)
    found = find_sources([str(source) for source in sources])
    documents = plan_outputs(found, folder / out, format="same", lossless=False)
    order = Order()
    with Manifest(state / "manifest.sqlite") as manifest:
        run = Run(documents, SETTINGS, folder / out, state, manifest)
        run(cluster, order)
    assert all(result.failure is None for result in run.results.values())
    return order


def test_a_big_document_does_not_starve_small_ones(tmp_path: Path) -> None:
    big = draw_page(tmp_path / "a-big.pdf", pages=16)
    small = [draw_page(tmp_path / f"b{n}.png") for n in range(6)]
    order = go(tmp_path, [big, *small], ManySlots(), "out")
    assert order.done[-1] == "a-big.pdf" and len(order.done) == 7


def test_a_gpu_is_given_several_pages_at_once_and_the_bytes_are_the_same(tmp_path: Path) -> None:
    sources = [draw_page(tmp_path / "a.pdf", pages=14), draw_page(tmp_path / "b.png")]
    cluster = WithGpu()
    go(tmp_path, sources, cluster, "gpu")
    groups = [len(arguments[0]) for name, gpu, arguments in cluster.asked if gpu]
    assert max(groups) == GROUP and sum(groups) == 15
    assert {name for name, gpu, _ in cluster.asked if gpu} == {"remove_texts"}
    devices = {(name, a[1].device) for name, _, a in cluster.asked if name == "prepare_page"}
    assert devices == {("prepare_page", "cpu")}, "the stages beside the GPU ask for none"
    go(tmp_path, sources, ManySlots(), "cpu")
    assert digests(tmp_path / "gpu") == digests(tmp_path / "cpu")


def test_one_bad_page_of_a_group_fails_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Picky:
        name, tile_side, needs_structure, needs_soft_mask = "picky", 512, False, False

        def __init__(self, settings: object) -> None:
            self.fill = REMOVERS["fill"](settings)  # type: ignore[arg-type]

        def remove(self, tiles: Sequence[Any]) -> Any:
            if any(tile.image[0, 0, 0] == 7 for tile in tiles):
                raise ZeroDivisionError("not this one")
            return self.fill.remove(tiles)

    monkeypatch.setitem(REMOVERS, "picky", Picky)
    sources = [draw_page(tmp_path / f"{n}.png") for n in range(9)]
    from PIL import Image

    image = np.asarray(Image.open(sources[4]).convert("RGB")).copy()
    image[0, 0] = 7
    Image.fromarray(image).save(sources[4])
    state = tmp_path / "out" / ".restore-docs"
    state.mkdir(parents=True)
    documents = plan_outputs(find_sources([str(s) for s in sources]), tmp_path / "out", format="same", lossless=False)
    with Manifest(state / "manifest.sqlite") as manifest:
        settings = SETTINGS.model_copy(update={"remover": "picky"})
        run = Run(documents, settings, tmp_path / "out", state, manifest)
        run(WithGpu(), LogLines())
    failed = [Path(source).name for source, result in run.results.items() if result.failure is not None]
    assert failed == ["4.png"] and len(run.results) == 9


class Spoiling(WithGpu):
    """Loses one of the first results of some function with its worker, and fails to make it anew: so what needs it."""

    def __init__(self, function: str) -> None:
        super().__init__()
        self.function = function
        self.lost: Any = None

    def submit(self, name: str, function: Callable[..., Any], *arguments: Any, **how: bool) -> Any:
        future = super().submit(name, function, *arguments, **how)
        if function.__name__ == self.function and self.lost is None:
            self.lost = future
        needed = [part for argument in arguments for part in (argument if isinstance(argument, list) else [argument])]
        if any(part is self.lost for part in needed):
            self._landed[-1] = Landing(future, None, RuntimeError("the worker died"), died=True)
        return future

    def spoilt(self, future: Any) -> bool:
        return future is self.lost


@pytest.mark.parametrize("function", ["prepare_page", "remove_texts"])
def test_a_page_whose_result_was_lost_for_good_is_begun_again_and_not_blamed(tmp_path: Path, function: str) -> None:
    sources = [draw_page(tmp_path / "a.pdf", pages=14), draw_page(tmp_path / "b.png")]
    cluster = Spoiling(function)
    go(tmp_path, sources, cluster, "out")
    assert cluster.lost is not None and len(digests(tmp_path / "out")) == 2
    begun = [arguments[0].page_number for name, _, arguments in cluster.asked if name == "prepare_page"]
    assert len(begun) > 15, "it was begun again"
    go(tmp_path, sources, ManySlots(), "calm")
    assert digests(tmp_path / "out") == digests(tmp_path / "calm")


def test_what_is_removed_does_not_depend_on_the_company(tmp_path: Path) -> None:
    source = draw_page(tmp_path / "a.pdf", pages=3, size=(900, 700))
    target = page_tasks.PageTarget(str(tmp_path / "w" / "x.pdf"), "pdf")  # type: ignore[arg-type]
    pages = [page_tasks.prepare_page(PageRef(str(source), n), SETTINGS, target) for n in range(3)]
    together = page_tasks.remove_texts(pages, SETTINGS, "")
    for page, removed in zip(pages, together, strict=True):
        (alone,) = page_tasks.remove_texts([page], SETTINGS, "")
        assert len(alone.tiles) == len(removed.tiles) == len(page.tiles) > 0
        assert all((a.image == b.image).all() for a, b in zip(alone.tiles, removed.tiles, strict=True))


@pytest.mark.parametrize(
    ("slots", "gpus", "memory", "window"),
    [
        (4, 0, 10**12, 8),
        (4, 0, 2 * BYTES_PER_JOB, 4),
        (4, 0, 1, 2),
        (4, 2, 10**12, 8 + 2 * 2 * GROUP),
        (4, 2, 10 * BYTES_PER_WAITING_PAGE, 5),
    ],
)
def test_the_window_is_sized_from_memory(slots: int, gpus: int, memory: int, window: int) -> None:
    cluster = ManySlots()
    cluster.slots, cluster.gpus, cluster.memory = slots, gpus, memory  # type: ignore[misc]
    assert window_of(cluster) == window
