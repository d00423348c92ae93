"""Looking at a cleaned page for text that is left: the looks, one after another, and what counts as found.

``pipeline.residue`` says what is text. What the page's policy lets stay is seen but does not count; the print of a
blank form is painted out before anything looks, for detectors take a value and the label beside it for one line, and so
are blanks to fill in. Where text goes by what it says, all that any of the looks sees is read, wherever it stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from pipeline.geometry import containment
from pipeline.masks import polygon_mask
from pipeline.mosaic import join_windows, lay_out
from pipeline.readings import Reading
from pipeline.residue import (
    LARGEST_SHARE,
    TINY_HEIGHTS,
    TINY_RIM,
    believed_share,
    dark_areas,
    has_ghost,
    ink_clusters,
    is_dark,
    is_glyph,
    is_half_word,
    is_text,
    is_word,
    light_clusters,
    lone_glyphs,
    stretch_removed,
    tiny_lines,
    window_of,
)
from pipeline.types import Array, Box
from workflows.pages.polygons import as_regions, corners, covered, grown
from workflows.pages.sight import Scope, Tools
from workflows.pages.traces import Traces

SMALLER = 0.71  # the second size: halfway between those a detector looks at by itself
MOST_CLUSTERS = 48  # looked at closely; a photograph has hundreds
CLOSE_HEIGHT, MOST_ENLARGED = 40, 4.0  # px that a glyph is enlarged to, and how much at most
CLOSE_MARGIN = 40  # px of surroundings in a close look
DARK_MARGIN = 8  # px of surroundings of a dark place
NEARBY = 64  # px of surroundings when looking again at what was removed again
WRITTEN_PIXELS = 40  # of a piece of handwriting that is left; less is a speck
TINIEST = TINY_HEIGHTS[1] + 2 * TINY_RIM  # px: lines so low are found by the stroke network and read
SEEN_SHARE = 0.8  # of a polygon in another: it was seen already
LEAST_ALLOWED = 0.5  # of a polygon: where less of it was to go, it is text that stays
WHOLLY = 0.98  # ... and where less than this was, some of it may say what it said

PAGE, SMALL, STROKES, READER = "detector, stretched", "detector, smaller", "strokes", "reader"
DARK, TRACES = "dark places", "traces"


@dataclass(frozen=True, slots=True, eq=False)
class Findings:
    """What is left on a page: ``found`` are polygons by the look that found them; ``spared`` see ``Ink``."""

    found: dict[str, list[Array]]
    spared: Array


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """Looks at a page with the tools.

    ``allowed`` (H, W) bool is where text is not to be. ``stays`` (H, W) bool is print of a form and blanks, and
    ``paper`` (H, W, 3) uint8 RGB what is behind them; or there are none. ``seen`` collects all that any look at the
    page sees, where text is chosen by what it says.
    """

    tools: Tools
    scope: Scope
    allowed: Array
    stays: Array | None = None
    paper: Array | None = None
    seen: list[Array] = field(default_factory=list)
    traces: Traces | None = field(default=None, repr=False)

    @classmethod
    def at(cls, cleaned: Array, tools: Tools, scope: Scope) -> Look:
        """A look at a page (H, W, 3) uint8 RGB."""
        allowed = np.ones(cleaned.shape[:2], bool) if scope.allowed is None else scope.allowed
        stays = np.zeros(allowed.shape, bool) if scope.form is None else scope.form
        if tools.find_staying is not None and not tools.by_ink:  # a row of bubbles reads as a row of 8s
            stays = stays | tools.find_staying(cleaned, np.ones(allowed.shape, bool))
        look = cls(tools, scope, allowed)
        if scope.before is not None and not tools.by_ink:
            upright = tools.read_upright or tools.read_text
            wholly = tuple(p for p in scope.read if look.share_allowed(p) >= WHOLLY)
            look = replace(look, traces=Traces(scope.before, wholly, tools.read_text, upright))
        return replace(look, stays=stays, paper=tools.fill(cleaned, stays)) if stays.any() else look

    def at_page(self, page: Array, removed: Array) -> Findings:
        """What is left, each found once."""
        image = self.without_what_stays(page)
        ink = self.tools.read_ink(image, None)
        if self.tools.by_ink:
            return Findings({STROKES: self._written(ink.levels)}, ink.spared)
        levels = ink.levels
        stretched = stretch_removed(image, removed)
        found: dict[str, list[Array]] = {}
        known: list[Array] = []

        def keep(name: str, polygons: Sequence[Array]) -> None:
            found[name] = [p for p in polygons if not covered(p, known)]
            known.extend(found[name])

        wide = self._note(self._detect(stretched))
        keep(PAGE, self._bearing(image, levels, wide) + self._ghosts(image, stretched, removed, wide))
        keep(SMALL, self._bearing(image, levels, self._note(self._detect(image, SMALLER))))
        closely = self._bearing(image, levels, self._note(self._closely(image, levels, known)))
        tiny = self._tiny(image, levels, [*known, *closely])
        keep(STROKES, closely + tiny + self._lone(image, levels, [*known, *closely, *tiny]))
        lit = page if self.scope.form is None else image  # light letters may stand on a mark that is painted out
        keep(DARK, self._worded(lit, self._note(self._in_the_dark(lit))))
        keep(TRACES, self._traces(image, [], known))
        if self.tools.reread is not None:
            if self.scope.form is not None:  # the form's own print may be what is looked for
                self._note(self._detect(page))
            self._note(self.scope.read)  # what is left of a word no detector may see
            keep(READER, self._by_text(page, levels))
        return Findings(found, ink.spared)

    def nearby(self, page: Array, before: Sequence[Array]) -> list[Array]:
        """What is left after another removal, around what was found ``before`` it."""
        image = self.without_what_stays(page)
        near = polygon_mask([grown(p) for p in before], *self.allowed.shape)
        levels = self.tools.read_ink(image, near).levels
        if self.tools.by_ink:
            return self._written(np.where(near, levels, 0))
        windows = join_windows(before, NEARBY, image.shape)
        seen: list[Array] = []
        for scale in (1.0, SMALLER):  # what only one of the first looks saw, only the like of it sees again
            sheet = lay_out(image, windows, [scale] * len(windows))
            placed = [sheet.locate(region.polygon) for region in self.tools.detect(sheet.image)]
            seen += [p for p in placed if p is not None and covered(p, before) and not covered(p, seen)]
        left = self._bearing(image, levels, seen)
        left += [p for p, reading in self._read(image, seen) if is_half_word(reading) and not covered(p, left)]
        # where it is dark, what the detector did not see before it does not see now: it is read where it stood
        dark = [p for p in before if is_dark(image, p) and not covered(p, left)]
        left += self._worded(image, dark)
        # nor does it ever see type as small as this
        tiny = [p for p in before if np.ptp(p[:, 1]) <= TINIEST and not covered(p, left)]
        left += [p for p, reading in self._read(image, tiny) if is_half_word(reading)]
        left += [p for p in self._lone(image, np.where(near, levels, 0), left) if covered(p, before)]
        left += [p for p in self._by_text(page, levels) if not covered(p, left)]
        return left + self._traces(image, before, left)

    def still_told(self, page: Array, among: Sequence[Array]) -> list[Array]:
        """Where text can be read on that stood among these polygons at first, though no ink of it may be left."""
        return self._traces(self.without_what_stays(page), among, ())

    def _traces(self, image: Array, among: Sequence[Array], known: Sequence[Array]) -> list[Array]:
        """Traces of text; only ``among`` polygons if there are any, and not of what is ``known``."""
        if self.traces is None:
            return []
        return self.traces.legible(image, lambda p: not covered(p, known) and (not among or covered(p, among)))

    def without_what_stays(self, image: Array) -> Array:
        """The image (H, W, 3) uint8 RGB with a form's print and blanks painted out."""
        if self.paper is None or self.stays is None:
            return image
        return np.where(self.stays[..., None], self.paper, image)

    def _note(self, polygons: Sequence[Array]) -> list[Array]:
        """Those of ``polygons`` that count wherever they are read; the others are read later, if need be."""
        if self.tools.reread is not None:
            new = [p for p in polygons if all(containment(p, other) < SEEN_SHARE for other in self.seen)]
            self.seen.extend(new)
        return [p for p in polygons if self._is_allowed(p)]

    def _detect(self, image: Array, scale: float = 1.0) -> list[Array]:
        size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
        shown = image if scale == 1 else cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        return [(region.polygon / np.float32(scale)).astype(np.float32) for region in self.tools.detect(shown)]

    def _closely(self, image: Array, levels: Array, known: Sequence[Array]) -> list[Array]:
        """Text that the detector finds where the stroke network sees ink, when it is shown that enlarged."""
        elsewhere = polygon_mask([grown(p) for p in (*known, *self.seen)], *levels.shape)
        if self.tools.reread is None:
            elsewhere |= ~self.allowed
        clusters = ink_clusters(levels, elsewhere)[:MOST_CLUSTERS]
        if not clusters:
            return []
        boxes = [corners(box.x0, box.y0, box.width, box.height) for box in clusters]
        windows = join_windows(boxes, CLOSE_MARGIN, image.shape)
        scales = [_enlargement(window, clusters) for window in windows]
        sheet = lay_out(image, windows, scales)
        placed = [sheet.locate(region.polygon) for region in self.tools.detect(sheet.image)]
        return [p for p in placed if p is not None]

    def _tiny(self, image: Array, levels: Array, known: Sequence[Array]) -> list[Array]:
        """Words in type too small for the detector, which are read where the stroke network sees a line of it."""
        boxes = [corners(b.x0, b.y0, b.width, b.height) for b in tiny_lines(levels)]
        new = [p for p in self._note(boxes) if not covered(p, known)]
        return [p for p, reading in self._read(image, new[:MOST_CLUSTERS]) if is_word(reading)]

    def _lone(self, image: Array, levels: Array, known: Sequence[Array]) -> list[Array]:
        """Single characters that the detector does not see, which are read where the stroke network is sure of one."""
        elsewhere = polygon_mask([grown(p) for p in known], *levels.shape)
        if self.tools.reread is None:
            elsewhere |= ~self.allowed
        boxes = [corners(b.x0, b.y0, b.width, b.height) for b in lone_glyphs(levels, elsewhere)[:MOST_CLUSTERS]]
        return [p for p, reading in self._read(image, self._note(boxes)) if is_glyph(reading)]

    def _in_the_dark(self, image: Array) -> list[Array]:
        """What may be text in dark places: what the detector finds with light and dark exchanged, and what is light.

        Script on a logo is found now at one size, now at another, and read once it is known where to read.
        """
        areas = dark_areas(image)
        if not areas:
            return []
        lone = [corners(b.x0, b.y0, b.width, b.height) for b in light_clusters(image, areas)[:MOST_CLUSTERS]]
        windows = join_windows([corners(a.x0, a.y0, a.width, a.height) for a in areas], DARK_MARGIN, image.shape)
        sheet = lay_out(255 - image, windows, [1.0] * len(windows))
        placed = [sheet.locate(region.polygon) for region in self.tools.detect(sheet.image)]
        return [*(p for p in placed if p is not None), *lone]

    def _by_text(self, page: Array, levels: Array) -> list[Array]:
        """Text that was to go by what it says; what is read unsurely counts where nothing was read at first."""
        if self.tools.reread is None or not self.seen:
            return []
        dark = [p for p in self.seen if is_dark(page, p)]
        turned = polygon_mask(dark, *self.allowed.shape)[..., None]  # readers know dark on light
        matching, unsure = self.tools.reread(np.where(turned, 255 - page, page), self.seen)
        fresh = [p for p in unsure if not covered(p, self.scope.read)]
        return [*matching, *self._bearing(page, levels, fresh)]

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
        return list(zip(polygons, self.tools.read_text(image, as_regions(polygons)), strict=True)) if polygons else []

    def _ghosts(self, image: Array, stretched: Array, removed: Array, seen: Sequence[Array]) -> list[Array]:
        """What can be read in the stretched copy, and stands out in the page itself where something was removed."""
        polygons = [p for p in seen if has_ghost(image, removed, p)]
        readings = self.tools.read_text(stretched, as_regions(polygons))
        most = LARGEST_SHARE * image.shape[0] * image.shape[1]  # what is larger is no single character
        heights = [min(cv2.minAreaRect(p)[1]) if cv2.contourArea(p) > most else 0.0 for p in polygons]
        return [p for p, r, height in zip(polygons, readings, heights, strict=True) if is_text(r, 0.0, height)]

    def _written(self, levels: Array) -> list[Array]:
        """Boxes of what is left of ink of one kind."""
        likely = (levels >= 128) & self.allowed
        joined = cv2.dilate(likely.astype(np.uint8), np.ones((7, 7), np.uint8))
        count, label, stats, _ = cv2.connectedComponentsWithStats(joined)
        inked = np.bincount(label[likely], minlength=count)
        return [corners(*stats[k, :4]) for k in range(1, count) if inked[k] >= WRITTEN_PIXELS]

    def _is_allowed(self, polygon: Array) -> bool:
        return self.share_allowed(polygon) >= LEAST_ALLOWED

    def share_allowed(self, polygon: Array) -> float:
        """How much of a polygon was to go; 0 when it is off the page."""
        window = window_of(polygon, self.allowed.shape)
        if window is None:
            return 0.0
        inside = polygon_mask([polygon - (window.x0, window.y0)], window.height, window.width)
        return float(self.allowed[window.slices][inside].mean()) if inside.any() else 0.0


def _enlargement(window: Box, clusters: Sequence[Box]) -> float:
    """So much that the lowest glyph in a window has the height at which the detector sees it well."""
    inside = [box.height for box in clusters if box.x0 >= window.x0 and box.x1 <= window.x1 and box.y0 >= window.y0]
    return float(np.clip(CLOSE_HEIGHT / min(inside, default=CLOSE_HEIGHT), 1.0, MOST_ENLARGED))
