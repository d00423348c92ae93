"""The run: pages in, documents out, with a bounded window of pages in flight.

Tasks with resource restrictions are never queued by Dask, and queued pages would fill memory; so this module holds its
own window. The client sees small results only; pixels go from worker to worker and to work files.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.documents import DocumentKind
from pipeline.errors import ClusterError, InputError, OutputError, SetupError, UsageError
from pipeline.results import DocumentResult, Failure, PageResult, PageStatus
from pipeline.types import PageRef
from workflows import tasks
from workflows.cluster import Cluster
from workflows.config import RunSettings, selected_pages
from workflows.failures import document_failure, fail_closed
from workflows.inputs import PREVIEWS, PlannedDocument
from workflows.manifest import Manifest, Record
from workflows.pictures import PageTarget
from workflows.progress import Observer
from workflows.stages import failure_from

log = logging.getLogger("restore_docs")

# These concern the whole run: going on would fail every page alike.
FATAL = (UsageError, SetupError, OutputError, ClusterError)
# Pages in flight per task slot: one being worked on, one ready.
WINDOW_PER_SLOT = 2


@dataclass(slots=True)
class _Job:
    """A document being worked on: the pages to do, where its files go, and what came back so far."""

    document: PlannedDocument
    folder: Path
    input_digest: str = ""
    indices: tuple[int, ...] = ()
    results: dict[int, PageResult] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The input as given."""
        return self.document.source.given

    def page_target(self, index: int, previews: Path | None = None) -> PageTarget:
        """The work file of one page, and where its previews go: under a name that tells nothing of the source's."""
        kind = self.document.kind
        key = hashlib.sha256(str(self.document.target).encode()).hexdigest()[:16]
        place = "" if previews is None else str(previews / f"{key}-{index + 1:06d}")
        return PageTarget(str(self.folder / f"{index + 1:06d}{kind.suffixes[0]}"), kind, place)


@dataclass(slots=True)
class _Flight:
    """A task in flight: how to start it (again), what to do with its outcome, and whether it flies alone."""

    start: Callable[[], Any]
    landed: Callable[[Any], None]
    alone: bool = False


def may_run_side_by_side(documents: Sequence[PlannedDocument]) -> bool:
    """Whether there may be more than one page, so that a cluster could pay."""
    several = (DocumentKind.PDF, DocumentKind.TIFF)
    return len(documents) > 1 or any(document.source.kind in several for document in documents)


class Run:
    """One run over planned documents. Call it once; ``results`` then holds a result per document, by source.

    An error that concerns all pages, or an interruption, ends it early; ``give_up`` completes the results then.
    """

    def __init__(
        self, documents: Sequence[PlannedDocument], settings: RunSettings, out: Path, state: Path, manifest: Manifest
    ) -> None:
        self.results: dict[str, DocumentResult] = {}
        self._documents = documents
        self._settings = settings
        self._settings_digest = settings.digest()
        self._out = out
        self._work = state / "work"
        self._previews = state / PREVIEWS if settings.report == "html" else None
        self._manifest = manifest
        self._in_flight: dict[Any, _Flight] = {}
        self._suspects: deque[_Flight] = deque()
        self._pages: deque[tuple[_Job, Iterator[int]]] = deque()
        self._pages_in_flight = 0

    def __call__(self, cluster: Cluster, observer: Observer) -> None:
        """Work until every document has a result."""
        self._cluster, self._observer = cluster, observer
        self._window = WINDOW_PER_SLOT * cluster.slots
        waiting = deque(_Job(d, self._work / f"{n:06d}") for n, d in enumerate(self._documents))
        try:
            while True:
                self._fill(waiting)
                if not self._in_flight:
                    break
                self._drain(cluster.wait(self._in_flight))
        finally:
            shutil.rmtree(self._work, ignore_errors=True)

    def give_up(self, why: str, remedy: str) -> None:
        """Give every document without a result one that says why it has none."""
        for document in self._documents:
            name = document.source.given
            failure = Failure("Unfinished", "", f"{name}: not finished, because the run ended: {why}", remedy)
            self.results.setdefault(name, DocumentResult(name, failure=failure))

    def _launch(self, flight: _Flight) -> None:
        self._in_flight[flight.start()] = flight

    def _fill(self, waiting: deque[_Job]) -> None:
        """Start pages up to the window; open further documents only when there are too few pages to fill it."""
        if self._suspects:
            if not self._in_flight:
                self._launch(replace(self._suspects.popleft(), alone=True))
            return
        while self._pages_in_flight < self._window:
            if self._pages:
                self._start_page()
            elif waiting and len(self._in_flight) < self._window:
                self._open(waiting.popleft())
            else:
                break

    def _drain(self, done: Sequence[Any]) -> None:
        """Handle what is done, and what that brings to its end at once, before anything new is started.

        A worker that dies takes all its tasks along. Whose fault it was is found out by starting each of them again
        with nothing beside it; a task that dies alone has killed its worker.
        """
        while done:
            for future in done:
                flight = self._in_flight.pop(future)
                if not flight.alone and self._cluster.lost_its_worker(future):
                    self._suspects.append(flight)
                else:
                    flight.landed(future)
            done = [future for future in self._in_flight if future.done()]

    def _open(self, job: _Job) -> None:
        path = str(job.document.source.path)
        start = partial(self._cluster.submit, path, tasks.inspect_source, path, self._settings)
        self._launch(_Flight(start, partial(self._inspected, job)))

    def _start_page(self) -> None:
        job, indices = self._pages[0]
        index = next(indices, None)
        if index is None:
            self._pages.popleft()
            return
        ref = PageRef(str(job.document.source.path), index)
        self._pages_in_flight += 1
        self._launch(_Flight(partial(self._submit_page, job, ref), partial(self._page_finished, job, ref)))

    def _submit_page(self, job: _Job, ref: PageRef) -> Any:
        name = f"{job.document.target}-{ref.page_number}"
        prepared = self._cluster.submit(name, tasks.prepare_page, ref, self._settings)
        removed = self._cluster.submit(name, tasks.remove_text, prepared, self._settings)
        target = job.page_target(ref.page_index, self._previews)
        return self._cluster.submit(name, tasks.finish_page, prepared, removed, self._settings, target)

    def _inspected(self, job: _Job, future: Any) -> None:
        value, error = self._outcome(future)
        if error is not None:
            self._finish(job, DocumentResult(job.source, failure=failure_from(error, "open")))
            return
        job.input_digest = value.digest
        job.indices = selected_pages(self._settings.pages, value.page_count)
        if not job.indices:
            what = f"{job.source} has {value.page_count} pages, none of those asked for"
            self._finish(job, DocumentResult(job.source, failure=Failure("InputError", "open", what, "see --pages")))
        elif not self._settled_before(job):
            job.folder.mkdir(parents=True, exist_ok=True)
            self._observer.opened(job.source, len(job.indices))
            self._pages.append((job, iter(job.indices)))

    def _settled_before(self, job: _Job) -> bool:
        """Whether what lies in the output folder decides this document: it is up to date, or it is not ours."""
        if self._settings.on_existing == "overwrite":
            return False
        targets = job.document.targets(job.indices)
        there = [target for target in targets if (self._out / target).exists()]
        if there and self._settings.on_existing == "fail":
            raise OutputError(f"{self._out / there[0]} exists", "--on-existing skip or overwrite, or another --out")
        record = self._manifest.find(str(job.document.target))
        if record is not None and self._is_current(record, job, targets):
            outputs = tuple(str(self._out / target) for target in targets)
            self._finish(job, DocumentResult(job.source, outputs, record.pages, reused=True))
            return True
        foreign = [target for target in there if record is None or str(target) not in record.outputs]
        if foreign:
            what = f"{self._out / foreign[0]} exists and was not made by this program"
            failure = Failure("OutputError", "open", what, "--on-existing overwrite, or another --out")
            self._finish(job, DocumentResult(job.source, failure=failure))
        return bool(foreign)

    def _is_current(self, record: Record, job: _Job, targets: Sequence[Path]) -> bool:
        made_from = (record.input_digest, record.settings_digest)
        if made_from != (job.input_digest, self._settings_digest) or set(record.outputs) != {str(t) for t in targets}:
            return False
        places = {self._out / target: digest for target, digest in record.outputs.items()}
        return all(place.is_file() and tasks.file_digest(str(place)) == digest for place, digest in places.items())

    def _page_finished(self, job: _Job, ref: PageRef, future: Any) -> None:
        value, error = self._outcome(future)
        if error is not None:
            failure = failure_from(error)
            log.error("%s, page %d: %s", job.source, ref.page_number, failure)
            if self._settings.on_page_error == "keep-original" and not isinstance(error, InputError):
                name = f"{job.document.target}-{ref.page_number}"
                target = job.page_target(ref.page_index)
                start = partial(self._cluster.submit, name, tasks.keep_original, ref, self._settings, target, failure)
                self._launch(_Flight(start, partial(self._page_kept, job, ref, failure)))
                return
            value = PageResult(ref, failure=failure)
        self._page_settled(job, value)

    def _page_kept(self, job: _Job, ref: PageRef, failure: Failure, future: Any) -> None:
        value, error = self._outcome(future)
        self._page_settled(job, PageResult(ref, failure=failure) if error is not None else value)

    def _page_settled(self, job: _Job, page: PageResult) -> None:
        self._pages_in_flight -= 1
        job.results[page.ref.page_index] = page
        self._observer.page_done(job.source, page)
        if len(job.results) < len(job.indices):
            return
        if self._settings.anonymize:
            job.results = {index: fail_closed(p) for index, p in job.results.items()}
        failed = [p for p in self._in_order(job) if p.status is PageStatus.FAILED]
        if failed:
            self._finish(
                job,
                DocumentResult(
                    job.source, (), self._in_order(job), document_failure(job.source, len(job.indices), failed)
                ),
            )
            return
        self._claim(job)
        outputs = [str(self._out / target) for target in job.document.targets(job.indices)]
        paths = [page.path for page in self._in_order(job)]
        submit = self._cluster.submit
        start = partial(submit, str(job.document.target), tasks.assemble_document, paths, job.document.kind, outputs)
        self._launch(_Flight(start, partial(self._assembled, job, outputs)))

    def _claim(self, job: _Job) -> None:
        """Record the outputs as ours before they are written: a run that dies in between must not disown them."""
        before = self._manifest.find(str(job.document.target))
        names = {str(name) for name in job.document.targets(job.indices)} | set(before.outputs if before else ())
        self._manifest.store(str(job.document.target), Record("", "", dict.fromkeys(names, ""), ()))

    def _assembled(self, job: _Job, outputs: Sequence[str], future: Any) -> None:
        value, error = self._outcome(future)
        pages = self._in_order(job)
        if error is not None:
            self._finish(job, DocumentResult(job.source, (), pages, failure_from(error, "assemble")))
            return
        target = str(job.document.target)
        names = [str(name) for name in job.document.targets(job.indices)]
        claimed = self._manifest.find(target)
        record = Record(job.input_digest, self._settings_digest, dict(zip(names, value, strict=True)), pages)
        self._manifest.store(target, record)
        for stale in set(claimed.outputs if claimed else ()) - set(names):
            (self._out / stale).unlink(missing_ok=True)
        self._finish(job, DocumentResult(job.source, tuple(outputs), pages))

    def _finish(self, job: _Job, result: DocumentResult) -> None:
        shutil.rmtree(job.folder, ignore_errors=True)
        if result.failure is not None:
            log.error("%s", result.failure)
        self.results[job.source] = result
        self._observer.document_done(result)

    def _outcome(self, future: Any) -> tuple[Any, BaseException | None]:
        """What a task gave; errors that concern the whole run are raised."""
        value, error = self._cluster.outcome(future)
        if isinstance(error, FATAL):
            raise error
        return value, error

    @staticmethod
    def _in_order(job: _Job) -> tuple[PageResult, ...]:
        return tuple(job.results[index] for index in job.indices if index in job.results)
