"""Text regions of a document as JSON: what a run found, to be corrected by hand and fed back.

The files are the side-cars that the annotated detector reads (``detectors.annotated`` describes them), one for each
document, each region on a line of its own. Numbers are written so that reading gives the very same polygons.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.errors import OutputError
from pipeline.geometry import clip_polygon
from pipeline.types import Array, TextRegion

_FAR = 1e6  # the farthest coordinate that is read


@dataclass(frozen=True, slots=True)
class PageRegions:
    """The regions of one page. ``width`` and ``height`` are the page's pixels, in which the polygons are."""

    page_index: int
    width: int
    height: int
    regions: tuple[TextRegion, ...]


def regions_path(folder: Path, document: str) -> Path:
    """Where the regions of a document are written: ``a.pdf.json`` in ``folder`` for any ``.../a.pdf``."""
    return folder / f"{Path(document).name}.json"


def write_regions(path: Path, document: str, pages: Sequence[PageRegions], overwrite: bool = False) -> Path:
    """Write the regions of all pages of a document, whole or not at all; returns the file's path.

    ``path`` is the file, or a folder, which gets ``regions_path(path, document)``. Pages are listed by number, also
    those without regions. A file that is there already is left alone unless ``overwrite``: it may have been corrected
    by hand, or belong to a document of the same name.

    Raises:
        OutputError: the file is there already, or cannot be written. ValueError: no pages, or one of them twice.
    """
    indices = [page.page_index for page in pages]
    if not indices or len(set(indices)) != len(indices):
        raise ValueError(f"the regions of {document} need each page once, and at least one, not {sorted(indices)}")
    target = regions_path(path, document) if path.is_dir() else path
    text = "{" + '"pages": [\n' + ",\n".join(_page(page) for page in sorted(pages, key=_index)) + "\n]}\n"
    try:
        _place(text, target, overwrite)
    except FileExistsError:
        remedy = "move it away, or name another folder; two documents of one name need a folder each"
        raise OutputError(f"{target} is there already, and may have been corrected by hand", remedy) from None
    except OSError as error:
        remedy = "check the folder and the space left on its disk"
        raise OutputError(f"the regions {target} cannot be written: {error.strerror}", remedy) from None
    return target


def _index(page: PageRegions) -> int:
    return page.page_index


def _page(page: PageRegions) -> str:
    lines = [f"  {json.dumps(_region(region, page.width, page.height))}" for region in page.regions]
    regions = "[\n" + ",\n".join(lines) + "\n]" if lines else "[]"
    head = f'"page_number": {page.page_index + 1}, "width": {page.width}, "height": {page.height}'
    return f' {{{head}, "regions": {regions}}}'


def _region(region: TextRegion, width: int, height: int) -> dict[str, object]:
    polygon = region.polygon
    if np.abs(polygon).max() > _FAR or clip_polygon(polygon, width, height) is None:
        # a reader refuses what has no area on the page; a line or a dot may be text all the same
        polygon = _with_area(polygon, width, height)
    # the shortest number that is this float32 and no other
    points = [[float(str(x)), float(str(y))] for x, y in polygon]
    return {"polygon": points, "score": float(region.score)}


def _with_area(polygon: Array, width: int, height: int) -> Array:
    """The polygon's bounding box, at least a pixel wide and high, moved onto the page: (4, 2) float32."""
    size = np.array([width, height], np.float32)
    low = np.clip(np.floor(polygon.min(axis=0)), 0, size - 1)
    high = np.clip(np.ceil(polygon.max(axis=0)), low + 1, size)
    return np.array([low, (high[0], low[1]), high, (low[0], high[1])], np.float32)


def _place(text: str, target: Path, overwrite: bool) -> None:
    if not overwrite:
        target.touch(exist_ok=False)  # takes the name before another process does
    part = target.with_name(f".{target.name}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(target)
    except OSError:
        part.unlink(missing_ok=True)
        if not overwrite:
            target.unlink(missing_ok=True)
        raise
