"""What is drawn of a page beside its cleaned image: previews, and pictures of what would go."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from pipeline.assemble import encode_page
from pipeline.documents import DocumentKind
from pipeline.errors import OutputError
from pipeline.formats import WriteSettings
from pipeline.marks import STAYS, legend
from pipeline.previews import PageViews, draw_overlay, make_previews, with_legend
from pipeline.results import FoundRegions, PageResult
from pipeline.types import Colour, PreparedPage
from workflows.config import RunSettings
from workflows.pages.stages import StageClock

_PREVIEW = re.compile(r"[0-9a-f]{16}(-[0-9a-f]{16})?-\d{6,}-[a-z]+\.jpg")  # document, what of, page and kind


@dataclass(frozen=True, slots=True)
class PageTarget:
    """The work file a finished page is written to, and what kind of file it is.

    ``previews`` is where small pictures of the page go, a folder and the beginning of their names; "" is nowhere.
    """

    path: str
    kind: DocumentKind
    previews: str = ""


def show_choice(prepared: PreparedPage, target: PageTarget, settings: RunSettings) -> PageResult:
    """Write a picture of a page that shows what would go; nothing is removed."""
    page, goes = prepared.page, prepared.goes
    clock = StageClock(page.ref)
    with clock.stage("write"):
        picture = draw_overlay(page.image, goes, prepared.stays)
        shown = with_legend(picture, [*legend(goes).values(), STAYS])
        encode_page(replace(page, image=shown, colour=Colour.RGB), target.kind, WriteSettings(), Path(target.path))
    with clock.stage("preview"):
        views = PageViews(page.image, None, goes, prepared.stays)
        previews = save_previews(views, Path(target.previews)) if target.previews else {}
    return PageResult(
        page.ref,
        region_count=len(prepared.regions),
        seconds=prepared.seconds | clock.seconds,
        reasons={reason: int(np.count_nonzero(mask)) for reason, mask in goes.items()},
        previews=previews,
        notes=(*page.complaints, *prepared.notes, "dry run: nothing was removed"),
        doubts=prepared.doubts,
        found=outlines(prepared, settings),
        path=target.path,
    )


def outlines(prepared: PreparedPage, settings: RunSettings) -> FoundRegions | None:
    """The regions found, where they are asked for."""
    if settings.export_regions is None:
        return None
    polygons = tuple(tuple((float(x), float(y)) for x, y in region.polygon) for region in prepared.regions)
    scores = tuple(float(region.score) for region in prepared.regions)
    return FoundRegions(prepared.page.width, prepared.page.height, polygons, scores)


def save_previews(views: PageViews, place: Path) -> dict[str, str]:
    """Write small pictures of a page; their names by what they show. Raises OutputError."""
    make_folder(place.parent)
    names = {}
    for kind, content in make_previews(views).items():
        path = place.with_name(f"{place.name}-{kind}.jpg")
        try:
            path.write_bytes(content)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror}", "check space and permissions") from None
        names[kind] = path.name
    return names


def prune_previews(folder: Path, kept: Collection[str]) -> None:
    """Remove the previews in a folder that no document needs any more; what cannot be removed stays."""
    for path in folder.glob("*.jpg"):
        if path.name not in kept and _PREVIEW.fullmatch(path.name):
            with suppress(OSError):
                path.unlink()


def make_folder(folder: Path) -> None:
    """Make a folder and those above it. Raises OutputError."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{folder} cannot be made: {error.strerror}", "check space and permissions") from None
