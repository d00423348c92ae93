"""What stands on a scan and not on the blank form under it.

The blank is laid on the scan and made to look as this scanner would have shown it: as blurred, as dark, on this paper
in this light. Ink is what is darker than that by more than the noise and than a shift of a pixel or two explains. So
a pen stroke across a rule is taken up to the rule, and the rule stays.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from scipy.ndimage import distance_transform_edt, median_filter

from pipeline.template import Alignment, Layer
from pipeline.template_search import drift_at
from pipeline.types import Array

_NORMAL_SIDE = 2339.0  # px: lengths below are for a page of this longest side (A4 at 200 dpi) and scale with it
_BAND = 512  # rows that are laid at once
_CELL = 20.0  # px: the paper's shade is taken in cells of this side ...
_NEAR_CELLS = 7  # ... as the median of this many by this many ...
_FAR_CELLS = 25  # ... which may leave the median of the wider surroundings ...
_SHADOW = 0.3  # ... by this share only: a dark picture pasted on the form is no shadow
_AROUND = 0.06  # of the longest side: how far around a pixel paper is looked for
_PRINTED = 0.85  # what is darker than this share of the paper is print
_SHADED = 0.95  # what is darker than this share of the paper may be a shaded box
_INK_SHARE = 0.75  # what is darker than this share of the paper around is no paper
_SAMPLES = 400_000  # pixels that tones are compared on
_BLURS = (0.0, 0.5, 0.8, 1.2, 1.7, 2.3)  # px, as the standard deviation
_BINS = 16  # steps of the tone curve
_DARK_SIDE = 25  # percentile: where print of one tone came out unevenly, the darker part is no ink of a pen
_LEAST_CONTRAST = 20.0  # grey levels
_NOISE_FACTOR = 4.5
_ROUGH = 5.0  # grey levels of noise from which a scan is smoothed before it is compared
_SLACK = 0.5  # px: print may be off by this much ...
_ERROR_FACTOR = 1.5  # ... and this many times the error of the alignment
_EDGE_SHARE = 0.3  # of the contrast of the form's print beside a pixel: what its edges may be off
_EDGE, _DARK = 30, 0.5  # grey levels, and a share of the paper: where the blank is print
_MARGIN = 2.0  # px around it
_LOW = 0.5  # what touches ink is ink from this share of the threshold
_SMALLEST = 6.0  # px of area: less is dust, or noise


def filled_in(template_image: Array, scan_image: Array, alignment: Alignment) -> Array:
    """What is on the scan and not on the blank, (H, W) bool of the scan: ink that was filled in, stamps, dirt.

    Both images are (H, W, 3) uint8 RGB; ``alignment`` is that of ``align_template``. The form's own print stays False
    where ink crosses it, as far as print and ink can be told apart there.
    """
    expected = expected_page(template_image, scan_image, alignment)
    unit = max(scan_image.shape[:2]) / _NORMAL_SIDE
    noise = _noise(cv2.subtract(expected, scan_image).max(axis=2), expected)
    seen = scan_image
    if noise > _ROUGH:
        sigma = min(2.0, 0.5 + noise / 16)
        seen, expected = (cv2.GaussianBlur(image, (0, 0), sigma) for image in (seen, expected))
        noise = _noise(cv2.subtract(expected, seen).max(axis=2), expected)
    slack = _SLACK + _ERROR_FACTOR * alignment.error_px
    contrast = cv2.morphologyEx(expected.min(axis=2), cv2.MORPH_GRADIENT, _square(1 + int(slack > 1)))
    least = max(_LEAST_CONTRAST, _NOISE_FACTOR * noise)
    # where print itself is dark, pen on it hardly shows, and print that came out uneven does
    depth = np.maximum(contrast, cv2.subtract(_lightest(expected), expected.min(axis=2)))
    threshold = least + _EDGE_SHARE * depth.astype(np.float32)
    ink = _surplus(expected, seen, slack) > threshold
    ink = _pieces(ink, contrast > least, unit)
    ink = _grow(ink, _surplus(expected, seen, slack / 2) > _LOW * threshold, 1 + math.ceil(slack))
    return _grow(ink, _surplus(expected, seen, 0.0) > max(3.0, 1.5 * noise), 1 + int(unit > 1.2))


def expected_page(template_image: Array, scan_image: Array, alignment: Alignment) -> Array:
    """The blank as this scan would show it, (H, W, 3) uint8 RGB of the scan's size; white where the blank ends."""
    laid = _lay_all(template_image, scan_image.shape, alignment)
    paper = _paper(laid, scan_image)
    laid = _blur_alike(laid, scan_image)
    return _tone_alike(laid, scan_image, paper)


def form_print(template_image: Array, shape: tuple[int, ...], alignment: Alignment) -> Array:
    """Where the blank has print on a scan of that ``shape``, (H, W) bool, with a margin for blur and misalignment.

    Print is what is dark, and the edges of what is not: a shaded box is paper that can be written on.
    """
    laid = _lay_all(template_image, shape, alignment)
    edges = cv2.morphologyEx(laid, cv2.MORPH_GRADIENT, _square(1)).max(axis=2) > _EDGE
    dark = laid.min(axis=2) < _DARK * _lightest(laid)
    unit = max(1.0, max(shape[:2]) / _NORMAL_SIDE)
    margin = math.ceil(_MARGIN * unit + _ERROR_FACTOR * alignment.error_px)
    return cv2.dilate((edges | dark).astype(np.uint8), _square(margin)).astype(bool)


def _square(reach: int) -> Array:
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)


def _lay_all(template_image: Array, shape: tuple[int, ...], alignment: Alignment) -> Array:
    """The blank in the scan's frame, (H, W, 3) uint8, each part of its print where the scan has it."""
    if len(alignment.layers) == 1:
        return _lay(template_image, shape, alignment.layers[0])
    owner = _layer_of_pixels(template_image, alignment.layers)
    laid = np.full((*shape[:2], 3), 255, np.uint8)
    for index, layer in enumerate(alignment.layers):
        part = np.where((owner == index)[..., None], template_image, 255).astype(np.uint8)
        laid = np.minimum(laid, _lay(part, shape, layer))
    return laid


def _layer_of_pixels(template_image: Array, layers: Sequence[Layer]) -> Array:
    """The layer that each pixel of the blank belongs to, (H, W) int.

    It is that of the nearest place that was found, but what is connected, a long rule or a table, stays together.
    """
    height, width = template_image.shape[:2]
    print_mask = np.asarray(template_image.min(axis=2) < _PRINTED * _lightest(template_image), np.uint8)
    count, label = cv2.connectedComponents(cv2.dilate(print_mask, _square(2)))
    distances, votes = [], np.zeros((len(layers), count), int)
    for layer, vote in zip(layers, votes, strict=True):
        at = np.rint(layer.places).astype(int).clip(0, (width - 1, height - 1))
        spots = np.ones((height, width), np.uint8)
        spots[at[:, 1], at[:, 0]] = 0
        distances.append(cv2.distanceTransform(spots, cv2.DIST_L2, 5))
        np.add.at(vote, label[at[:, 1], at[:, 0]], 1)
    votes[:, 0] = 0  # of the paper
    voted = votes.sum(axis=0) > 0
    return np.where(voted[label], votes.argmax(axis=0)[label], np.argmin(distances, axis=0))


def _lay(template_image: Array, shape: tuple[int, ...], layer: Layer) -> Array:
    """The blank in the scan's frame by one layer, (H, W, 3) uint8."""
    height, width = template_image.shape[:2]
    scale = _scale(layer.homography, width, height)
    size = (max(1, round(width * min(scale, 1.0))), max(1, round(height * min(scale, 1.0))))
    small = cv2.resize(template_image, size, interpolation=cv2.INTER_AREA) if scale < 1 else template_image
    x, y = size[0] / width, size[1] / height
    shrink = np.array([[x, 0, 0.5 * x - 0.5], [0, y, 0.5 * y - 0.5], [0, 0, 1]])
    back = (shrink @ np.linalg.inv(layer.homography)).astype(np.float32)
    laid = np.empty((*shape[:2], 3), np.uint8)
    for top in range(0, shape[0], _BAND):
        rows, columns = np.mgrid[top : min(top + _BAND, shape[0]), 0 : shape[1]].astype(np.float32)
        drift = drift_at(layer.drift, columns, rows, shape)
        at = np.stack([columns - drift[..., 0], rows - drift[..., 1], np.ones_like(rows)], axis=-1) @ back.T
        at = at[..., :2] / at[..., 2:]
        laid[top : top + _BAND] = cv2.remap(small, at, None, cv2.INTER_LINEAR, borderValue=(255, 255, 255))
    return laid


def _scale(homography: Array, width: int, height: int) -> float:
    """Scan pixels per blank pixel in the middle of the blank."""
    middle = np.array([[[width / 2, height / 2], [width / 2 + 1, height / 2], [width / 2, height / 2 + 1]]], np.float64)
    centre, right, below = cv2.perspectiveTransform(middle, homography)[0]
    across, down = right - centre, below - centre
    return math.sqrt(abs(float(across[0] * down[1] - across[1] * down[0])))


def _paper(laid: Array, scan: Array) -> Array:
    """By how much the scan is lighter than the blank where neither has print, (h, w, 3) float32 in cells."""
    cell = max(4, round(_CELL * max(scan.shape[:2]) / _NORMAL_SIDE))
    flat = cv2.erode(laid, _square(2)).min(axis=2) > np.maximum(_SHADED * _lightest(laid), 100)
    some = flat[::7, ::7]
    if some.sum() < 100:
        return np.ones((1, 1, 3), np.float32)
    usual = np.median((scan[::7, ::7][some] + 1.0) / (laid[::7, ::7][some] + 1.0), axis=0)
    sums, counts = [], []
    for top in range(0, scan.shape[0], cell):
        band = slice(top, top + cell)
        ratio = (scan[band].astype(np.float32) + 1) / (laid[band].astype(np.float32) + 1)
        paper = flat[band] & (ratio > (_INK_SHARE * usual).astype(np.float32)).all(axis=2)
        starts = np.arange(0, scan.shape[1], cell)
        sums.append(np.add.reduceat((ratio * paper[..., None]).sum(axis=0), starts, axis=0))
        counts.append(np.add.reduceat(paper.sum(axis=0), starts))
    count = np.array(counts)
    cells = np.array(sums) / np.maximum(count, 1)[..., None]
    missing = count < cell
    if missing.all():
        return usual.reshape(1, 1, 3).astype(np.float32)
    rows, columns = distance_transform_edt(missing, return_distances=False, return_indices=True)
    cells = cells[rows, columns]
    near, far = (median_filter(cells, (side, side, 1), mode="nearest") for side in (_NEAR_CELLS, _FAR_CELLS))
    return near.clip((1 - _SHADOW) * far, (1 + _SHADOW) * far).astype(np.float32)


def _lightest(image: Array) -> Array:
    """The level of the lightest sizeable thing around each pixel, which is its paper: (H, W) uint8."""
    height, width = image.shape[:2]
    size = (max(1, width // 8), max(1, height // 8))
    small = cv2.resize(image.min(axis=2), size, interpolation=cv2.INTER_AREA)
    reach = max(2, round(_AROUND * max(size)))
    lightest = cv2.blur(cv2.dilate(small, _square(reach)), (2 * reach + 1, 2 * reach + 1))
    return cv2.resize(lightest, (width, height), interpolation=cv2.INTER_LINEAR)


def _blur_alike(laid: Array, scan: Array) -> Array:
    """The blank, blurred as the scan is: by what makes the two most alike near the blank's print."""
    grey, seen = cv2.cvtColor(laid, cv2.COLOR_RGB2GRAY), cv2.cvtColor(scan, cv2.COLOR_RGB2GRAY)
    near = cv2.morphologyEx(grey, cv2.MORPH_GRADIENT, _square(3)) > 40
    if near.sum() < 100:
        return laid
    target = seen[near].astype(np.float32)
    unit = max(scan.shape[:2]) / _NORMAL_SIDE
    sigmas = [0.0] + [sigma * max(unit, 0.6) for sigma in _BLURS[1:]]
    alike = [np.corrcoef(_blurred(grey, sigma)[near], target)[0, 1] for sigma in sigmas]
    return _blurred(laid, sigmas[int(np.argmax(alike))])


def _blurred(image: Array, sigma: float) -> Array:
    return cv2.GaussianBlur(image, (0, 0), sigma) if sigma else image


def _tone_alike(laid: Array, scan: Array, paper: Array) -> Array:
    """The blank with the scan's tones, and its paper."""
    size = scan.shape[1::-1]
    result = np.empty_like(laid)
    flat = cv2.morphologyEx(laid, cv2.MORPH_GRADIENT, _square(1)).max(axis=2) < 40
    step = max(1, flat.size // _SAMPLES)
    while math.gcd(step, size[0]) > 1:  # else it would take the same columns in every row
        step += 1
    for channel in range(3):
        light = cv2.resize(paper[..., channel], size, interpolation=cv2.INTER_LINEAR)
        blank = np.ascontiguousarray(laid[..., channel])
        level = scan[..., channel].ravel()[::step] / np.maximum(light.ravel()[::step], 0.05)
        curve = _tone_curve(blank.ravel()[::step], level, flat.ravel()[::step])
        result[..., channel] = np.rint(cv2.LUT(blank, curve) * light).clip(0, 255)
    return result


def _tone_curve(blank: Array, level: Array, flat: Array) -> Array:
    """What each of 256 levels of the blank became on the scan, (256,) float32; the darker part where it varies."""
    bins = np.minimum(blank.astype(np.int32) * _BINS // 256, _BINS - 1)
    centres, tones = [], []
    for number in range(_BINS):
        there = bins == number
        count = int(there.sum())
        if count < 30:
            continue
        calm = there & flat
        chosen = calm if calm.sum() > max(30, 0.05 * count) else there
        centres.append(float(blank[chosen].mean()))
        tones.append(float(np.percentile(level[chosen], 50 if number >= _BINS - 2 else _DARK_SIDE)))
    if not centres:
        return np.arange(256, dtype=np.float32)
    return np.interp(np.arange(256), centres, np.maximum.accumulate(tones)).astype(np.float32)


def _surplus(expected: Array, scan: Array, slack: float) -> Array:
    """By how much the scan is darker than expected within ``slack`` px, in the channel where it is most so.

    (H, W) uint8. Between whole pixels the least expected is interpolated.
    """
    whole = int(slack)
    least = cv2.erode(expected, _square(whole)) if whole else expected
    if slack > whole:
        least = cv2.addWeighted(least, 1 - (slack - whole), cv2.erode(expected, _square(whole + 1)), slack - whole, 0)
    return cv2.subtract(least, scan).max(axis=2)


def _noise(surplus: Array, expected: Array) -> float:
    """The paper's noise, as a standard deviation in grey levels."""
    flat = cv2.morphologyEx(expected.min(axis=2), cv2.MORPH_GRADIENT, _square(2)) < 12
    calm = surplus[flat & (surplus < 60)]
    return float(np.percentile(calm, 84)) if calm.size > 100 else 0.0


def _pieces(ink: Array, print_near: Array, unit: float) -> Array:
    """Without specks, and without slivers that hug the form's print: (H, W) bool."""
    count, label, stats, _ = cv2.connectedComponentsWithStats(ink.astype(np.uint8), connectivity=8)
    area = stats[:, cv2.CC_STAT_AREA]
    clear = np.bincount(label[ink & ~print_near], minlength=count)
    smallest = _SMALLEST * unit * unit
    kept = (area >= smallest) & ((clear >= smallest) | (area >= 6 * smallest))
    kept[0] = False
    return kept[label]


def _grow(ink: Array, allowed: Array, steps: int) -> Array:
    cross = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3))
    grown, room = ink.astype(np.uint8), (ink | allowed).astype(np.uint8)
    for _ in range(steps):
        grown = cv2.dilate(grown, cross) & room
    return grown.astype(bool)
