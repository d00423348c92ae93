"""What keeps memory flat over very many pages: small calls, and results that are looked at one at a time."""

from __future__ import annotations

import gc
import json
import sys
import tracemalloc
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest
from processes import DaskProcesses, wait_until

from pipeline.results import DocumentResult, PageResult
from pipeline.types import PageRef
from workflows.config import RunSettings
from workflows.exit_codes import ExitCode, code_for_documents
from workflows.reporting.metrics import write_metrics
from workflows.reporting.report import build_report, closing_line, document_entry, write_report
from workflows.reporting.report_page import write_report_page
from workflows.storage.kept_results import InOrder
from workflows.storage.manifest import Manifest, Record
from workflows.workers.parcels import call, pack
from workflows.workers.setup import SCHEDULER_ENVIRONMENT

PAGES, FEW, MANY = 30, 10, 70


def document(number: int) -> DocumentResult:
    """One with many pages: some 14 KB."""
    ref = [PageRef(f"{number}.pdf", index) for index in range(PAGES)]
    pages = [PageResult(r, seconds={"detect": 0.1 * r.page_index}, path=f"{number}/{r.page_index}") for r in ref]
    return DocumentResult(f"{number}.pdf", (f"out/{number}.pdf",), tuple(pages))


def joined(*parts: object) -> tuple[object, ...]:
    return parts


@pytest.mark.parametrize("open_places", [(), (0,), (1,), (0, 2), (0, 1, 2)])
def test_a_packed_call_has_its_arguments_in_their_places(open_places: tuple[int, ...]) -> None:
    arguments = ["a", ["b"], None]
    parcel = pack(joined, {n: argument for n, argument in enumerate(arguments) if n not in open_places})
    assert call(parcel, *[arguments[n] for n in open_places]) == tuple(arguments)


def write_json(results: Sequence[DocumentResult], folder: Path) -> None:
    write_report(build_report(results, RunSettings(), 1.0, None), folder / "report.json")
    listed = json.loads((folder / "report.json").read_text())["documents"] if len(results) == FEW else []
    assert sum(len(entry["pages"]) for entry in listed) in (0, PAGES * FEW)


def tell(results: Sequence[DocumentResult], folder: Path) -> None:
    assert code_for_documents(results) is ExitCode.OK
    assert f"{len(results)} document" in closing_line(results, 1.0, str(folder))
    write_metrics(results, 1.0, 0, folder / "metrics.prom")


@pytest.mark.parametrize("what", [write_json, tell])
def test_documents_are_not_held_together_at_the_end_of_a_run(
    tmp_path: Path, what: Callable[[Sequence[DocumentResult], Path], None]
) -> None:
    def most(documents: int) -> int:
        gc.collect()
        tracemalloc.reset_peak()
        what(InOrder(documents, document), tmp_path)
        return tracemalloc.get_traced_memory()[1]

    what(InOrder(1, document), tmp_path)  # what is loaded and kept once
    tracemalloc.start()
    try:
        held = document(0)
        one = tracemalloc.get_traced_memory()[0]
        assert len(held.pages) == PAGES and one > 10_000
        few, many = most(FEW), most(MANY)
    finally:
        tracemalloc.stop()
    assert many - few < one * (MANY - FEW) / 2, f"{few} with {FEW} documents of {one}, {many} with {MANY}"


def test_the_report_for_people_holds_one_document_at_a_time(tmp_path: Path) -> None:
    class Pages(list[dict[str, Any]]):
        """A list that can be counted."""

        __hash__ = object.__hash__  # type: ignore[assignment]

    alive: WeakSet[Pages] = WeakSet()
    most = 0

    def entry(number: int) -> dict[str, Any]:
        nonlocal most
        told = document_entry(document(number))
        told["pages"] = Pages(told["pages"])
        alive.add(told["pages"])
        most = max(most, len(alive))
        return told

    report = build_report(InOrder(MANY, document), RunSettings(), 1.0, None) | {"documents": InOrder(MANY, entry)}
    write_report_page(report, tmp_path, tmp_path / "report.html")
    with (tmp_path / "report.html").open() as page:
        assert sum(line.startswith("<tr id=") for line in page) == PAGES * MANY
    assert 1 <= most <= 3


def test_previews_are_those_of_documents_that_are_there(tmp_path: Path) -> None:
    with Manifest(tmp_path / "manifest.sqlite") as manifest:
        for name in ("there", "gone"):
            page = PageResult(PageRef(name, 0), path="x", previews={"after": f"{name}.jpg"})
            manifest.store(name, Record("", "", {f"{name}.pdf": ""}, (page,)))
        (tmp_path / "there.pdf").write_bytes(b"")
        assert manifest.previews(tmp_path) == {"there.jpg"}


def test_a_scheduler_loads_none_of_our_libraries_and_keeps_short_logs(tmp_path: Path) -> None:
    from distributed import Client

    from pipeline.documents import DocumentKind
    from workflows.pages import page_tasks
    from workflows.storage.inputs import Source, plan_outputs
    from workflows.workers.dask_cluster import DaskCluster

    def look(dask_scheduler) -> tuple[set[str], int]:  # type: ignore[no-untyped-def]
        import sys

        heavy = {"cv2", "pymupdf", "pydantic", "shapely", "workflows.pages.page_tasks"}
        return heavy & set(sys.modules), dask_scheduler.transition_log.maxlen

    with DaskProcesses(tmp_path, 1, more_for_scheduler=SCHEDULER_ENVIRONMENT) as processes:
        client = Client(processes.address, set_as_default=False)
        client.wait_for_workers(1)
        cluster = DaskCluster(client, None, RunSettings(detector="annotated", remover="fill", mask="classical"))
        (gone,) = plan_outputs([Source("gone.pdf", Path("gone.pdf"), Path("gone.pdf"), DocumentKind.PDF)], tmp_path,
                               format="same", lossless=False)  # fmt: skip
        future = cluster.submit("x", page_tasks.inspect_source, gone, RunSettings(), str(tmp_path / "work"), "")
        landed = []
        wait_until(lambda: landed.extend(cluster.wait(1)) or landed)
        assert landed[0].future is future and "gone.pdf" in str(landed[0].error)
        assert "cv2" in sys.modules and client.run_on_scheduler(look) == (set(), 100)
        cluster.close()
