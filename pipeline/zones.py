"""Zones: places on the pages that a person has marked in a JSON file, to be removed or kept.

The file, here with all there is::

    {"unit": "pt",
     "zones": [
       {"name": "signature", "action": "remove", "pages": [1, "3-5", "8-"], "rectangle": [72, 600, 300, 660]},
       {"name": "logo", "action": "keep", "pages": "all", "documents": "intake-*.pdf", "unit": "fraction",
        "polygon": [[0.1, 0.05], [0.4, 0.05], [0.25, 0.15]]}
     ]}

``unit`` is ``pt`` (1/72 inch, as a PDF viewer measures) or ``fraction`` (0 to 1 of the page's width and height), for
all zones, or for one in its own entry. Either way the origin is the top left corner of the page as a viewer shows it:
rotated upright and cropped. x runs to the right, y down. ``rectangle`` is [left, top, right, bottom]. ``pages`` counts
from 1: a number, a range, a list of them, or ``"all"``. ``documents`` is a pattern (``*``, ``?``, ``[ab]``) for the
file's name without its folders, or a list of patterns; left out, the zone is for every document. ``name`` is for
reports; left out, it is ``zone N``, N being its place in the list. Where zones overlap, the one listed later wins.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np

from pipeline.errors import InputError, StageError, UsageError, nearest_name
from pipeline.geometry import as_shape, clip_polygon
from pipeline.masks import whole_pixels
from pipeline.types import Array, Page

Action = Literal["remove", "keep"]
Unit = Literal["pt", "fraction"]

_KEYS = ("name", "action", "pages", "rectangle", "polygon", "documents", "unit")
_LARGEST_PT = 14_400.0 * 75  # the largest page a PDF can have, with the largest UserUnit in use
_MOST_POINTS = 10_000
_NO_DOCUMENT = "."  # no file is called so
_LAYOUT = (
    'it should look like {"unit": "pt", "zones": [{"name": "signature", "action": "remove", "pages": "all", '
    '"rectangle": [72, 600, 300, 660]}]}'
)


class PlacedZone(NamedTuple):
    """A zone on one page: ``polygon`` (N, 2) float32 in pixels of the page, inside it."""

    polygon: Array
    action: Action
    name: str


@dataclass(frozen=True, slots=True)
class Zone:
    """One entry of a zones file. ``points`` are (x, y) in ``unit``.

    ``pages`` are inclusive ranges of page numbers, which count from 1, the end None for "to the last";
    ``documents`` patterns of file names, none for every document.
    """

    name: str
    action: Action
    unit: Unit
    points: tuple[tuple[float, float], ...]
    pages: tuple[tuple[int, int | None], ...] = ((1, None),)
    documents: tuple[str, ...] = ()

    def is_for(self, document: str) -> bool:
        """Whether it is for a document, by its file name; ``document`` is a path or a name."""
        name = Path(document).name
        return not self.documents or any(fnmatchcase(name, pattern) for pattern in self.documents)

    def is_on(self, page_index: int) -> bool:
        """Whether it is for a page of its documents."""
        number = page_index + 1
        return any(first <= number and (last is None or number <= last) for first, last in self.pages)


def read_zones(path: Path) -> tuple[Zone, ...]:
    """The zones of a file, in its order.

    Raises:
        InputError: the file cannot be read. UsageError: it is not as described above; the message names the file,
            the entry, what is wrong and what to write instead.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "check --zones") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8 text", "save it as UTF-8") from None
    try:
        content = json.loads(text, object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON: {error}", _LAYOUT) from None
    return _zones(content, str(path))


def zones_file(path: Path, document: str) -> Path:
    """The zones file for a document: ``path``, or if that is a folder, the file in it for the document's name."""
    return path / f"{Path(document).name}.zones.json" if path.is_dir() else path


def write_zones_of(document: str, path: Path, target: Path) -> None:
    """Write the zones of a file as they are for the document of that name, so that they are that under any name.

    They lose their own names, which may tell of somebody, and are ``zone N`` then. Zones that are not for it stay in,
    for no document: whether any zone is to be removed decides about the rest of a page.
    Raises as ``read_zones`` does; OSError.
    """
    content = json.loads(path.read_text("utf-8-sig"))
    for entry, zone in zip(content["zones"], read_zones(path), strict=True):
        entry.pop("documents", None)
        entry.pop("name", None)
        if not zone.is_for(document):
            entry["documents"] = [_NO_DOCUMENT]
    scratch = target.with_name(f".{target.name}.part")
    scratch.write_text(json.dumps(content), encoding="utf-8")
    scratch.replace(target)


def place_zones(zones: Sequence[Zone], page: Page) -> tuple[PlacedZone, ...]:
    """The zones that are for a rasterized page, in its pixels; see ``zones_on_page``."""
    scale = (page.width_pt / page.width, page.height_pt / page.height)
    chosen = [zone for zone in zones if zone.is_for(page.ref.document)]
    return zones_on_page(chosen, page.ref.page_index, page.width, page.height, scale)


def zones_on_page(
    zones: Sequence[Zone], page_index: int, width: int, height: int, points_per_pixel: float | tuple[float, float]
) -> tuple[PlacedZone, ...]:
    """The zones of one page, cut to the page, in the order of the file.

    ``zones`` are those of the page's document; ``width`` and ``height`` are the page's pixels; ``points_per_pixel`` is
    1/72 inch per pixel, or (across, down) where these differ. A page holds them: see ``place_zones``. Raises StageError
    for a zone to be removed that lies off the page: what it was drawn for would stay, unnoticed.
    """
    across, down = points_per_pixel if isinstance(points_per_pixel, tuple) else (points_per_pixel, points_per_pixel)
    placed = []
    for zone in zones:
        if not zone.is_on(page_index):
            continue
        scale = (width, height) if zone.unit == "fraction" else (1 / across, 1 / down)
        polygon = clip_polygon(np.array(zone.points, np.float64) * scale, width, height)
        if polygon is not None:
            placed.append(PlacedZone(polygon, zone.action, zone.name))
        elif zone.action == "remove":
            size = f"{width * across:.0f} x {height * down:.0f} pt"
            what = f"the zone {zone.name!r} lies outside page {page_index + 1}, which is {size}"
            raise StageError(what, "correct its points, or its pages, in the zones file", "zones", page_index + 1)
    return tuple(placed)


def zone_masks(placed: Sequence[PlacedZone], height: int, width: int) -> tuple[Array, Array]:
    """(what lies in zones to be removed, what lies in zones to be kept), each (H, W) bool, never both.

    Where zones overlap, the later one wins.
    """
    kinds = np.zeros((height, width), np.uint8)
    for zone in placed:
        cv2.fillPoly(kinds, [whole_pixels(zone.polygon)], 1 if zone.action == "remove" else 2)
    return kinds == 1, kinds == 2


class _EntryError(Exception):
    """What is wrong with an entry, and what to write instead."""


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"{key!r} stands twice in one entry")
    return dict(pairs)


def _zones(content: Any, path: str) -> tuple[Zone, ...]:
    if not isinstance(content, dict) or not isinstance(content.get("zones"), list):
        raise UsageError(f'{path}: there is no list "zones" in it', _LAYOUT)
    place = "the top of the file"
    zones: list[Zone] = []
    try:
        _refuse_unknown(content, ("unit", "zones"))
        unit = _unit(content.get("unit", "pt"))
        if not content["zones"]:
            raise _EntryError('the list "zones" is empty: mark at least one')
        for number, entry in enumerate(content["zones"], 1):
            place = f"zone {number}"
            if isinstance(entry, dict) and isinstance(entry.get("name"), str):
                place += f" ({entry['name']})"
            zone = _zone(entry, number, unit)
            if zone.name in (other.name for other in zones):
                raise _EntryError("the name is used twice: reports could not tell the two apart")
            zones.append(zone)
    except _EntryError as complaint:
        what, _, remedy = str(complaint).partition(": ")
        raise UsageError(f"{path}, {place}: {what}", remedy) from None
    return tuple(zones)


def _zone(entry: Any, number: int, unit: Unit) -> Zone:
    if not isinstance(entry, dict):
        raise _EntryError(f"it is no object: {_LAYOUT}")
    _refuse_unknown(entry, _KEYS)
    name = entry.get("name", f"zone {number}")
    if not isinstance(name, str) or not name.strip() or len(name) > 100 or not name.isprintable():
        raise _EntryError("the name is no line of text: write 1 to 100 printable characters")
    action = entry.get("action")
    if action not in ("remove", "keep"):
        raise _EntryError('there is no action that is known: write "action": "remove" or "keep"')
    if "unit" in entry:
        unit = _unit(entry["unit"])
    return Zone(name, action, unit, _points(entry, unit), _pages(entry.get("pages", "all")), _documents(entry))


def _refuse_unknown(entry: dict[str, Any], known: Sequence[str]) -> None:
    for key in entry:
        if key not in known:
            raise _EntryError(f"there is no {key!r}: did you mean {nearest_name(key, known)!r}?")


def _unit(value: Any) -> Unit:
    if value == "pt":
        return "pt"
    if value == "fraction":
        return "fraction"
    raise _EntryError('the unit is not known: write "pt" for 1/72 inch, or "fraction" of the page')


def _points(entry: dict[str, Any], unit: Unit) -> tuple[tuple[float, float], ...]:
    if ("rectangle" in entry) == ("polygon" in entry):
        raise _EntryError('it has no place, or two: write "rectangle": [left, top, right, bottom], or a "polygon"')
    if "rectangle" in entry:
        sides = entry["rectangle"]
        if not isinstance(sides, list) or len(sides) != 4:
            raise _EntryError("the rectangle has not four numbers: write [left, top, right, bottom]")
        left, top, right, bottom = (_coordinate(value, unit) for value in sides)
        if not (left < right and top < bottom):
            raise _EntryError("the rectangle is empty: write [left, top, right, bottom], with y counted downwards")
        return (left, top), (right, top), (right, bottom), (left, bottom)
    corners = entry["polygon"]
    if not isinstance(corners, list) or not 3 <= len(corners) <= _MOST_POINTS:
        raise _EntryError(f"the polygon is no list of 3 to {_MOST_POINTS} points: write [[x, y], [x, y], [x, y]]")
    if not all(isinstance(corner, list) and len(corner) == 2 for corner in corners):
        raise _EntryError("a point of the polygon is no pair: write [[x, y], [x, y], [x, y]]")
    points = tuple((_coordinate(x, unit), _coordinate(y, unit)) for x, y in corners)
    if not as_shape(np.array(points)).area > 0:
        raise _EntryError("the polygon has no area: write at least three points that are not on one line")
    return points


def _coordinate(value: Any, unit: Unit) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise _EntryError("a coordinate is no number: write numbers without quotes")
    if unit == "fraction" and not 0 <= value <= 1:
        raise _EntryError('a coordinate is no fraction: write 0 to 1, or "unit": "pt"')
    if abs(value) > _LARGEST_PT:
        raise _EntryError("a coordinate is beyond any page: write points of 1/72 inch")
    return float(value)


def _pages(value: Any) -> tuple[tuple[int, int | None], ...]:
    entries = value if isinstance(value, list) else [value]
    if not entries:
        raise _EntryError('the list of pages is empty: write numbers, ranges such as "3-5" or "8-", or "all"')
    return tuple(_page_range(entry) for entry in entries)


def _page_range(entry: Any) -> tuple[int, int | None]:
    if isinstance(entry, int) and not isinstance(entry, bool) and entry >= 1:
        return entry, entry
    if entry == "all":
        return 1, None
    found = re.fullmatch(r"([1-9][0-9]{0,8})(-([1-9][0-9]{0,8})?)?", entry) if isinstance(entry, str) else None
    if found is None:
        raise _EntryError('a page is not understood: write numbers from 1, ranges such as "3-5" or "8-", or "all"')
    first, dash, last = int(found[1]), found[2], found[3]
    if last and int(last) < first:
        raise _EntryError("a range of pages runs backwards: write the smaller number first")
    return first, int(last) if last else None if dash else first


def _documents(entry: dict[str, Any]) -> tuple[str, ...]:
    value = entry.get("documents", [])
    patterns = [value] if isinstance(value, str) else value
    if not isinstance(patterns, list) or not all(isinstance(one, str) and one.strip() for one in patterns):
        raise _EntryError('"documents" is no pattern: write one such as "intake-*.pdf", or a list of them')
    if "documents" in entry and not patterns:
        raise _EntryError('the list "documents" is empty: leave it out if the zone is for every document')
    if any("/" in one or "\\" in one for one in patterns):
        raise _EntryError('"documents" holds a folder: write a pattern for the name of the file alone')
    return tuple(patterns)
