"""The run: pages in, documents out, with a bounded window of pages in flight.

Tasks with resource restrictions are never queued by Dask, and queued pages would fill memory; so this module holds its
own window. The client sees small results only; pixels go from worker to worker and to work files.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

from pipeline.assemble import HALF_WRITTEN
from pipeline.documents import DocumentKind
from pipeline.errors import OutputError, TooManyFailures
from pipeline.results import DocumentResult, Failure, PageResult, PageStatus
from pipeline.types import PageRef
from workflows.config import RunSettings
from workflows.failures import document_failure, fail_closed
from workflows.jobs import Job
from workflows.page_selection import selected_pages
from workflows.pages import page_tasks
from workflows.pages.guard import MARK, too_late
from workflows.pages.stages import failure_from
from workflows.reporting.progress import Observer
from workflows.storage import places
from workflows.storage.inputs import PREVIEWS, PlannedDocument, work_key
from workflows.storage.kept_results import KeptResults
from workflows.storage.manifest import Memory, Record
from workflows.storage.patience import patiently, told
from workflows.workers.cluster import BYTES_PER_JOB, Cluster, Landing
from workflows.workers.flights import Flight, Flights
from workflows.workers.page_flights import GPU_QUEUE, GROUP, PageFlights

log = logging.getLogger("restore_docs")

# Pages in flight per task slot: one being worked on, one ready.
WINDOW_PER_SLOT = 2
# What a page takes that waits for a GPU: its pixels, masks and tiles
BYTES_PER_WAITING_PAGE = 250_000_000
SWEEPERS = 4  # requests to a store at once, to take work files away


def may_run_side_by_side(documents: Sequence[PlannedDocument]) -> bool:
    """Whether there may be more than one page, so that a cluster could pay."""
    several = (DocumentKind.PDF, DocumentKind.TIFF)
    return len(documents) > 1 or any(document.source.kind in several for document in documents)


def window_of(cluster: Cluster) -> int:
    """Pages that may be in flight: those being worked on and as many ready, if memory holds them."""
    if cluster.gpus:
        wanted = WINDOW_PER_SLOT * cluster.slots + GPU_QUEUE * GROUP * cluster.gpus
        return max(2, min(wanted, cluster.memory // 2 // BYTES_PER_WAITING_PAGE))
    return max(2, min(WINDOW_PER_SLOT * cluster.slots, WINDOW_PER_SLOT * (cluster.memory // BYTES_PER_JOB)))


class Run:
    """One run over planned documents. Call it once; ``results`` then holds a result per document, by source.

    An error that concerns all pages, or an interruption, ends it early; ``give_up`` completes the results then.
    """

    def __init__(
        self, documents: Sequence[PlannedDocument], settings: RunSettings, out: Path | str, state: Path | str,
        memory: Memory,
    ) -> None:  # fmt: skip
        self.results = KeptResults()
        self._documents = documents
        self._settings = settings
        self._settings_digest = settings.digest()
        self._out, self._work = str(out), places.join(str(state), "work")
        self._previews = Path(state) / PREVIEWS if settings.report == "html" and not places.is_url(state) else None
        self._memory = memory
        self._pages: deque[tuple[Job, Iterator[int]]] = deque()
        self._pages_in_flight = self._opening = 0
        self._settled_pages = self._failed_pages = 0

    def __call__(self, cluster: Cluster, observer: Observer) -> None:
        """Work until every document has a result. What is finished of the others stays, for a run to come."""
        self._cluster, self._observer = cluster, observer
        self._flights = Flights(cluster, self._settings.retries)
        self._page_flights = PageFlights(cluster, self._flights, self._settings, self._page_landed)
        self._sweepers = ThreadPoolExecutor(SWEEPERS, "sweeper")
        self._left = set(places.names_in(self._work))  # by earlier runs
        waiting = deque(Job(document, self._work, self._settings_digest) for document in self._documents)
        try:
            while True:
                self._fill(waiting)
                if not len(self._flights):
                    break
                self._flights.settle()
        except KeyboardInterrupt:
            self._flights.harvest(0)  # pages that are finished are not dropped
            raise
        finally:
            self._sweepers.shutdown()
        self._clear_work()

    def give_up(self, why: str, remedy: str) -> None:
        """Give every document without a result one that says why it has none."""
        for document in self._documents:
            name = document.source.given
            failure = Failure("Unfinished", "", f"{name}: not finished, because the run ended: {why}", remedy)
            if name not in self.results:
                self.results[name] = DocumentResult(name, failure=failure)

    def _fill(self, waiting: deque[Job]) -> None:
        """Start pages up to the window, of each open document in turn, so that none waits for a big one.

        Documents are opened as they are needed: one more than there are slots, or a worker would idle at each end.
        """
        while self._flights.accepts and self._pages_in_flight + self._opening < window_of(self._cluster):
            if waiting and len(self._pages) + self._opening <= self._cluster.slots:
                self._open(waiting.popleft())
            elif self._pages:
                self._start_page()
            else:
                break

    def _open(self, job: Job) -> None:
        path = job.document.source.place
        places.remove(str(job.mark))
        if f"{job.key}{MARK}" in self._left:
            places.remove(f"{job.home}{MARK}")
        words = (path, page_tasks.inspect_source, job.document, self._settings, job.home, self._out)
        late = partial(too_late, PageRef(path, 0), self._settings.page_seconds or 0)
        self._opening += 1
        self._flights.launch(
            Flight(partial(self._cluster.submit, *words), partial(self._inspected, job), job.mark, late)
        )

    def _start_page(self) -> None:
        job, indices = self._pages[0]
        index = next(indices, None)
        if index is None:
            self._pages.popleft()
            return
        self._pages.rotate(-1)
        self._pages_in_flight += 1
        self._page_flights.start(job, PageRef(job.document.source.place, index), self._previews)

    def _inspected(self, job: Job, landing: Landing) -> None:
        self._opening -= 1
        if landing.error is not None:
            self._finish(job, DocumentResult(job.source, failure=failure_from(landing.error, "open")))
            self._count_page(failed=True)
            return
        job.input_digest = landing.value.digest
        job.indices = selected_pages(self._settings.pages, landing.value.page_count)
        if not job.indices:
            what = f"{job.source} has {landing.value.page_count} pages, none of those asked for"
            self._finish(job, DocumentResult(job.source, failure=Failure("InputError", "open", what, "see --pages")))
        elif not self._settled_before(job, landing.value.outputs):
            self._observer.opened(job.source, len(job.indices))
            self._take_up(job)
            if job.complete:
                self._pages_done(job)
            else:
                self._pages.append((job, job.missing()))

    def _take_up(self, job: Job) -> None:
        """Find the pages that an earlier run finished; clear away what is of no use."""
        pages = self._memory.find_pages(job.target, job.input_digest, self._settings_digest)
        for page in pages:
            index = page.ref.page_index
            made = job.page_target(index).path
            if index in job.indices and page.path == made and places.digest_there(made) == page.digest:
                job.results[index] = page
                self._observer.page_done(job.source, page)
        if job.results:
            log.info("%s: %d of %d pages were finished before", job.source, len(job.results), len(job.indices))
            for other in set(places.names_in(job.home)) - {job.made_from}:
                places.remove_tree(places.join(job.home, other))
        elif job.key in self._left:
            self._drop_work(job)
        places.make_folder(job.folder)
        _clear_marks(job.folder)

    def _settled_before(self, job: Job, outputs_there: Mapping[str, str]) -> bool:
        """Whether what lies in the output folder decides this document: it is up to date, or it is not ours."""
        record = self._memory.find(job.target)
        job.outputs_before = frozenset(record.outputs) if record is not None else frozenset()
        if self._settings.on_existing == "overwrite":
            return False
        targets = [str(target) for target in job.document.targets(job.indices)]
        there = [target for target in targets if outputs_there[target]]
        if there and self._settings.on_existing == "fail":
            raise OutputError(f"{self._place(there[0])} exists", "--on-existing skip or overwrite, or another --out")
        if record is not None and self._is_current(record, job, outputs_there):
            outputs = tuple(self._place(target) for target in targets)
            self._finish(job, DocumentResult(job.source, outputs, record.pages, reused=True))
            return True
        foreign = [target for target in there if target not in job.outputs_before]
        if foreign:
            what = f"{self._place(foreign[0])} exists and was not made by this program"
            failure = Failure("OutputError", "open", what, "--on-existing overwrite, or another --out")
            self._finish(job, DocumentResult(job.source, failure=failure))
        return bool(foreign)

    def _is_current(self, record: Record, job: Job, outputs_there: Mapping[str, str]) -> bool:
        made_from = (record.input_digest, record.settings_digest)
        return made_from == (job.input_digest, self._settings_digest) and record.outputs == outputs_there

    def _place(self, target: str) -> str:
        return places.join(self._out, target)

    def _page_landed(self, job: Job, page: PageResult) -> None:
        self._pages_in_flight -= 1
        job.results[page.ref.page_index] = page
        if page.failure is None:
            self._memory.store_page(job.target, job.input_digest, self._settings_digest, page)
        self._observer.page_done(job.source, page)
        self._count_page(failed=page.failure is not None)
        if job.complete:
            self._pages_done(job)

    def _count_page(self, *, failed: bool) -> None:
        self._settled_pages += 1
        self._failed_pages += failed
        if failed and self._settings.too_many_failed(self._failed_pages, self._settled_pages):
            what = f"{self._failed_pages} of {self._settled_pages} pages failed, more than --max-failed allows"
            raise TooManyFailures(what, "see the first failures in the report; what is finished is kept")

    def _pages_done(self, job: Job) -> None:
        """Every page has a result: put the document together, or say why not."""
        if self._settings.anonymize:
            job.results = {index: fail_closed(page) for index, page in job.results.items()}
        pages = job.in_order()
        failed = [page for page in pages if page.status is PageStatus.FAILED]
        if failed:
            failure = document_failure(job.source, len(pages), failed)
            self._finish(job, DocumentResult(job.source, (), pages, failure))
            return
        names = [str(target) for target in job.document.targets(job.indices)]
        outputs = [self._place(name) for name in names]
        record = Record(job.input_digest, self._settings_digest, dict.fromkeys(names, ""), pages)
        marker = self._memory.claim(job.target, job.outputs_before | set(names), record)
        paths = [page.path for page in pages]
        words = (job.target, page_tasks.assemble_document, paths, job.document.kind, outputs, marker)
        start = partial(self._cluster.submit, *words)
        self._flights.launch(Flight(start, partial(self._assembled, job, record)))

    def _assembled(self, job: Job, record: Record, landing: Landing) -> None:
        pages = record.pages
        if landing.error is not None:
            self._finish(job, DocumentResult(job.source, (), pages, failure_from(landing.error, "assemble")))
            return
        written = dict(zip(record.outputs, landing.value, strict=True))
        places.await_files(map(self._place, written))
        self._memory.store(job.target, replace(record, outputs=written))
        for stale in job.outputs_before - set(written):
            places.remove(self._place(stale))
        self._memory.forget_pages(job.target)
        self._sweep(job.home)
        self._finish(job, DocumentResult(job.source, tuple(map(self._place, written)), pages))

    def _sweep(self, home: str) -> None:
        """Take work files away that nobody needs; a store takes its time, and nobody waits for that."""
        if places.is_url(home):
            self._sweepers.submit(places.remove_tree, home)
        else:
            places.remove_tree(home)

    def _drop_work(self, job: Job) -> None:
        self._memory.forget_pages(job.target)
        places.remove_tree(job.home)

    def _finish(self, job: Job, result: DocumentResult) -> None:
        if result.failure is not None:
            log.error("%s", result.failure)
            if self._settings.anonymize and any(page.failure is not None for page in result.pages):
                self._drop_work(job)  # pages that may hold text are kept nowhere
        self.results[job.source] = result
        self._observer.document_done(result)

    def _clear_work(self) -> None:
        """Keep the pages of documents that failed, for a run that does better, and nothing else."""
        keys = {work_key(target) for target in self._memory.targets_with_pages()}
        for name in places.names_in(self._work):
            if name not in keys:
                places.remove_tree(places.join(self._work, name))
            else:
                _clear_marks(places.join(self._work, name))
        if not keys:
            places.remove_tree(self._work)


@patiently
def _clear_marks(folder: str) -> None:
    """Take away what pages that ran out of time, or whose process died, left in a work folder. Raises OutputError."""
    if not places.is_url(folder):
        with told(folder, OutputError):
            for leftover in [*Path(folder).rglob(f"*{MARK}"), *Path(folder).rglob(HALF_WRITTEN)]:
                leftover.unlink(missing_ok=True)
