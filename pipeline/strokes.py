"""Which pixels at the text regions are ink, without a network.

Each region is laid level as a strip (whole columns of pixels shifted, so that nothing is resampled), the paper behind
it is guessed (``pipeline.paper``), what stands out from the paper is ink, and what is a rule or a frame
(``pipeline.rules``) or goes on outside the region is not text. All sizes scale with the height of the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import ArrayLike

from pipeline.levels import count_levels, median_level, percentile_level
from pipeline.masks import polygon_mask, whole_pixels
from pipeline.paper import paper_difference
from pipeline.rules import rule_mask
from pipeline.threads import map_in_threads
from pipeline.types import Array

CONTEXT = 1.2  # how much of the surroundings a strip shows, in text heights
LEAST_CONTRAST = 16  # grey levels: ink stands out at least this much ...
NOISE_FACTOR = 6.0  # ... and this many times the paper's noise
RIM_CONTRAST = 3  # the same for the anti-aliased rim beside ink
RIM_NOISE_FACTOR = 1.5
SNAP = 0.25  # text heights: a region that leaves the page's direction by less than this is level with the page
OVERSHOOT = 0.2  # how far ink may reach out of its region, in text heights
FULL_INK = 0.6  # share of the strongest contrast from which ink is surely text and not what it touches
MINORITY = 0.25  # the rarer side, darker or lighter, is text only where it has this share of the ink

MINORITY_CONTRAST = 0.3  # ... and this share of the strongest contrast: paper of another shade is no text


@dataclass(frozen=True, slots=True, eq=False)
class Strip:
    """A region of text laid level: where its rows and columns are on the page.

    The strip's columns are ``steps`` (W,) of the page's columns, one after the other, or of its rows if ``upright``.
    Column j shows the ``rows`` (H,), one after the other, moved by ``shifts[j]``: rows of the page, or columns.
    ``region`` (H, W) uint8 {0, 1} is the text region in the strip, ``height`` the height of its text.
    """

    upright: bool
    steps: Array
    rows: Array
    shifts: Array
    region: Array
    height: float

    def cut(self, page: Array) -> Array:
        """What a page, (H, W) or (H, W, C), shows in the strip; where the strip leaves it, its edge is continued."""
        page = page.swapaxes(0, 1) if self.upright else page
        result = np.empty((*self.region.shape, *page.shape[2:]), page.dtype)
        # columns that are moved alike are one block: many times as fast as pixel by pixel
        edges = [0, *(np.flatnonzero(np.diff(self.shifts)) + 1).tolist(), len(self.shifts)]
        for first, end in pairwise(edges):
            rows = (self.rows + self.shifts[first]).clip(0, page.shape[0] - 1)
            result[:, first:end] = page[rows, self.steps[first] : self.steps[end - 1] + 1]
        return result

    def places(self, mask: Array, page_shape: tuple[int, int]) -> Array:
        """The flat indices on the page of what is set in ``mask`` (H, W) bool, as far as it is on the page."""
        row, column = np.divmod(np.flatnonzero(mask), mask.shape[1])
        across, along = self.rows[row] + self.shifts[column], self.steps[column]
        y, x = (along, across) if self.upright else (across, along)
        on_page = (across >= 0) & (across < page_shape[1 if self.upright else 0])
        return (y * page_shape[1] + x)[on_page]


def stroke_mask(image: Array, polygons: Iterable[ArrayLike], threads: int = 1) -> Array:
    """The text ink at the polygons, anti-aliased rim included; rules, frames and pictures it touches are left out.

    ``image`` is the page, (H, W, 3) uint8 RGB; ``polygons`` are (N, 2) (x, y) in its pixels;
    ``threads`` says how many are looked at side by side. Returns (H, W) bool.
    """
    height, width = image.shape[:2]
    ink = np.zeros(height * width, bool)
    page = _less_channels(image)
    outlines = [whole_pixels(polygon) for polygon in polygons]
    regions = polygon_mask(outlines, height, width)
    slope = _page_slope(outlines)

    def ink_places(outline: Array) -> Array:
        strip = _lay_level(outline, slope, (height, width))
        if strip is None:
            return np.empty(0, np.intp)
        return strip.places(_text_ink(strip.cut(page), strip.cut(regions), strip), (height, width))

    for places in map_in_threads(ink_places, outlines, threads):
        ink[places] = True
    return ink.reshape(height, width)


def _less_channels(image: Array) -> Array:
    """The image, (H, W, 3) uint8, or (H, W) of it where all three channels are the same: a third of the work."""
    red = image[..., 0]
    if np.array_equal(red, image[..., 1]) and np.array_equal(red, image[..., 2]):
        return np.ascontiguousarray(red)
    return image


def _page_slope(outlines: Sequence[Array]) -> float:
    """The slope of the page's long horizontal lines of text, for regions too short to tell their own."""
    slopes = []
    for outline in outlines:
        upright, slope, ratio = _direction(outline)
        if not upright and ratio > 4:
            slopes.append(slope)
    return float(np.median(slopes)) if slopes else 0.0


def _direction(outline: Array) -> tuple[bool, float, float]:
    """(whether the text runs rather down than across, its slope in that frame, length over height)."""
    corners = cv2.boxPoints(cv2.minAreaRect(outline))
    edges = np.diff(corners[:3], axis=0)
    lengths = np.hypot(*edges.T)
    dx, dy = edges[int(lengths.argmax())]
    upright = bool(abs(dy) > abs(dx))
    slope = (dx / dy if upright else dy / dx) if lengths.max() > 0 else 0.0
    return upright, float(slope), float(lengths.max() / max(lengths.min(), 1.0))


def _lay_level(outline: Array, page_slope: float, shape: tuple[int, int]) -> Strip | None:
    """Cut the strip around an outline; None when the outline is off the page."""
    page_height, page_width = shape
    if (outline.max(axis=0) < 0).any() or (outline.min(axis=0) >= (page_width, page_height)).any():
        return None
    upright, slope, ratio = _direction(outline)
    height = max(6.0, min(cv2.minAreaRect(outline)[1]))
    if ratio < 2 or (not upright and abs(slope - page_slope) * ratio < SNAP):
        upright, slope = False, page_slope
    along, across = (outline[:, 1], outline[:, 0]) if upright else (outline[:, 0], outline[:, 1])
    limit_along, limit_across = (page_height, page_width) if upright else (page_width, page_height)
    level = across - np.rint(slope * along)
    pad = round(CONTEXT * height) + 4
    steps = np.arange(max(along.min() - pad, 0), min(along.max() + pad + 1, limit_along))
    shifts = np.rint(slope * steps).astype(int)
    rows = np.arange(int(level.min()) - pad, int(level.max()) + pad + 1)
    moved = rows[:, None] + np.unique(shifts)
    used = ((moved >= 0) & (moved < limit_across)).any(axis=1)
    rows = rows[used]
    region = np.zeros((len(rows), len(steps)), np.uint8)
    if region.size:
        cv2.fillPoly(region, [np.stack([along - steps[0], level - rows[0]], axis=1).astype(np.int32)], 1)
    return Strip(upright, steps, rows, shifts, region, height) if region.any() else None


def _text_ink(pixels: Array, regions: Array, strip: Strip) -> Array:
    """The text ink of a strip's region, (H, W) bool.

    ``pixels`` (H, W, 3) or (H, W) uint8 is what the strip shows; ``regions`` (H, W) bool is where any text was found.
    """
    region, height = strip.region, strip.height
    difference, darker, edge = paper_difference(pixels, region, height)
    noise = _noise(difference, region) if edge is None else float(np.median(difference[edge > 0])) / 1.1
    threshold = max(LEAST_CONTRAST, NOISE_FACTOR * noise)
    dark = difference * darker
    rules = rule_mask(dark, threshold, height) | rule_mask(difference - dark, threshold, height)
    apart = cv2.dilate(rules.view(np.uint8), np.ones((3, 3), np.uint8)) == 0
    text = _text_components(difference, (difference > int(threshold)) & apart, darker, regions, strip)
    faint = int(max(RIM_CONTRAST, RIM_NOISE_FACTOR * noise))
    rim = (difference > faint) & ~rules
    reach = 1 + int(height > 16) + int(height > 60)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    return text | (cv2.dilate(text.view(np.uint8), cross, iterations=reach).view(bool) & rim)


def _noise(difference: Array, region: Array) -> float:
    """The paper's noise, as the standard deviation of one channel, from what is neither ink nor next to it."""
    calm = count_levels(difference, region.view(bool))[:40]
    rough = median_level(calm) / 0.67 if calm.any() else 0.0
    marks = (difference > int(max(16.0, 3 * rough))).view(np.uint8)
    paper = count_levels(difference, cv2.dilate(marks, np.ones((5, 5), np.uint8)) == 0)
    return median_level(paper) / 1.1 if paper.sum() > 20 else rough


def _text_components(difference: Array, ink: Array, darker: Array, regions: Array, strip: Strip) -> Array:
    """The ink that is text of this strip's region, (H, W) bool: of the side (darker or lighter) that prevails there.

    Text that touches something else, a pen stroke or a picture, is tried once more with its strongest part only.
    """
    grown = 2 * (round(OVERSHOOT * strip.height) + 1) + 1
    near = cv2.dilate(strip.region, np.ones((grown, grown), np.uint8)).view(bool)
    around = (int(4 * strip.height) | 1,) * 2
    weight = (difference * (ink & strip.region.view(bool))).astype(np.float32)
    everything = cv2.blur(weight, around)
    dark = cv2.blur(weight * darker, around)
    full = percentile_level(count_levels(difference, strip.region.view(bool)), 97)
    text = np.zeros(ink.shape, bool)
    for side, share in ((darker, dark), (~darker, everything - dark)):
        left = ink & side & ((share > 0.5 * everything) | (difference > int(MINORITY_CONTRAST * full)))
        for level in (0.0, FULL_INK * full):
            left &= difference > int(level)
            found = _belonging(left, regions, strip.region)
            if found is None:
                continue
            text |= found & near & (share > MINORITY * everything)
            left &= ~found
    return text


def _belonging(ink: Array, regions: Array, region: Array) -> Array | None:
    """The connected pieces of ``ink`` (H, W) bool that lie mostly in text regions, and to some part in this one.

    None where there is no ink in this region.
    """
    if not (ink & region.view(bool)).any():
        return None
    count, label = cv2.connectedComponents(ink.view(np.uint8), connectivity=8)
    places = np.flatnonzero(ink)  # the rest, most of the strip, need not be counted
    pieces = label.ravel()[places]
    total = np.bincount(pieces, minlength=count)
    anywhere = np.bincount(pieces[regions.ravel()[places]], minlength=count)
    here = np.bincount(pieces[region.ravel()[places] > 0], minlength=count)
    belongs = (anywhere > 0.5 * total) & (here > 0.25 * total)
    found = np.zeros(ink.shape, bool)
    found.ravel()[places] = belongs[pieces]
    return found
