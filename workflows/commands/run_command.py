"""``restore-docs run``: from the words of the command line to a finished output folder and an exit code."""

from __future__ import annotations

import logging
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from detectors.registry import DETECTORS
from pipeline.assemble import HALF_WRITTEN
from pipeline.errors import OutputError, RestoreError, SetupError, UsageError, require_known
from pipeline.regions_file import PageRegions, write_regions
from pipeline.results import DocumentResult, Failure, FoundRegions
from pipeline.types import TextRegion
from pipeline.zones import read_zones
from remover.registry import REMOVERS
from workflows.config import RunSettings
from workflows.exit_codes import ExitCode, code_for_documents, code_for_error
from workflows.interruption import interruptible
from workflows.machine import count_cores
from workflows.pages.anonymity import hidden, hidden_places, without_places
from workflows.pages.pictures import prune_previews
from workflows.pages.selecting import text_policy
from workflows.pages.stages import failure_from
from workflows.reporting.metrics import write_metrics
from workflows.reporting.progress import Bar, JsonEvents, LogLines, Observer
from workflows.reporting.report import build_report, closing_line, write_report
from workflows.reporting.report_page import write_report_page
from workflows.reporting.run_status import StatusKeeper
from workflows.restore import Run, may_run_side_by_side
from workflows.storage.inputs import (
    PREVIEWS,
    REPORT_NAME,
    REPORT_PAGE,
    PlannedDocument,
    Source,
    find_sources,
    plan_outputs,
    refuse_unsafe_output,
)
from workflows.storage.kept_results import InOrder
from workflows.storage.manifest import Manifest
from workflows.storage.output_state import OutputState, open_output
from workflows.storage.places import exists, is_url, join, place_of, write_text
from workflows.workers.cluster import decide_jobs, in_process, open_cluster

log = logging.getLogger("restore_docs")


def run_command(words: Sequence[str], out: str, settings: RunSettings, *, json: bool, quiet: bool) -> ExitCode:
    """Do the whole job. Returns the exit code; raises RestoreError when nothing could be begun.

    Whatever happens after the output folder is ours, ``report.json`` lists every input and what became of it.
    """
    started = time.monotonic()
    out, settings = _wherever(out, settings)
    if is_url(out):
        settings = settings.model_copy(update={"report": "json"})  # pictures are kept in folders
    refuse_unknown(settings)
    found = find_sources(words)
    refuse_unsafe_output(words, (), out, by_name=not settings.anonymize)
    # names are given, and outputs planned by them, where no other run does the same
    documents = () if settings.anonymize else _plan(found, out, settings)
    observer = _choose_observer(json, quiet)
    with interruptible(), open_output(out, settings) as state, hidden(found, settings, state.place, out) as known:
        sources, within = known
        documents = documents or _plan(sources, out, settings)
        jobs = decide_jobs(settings.jobs) if may_run_side_by_side(documents) else 1
        settings, within = suited(settings, jobs), suited(within, jobs)
        keeper = StatusKeeper(state.memory, len(documents), observer, state.check)
        run = Run(documents, within, out, state.place, state.memory)
        with _nothing_half_written(out, documents):
            ended, code = _attempt(run, jobs, within, keeper, state.scratch)
        results = _in_input_order(sources, run.results)
        code = code_for_documents(results) if code is None else code
        if settings.export_regions is not None:
            export_regions(results, settings.export_regions, settings.on_existing == "overwrite")
        seconds = time.monotonic() - started
        observer.close(results, seconds)
        _write_reports(build_report(results, settings, seconds, ended), out, state, settings)
        _prune(results, out, state)
        if settings.metrics is not None:
            write_metrics(results, seconds, code, settings.metrics)
        keeper.end(code, None if ended is None else str(ended))
    if ended is not None:
        print(f"restore-docs: {ended}", file=sys.stderr)
    if not json and not quiet:
        print(closing_line(results, seconds, out))
    return code


def _wherever(out: str, settings: RunSettings) -> tuple[str, RunSettings]:
    """The output and all files that settings name, as workers of a scheduler find them that run in other folders."""
    if settings.scheduler is None:
        return out, settings
    named = {name: value for name, value in settings if isinstance(value, Path) and not is_url(place_of(value))}
    changed: dict[str, Path | str] = {name: path.absolute() for name, path in named.items()}
    if settings.detector_files:
        changed["detector_model"] = str(Path(settings.detector_model).absolute())
    return out if is_url(out) else str(Path(out).absolute()), settings.model_copy(update=changed)


def _plan(sources: Sequence[Source], out: str, settings: RunSettings) -> tuple[PlannedDocument, ...]:
    """Say where each document's output goes. Raises UsageError, and OutputError where ``--on-existing`` is ``fail``."""
    documents = plan_outputs(sources, out, format=settings.format, lossless=settings.lossless, dry_run=settings.dry_run)
    refuse_unsafe_output((), documents, out)
    _refuse_existing([join(out, str(document.target)) for document in documents], settings)
    return documents


def _refuse_existing(targets: Sequence[str], settings: RunSettings) -> None:
    if settings.on_existing != "fail":  # numbered pages are looked for once a document's pages are counted
        return
    there = [target for target in targets if exists(target)]
    if there:
        raise OutputError(f"{there[0]} exists", "--on-existing skip or overwrite, or another --out")


def _write_reports(report: dict[str, Any], out: str, state: OutputState, settings: RunSettings) -> None:
    """Write what a program and what a person reads of the run. Raises OutputError."""
    if settings.anonymize:
        entries, places = report["documents"], hidden_places(settings, Path(state.place))
        told = InOrder(len(entries), lambda place: without_places(entries[place], places))
        report = without_places({**report, "documents": None}, places) | {"documents": told}
    write_report(report, state.reports / REPORT_NAME)
    if is_url(out):
        write_text(join(out, REPORT_NAME), (state.reports / REPORT_NAME).read_text(encoding="utf-8"))
    if settings.report == "html":
        write_report_page(report, Path(state.place) / PREVIEWS, state.reports / REPORT_PAGE)


def _prune(results: Sequence[DocumentResult], out: str, state: OutputState) -> None:
    """Delete the previews of documents that are gone."""
    folder = Path(state.place) / PREVIEWS
    if isinstance(state.memory, Manifest) and folder.is_dir():
        shown = {name for result in results for page in result.pages for name in page.previews.values()}
        prune_previews(folder, shown | state.memory.previews(Path(out)))


def refuse_unknown(settings: RunSettings) -> None:
    """Raise before any work when the settings name something that is not there."""
    require_known("detector", settings.detector, DETECTORS)
    require_known("remover", settings.remover, REMOVERS)
    if settings.weights is not None and not exists(place_of(settings.weights)):
        raise SetupError(f"there are no weights at {settings.weights}", "check --weights")
    if settings.regions is not None and not settings.regions.exists():
        raise UsageError(f"there are no regions at {settings.regions}", "check --regions")
    for name in ("words", "zones", "template"):
        path = getattr(settings, name)
        if path is not None and not path.is_file():
            raise UsageError(f"there is no file {path}", f"check --{name}")
    text_policy(settings)
    if settings.zones is not None:
        read_zones(settings.zones)


def export_regions(results: Sequence[DocumentResult], folder: Path, overwrite: bool) -> None:
    """Write where text was found, a file per document, as ``--detector annotated`` reads it.

    A file that is there may have been corrected by hand: it stays unless ``overwrite``, and the log says so.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for result in results:
        pages = [(page.ref.page_index, page.found) for page in result.pages if page.found is not None]
        if pages and len(pages) == len(result.pages):
            regions = [_page_regions(index, found) for index, found in pages]
            try:
                write_regions(folder, result.source, regions, overwrite)
            except OutputError as error:
                log.warning("%s", error)


def _page_regions(index: int, found: FoundRegions) -> PageRegions:
    pairs = zip(found.outlines, found.scores, strict=True)
    regions = tuple(TextRegion(np.array(outline, np.float32), score) for outline, score in pairs)
    return PageRegions(index, found.width, found.height, regions)


def suited(settings: RunSettings, jobs: int) -> RunSettings:
    """What each page may use of this machine, where it is this machine that works, and whether time limits hold."""
    changed: dict[str, Any] = {}
    if settings.threads == "auto" and settings.scheduler is None:
        changed["threads"] = max(1, count_cores() // jobs)
    if in_process(jobs, settings):
        changed["page_timeout"] = "off"
    return settings.model_copy(update=changed)


def _attempt(
    run: Run, jobs: int, settings: RunSettings, observer: Observer, scratch: Path
) -> tuple[Failure | None, ExitCode | None]:
    """Run, and say why it ended before its end and with which code, if it did."""
    try:
        cluster = open_cluster(jobs, settings, scratch)
        try:
            run(cluster, observer)
        finally:
            cluster.close()
            shutil.rmtree(scratch, ignore_errors=True)
    except RestoreError as error:
        run.give_up(error.what, error.remedy)
        return failure_from(error), code_for_error(error)
    except KeyboardInterrupt:
        run.give_up("interrupted", "run the same command again; what is finished is kept")
        return Failure("Interrupted", "", "interrupted", "run the same command again"), ExitCode.INTERRUPTED
    return None, None


def _in_input_order(sources: Sequence[Source], results: Mapping[str, DocumentResult]) -> Sequence[DocumentResult]:
    """A result for every file that was found, documents or not."""
    for source in sources:
        _tell_without_kind(source)

    def result(place: int) -> DocumentResult:
        source = sources[place]
        return results[source.given] if source.kind is not None else _without_kind(source)

    return InOrder(len(sources), result)


def _tell_without_kind(source: Source) -> None:
    if source.kind is None and source.unreadable:
        log.error("%s: %s", source.given, source.reason)
    elif source.kind is None:
        log.info("%s: skipped, %s", source.given, source.reason)


def _without_kind(source: Source) -> DocumentResult:
    if source.unreadable:
        failure = Failure("InputError", "open", f"{source.given}: {source.reason}", "check the path and the file")
        return DocumentResult(source.given, failure=failure)
    return DocumentResult(source.given, skipped=source.reason)


def _choose_observer(json: bool, quiet: bool) -> Observer:
    if json:
        return JsonEvents()
    if quiet or not sys.stderr.isatty():
        return LogLines()
    handler = logging.getLogger().handlers[0]
    return Bar(getattr(handler, "console", None))


@contextmanager
def _nothing_half_written(out: str, documents: Sequence[PlannedDocument]) -> Iterator[None]:
    """Clear what was left beside our outputs by runs that were killed, and by workers that die in this one."""
    folders = set() if is_url(out) else {Path(out, document.target).parent for document in documents}
    _remove_half_written(folders)
    yield
    _remove_half_written(folders)


def _remove_half_written(folders: set[Path]) -> None:
    """Clear what a process that was killed in the middle of writing has left beside our outputs."""
    for folder in folders:
        for leftover in folder.glob(HALF_WRITTEN):
            with suppress(OSError):
                leftover.unlink()
