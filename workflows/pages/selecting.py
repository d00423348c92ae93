"""Which ink of a page goes: what is asked for by kind, by what the text says, by place, and by a blank form.

The order is this. Ink is found, of the kind that ``--remove`` names. If text (``--match``, ``--entities``,
``--words``), zones to be removed, or a blank form (``--template``) are named, only what one of them chooses goes; if
none is, all of it. Codes for machines that say what is looked for go as well, and all of them with ``--anonymize``.
What a ``--keep`` pattern matches, and what lies in a zone to be kept, stays whatever else
chooses it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np

from pipeline.choosing import Part, TextPolicy, choose_text
from pipeline.documents import RasterSettings, inspect_document, rasterize_page
from pipeline.errors import InputError, StageError, UsageError
from pipeline.masks import polygon_mask
from pipeline.readings import Reading
from pipeline.template import choose_blank
from pipeline.template_ink import filled_in, form_print
from pipeline.types import Array, Page, PageRef, TextRegion
from pipeline.zones import Zone, place_zones, read_zones, zone_masks, zones_file
from workflows.config import RunSettings
from workflows.pages.codes import REASON as CODE
from workflows.pages.codes import choose_codes
from workflows.pages.kept_tools import Stamp, stamp_of

BLANK_DPI = 200
GOOD_FIT = 0.75  # the share of a blank's print that is found, below which a person should look at the page
MOVED = 0.05  # the share of a blank's print that stands elsewhere from which the report says so

Reader = Callable[[Array, Sequence[TextRegion]], tuple[Sequence[TextRegion], Sequence[Reading]]]
Finder = Callable[[Array, Sequence[TextRegion], bool], Array]


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What goes of a page, and why.

    ``goes`` are masks (H, W) bool by reason; ``stays`` (H, W) bool is what was found and kept, for pictures.
    ``allowed`` (H, W) bool is where text was to go, None everywhere. ``form`` (H, W) bool is print of the blank form
    that stays, None without one. ``notes`` are for the report, and so are
    ``doubts``, for which a person should look at the page.
    """

    goes: Mapping[str, Array]
    stays: Array
    allowed: Array | None
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    form: Array | None = None

    @property
    def ink(self) -> Array:
        """(H, W) bool: all that goes."""
        return np.logical_or.reduce([*self.goes.values(), np.zeros_like(self.stays)])


@dataclass(slots=True, eq=False)
class _Choice:
    """What the policies choose, while they are asked one after the other."""

    areas: dict[str, Array] = field(default_factory=dict)
    kept: Array | None = None
    form: Array | None = None
    notes: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)

    def add(self, reason: str, area: Array) -> None:
        self.areas[reason] = self.areas[reason] | area if reason in self.areas else area

    def keep(self, area: Array) -> None:
        self.kept = area if self.kept is None else self.kept | area


def select_ink(
    page: Page, regions: Sequence[TextRegion], settings: RunSettings, find_ink: Finder, read: Reader
) -> Selection:
    """Decide what goes of a page.

    ``find_ink`` takes image, regions and whether ink counts wherever it stands, and says which pixels are ink of the
    kind that goes; ``read`` gives the regions line by line, and what each says. Raises StageError for a zone off the
    page or a blank that does not fit, UsageError and InputError for files that cannot be used.
    """
    found = find_ink(page.image, regions, False)
    shape = found.shape
    choice = _Choice()
    policy = text_policy(settings)
    if policy is not None:
        parts = choose_text(*read(page.image, regions), policy)
        _add_parts(choice, parts.goes, parts.stays, shape)
    zones = zones_of(settings, page.ref.document)
    if zones:
        found = _add_zones(choice, page, zones, found, lambda: find_ink(page.image, regions, True))
    if settings.template is not None:
        found = _add_filled_in(choice, page, settings, found)
    chosen = choosing(settings, zones)
    if not chosen:
        choice.areas = {settings.remove: np.ones(shape, bool)}
    found = _add_codes(choice, page, settings, found)
    kept = np.zeros(shape, bool) if choice.kept is None else choice.kept
    goes = {reason: found & area & ~kept for reason, area in choice.areas.items()}
    asked = np.logical_or.reduce([*choice.areas.values(), np.zeros(shape, bool)])
    form = None if choice.form is None else choice.form & ~asked
    # beside the form's print all text goes, also what was not told from the form
    asked = asked if form is None else ~form
    allowed = None if not chosen and choice.kept is None else asked & ~kept
    gone = np.logical_or.reduce([*goes.values(), np.zeros(shape, bool)])
    return Selection(goes, found & ~gone, allowed, tuple(choice.notes), tuple(choice.doubts), form)


def choosing(settings: RunSettings, zones: Sequence[Zone]) -> bool:
    """Whether anything is named that goes, so that the rest stays; ``zones`` are those of the zones file."""
    policy = text_policy(settings)
    by_place = any(zone.action == "remove" for zone in zones)
    return (policy is not None and policy.looks_for_something) or by_place or settings.template is not None


def zones_of(settings: RunSettings, document: str) -> tuple[Zone, ...]:
    """All zones of the file that holds a document's; none without ``--zones``. Raises as ``read_zones`` does."""
    if settings.zones is None:
        return ()
    path = zones_file(settings.zones, document)
    return _zones(path, stamp_of(path))


def text_policy(settings: RunSettings) -> TextPolicy | None:
    """What is looked for in the text, or None. Raises UsageError."""
    if not (settings.match or settings.entities or settings.words or settings.keep):
        return None
    kinds = tuple(kind.strip() for kind in settings.entities.split(",") if kind.strip())
    listed = () if settings.words is None else _words(settings.words, stamp_of(settings.words))
    return _text_policy(settings.match, kinds, listed, settings.keep, settings.least_score)


@lru_cache(maxsize=1)
def _text_policy(
    match: tuple[str, ...], kinds: tuple[str, ...], words: tuple[str, ...], keep: tuple[str, ...], least: float
) -> TextPolicy:
    return TextPolicy(match, kinds, words, keep, least)


@lru_cache(maxsize=1)
def _words(path: Path, stamp: Stamp) -> tuple[str, ...]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the words in {path} cannot be read: {error}", "a text file, one word a line") from None
    listed = tuple(line.strip() for line in lines if line.strip() and not line.startswith("#"))
    if not listed:
        raise UsageError(f"{path} lists no words", "write one word or phrase a line")
    return listed


def _add_parts(choice: _Choice, goes: Sequence[Part], stays: Sequence[Part], shape: tuple[int, ...]) -> None:
    for part in goes:
        choice.add(part.reason, polygon_mask([part.polygon], *shape))
    kept = [part.polygon for part in stays if part.reason == "keep"]
    if kept:
        choice.keep(polygon_mask(kept, *shape))


def _add_zones(
    choice: _Choice, page: Page, zones: Sequence[Zone], found: Array, find_all: Callable[[], Array]
) -> Array:
    """Add what zones choose; in a zone, ink goes that no detector calls text, too: the ink found, and that."""
    placed = place_zones(zones, page)
    removed, kept = zone_masks(placed, *found.shape)
    if removed.any():
        for name in dict.fromkeys(zone.name for zone in placed if zone.action == "remove"):
            own = [zone for zone in placed if zone.name == name]
            choice.add(f"zone:{name}", zone_masks(own, *found.shape)[0] & removed)
        found = found | (find_all() & removed)
    if kept.any():
        choice.keep(kept)
    return found


def _add_filled_in(choice: _Choice, page: Page, settings: RunSettings, found: Array) -> Array:
    """Add what is not on the blank form: the ink found, and that."""
    assert settings.template is not None
    blanks = _blanks(settings.template, stamp_of(settings.template))
    number, alignment = choose_blank(blanks, page.image, page.ref.page_index)
    filled = filled_in(blanks[number], page.image, alignment)
    if settings.remove != "all":
        filled &= found
    choice.add("template", filled)
    choice.form = form_print(blanks[number], page.image.shape, alignment)
    fit = f"{alignment.quality:.0%} of its print found, {alignment.error_px:.1f} px off, {alignment.inliers} features"
    if alignment.quality < GOOD_FIT:
        choice.doubts.append(f"page {number + 1} of the blank fits poorly: {fit}; print may have gone, or ink stayed")
    else:
        choice.notes.append(f"page {number + 1} of the blank fits: {fit}")
    if alignment.moved > MOVED:
        choice.notes.append(
            f"{alignment.moved:.0%} of the blank's print stands elsewhere: another edition of the form?"
        )
    return found | filled


def _add_codes(choice: _Choice, page: Page, settings: RunSettings, found: Array) -> Array:
    """Add the codes that go, as a whole: the ink found, and that."""
    codes = choose_codes(page.image, settings, text_policy(settings))
    choice.notes.extend(codes.notes)
    if codes.goes.any():
        choice.areas = {reason: area & ~codes.goes for reason, area in choice.areas.items()}
        choice.add(CODE, codes.goes)
    return found | codes.goes


@lru_cache(maxsize=1)
def _zones(path: Path, stamp: Stamp) -> tuple[Zone, ...]:
    return read_zones(path)


@lru_cache(maxsize=1)
def _blanks(path: Path, stamp: Stamp) -> tuple[Array, ...]:
    """All pages of the blank form, (H, W, 3) uint8 RGB each. Raises UsageError."""
    raster = RasterSettings(dpi=BLANK_DPI)
    try:
        count = inspect_document(str(path), raster).page_count
        return tuple(rasterize_page(PageRef(str(path), index), raster).image for index in range(count))
    except (InputError, StageError) as error:
        raise UsageError(f"the blank form cannot be read: {error.what}", error.remedy) from None


def reread(
    image: Array, regions: Sequence[TextRegion], settings: RunSettings, read: Reader
) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    """Polygons of text on a cleaned page that was to go by what it says, and of text that was read unsurely."""
    policy = text_policy(settings)
    if policy is None or not policy.looks_for_something:
        return (), ()
    parts = choose_text(*read(image, regions), policy).goes
    height, width = image.shape[:2]
    edge = (width - 1, height - 1)
    inside = [(part.reason, part.polygon.clip((0, 0), edge).astype(np.float32)) for part in parts]
    pieces = [(reason, polygon) for reason, polygon in inside if cv2.contourArea(polygon) >= 1]
    matching = tuple(polygon for reason, polygon in pieces if reason != "unsure")
    return matching, tuple(polygon for reason, polygon in pieces if reason == "unsure")
