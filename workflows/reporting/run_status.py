"""Where a run is: kept in its state folder while it goes on, told by ``restore-docs status DIR``, and after it."""

from __future__ import annotations

import json
import logging
import os
import socket
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import OutputError, UsageError
from pipeline.results import DocumentResult, DocumentStatus, PageResult, PageStatus
from workflows.exit_codes import ExitCode
from workflows.reporting.progress import Observer
from workflows.storage.folder_lock import NAME as LOCK
from workflows.storage.folder_lock import describe, holder
from workflows.storage.inputs import STATE_FOLDER
from workflows.storage.manifest import NAME, Manifest, read_state
from workflows.storage.output_state import state_beside
from workflows.storage.places import is_url, join, read_text
from workflows.storage.url_memory import STATUS, UrlMemory

log = logging.getLogger("restore_docs")

NOTE_SECONDS = 1.0
MOST_FAILURES = 20  # that are told


class StatusKeeper:
    """An observer that notes where the run is, at most once a second, and passes everything on to another."""

    def __init__(self, memory: Manifest | UrlMemory, documents: int, then: Observer, check: Callable[[], None]) -> None:
        """``check`` is called as often as something is noted; what it raises ends the run."""
        self._manifest, self._then, self._check = memory, then, check
        self._documents: Counter[str] = Counter()
        self._pages: Counter[str] = Counter()
        self._failures: list[str] = []
        self._noted = 0.0
        self._untold = False
        self._state: dict[str, object] = {
            "host": socket.gethostname(), "pid": os.getpid(), "started": time.time(), "ended": None, "why": None,
            "documents": documents, "pages": 0,
        }  # fmt: skip
        self._note(at_once=True)

    def opened(self, source: str, pages: int) -> None:
        """See ``Observer.opened``."""
        self._state["pages"] = int(str(self._state["pages"])) + pages
        self._then.opened(source, pages)
        self._note()

    def page_done(self, source: str, page: PageResult) -> None:
        """See ``Observer.page_done``."""
        self._pages[page.status.value] += 1
        self._then.page_done(source, page)
        self._note()

    def document_done(self, document: DocumentResult) -> None:
        """See ``Observer.document_done``."""
        self._documents["reused" if document.reused else document.status.value] += 1
        if document.failure is not None and len(self._failures) < MOST_FAILURES:
            self._failures.append(str(document.failure))
        self._then.document_done(document)
        self._note()

    def close(self, documents: Sequence[DocumentResult], seconds: float) -> None:
        """See ``Observer.close``."""
        self._then.close(documents, seconds)

    def end(self, code: int, why: str | None) -> None:
        """The last note: how the run ended."""
        self._state |= {"ended": code, "why": why}
        self._note(at_once=True)

    def _note(self, at_once: bool = False) -> None:
        now = time.time()
        if at_once or now - self._noted >= NOTE_SECONDS:
            self._noted = now
            counted = {"documents_by_status": dict(self._documents), "pages_by_status": dict(self._pages)}
            self._check()
            try:
                self._manifest.note(self._state | counted | {"updated": now, "failures": self._failures})
            except OutputError as error:
                if not error.transient:
                    raise
                if not self._untold:  # a run goes on without; what it makes is recorded by others
                    log.warning("%s; what status tells is behind", error.what)
                self._untold = True


def status_command(place: str, *, as_json: bool) -> ExitCode:
    """Print where the run in an output folder is, or how it ended. Raises UsageError when there was none."""
    told = _state_behind(place) if is_url(place) else _state_in(Path(place))
    print(json.dumps(told, indent=1) if as_json else "\n".join(_lines(told)))
    return ExitCode.OK


def _state_behind(url: str) -> dict[str, Any]:
    text = read_text(join(url, f"{STATE_FOLDER}/{STATUS}"))
    if text is None:
        raise UsageError(f"no run has written to {url}", "name the URL given as --out")
    lock = read_text(join(url, f"{STATE_FOLDER}/{LOCK}"))
    return dict(json.loads(text)) | {"lock": describe(json.loads(lock)) if lock else None}


def _state_in(folder: Path) -> dict[str, Any]:
    state = next((s for s in (folder / STATE_FOLDER, state_beside(folder), folder) if (s / NAME).is_file()), None)
    if state is None:
        raise UsageError(f"no run has written to {folder}", "name the folder given as --out, or as --state")
    return read_state(state / NAME) | {"lock": holder(state)}


def _lines(told: dict[str, Any]) -> list[str]:
    if "documents" not in told:
        return ["no run has said anything yet"]
    lines = [_how_it_goes(told)]
    documents, pages = Counter(told["documents_by_status"]), Counter(told["pages_by_status"])
    lines.append(f"documents: {documents.total()} of {told['documents']} done{_counts(documents, DocumentStatus)}")
    lines.append(f"pages: {pages.total()} of {told['pages']} in documents opened{_counts(pages, PageStatus)}")
    spent = told["updated"] - told["started"]
    if pages.total() and spent > 0:
        lines.append(f"rate: {pages.total() / spent:.2f} pages/s over {spent:.0f} s")
    return lines + [f"failed: {what}" for what in told["failures"]]


def _how_it_goes(told: dict[str, Any]) -> str:
    who = f"process {told['pid']} on {told['host']}"
    if told["ended"] is not None:
        why = f": {told['why']}" if told["why"] else ""
        return f"ended with exit code {told['ended']}{why}"
    lock = told["lock"]
    if lock is None or lock["lives"] is False:
        return f"died: {who} is gone and said nothing; run the same command again"
    sure = "" if lock["lives"] else " (as far as can be told from this host)"
    return f"running: {who}, last heard of {max(0, time.time() - told['updated']):.0f} s ago{sure}"


def _counts(counts: Counter[str], statuses: type[DocumentStatus] | type[PageStatus]) -> str:
    named = [
        f"{counts[s]} {s.lower().replace('_', ' ')}" for s in ("reused", *(x.value for x in statuses)) if counts[s]
    ]
    return f" ({', '.join(named)})" if named else ""
