"""What a person or a program sees while a run goes on: a bar, log lines, or JSON events."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Sequence
from typing import Any, Protocol, TextIO

from pipeline.results import DocumentResult, PageResult
from workflows.reporting.report import document_entry, page_entry, totals

log = logging.getLogger("restore_docs")


class Observer(Protocol):
    """Is told of every page and document as it is finished."""

    def opened(self, source: str, pages: int) -> None:
        """A document was opened; so many pages will be worked on."""
        ...

    def page_done(self, source: str, page: PageResult) -> None:
        """A page was finished, well or not."""
        ...

    def document_done(self, document: DocumentResult) -> None:
        """A document was finished, well or not."""
        ...

    def close(self, documents: Sequence[DocumentResult], seconds: float) -> None:
        """The run is over."""
        ...


class Bar:
    """A progress bar on the terminal: pages, rate, time left."""

    def __init__(self, console: Any) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._progress = Progress(
            TextColumn("pages"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
            TextColumn("{task.fields[source]}"),
            console=console,
            transient=True,
        )
        self._task = self._progress.add_task("pages", total=0, rate="", source="")
        self._started = time.monotonic()
        self._progress.start()

    def opened(self, source: str, pages: int) -> None:
        """Let the bar grow by the document's pages."""
        self._progress.update(self._task, total=(self._progress.tasks[0].total or 0) + pages)

    def page_done(self, source: str, page: PageResult) -> None:
        """Advance by one page."""
        done = self._progress.tasks[0].completed + 1
        rate = f"{done / max(time.monotonic() - self._started, 1e-6):.2f}/s"
        self._progress.update(self._task, completed=done, rate=rate, source=source)

    def document_done(self, document: DocumentResult) -> None:
        """Nothing: the bar counts pages; failures are logged by the run itself."""

    def close(self, documents: Sequence[DocumentResult], seconds: float) -> None:
        """Take the bar away."""
        self._progress.stop()


class LogLines:
    """Plain lines for logs: every document, and at most every ``every_seconds`` how far the run is."""

    def __init__(self, every_seconds: float = 10.0) -> None:
        self._every_seconds = every_seconds
        self._pages = self._done = 0
        self._started = self._told = time.monotonic()

    def opened(self, source: str, pages: int) -> None:
        """Count the document's pages."""
        self._pages += pages

    def page_done(self, source: str, page: PageResult) -> None:
        """Say how far the run is, now and then."""
        self._done += 1
        now = time.monotonic()
        if now - self._told >= self._every_seconds:
            self._told = now
            rate = self._done / (now - self._started)
            left = (self._pages - self._done) / rate
            log.info("%d of %d pages, %.2f pages/s, about %.0f s left", self._done, self._pages, rate, left)

    def document_done(self, document: DocumentResult) -> None:
        """One line per document."""
        log.info("%s: %s%s", document.source, document.status.value, " (done already)" if document.reused else "")

    def close(self, documents: Sequence[DocumentResult], seconds: float) -> None:
        """Nothing: the closing line says it all."""


class JsonEvents:
    """Events as JSON lines: ``opened``, ``page``, ``document``, and last ``totals``."""

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = stream or sys.stdout

    def opened(self, source: str, pages: int) -> None:
        """A document was opened."""
        self._write({"event": "opened", "source": source, "pages": pages})

    def page_done(self, source: str, page: PageResult) -> None:
        """A page was finished."""
        self._write({"event": "page", "source": source, **page_entry(page)})

    def document_done(self, document: DocumentResult) -> None:
        """A document was finished; its pages had their own events."""
        entry = document_entry(document)
        entry["pages"] = len(document.pages)
        self._write({"event": "document", **entry})

    def close(self, documents: Sequence[DocumentResult], seconds: float) -> None:
        """The last line."""
        self._write({"event": "totals", **totals(documents, seconds)})

    def _write(self, event: dict[str, Any]) -> None:
        print(json.dumps(event, ensure_ascii=False), file=self._stream, flush=True)
