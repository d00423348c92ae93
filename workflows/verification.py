"""Looking again at a cleaned page: is the text gone? And if it is not, removing it once more, and then more bluntly.

The detector looks at the page at two sizes, where something was removed with its contrast stretched; the
stroke network reads all of it, and what it finds elsewhere is shown to the detector enlarged. ``pipeline.residue`` says
what counts. What is found goes by a grown mask, then by a plain fill of the whole region; what is found even then is
for a person to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pipeline.masks import polygon_mask
from pipeline.mosaic import join_windows, lay_out
from pipeline.readings import Reading
from pipeline.residue import (
    BELIEVED,
    believed_share,
    dark_areas,
    has_ghost,
    ink_clusters,
    is_dark,
    is_text,
    is_word,
    light_clusters,
    stretch_removed,
)
from pipeline.results import Check
from pipeline.types import Array, Box, TextRegion

SMALLER = 0.71  # the second size: halfway between those a detector looks at by itself
MOST_CLUSTERS = 48  # looked at closely; a photograph has hundreds
CLOSE_HEIGHT, MOST_ENLARGED = 40, 4.0  # px that a glyph is enlarged to, and how much at most
CLOSE_MARGIN = 40  # px of surroundings in a close look
DARK_MARGIN = 8  # px of surroundings of a dark place
NEARBY = 64  # px of surroundings when looking again at what was removed again
GROWTH = 2  # px by which the mask grows at the second removal
WRITTEN_PIXELS = 40  # of a piece of handwriting that is left; less is a speck

PAGE, SMALL, STROKES, READER = "detector, stretched", "detector, smaller", "strokes", "reader"
DARK = "dark places"


@dataclass(frozen=True, slots=True)
class Tools:
    """What a page is verified and cleaned again with; all take and give page coordinates.

    ``detect`` finds text regions of an image; ``read_ink`` says of each pixel how likely it is ink that was to go,
    (H, W) int from 0 to 255; ``find_ink`` takes image and regions and says which pixels are ink that was to go,
    (H, W) bool; ``read_text`` says what regions of an image say. ``remove`` takes an image and a mask and gives the
    image without what is under it, ``fill`` the same in the plainest way. ``reread`` gives polygons of text that was to
    go by what it says, or is None.
    ``by_ink``: ink of one kind goes (handwriting), and the detector cannot tell; ``whole_regions``: at last, all of a
    region may go, and not its ink only.
    """

    detect: Callable[[Array], Sequence[TextRegion]]
    read_ink: Callable[[Array, Array | None], Array]
    find_ink: Callable[[Array, Sequence[TextRegion]], Array]
    read_text: Callable[[Array, Sequence[TextRegion]], Sequence[Reading]]
    remove: Callable[[Array, Array], Array]
    fill: Callable[[Array, Array], Array]
    reread: Callable[[Array], Sequence[Array]] | None = None
    by_ink: bool = False
    whole_regions: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """``image`` (H, W, 3) uint8 RGB as it is now, and ``mask`` (H, W) bool, all that was replaced on it.

    ``residual`` are polygons that may still hold text, ``attempts`` how often something was removed again, ``checks``
    how much text each look found at first.
    """

    image: Array
    mask: Array
    residual: tuple[Array, ...]
    attempts: int
    checks: tuple[Check, ...]


def verify(cleaned: Array, removed: Array, tools: Tools, allowed: Array | None = None) -> Verdict:
    """Look at a cleaned page (H, W, 3) uint8 RGB of which ``removed`` (H, W) bool was replaced, and clean it further.

    ``allowed`` (H, W) bool is where text was to go; None is everywhere.
    """
    look = _Look(tools, np.ones(removed.shape, bool) if allowed is None else allowed)
    found = look.at_page(cleaned, removed)
    if missed := found.get(READER, []):  # text that was to go by what it says may stand anywhere
        look = _Look(tools, look.allowed | polygon_mask([_grown(p) for p in missed], *removed.shape))
    checks = tuple(Check(name, len(polygons)) for name, polygons in found.items())
    first = tuple(p for polygons in found.values() for p in polygons)
    verdict = Verdict(cleaned, removed, first, 0, checks)
    for again in (_remove_ink, _remove_bluntly):
        if not verdict.residual:
            break
        verdict = again(verdict, look)
        verdict = replace(verdict, residual=tuple(look.nearby(verdict)), attempts=verdict.attempts + 1)
    if verdict.residual and tools.by_ink and not tools.whole_regions:
        return _undo(verdict, cleaned, removed, first)
    return verdict


def _undo(verdict: Verdict, cleaned: Array, removed: Array, first: Sequence[Array]) -> Verdict:
    """Where ink of one kind is left even so, take back the further removals: they cost the print beside it only.

    ``cleaned`` and ``removed`` are the page and its mask before them, ``first`` polygons of what they were made for.
    """
    left = polygon_mask(verdict.residual, *removed.shape)
    stuck = [p for p in first if (left & polygon_mask([p], *removed.shape)).any()]
    back = polygon_mask([_grown(p) for p in stuck], *removed.shape)
    image = np.where(back[..., None], cleaned, verdict.image)
    return replace(verdict, image=image, mask=np.where(back, removed, verdict.mask))


def _remove_ink(verdict: Verdict, look: _Look) -> Verdict:
    """Remove what is ink in the residual regions, and a little around it, as the rest of the page was."""
    ink = look.tools.find_ink(verdict.image, _as_regions(verdict.residual))
    near = polygon_mask([_grown(p) for p in verdict.residual], *verdict.mask.shape)
    mask = _grow((ink | verdict.mask) & near, GROWTH) & look.allowed
    return replace(verdict, image=look.tools.remove(verdict.image, mask), mask=verdict.mask | mask)


def _remove_bluntly(verdict: Verdict, look: _Look) -> Verdict:
    """Fill all that may be ink in the residual regions, or the regions as a whole."""
    near = polygon_mask([_grown(p) for p in verdict.residual], *verdict.mask.shape)
    if not look.tools.whole_regions:
        ink = look.tools.find_ink(verdict.image, _as_regions(verdict.residual)) | verdict.mask
        near &= _grow(ink | (look.tools.read_ink(verdict.image, near) >= BELIEVED), 2 * GROWTH)
    mask = near & look.allowed
    return replace(verdict, image=look.tools.fill(verdict.image, mask), mask=verdict.mask | mask)


@dataclass(frozen=True, slots=True, eq=False)
class _Look:
    """Looks at a page with the tools; ``allowed`` (H, W) bool is where text is not to be."""

    tools: Tools
    allowed: Array

    def at_page(self, image: Array, removed: Array) -> dict[str, list[Array]]:
        """Polygons of what is left, by the look that found it; each is found once."""
        levels = self.tools.read_ink(image, None)
        if self.tools.by_ink:
            return {STROKES: self._written(levels)}
        stretched = stretch_removed(image, removed)
        found: dict[str, list[Array]] = {}
        known: list[Array] = []

        def keep(name: str, polygons: Sequence[Array]) -> None:
            found[name] = [p for p in polygons if not _covered(p, known)]
            known.extend(found[name])

        seen = self._detect(stretched)
        keep(PAGE, self._bearing(image, levels, seen) + self._ghosts(image, stretched, removed, seen))
        keep(SMALL, self._bearing(image, levels, self._detect(image, SMALLER)))
        keep(STROKES, self._bearing(image, levels, self._closely(image, levels, known)))
        keep(DARK, self._worded(image, self._in_the_dark(image)))
        if self.tools.reread is not None:
            keep(READER, self.tools.reread(image))
        return found

    def nearby(self, verdict: Verdict) -> list[Array]:
        """What is left after another removal, around what was found before it."""
        image, before = verdict.image, list(verdict.residual)
        near = polygon_mask([_grown(p) for p in before], *verdict.mask.shape)
        levels = self.tools.read_ink(image, near)
        if self.tools.by_ink:
            return self._written(np.where(near, levels, 0))
        windows = join_windows(before, NEARBY, image.shape)
        sheet = lay_out(image, windows, [1.0] * len(windows))
        placed = [sheet.locate(region.polygon) for region in self.tools.detect(sheet.image)]
        left = self._bearing(image, levels, [p for p in placed if p is not None and _covered(p, before)])
        # where it is dark, what the detector did not see before it does not see now: it is read where it stood
        dark = [p for p in before if is_dark(image, p) and not _covered(p, left)]
        left += self._worded(image, dark)
        reread = [] if self.tools.reread is None else self.tools.reread(image)
        return left + [p for p in reread if not _covered(p, left)]

    def _detect(self, image: Array, scale: float = 1.0) -> list[Array]:
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        seen = image if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        polygons = [(region.polygon / np.float32(scale)).astype(np.float32) for region in self.tools.detect(seen)]
        return [p for p in polygons if self._is_allowed(p)]

    def _closely(self, image: Array, levels: Array, known: Sequence[Array]) -> list[Array]:
        """Text that the detector finds where the stroke network sees ink, when it is shown that enlarged."""
        elsewhere = ~self.allowed | polygon_mask([_grown(p) for p in known], *levels.shape)
        clusters = ink_clusters(levels, elsewhere)[:MOST_CLUSTERS]
        if not clusters:
            return []
        corners = [_corners(box.x0, box.y0, box.width, box.height) for box in clusters]
        windows = join_windows(corners, CLOSE_MARGIN, image.shape)
        scales = [_enlargement(window, clusters) for window in windows]
        sheet = lay_out(image, windows, scales)
        placed = [sheet.locate(region.polygon) for region in self.tools.detect(sheet.image)]
        return [p for p in placed if p is not None and self._is_allowed(p)]

    def _in_the_dark(self, image: Array) -> list[Array]:
        """What may be text in dark places: what the detector finds with light and dark exchanged, and what is light.

        Script on a logo is found now at one size, now at another, and read once it is known where to read.
        """
        areas = dark_areas(image)
        if not areas:
            return []
        lone = [_corners(b.x0, b.y0, b.width, b.height) for b in light_clusters(image, areas)[:MOST_CLUSTERS]]
        windows = join_windows([_corners(a.x0, a.y0, a.width, a.height) for a in areas], DARK_MARGIN, image.shape)
        sheet = lay_out(255 - image, windows, [1.0] * len(windows))
        placed = [sheet.locate(region.polygon) for region in self.tools.detect(sheet.image)]
        return [p for p in [*(p for p in placed if p is not None), *lone] if self._is_allowed(p)]

    def _bearing(self, image: Array, levels: Array, polygons: Sequence[Array]) -> list[Array]:
        if not polygons:
            return []
        readings = self._read(image, [p for p in polygons if not is_dark(image, p)])
        reversed_ = self._read(255 - image, [p for p in polygons if is_dark(image, p)])  # readers know dark on light
        pairs = [*readings, *reversed_]
        return [p for p, r in pairs if is_text(r, believed_share(image, levels, p), min(cv2.minAreaRect(p)[1]))]

    def _worded(self, image: Array, polygons: Sequence[Array]) -> list[Array]:
        """Those of ``polygons`` in dark places that hold text: single characters are read into any picture there."""
        return [p for p, reading in self._read(255 - image, polygons) if is_word(reading)]

    def _read(self, image: Array, polygons: Sequence[Array]) -> list[tuple[Array, Reading]]:
        return list(zip(polygons, self.tools.read_text(image, _as_regions(polygons)), strict=True)) if polygons else []

    def _ghosts(self, image: Array, stretched: Array, removed: Array, seen: Sequence[Array]) -> list[Array]:
        """What can be read in the stretched copy, and stands out in the page itself where something was removed."""
        polygons = [p for p in seen if has_ghost(image, removed, p)]
        readings = self.tools.read_text(stretched, _as_regions(polygons))
        return [p for p, reading in zip(polygons, readings, strict=True) if is_text(reading, 0.0)]

    def _written(self, levels: Array) -> list[Array]:
        """Boxes of what is left of ink of one kind."""
        likely = (levels >= 128) & self.allowed
        count, label, stats, _ = cv2.connectedComponentsWithStats(_grow(likely, 3).astype(np.uint8))
        inked = np.bincount(label[likely], minlength=count)
        return [_corners(*stats[k, :4]) for k in range(1, count) if inked[k] >= WRITTEN_PIXELS]

    def _is_allowed(self, polygon: Array) -> bool:
        x, y = polygon.mean(axis=0).astype(int)
        height, width = self.allowed.shape
        return bool(0 <= x < width and 0 <= y < height and self.allowed[y, x])


def _corners(x: int, y: int, width: int, height: int) -> Array:
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], np.float32)


def _enlargement(window: Box, clusters: Sequence[Box]) -> float:
    """So much that the lowest glyph in a window has the height at which the detector sees it well."""
    inside = [box.height for box in clusters if box.x0 >= window.x0 and box.x1 <= window.x1 and box.y0 >= window.y0]
    return float(np.clip(CLOSE_HEIGHT / min(inside, default=CLOSE_HEIGHT), 1.0, MOST_ENLARGED))


def _as_regions(polygons: Sequence[Array]) -> tuple[TextRegion, ...]:
    return tuple(TextRegion(polygon) for polygon in polygons)


def _covered(polygon: Array, others: Sequence[Array]) -> bool:
    """Whether the polygon's middle lies in one of the others, or theirs in it."""
    middle = polygon.mean(axis=0)
    for other in others:
        theirs = other.mean(axis=0)
        if cv2.pointPolygonTest(other, (float(middle[0]), float(middle[1])), False) >= 0:
            return True
        if cv2.pointPolygonTest(polygon, (float(theirs[0]), float(theirs[1])), False) >= 0:
            return True
    return False


def _grown(polygon: Array) -> Array:
    """The polygon, a little larger on all sides."""
    middle = polygon.mean(axis=0)
    away = polygon - middle
    return (middle + away + np.sign(away) * (GROWTH + 2)).astype(np.float32)


def _grow(mask: Array, by: int) -> Array:
    side = 2 * by + 1
    return cv2.dilate(mask.astype(np.uint8), np.ones((side, side), np.uint8)).astype(bool)
