"""Cleaning a row as the program cleans a page: the very task functions, so that a score is one of what users get."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from pipeline.documents import DocumentKind
from pipeline.errors import InputError, UsageError
from pipeline.regions_file import PageRegions, write_regions
from pipeline.results import PageStatus
from pipeline.stitching import stitch
from pipeline.tiling import TILE_MARGIN, PageMaps, cut_tiles
from pipeline.types import Array, PageRef, PreparedPage, RestoredTile, TextRegion
from workflows.config import RunSettings
from workflows.evaluation.samples import Sample, read_image
from workflows.pages.pictures import PageTarget
from workflows.pages.tasks import finish_page, prepare_page, remove_text
from workflows.pages.tools import make_remover, remover_settings

DECODERS = 4  # levels that two decoders of JPEG may differ by

Masks = Literal["annotated", "detected"]


@dataclass(frozen=True, slots=True, eq=False)
class Cleaned:
    """A cleaned row: ``image`` and ``raw``, the remover's own prediction, (H, W, 3) uint8 RGB each.

    ``raw`` is what lies under the tiles before compositing and verification; elsewhere it is the page. ``status`` and
    ``residual_count`` are the page's, as the report has them; ``removed`` is which ink was to go.
    """

    image: Array
    raw: Array
    status: PageStatus
    residual_count: int
    removed: str
    seconds: float


def clean(sample: Sample, settings: RunSettings, masks: Masks, folder: Path) -> Cleaned:
    """Detect (or look up), remove and verify. Work files go to ``folder``, the cleaned page to its ``<name>.png``.

    ``masks``: whether the data set's polygons say where text is, or the detector does. A data set's own structure maps
    are used where the remover takes any.

    Raises:
        UsageError: the settings cannot do what the data set asks for. InputError: a structure map of another size, or a
            page that a run sees otherwise than it is stored. RestoreError: as a run's page may fail.
    """
    ref = PageRef(str(sample.row.image), 0)
    fitting = _settings_for(sample, settings, masks, folder)
    prepared = prepare_page(ref, fitting)
    _require_the_same(prepared.page.image, sample)
    remover = make_remover(fitting.remover, remover_settings(fitting))
    if remover.needs_structure and prepared.tiles:
        prepared = _with_structure(prepared, sample)
    removed = remove_text(prepared, fitting)
    target = PageTarget(str(folder / f"{sample.row.name}.png"), DocumentKind.PNG)
    result = finish_page(prepared, removed, fitting, target)
    raw = _paste(prepared.page.image, removed.tiles)
    seconds = sum(result.seconds.values())
    return Cleaned(read_image(Path(target.path)), raw, result.status, result.residual_count, fitting.remove, seconds)


def _require_the_same(seen: Array, sample: Sample) -> None:
    """Truth and annotation are of the page as it is stored, and a run's output is of the page as it sees it."""
    stored = sample.before
    if seen.shape != stored.shape or np.abs(seen.astype(np.int16) - stored).max() > DECODERS:
        raise InputError(
            f"{sample.row.image} is seen in a run otherwise than it is stored: turned, on white or in other colours",
            "save it as a plain image, without orientation, transparency and colour profile",
        )


def _settings_for(sample: Sample, settings: RunSettings, masks: Masks, folder: Path) -> RunSettings:
    changes: dict[str, Any] = {}
    if sample.handwriting and settings.remove == "all":
        changes["remove"] = "handwriting"
    if masks == "annotated":
        height, width = sample.before.shape[:2]
        regions = tuple(TextRegion(word.astype(np.float32)) for word in sample.words)
        known = folder / "regions"
        known.mkdir(exist_ok=True)
        write_regions(known, sample.row.image.name, [PageRegions(0, width, height, regions)], overwrite=True)
        changes |= {"detector": "annotated", "regions": known}
        if settings.ink == "auto":  # what is annotated is all that goes
            changes["ink"] = "regions"
    try:
        return RunSettings.model_validate(settings.model_dump() | changes)
    except ValidationError as error:
        told = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise UsageError(f"{sample.row.image}: {told}", "see restore-docs evaluate --help") from None


def _with_structure(prepared: PreparedPage, sample: Sample) -> PreparedPage:
    """The page with the data set's own structure map on its tiles, when there is one."""
    path = sample.row.beside("structure_im")
    if path is None:
        return prepared
    structure = read_image(path).astype(np.float32) / 255
    if structure.shape != prepared.page.image.shape:
        raise InputError(f"the structure map {path} differs in size from its image", "remove it: one is made then")
    maps = PageMaps(prepared.text_mask, prepared.text_mask, None, structure)
    own = cut_tiles(prepared.page.image, maps, [tile.box for tile in prepared.tiles])
    tiles = tuple(replace(tile, structure=cut.structure) for tile, cut in zip(prepared.tiles, own, strict=True))
    return replace(prepared, tiles=tiles)


def _paste(image: Array, tiles: tuple[RestoredTile, ...]) -> Array:
    """What the remover predicts, over all of each tile."""
    covered = np.zeros(image.shape[:2], bool)
    for tile in tiles:
        box = tile.box
        covered[max(box.y0, 0) : max(box.y1, 0), max(box.x0, 0) : max(box.x1, 0)] = True
    return stitch(image, covered, tiles, TILE_MARGIN)
