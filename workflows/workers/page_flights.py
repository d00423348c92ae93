"""How a page gets from its input to its work file: as one task, or in stages where a GPU removes the text.

With GPU workers, the stages before run ahead on the others, within the window; as soon as the GPU may take more, it
gets all pages that are ready, up to ``GROUP``, as one task, and the network sees their tiles together.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.errors import InputError
from pipeline.results import Failure, PageResult
from pipeline.types import PageRef
from workflows.config import RunSettings
from workflows.jobs import Job
from workflows.pages import page_tasks
from workflows.pages.guard import mark_at, too_late
from workflows.pages.pictures import PageTarget
from workflows.pages.stages import failure_from
from workflows.workers.cluster import Cluster, Landing
from workflows.workers.flights import Flight, Flights

log = logging.getLogger("restore_docs")

GROUP = 4  # pages whose tiles the network takes together
GPU_QUEUE = 2  # groups for each GPU: one being worked on, one ready


@dataclass(frozen=True, slots=True)
class _Page:
    job: Job
    ref: PageRef
    target: PageTarget
    prepared: Any = None


class PageFlights:
    """Starts pages and hands over what becomes of them, in whatever way they go."""

    def __init__(
        self, cluster: Cluster, flights: Flights, settings: RunSettings, settled: Callable[[Job, PageResult], None]
    ) -> None:
        self._cluster, self._flights, self._settings, self._settled = cluster, flights, settings, settled
        self._beside_gpu = settings.beside_gpu
        self._ready: deque[_Page] = deque()
        self._groups = 0

    def start(self, job: Job, ref: PageRef, previews: Path | None) -> None:
        """Start a page."""
        page = _Page(job, ref, job.page_target(ref.page_index, previews))
        if self._cluster.gpus:
            self._flights.launch(self._preparation(page))
        else:
            start = partial(self._begin, page_tasks.restore_page, page, ref, self._settings, page.target, gpu=True)
            self._launch(page, start, self._finished)

    def feed_gpus(self) -> None:
        """Give the GPUs what is ready, if they may take more."""
        while self._ready and self._groups < GPU_QUEUE * max(1, self._cluster.gpus):
            group = [self._ready.popleft() for _ in range(min(GROUP, len(self._ready)))]
            self._groups += 1
            flight = self._group_flight(group)
            if len(group) > 1:
                flight.parts = partial(self._one_by_one, group)
            self._flights.launch(flight)

    def _begin(self, function: Callable[..., Any], page: _Page, *arguments: Any, **how: bool) -> Any:
        return self._cluster.submit(f"{page.job.target}-{page.ref.page_number}", function, *arguments, **how)

    def _flight(self, page: _Page, start: Callable[[], Any], then: Callable[[_Page, Landing], None]) -> Flight:
        late = partial(too_late, page.ref, self._settings.page_seconds or 0)
        return Flight(start, partial(then, page), mark_at(page.target.path), late)

    def _launch(self, page: _Page, start: Callable[[], Any], then: Callable[[_Page, Landing], None]) -> None:
        self._flights.launch(self._flight(page, start, then))

    def _preparation(self, page: _Page) -> Flight:
        words = (page_tasks.prepare_page, page, page.ref, self._beside_gpu, page.target)
        return self._flight(page, partial(self._begin, *words, stays=True), self._prepared)

    def _prepared(self, page: _Page, landing: Landing) -> None:
        if landing.error is not None:
            self._failed(page, landing.error)
        else:
            self._ready.append(replace(page, prepared=landing.future))
        self.feed_gpus()

    def _group_flight(self, group: Sequence[_Page]) -> Flight:
        first = group[0]
        place = f"{first.target.path}-{len(group)}"
        futures = [page.prepared for page in group]
        start = partial(
            self._begin, page_tasks.remove_texts, first, futures, self._settings, place, gpu=True, stays=True
        )
        late = partial(too_late, first.ref, self._settings.page_seconds or 0)
        return Flight(
            start, partial(self._removed, group), mark_at(place), late, anew=partial(self._without_spoilt, group)
        )

    def _one_by_one(self, group: Sequence[_Page]) -> list[Flight]:
        """The same work, page by page: one of them is to blame."""
        self._groups += len(group) - 1
        return [self._group_flight([page]) for page in group]

    def _without_spoilt(self, group: Sequence[_Page]) -> list[Flight]:
        """Instead of a group of which some pages are spoilt: those from their beginning, and the others one by one."""
        whole = [page for page in group if not self._cluster.spoilt(page.prepared)]
        if len(whole) == len(group):
            return []
        self._groups += len(whole) - 1
        spoilt = [page for page in group if page not in whole]
        return [self._preparation(page) for page in spoilt] + [self._group_flight([page]) for page in whole]

    def _removed(self, group: Sequence[_Page], landing: Landing) -> None:
        self._groups -= 1
        for number, page in enumerate(group):
            if landing.error is not None:  # of one page: groups are taken apart first
                self._failed(page, landing.error)
                continue
            arguments = (page.prepared, landing.future, number, self._beside_gpu, page.target)
            start = partial(self._begin, page_tasks.finish_page, page, *arguments)
            flight = self._flight(page, start, self._finished)
            flight.anew = partial(self._from_the_beginning, page, (page.prepared, landing.future))
            self._flights.launch(flight)
        self.feed_gpus()

    def _from_the_beginning(self, page: _Page, needed: Sequence[Any]) -> list[Flight]:
        return [self._preparation(page)] if any(map(self._cluster.spoilt, needed)) else []

    def _finished(self, page: _Page, landing: Landing) -> None:
        if landing.error is not None:
            self._failed(page, landing.error)
        else:
            self._settled(page.job, landing.value)

    def _failed(self, page: _Page, error: BaseException) -> None:
        failure = failure_from(error)
        log.error("%s, page %d: %s", page.job.source, page.ref.page_number, failure)
        if self._settings.on_page_error == "keep-original" and not isinstance(error, InputError):
            target = page.job.page_target(page.ref.page_index)
            arguments = (page.ref, self._settings, target, failure)
            start = partial(self._begin, page_tasks.keep_original, page, *arguments)
            self._launch(page, start, partial(self._kept, failure))
        else:
            self._settled(page.job, PageResult(page.ref, failure=failure))

    def _kept(self, failure: Failure, page: _Page, landing: Landing) -> None:
        kept = PageResult(page.ref, failure=failure) if landing.error is not None else landing.value
        self._settled(page.job, kept)
