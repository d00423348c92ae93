"""What runs on workers: the stages of a page as plain functions. The serial path calls exactly these.

Each takes small values or the previous stage's result and returns a value that pickles. Models are made once per
process. Threads per task are fixed, so that a page comes out the same wherever it runs.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from pipeline.assemble import assemble, encode_page
from pipeline.documents import DocumentKind, RasterSettings, inspect_document, rasterize_page
from pipeline.formats import WriteSettings
from pipeline.masks import polygon_mask, soft_mask
from pipeline.previews import PageViews
from pipeline.readings import Reading
from pipeline.results import Failure, PageResult
from pipeline.structure import structure_at
from pipeline.tiling import PageMaps, cut_tiles, plan_tiles
from pipeline.types import Array, Page, PageRef, PreparedPage, RestoredTile, TextRegion
from pipeline.zones import zones_file
from workflows.config import RunSettings
from workflows.pages.anonymity import hide_seams
from workflows.pages.doubtful import doubts_about
from workflows.pages.pictures import PageTarget, make_folder, outlines, save_previews, show_choice
from workflows.pages.selecting import select_ink
from workflows.pages.sight import Scope
from workflows.pages.stages import StageClock, travels
from workflows.pages.tools import (
    detector_settings,
    find_ink,
    make_detector,
    make_remover,
    make_text_reader,
    put_back,
    remover_settings,
    threads_of,
    verification_tools,
)
from workflows.pages.verification import Verdict, verify

# Threads work on parts of a page side by side (``pipeline.threads``), each part on one of its own
cv2.setNumThreads(1)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What opening a document told: its page count, and the SHA-256 of all bytes it is made of.

    ``outputs`` are the files that would hold its pages, with their SHA-256; "" is not there, "folder" in the way.
    """

    page_count: int
    digest: str
    outputs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RemovedText:
    """The remover's answer for one page: raw predictions, and the seconds they took."""

    tiles: tuple[RestoredTile, ...]
    seconds: dict[str, float]


@travels
def inspect_source(path: str, settings: RunSettings) -> Inspection:
    """Open a document, count its pages and fingerprint it. Raises InputError."""
    info = inspect_document(path, _raster_settings(settings))
    digest = file_digest(path)
    if settings.detector == "annotated":  # what it says about the document is part of the input
        from detectors.annotated import find_side_car

        digest += file_digest(str(find_side_car(Path(path), settings.regions)))
    if settings.zones is not None and settings.zones.is_dir():  # one file for each document
        digest += file_digest(str(zones_file(settings.zones, path)))
    return Inspection(info.page_count, digest)


@travels
def prepare_page(ref: PageRef, settings: RunSettings) -> PreparedPage:
    """Rasterize a page, find its text, decide which pixels are ink, and cut tiles around them."""
    clock = StageClock(ref)
    with clock.stage("rasterize"):
        page = rasterize_page(ref, _raster_settings(settings))
    with clock.stage("detect"):
        regions = make_detector(settings.detector, detector_settings(settings)).detect(page.image, ref)
    with clock.stage("strokes"):
        chosen = select_ink(page, regions, settings, partial(_ink, settings), partial(_read, settings))
        ink = chosen.ink
        # where only some of the ink goes, a region that keeps all of its own is no sign of anything missed
        inkless = count_inkless(regions, ink) if settings.remove == "all" and chosen.allowed is None else 0
        inside = polygon_mask([region.polygon for region in regions], page.height, page.width) | ink
    with clock.stage("tile"):
        remover = make_remover(settings.remover, remover_settings(settings))
        boxes = plan_tiles(ink, remover.tile_side)
        maps = PageMaps(ink, inside, _soft_mask(regions, ink) if boxes and remover.needs_soft_mask else None)
    if boxes and remover.needs_structure:
        with clock.stage("structure"):
            maps = replace(maps, structure=structure_at(page.image, boxes))
    with clock.stage("tile"):
        tiles = cut_tiles(page.image, maps, boxes)
    extra = (chosen.allowed, chosen.goes, chosen.stays, chosen.notes, chosen.doubts, chosen.form)
    return PreparedPage(page, regions, ink, tiles, clock.seconds, inkless, *extra)


def _ink(settings: RunSettings, image: Array, regions: Sequence[TextRegion], everywhere: bool) -> Array:
    return find_ink(image, regions, settings, everywhere)


def _read(
    settings: RunSettings, image: Array, regions: Sequence[TextRegion]
) -> tuple[Sequence[TextRegion], Sequence[Reading]]:
    return make_text_reader(threads_of(settings)).read_lines(image, regions)


@travels
def remove_text(prepared: PreparedPage, settings: RunSettings) -> RemovedText:
    """Ask the remover what is behind the text. A page without text costs nothing."""
    clock = StageClock(prepared.page.ref)
    if settings.dry_run:
        return RemovedText((), {})
    with clock.stage("remove"):
        tiles = make_remover(settings.remover, remover_settings(settings)).remove(prepared.tiles)
    return RemovedText(tiles, clock.seconds)


@travels
def finish_page(prepared: PreparedPage, removed: RemovedText, settings: RunSettings, target: PageTarget) -> PageResult:
    """Stitch the prediction into the page and write it as a work file."""
    page = prepared.page
    clock = StageClock(page.ref)
    if settings.dry_run:
        return show_choice(prepared, target, settings)
    with clock.stage("stitch"):
        if prepared.tiles:
            page = replace(page, image=put_back(page.image, prepared.text_mask, removed.tiles, settings))
    verdict = Verdict(page.image, prepared.text_mask, (), 0, ())
    if settings.verifies:
        with clock.stage("verify"):
            read = tuple(region.polygon for region in prepared.regions)
            scope = Scope(prepared.allowed, prepared.form, read, prepared.page.image)
            tools = verification_tools(page.ref, settings, int(np.count_nonzero(prepared.text_mask)))
            verdict = verify(page.image, prepared.text_mask, tools, scope)
            page = replace(page, image=verdict.image)
    if settings.anonymize:
        with clock.stage("grain"):
            page = replace(page, image=hide_seams(prepared, verdict))
    doubts = doubts_about(prepared, page.image, verdict, settings)
    prepared = replace(prepared, doubts=(*prepared.doubts, *doubts))
    with clock.stage("write"):
        encode_page(page, target.kind, _write_settings(settings), Path(target.path))
    goes = dict(prepared.goes)
    if verdict.attempts:
        goes["second look"] = verdict.mask & ~prepared.text_mask
    with clock.stage("preview"):
        # strokes spell out what was there
        before = None if settings.anonymize else prepared.page.image
        views = PageViews(page.image, before, goes, prepared.stays)
        previews = save_previews(views, Path(target.previews)) if target.previews else {}
    told = _tell(prepared, verdict, goes, settings)
    seconds = prepared.seconds | removed.seconds | clock.seconds
    return replace(told, seconds=seconds, previews=previews, path=target.path)


def _tell(prepared: PreparedPage, verdict: Verdict, goes: Mapping[str, Array], settings: RunSettings) -> PageResult:
    """What became of a page, in numbers."""
    page = prepared.page
    return PageResult(
        page.ref,
        region_count=len(prepared.regions),
        changed_pixels=_count(verdict.mask, settings),
        # without a second look, a region in which no ink was found may hold text
        residual_count=len(verdict.residual) if settings.verifies else prepared.regions_without_ink,
        residual=tuple(_shares(polygon, page) for polygon in verdict.residual),
        checks=verdict.checks,
        attempts=verdict.attempts,
        reasons={reason: _count(mask, settings) for reason, mask in goes.items()},
        notes=(*page.complaints, *prepared.notes, *verdict.notes),
        doubts=prepared.doubts,
        found=outlines(prepared, settings),
        path="",
    )


def _count(mask: Array, settings: RunSettings) -> int:
    """The pixels of a mask (H, W) bool; to one digit if names are hidden, for a word may be known by its ink."""
    count = int(np.count_nonzero(mask))
    return round(count, 1 - len(str(count))) if settings.anonymize else count


def _shares(polygon: Array, page: Page) -> tuple[float, float, float, float]:
    """A polygon's box in shares of the page's sides."""
    low, high = polygon.min(axis=0), polygon.max(axis=0)
    sides = (page.width, page.height, page.width, page.height)
    x0, y0, x1, y1 = (round(float(np.clip(v / s, 0, 1)), 4) for v, s in zip((*low, *high), sides, strict=True))
    return x0, y0, x1, y1


@travels
def keep_original(ref: PageRef, settings: RunSettings, target: PageTarget, failure: Failure) -> PageResult:
    """Write a page that failed as it came, text and all; asked for by ``--on-page-error keep-original`` only."""
    clock = StageClock(ref)
    with clock.stage("rasterize"):
        page = rasterize_page(ref, _raster_settings(settings))
    with clock.stage("write"):
        encode_page(page, target.kind, _write_settings(settings), Path(target.path))
    return PageResult(ref, seconds=clock.seconds, failure=failure, kept_original=True, path=target.path)


@travels
def assemble_document(paths: Sequence[str], kind: DocumentKind, outputs: Sequence[str]) -> tuple[str, ...]:
    """Make the outputs of one document out of its pages' work files; the SHA-256 of each. Raises OutputError."""
    groups = [paths] if len(outputs) == 1 else [[path] for path in paths]
    for group, output in zip(groups, outputs, strict=True):
        make_folder(Path(output).parent)
        assemble([Path(path) for path in group], kind, Path(output))
    return tuple(file_digest(output) for output in outputs)


def file_digest(path: str) -> str:
    """SHA-256 of a file's bytes, as hex."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def count_inkless(regions: Sequence[TextRegion], ink: Array) -> int:
    """How many regions hold not one ink pixel: something was detected there, and nothing will be removed."""
    height, width = ink.shape
    count = 0
    for region in regions:
        low = np.floor(region.polygon.min(axis=0)).astype(int).clip(0)
        high = np.ceil(region.polygon.max(axis=0)).astype(int) + 1
        part = ink[low[1] : min(high[1], height), low[0] : min(high[0], width)]
        count += not (part & polygon_mask([region.polygon - low], *part.shape)).any() if part.size else 0
    return count


def _soft_mask(regions: Sequence[TextRegion], ink: Array) -> Array:
    return soft_mask([region.polygon for region in regions], *ink.shape)


def _raster_settings(settings: RunSettings) -> RasterSettings:
    return RasterSettings(
        dpi=None if settings.dpi == "auto" else float(settings.dpi),
        rasterizer=settings.rasterizer,
        max_pixels=settings.max_pixels,
        max_pages=settings.max_pages,
        password=settings.password.get_secret_value() if settings.password else None,
    )


def _write_settings(settings: RunSettings) -> WriteSettings:
    return WriteSettings(settings.quality, settings.lossless, standard_tables=settings.anonymize)
