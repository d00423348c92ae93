"""Which pixels at the text regions are ink, without a network.

Each region is laid level as a strip (whole columns of pixels shifted, so that nothing is resampled), the paper behind
it is guessed (``pipeline.paper``), what stands out from the paper is ink, and what is a rule or a frame
(``pipeline.rules``) or goes on outside the region is not text. All sizes scale with the height of the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import ArrayLike

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
    """A region of text laid level: ``places`` (H, W) are flat page indices, ``valid`` (H, W) bool is on the page.

    ``region`` (H, W) uint8 {0, 1} is the text region in the strip, ``height`` the height of its text.
    """

    places: Array
    valid: Array
    region: Array
    height: float


def stroke_mask(image: Array, polygons: Iterable[ArrayLike], threads: int = 1) -> Array:
    """The text ink at the polygons, anti-aliased rim included; rules, frames and pictures it touches are left out.

    ``image`` is the page, (H, W, 3) uint8 RGB; ``polygons`` are (N, 2) (x, y) in its pixels;
    ``threads`` says how many are looked at side by side. Returns (H, W) bool.
    """
    height, width = image.shape[:2]
    ink = np.zeros(height * width, bool)
    pixels = _flat(image)
    outlines = [whole_pixels(polygon) for polygon in polygons]
    regions = polygon_mask(outlines, height, width).ravel()
    slope = _page_slope(outlines)

    def ink_places(outline: Array) -> Array:
        strip = _lay_level(outline, slope, (height, width))
        if strip is None:
            return np.empty(0, np.int32)
        text = _text_ink(pixels[strip.places], regions[strip.places], strip)
        return strip.places[text & strip.valid]

    for places in map_in_threads(ink_places, outlines, threads):
        ink[places] = True
    return ink.reshape(height, width)


def _flat(image: Array) -> Array:
    """(H * W, 3) uint8, or (H * W,) where all three channels are the same: a third of the work."""
    red = image[..., 0]
    if np.array_equal(red, image[..., 1]) and np.array_equal(red, image[..., 2]):
        return red.ravel()
    return image.reshape(-1, 3)


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
    rows = np.arange(int(level.min()) - pad, int(level.max()) + pad + 1)[:, None] + np.rint(slope * steps).astype(int)
    valid = (rows >= 0) & (rows < limit_across)
    used = valid.any(axis=1)
    rows, valid = rows[used].clip(0, limit_across - 1), valid[used]
    places = ((steps * page_width + rows) if upright else (rows * page_width + steps)).astype(np.int32)
    first = int(level.min()) - pad + int(used.argmax())
    region = np.zeros(valid.shape, np.uint8)
    cv2.fillPoly(region, [np.stack([along - steps[0], level - first], axis=1).astype(np.int32)], 1)
    return Strip(places, valid, region, height) if region.any() else None


def _text_ink(pixels: Array, regions: Array, strip: Strip) -> Array:
    """The text ink of a strip's region, (H, W) bool.

    ``pixels`` (H, W, 3) or (H, W) uint8 is what the strip shows; ``regions`` (H, W) bool is where any text was found.
    """
    region, height = strip.region, strip.height
    difference, darker, edge = paper_difference(pixels, region, height)
    noise = _noise(difference, region) if edge is None else float(np.median(difference[edge > 0])) / 1.1
    threshold = max(LEAST_CONTRAST, NOISE_FACTOR * noise)
    rules = rule_mask(difference * darker, threshold, height) | rule_mask(difference * ~darker, threshold, height)
    apart = cv2.dilate(rules.astype(np.uint8), np.ones((3, 3), np.uint8)) == 0
    text = _text_components(difference, (difference > threshold) & apart, darker, regions, strip)
    faint = max(RIM_CONTRAST, RIM_NOISE_FACTOR * noise)
    rim = (difference > faint) & ~rules
    reach = 1 + int(height > 16) + int(height > 60)
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    return text | (cv2.dilate(text.astype(np.uint8), cross, iterations=reach).astype(bool) & rim)


def _noise(difference: Array, region: Array) -> float:
    """The paper's noise, as the standard deviation of one channel, from what is neither ink nor next to it."""
    calm = difference[(region > 0) & (difference < 40)]
    rough = float(np.median(calm)) / 0.67 if calm.size else 0.0
    far = cv2.dilate((difference > max(16.0, 3 * rough)).astype(np.uint8), np.ones((5, 5), np.uint8)) == 0
    paper = difference[far]
    return float(np.median(paper)) / 1.1 if paper.size > 20 else rough


def _text_components(difference: Array, ink: Array, darker: Array, regions: Array, strip: Strip) -> Array:
    """The ink that is text of this strip's region, (H, W) bool: of the side (darker or lighter) that prevails there.

    Text that touches something else, a pen stroke or a picture, is tried once more with its strongest part only.
    """
    grown = 2 * (round(OVERSHOOT * strip.height) + 1) + 1
    near = cv2.dilate(strip.region, np.ones((grown, grown), np.uint8)).astype(bool)
    around = (int(4 * strip.height) | 1,) * 2
    weight = (difference * (ink & (strip.region > 0))).astype(np.float32)
    everything = cv2.blur(weight, around)
    dark = cv2.blur(weight * darker, around)
    full = float(np.percentile(difference[strip.region > 0], 97))
    text = np.zeros(ink.shape, bool)
    for side, share in ((darker, dark), (~darker, everything - dark)):
        left = ink & side & ((share > 0.5 * everything) | (difference > MINORITY_CONTRAST * full))
        for level in (0.0, FULL_INK * full):
            left &= difference > level
            found = _belonging(left, regions, strip.region)
            text |= found & near & (share > MINORITY * everything)
            left &= ~found
    return text


def _belonging(ink: Array, regions: Array, region: Array) -> Array:
    """The connected pieces of ``ink`` (H, W) bool that lie mostly in text regions, and to some part in this one."""
    if not (ink & (region > 0)).any():
        return np.zeros(ink.shape, bool)
    count, label = cv2.connectedComponents(ink.astype(np.uint8), connectivity=8)
    pieces = label[ink]  # the rest, most of the strip, need not be counted
    total = np.bincount(pieces, minlength=count)
    anywhere = np.bincount(pieces[regions[ink]], minlength=count)
    here = np.bincount(pieces[region[ink] > 0], minlength=count)
    belongs = (anywhere > 0.5 * total) & (here > 0.25 * total)
    belongs[0] = False
    return belongs[label]
