"""Text regions from a JSON side-car: the oracle of tests and benchmarks, and the way to correct a detector by hand.

The side-car of ``a.pdf`` is ``a.pdf.json`` or ``a.json`` beside it, or in the folder that ``DetectorSettings.regions``
names; when that names a file, it serves every document. Two layouts are read:

* ``{"pages": [{"page_number": 1, "width": 1654, "height": 2339, "regions": [{"polygon": [[x, y], ...],
  "score": 1.0}]}]}``. Page numbers count from 1. Points are pixels of an image of ``width`` x ``height``, scaled to
  the page's own; without the two they are pixels of the page as it is rasterized. ``score`` may be left out.
* ``{"words": [{"poly": [[x, y], ...]} or {"box": [x0, y0, x1, y1]}, ...], "w": 1654, "h": 2339}``: page 1 alone;
  other keys are ignored.

Every page of the document must be listed, with ``"regions": []`` where there is no text: a page that was forgotten
would otherwise pass for one without text.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PositiveInt, ValidationError, model_validator

from detectors.base import DetectorSettings
from pipeline.errors import InputError
from pipeline.geometry import clip_polygon, reading_order
from pipeline.types import Array, PageRef, TextRegion

# far beyond any page, and float32 still holds it
Coordinate = Annotated[FiniteFloat, Field(ge=-1e6, le=1e6)]
Point = tuple[Coordinate, Coordinate]
Polygon = Annotated[list[Point], Field(min_length=3)]

_LAYOUT = 'it should look like {"pages": [{"page_number": 1, "regions": [{"polygon": [[x, y], ...]}]}]}'


class _Region(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    polygon: Polygon
    score: Annotated[float, Field(ge=0, le=1)] = 1.0


class _Page(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    page_number: PositiveInt
    width: PositiveInt | None = None
    height: PositiveInt | None = None
    regions: list[_Region]

    @model_validator(mode="after")
    def _both_or_neither(self) -> Self:
        if (self.width is None) != (self.height is None):
            raise ValueError("width and height go together")
        return self


class _Pages(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    pages: list[_Page]

    @model_validator(mode="after")
    def _each_page_once(self) -> Self:
        numbers = [page.page_number for page in self.pages]
        twice = sorted({number for number in numbers if numbers.count(number) > 1})
        if twice:
            raise ValueError(f"page_number {twice[0]} is listed twice")
        return self


class _Word(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    poly: Polygon | None = None
    box: tuple[Coordinate, Coordinate, Coordinate, Coordinate] | None = None

    @model_validator(mode="after")
    def _has_a_place(self) -> Self:
        if self.poly is None and self.box is None:
            raise ValueError("a word has a poly or a box")
        return self

    def region(self) -> _Region:
        if self.poly is not None:
            return _Region(polygon=self.poly)
        assert self.box is not None
        x0, y0, x1, y1 = self.box
        return _Region(polygon=[(x0, y0), (x1, y0), (x1, y1), (x0, y1)])


class _Words(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    words: list[_Word]
    w: PositiveInt | None = None
    h: PositiveInt | None = None

    def page(self) -> _Page:
        regions = [word.region() for word in self.words]
        return _Page(page_number=1, width=self.w, height=self.h, regions=regions)


class AnnotatedDetector:
    """Looks text regions up in a side-car instead of looking at the page."""

    name = "annotated"

    def __init__(self, settings: DetectorSettings) -> None:
        """``settings.regions`` is a file, a folder, or "" for beside the document. InputError when it is not there."""
        self._regions = Path(settings.regions) if settings.regions else None
        if self._regions is not None and not self._regions.exists():
            raise InputError(f"the regions {self._regions} do not exist", "check --regions")
        self._last: tuple[Path, int, dict[int, _Page]] | None = None

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        """See ``Detector.detect``. InputError when there is no valid side-car, or it does not list the page."""
        path = find_side_car(Path(ref.document), self._regions)
        page = self._read(path).get(ref.page_number)
        if page is None:
            raise InputError(
                f"{path} lists no page {ref.page_number}",
                f'add {{"page_number": {ref.page_number}, "regions": []}} if that page has no text',
            )
        return _regions(page, image.shape[1], image.shape[0], path)

    def _read(self, path: Path) -> dict[int, _Page]:
        """The pages of a side-car by number; the last file is remembered, for documents of many pages."""
        try:
            changed = path.stat().st_mtime_ns
            if self._last is None or self._last[:2] != (path, changed):
                self._last = (path, changed, _parse(path.read_text("utf-8-sig"), path))
        except OSError as error:
            raise InputError(
                f"{path} cannot be read: {error.strerror}", "check that it is there and readable"
            ) from None
        except UnicodeDecodeError:
            raise InputError(f"{path} is not UTF-8 text", "save it as UTF-8") from None
        return self._last[2]


def find_side_car(document: Path, regions: Path | None) -> Path:
    """The side-car of a document: ``regions`` itself if that is a file, else looked up in it or beside the document.

    Raises InputError when there is none.
    """
    if regions is not None and regions.is_file():
        return regions
    folder = regions or document.parent
    tried = [folder / f"{document.name}.json", folder / f"{document.stem}.json"]
    for path in tried:
        if path.is_file():
            return path
    raise InputError(
        f"no text regions for {document}: there is neither {tried[0]} nor {tried[1]}",
        "write one of them, or name a file or folder with --regions",
    )


def _parse(text: str, path: Path) -> dict[int, _Page]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error}", _LAYOUT) from None
    try:
        if isinstance(content, dict) and "words" in content and "pages" not in content:
            pages = [_Words.model_validate_json(text.lstrip()).page()]
        else:
            pages = _Pages.model_validate_json(text.lstrip()).pages
    except ValidationError as error:
        raise InputError(f"{path}: {_complaint(error, content)}", _LAYOUT) from None
    return {page.page_number: page for page in pages}


def _complaint(error: ValidationError, content: object) -> str:
    """The first thing wrong, by page and field; never the value, which may be somebody's data."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = list(first["loc"])
    page = ""
    if place[:1] == ["pages"] and len(place) > 1 and isinstance(content, dict):
        entry = content["pages"][place[1]]
        number = entry.get("page_number") if isinstance(entry, dict) else None
        page = f"page {number if isinstance(number, int) else f'entry {int(place[1]) + 1}'}: "
        place = place[2:]
    field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
    return f"{page}{field + ': ' if field else ''}{first['msg']}"


def _regions(page: _Page, width: int, height: int, path: Path) -> tuple[TextRegion, ...]:
    """A page's regions in the pixels of an image of ``width`` x ``height``."""
    scale = np.array((width / (page.width or width), height / (page.height or height)), np.float32)
    found = []
    for index, region in enumerate(page.regions):
        polygon = clip_polygon(np.asarray(region.polygon, np.float32) * scale, width, height)
        if polygon is None:
            raise InputError(
                f"{path}: page {page.page_number}: regions[{index}] has no area on the page of {width} x {height} px",
                "if it was drawn at another resolution, give that image's width and height",
            )
        found.append(TextRegion(polygon, region.score))
    return reading_order(found)
