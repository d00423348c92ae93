"""``restore-docs run``: from the words of the command line to a finished output folder and an exit code."""

from __future__ import annotations

import logging
import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from detectors.registry import DETECTORS
from pipeline.assemble import HALF_WRITTEN
from pipeline.errors import OutputError, RestoreError, SetupError, UsageError, require_known
from pipeline.results import DocumentResult, Failure
from remover.registry import REMOVERS
from workflows.cluster import count_cores, decide_jobs, open_cluster
from workflows.config import RunSettings
from workflows.exit_codes import ExitCode, code_for_documents, code_for_error
from workflows.inputs import (
    PREVIEWS,
    REPORT_NAME,
    REPORT_PAGE,
    STATE_FOLDER,
    Source,
    find_sources,
    plan_outputs,
    refuse_unsafe_output,
)
from workflows.manifest import Manifest
from workflows.progress import Bar, JsonEvents, LogLines, Observer
from workflows.report import build_report, closing_line, write_report
from workflows.report_page import write_report_page
from workflows.restore import Run, may_run_side_by_side
from workflows.stages import failure_from

log = logging.getLogger("restore_docs")


def run_command(words: Sequence[str], out: Path, settings: RunSettings, *, json: bool, quiet: bool) -> ExitCode:
    """Do the whole job. Returns the exit code; raises RestoreError when nothing could be begun.

    Whatever happens after the output folder is ours, ``report.json`` lists every input and what became of it.
    """
    started = time.monotonic()
    _refuse_unknown(settings)
    sources = find_sources(words)
    documents = plan_outputs(sources, out, format=settings.format, lossless=settings.lossless)
    refuse_unsafe_output(words, documents, out)
    there = [out / d.target for d in documents if (out / d.target).exists()]
    if there and settings.on_existing == "fail":  # numbered pages are looked for once a document's pages are counted
        raise OutputError(f"{there[0]} exists", "--on-existing skip or overwrite, or another --out")
    observer = _choose_observer(json, quiet)
    with _output_folder(out) as state, Manifest(state / "manifest.sqlite") as manifest, _terminate_as_interrupt():
        _remove_half_written({(out / document.target).parent for document in documents})
        jobs = decide_jobs(settings.jobs) if may_run_side_by_side(documents) else 1
        run = Run(documents, share_cores(settings, jobs), out, manifest)
        ended, code = _attempt(run, jobs, settings.scheduler, observer)
        results = _in_input_order(sources, run.results)
        seconds = time.monotonic() - started
        observer.close(results, seconds)
        report = build_report(results, settings, seconds, ended)
        write_report(report, out / REPORT_NAME)
        if settings.report == "html":
            write_report_page(report, state / PREVIEWS, out / REPORT_PAGE)
    if ended is not None:
        print(f"restore-docs: {ended}", file=sys.stderr)
    if not json and not quiet:
        print(closing_line(results, seconds, out))
    return code_for_documents(results) if code is None else code


def _refuse_unknown(settings: RunSettings) -> None:
    """Raise before any work when the settings name something that is not there."""
    require_known("detector", settings.detector, DETECTORS)
    require_known("remover", settings.remover, REMOVERS)
    if settings.weights is not None and not settings.weights.is_file():
        raise SetupError(f"there are no weights at {settings.weights}", "check --weights")
    if settings.regions is not None and not settings.regions.exists():
        raise UsageError(f"there are no regions at {settings.regions}", "check --regions")


def share_cores(settings: RunSettings, jobs: int) -> RunSettings:
    """What each page may use of this machine, where it is this machine that works."""
    if settings.threads != "auto" or settings.scheduler is not None:
        return settings
    return settings.model_copy(update={"threads": max(1, count_cores() // jobs)})


def _attempt(run: Run, jobs: int, scheduler: str | None, observer: Observer) -> tuple[Failure | None, ExitCode | None]:
    """Run, and say why it ended before its end and with which code, if it did."""
    try:
        cluster = open_cluster(jobs, scheduler)
        try:
            run(cluster, observer)
        finally:
            cluster.close()
    except RestoreError as error:
        run.give_up(error.what, error.remedy)
        return failure_from(error), code_for_error(error)
    except KeyboardInterrupt:
        run.give_up("interrupted", "run the same command again; finished documents are kept")
        return Failure("Interrupted", "", "interrupted", "run the same command again"), ExitCode.INTERRUPTED
    return None, None


def _in_input_order(sources: Sequence[Source], results: dict[str, DocumentResult]) -> list[DocumentResult]:
    """A result for every file that was found, documents or not."""
    return [results[source.given] if source.kind is not None else _without_kind(source) for source in sources]


def _without_kind(source: Source) -> DocumentResult:
    if source.unreadable:
        log.error("%s: %s", source.given, source.reason)
        failure = Failure("InputError", "open", f"{source.given}: {source.reason}", "check the path and the file")
        return DocumentResult(source.given, failure=failure)
    log.info("%s: skipped, %s", source.given, source.reason)
    return DocumentResult(source.given, skipped=source.reason)


def _choose_observer(json: bool, quiet: bool) -> Observer:
    if json:
        return JsonEvents()
    if quiet or not sys.stderr.isatty():
        return LogLines()
    handler = logging.getLogger().handlers[0]
    return Bar(getattr(handler, "console", None))


@contextmanager
def _output_folder(out: Path) -> Iterator[Path]:
    """Make the output folder and our state in it, and keep other runs out. Raises OutputError."""
    state = out / STATE_FOLDER
    try:
        state.mkdir(parents=True, exist_ok=True)
        probe = state / f"probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise OutputError(f"cannot write to {out}: {error.strerror}", "check space and permissions") from None
    lock = FileLock(state / "lock")
    try:
        with lock.acquire(timeout=0):
            yield state
    except Timeout:
        raise OutputError(f"another run is writing to {out}", "wait for it, or choose another --out") from None


def _remove_half_written(folders: set[Path]) -> None:
    """Clear what a process that was killed in the middle of writing has left beside our outputs."""
    for folder in folders:
        for leftover in folder.glob(HALF_WRITTEN):
            with suppress(OSError):
                leftover.unlink()


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """Let SIGTERM end a run as Ctrl-C does: cleanly, with a report."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not in the main thread: whoever embeds us handles signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
