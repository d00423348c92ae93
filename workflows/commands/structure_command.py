"""``restore-docs structure``: structure maps of images, for people who prepare CTRNet data sets."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pipeline.assemble import assemble, encode_page
from pipeline.documents import inspect_document, rasterize_page
from pipeline.errors import InputError, OutputError, RestoreError, UsageError, require_known
from pipeline.formats import DocumentKind, RasterSettings, WriteSettings
from pipeline.structure import StructureSettings, structure_map
from pipeline.types import Array, Colour, PageRef
from workflows.exit_codes import ExitCode
from workflows.storage.inputs import PlannedDocument, Source, find_sources, plan_outputs, refuse_unsafe_output
from workflows.workers.cluster import decide_jobs

log = logging.getLogger("restore_docs")

FORMATS = ("same", "png", "jpg", "tiff", "webp")
QUALITY = 95  # of JPEG maps: they are smooth, and networks are trained on them
LOG_EVERY_SECONDS = 10.0


def structure_command(
    words: Sequence[str], out: Path, parameters: dict[str, Any], *, jobs: str, format: str, on_existing: str
) -> ExitCode:
    """Write the map of every image to ``out`` under the image's own name. Returns the exit code.

    ``parameters`` are those of ``StructureSettings``; ``jobs`` is a number of threads or "auto"; ``format`` and
    ``on_existing`` are as for a run. Raises RestoreError when nothing can be begun. An image that fails is told and
    costs no other image its map.
    """
    started = time.monotonic()
    try:
        settings = StructureSettings(**parameters)
    except ValueError as error:
        raise UsageError(f"--{error}", "see restore-docs structure --help") from None
    require_known("format", format, FORMATS)
    require_known("--on-existing", on_existing, ("skip", "overwrite", "fail"))
    if jobs != "auto" and not (jobs.isdecimal() and int(jobs)):
        raise UsageError(f"--jobs {jobs} is no number of threads", "give a number of at least 1, or auto")
    sources = find_sources(words)
    images = plan_outputs(sources, out, format=format, lossless=False)
    refuse_unsafe_output(words, images, out)
    there = [image for image in images if (out / image.target).exists()]
    if there and on_existing == "fail":
        raise OutputError(f"{out / there[0].target} exists", "--on-existing skip or overwrite, or another --out")
    kept = there if on_existing == "skip" else []
    todo = [image for image in images if image not in kept]
    unreadable = sum(_tell(source) for source in sources if source.kind is None)
    failed = 0
    with ThreadPoolExecutor(decide_jobs(jobs)) as threads:  # the solver lets other threads run
        for failure in _shown(threads.map(partial(_map_or_error, out=out, settings=settings), todo), len(todo)):
            if failure is not None:
                log.error("%s", failure)
                failed += 1
    written = len(todo) - failed
    seconds = time.monotonic() - started
    print(f"{written} maps written, {len(kept)} already there, {failed + unreadable} failed; {seconds:.1f} s; in {out}")
    if not written and not kept:
        return ExitCode.NO_INPUT
    return ExitCode.INCOMPLETE if failed or unreadable else ExitCode.OK


def _as_pixels(smooth: Array) -> Array:
    """A map, (H, W, 3) float32 in [0, 1], as (H, W, 3) uint8, rounded half up."""
    return np.floor(smooth * 255 + np.float32(0.5)).astype(np.uint8)


def _map_or_error(image: PlannedDocument, out: Path, settings: StructureSettings) -> RestoreError | None:
    try:
        _write_map(image, out, settings)
    except RestoreError as error:
        return error
    return None


def _write_map(image: PlannedDocument, out: Path, settings: StructureSettings) -> None:
    given, path = image.source.given, str(image.source.path)
    raster = RasterSettings()
    if image.source.kind is DocumentKind.PDF or inspect_document(path, raster).page_count > 1:
        raise InputError(f"{given} is a document of pages, no image", "save its pages as images first")
    page = rasterize_page(PageRef(path, 0), raster)
    smooth = structure_map(
        page.image, settings.lam, settings.sigma, settings.sharpness, settings.iterations, settings.tolerance
    )
    colour = Colour.GREY if page.colour is Colour.BILEVEL else page.colour
    page = replace(page, image=_as_pixels(smooth), colour=colour, jpeg=None)
    target = out / image.target
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=".restore-docs-", dir=target.parent) as folder:
            work = Path(folder, "map")
            encode_page(page, image.kind, WriteSettings(quality=QUALITY), work)
            assemble([work], image.kind, target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror}", "check space and permissions") from error


def _tell(source: Source) -> bool:
    """Log what is no image; whether that is a failure."""
    if source.unreadable:
        log.error("%s: %s", source.given, source.reason)
    else:
        log.info("%s: skipped, %s", source.given, source.reason)
    return source.unreadable


def _shown(results: Iterator[RestoreError | None], total: int) -> Iterator[RestoreError | None]:
    """Pass results on and show how far they are: a bar on a terminal, else a line now and then."""
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import track

        yield from track(results, "structure maps", total, console=Console(stderr=True), transient=True)
        return
    told = time.monotonic()
    for count, result in enumerate(results, 1):
        if time.monotonic() - told >= LOG_EVERY_SECONDS:
            told = time.monotonic()
            log.info("%d of %d structure maps", count, total)
        yield result
