"""Blank forms: where the print of a blank form lies on a scan of that form, filled in.

Features of both are matched at one working size and give a first homography. Then many small patches of the blank's
print are looked for one by one near where they should be: their places give the final homography, what is left of
their offsets gives a smooth drift (paper is fed unevenly, and it bends), and the share of them that is found at all
is the quality. A blank of another form is found in few places, whatever homography its features suggest. Print that
is not in its place is looked for once more: in another edition of a form, paragraphs stand a line or two lower.

Frame: a homography takes (x, y) pixels of the blank to (x, y) pixels of the scan, pixel centres at whole numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.errors import StageError
from pipeline.template_search import (
    LEAST_PATCHES,
    Fit,
    find_move,
    first_guess,
    match_features,
    measure_fit,
    nearest_fit,
    plausible,
    print_patches,
    refine,
    working_copy,
)
from pipeline.types import Array

LEAST_QUALITY = 0.6  # a blank of which a smaller share is found is refused ...
LEAST_INLIERS = 20  # ... or one with fewer matching features
_MOST_MOVES = 3
_LEAST_BLOCK = 0.03  # print that moved is at least this share of all ...
_BLOCK_FOUND = 0.7  # ... and this share of it is found in its new place


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """A part of the blank's print and how it lies on the scan.

    ``homography`` (3, 3) float64 takes blank pixels to scan pixels. ``drift`` (R, C, 2) float32 is what to add to get
    to the true place, (dx, dy) in scan px on a grid whose corner samples are the scan's corners. ``places`` (N, 2)
    float32 are spots of the blank, in its pixels, that were found there.
    """

    homography: Array
    drift: Array
    places: Array


@dataclass(frozen=True, slots=True, eq=False)
class Alignment:
    """How a blank lies on a scan.

    ``layers`` are its parts, the largest first: more than one where the scanned form is another edition in which
    print has moved. ``quality`` in [0, 1] is the share of the blank's print that was found, ``moved`` the share found
    in other places than the rest, ``inliers`` the matching features, ``error_px`` the median distance of the
    print from where its layer puts it, in scan px.
    """

    layers: tuple[Layer, ...]
    quality: float
    moved: float
    inliers: int
    error_px: float

    @property
    def homography(self) -> Array:
        """(3, 3) float64, of the largest layer."""
        return self.layers[0].homography


def align_template(template_image: Array, scan_image: Array) -> Alignment:
    """Find a blank form on a scan; both (H, W, 3) uint8 RGB, of any resolution, turned anyhow.

    The same pictures give the same result. Raises StageError when the blank is not to be found on the scan: the
    message says how much of it was found, and what to do.
    """
    blank, from_blank = working_copy(template_image)
    scan, from_scan = working_copy(scan_image)
    patches = print_patches(blank)
    if len(patches) < LEAST_PATCHES:
        raise StageError(
            f"the blank form shows too little print to be found on a page: {len(patches)} marks",
            "use another blank, or --zones",
            "template",
        )
    matches = match_features(blank, scan)
    matrix, inliers = first_guess(*matches)
    fits, owner = _fits(blank, scan, patches, matrix, matches)
    found = np.array([(fit.alike[owner == index] > 0).sum() for index, fit in enumerate(fits)], int)
    quality = _quality(fits, found, len(patches))
    if quality < LEAST_QUALITY or inliers < LEAST_INLIERS:
        raise _refused(quality, inliers)
    layers = []
    for index in np.argsort(-found, kind="stable"):
        own = (owner == index) & (fits[index].alike > 0)
        layers.append(_layer(fits[index], patches[own], from_blank, from_scan))
    error = sum(fit.error * count for fit, count in zip(fits, found, strict=True)) / found.sum() / from_scan[0, 0]
    return Alignment(tuple(layers), quality, 1 - float(found.max() / found.sum()), inliers, float(error))


def _quality(fits: Sequence[Fit], found: Array, patches: int) -> float:
    """The share of the blank's print on the scanned part that is there; of all if that is small."""
    if not fits:
        return 0.0
    return min(1.0, float(found.sum() / max(int(fits[0].on_scan.sum()), patches // 3)))


def _fits(
    blank: Array, scan: Array, patches: Array, matrix: Array | None, matches: tuple[Array, Array]
) -> tuple[list[Fit], Array]:
    """(the main fit and those of print that has moved, the fit (N,) int that each patch belongs to)."""
    owner = np.zeros(len(patches), int)
    if matrix is None or not plausible(matrix, blank.shape, scan.shape):
        return [], owner
    matrix = refine(blank, scan, patches, matrix)
    main = None if matrix is None else measure_fit(blank, scan, patches, matrix, owner == 0)
    if matrix is None or main is None:
        return [], owner
    fits, left = [main], main.alike == 0
    while len(fits) <= _MOST_MOVES and left.sum() >= LEAST_PATCHES:
        moved = find_move(blank, scan, patches[left], matrix, matches)
        fit = None if moved is None else measure_fit(blank, scan, patches, moved, left)
        if fit is None:
            break
        fits.append(fit)
        left &= fit.alike == 0
    owner = nearest_fit(fits, patches)
    again = [_settled(blank, scan, patches, fit, owner == index) for index, fit in enumerate(fits)]
    kept = [
        fit
        for index, fit in enumerate(again)
        if fit is not None and (index == 0 or _is_block(fit.alike[owner == index], len(patches)))
    ]
    return kept, nearest_fit(kept, patches) if kept else owner


def _is_block(alike: Array, patches: int) -> bool:
    """Whether patches (N,) that are said to have moved are many, and most of them found: chance finds single ones."""
    found = int((alike > 0).sum())
    return found >= max(_LEAST_BLOCK * patches, LEAST_PATCHES) and found >= _BLOCK_FOUND * len(alike)


def _settled(blank: Array, scan: Array, patches: Array, fit: Fit, own: Array) -> Fit | None:
    """A fit, made once more on nothing but its own patches; None when few are left to it."""
    matrix = refine(blank, scan, patches[own], fit.matrix)
    return measure_fit(blank, scan, patches, fit.matrix if matrix is None else matrix, own)


def _layer(fit: Fit, places: Array, from_blank: Array, from_scan: Array) -> Layer:
    homography = np.linalg.inv(from_scan) @ fit.matrix @ from_blank
    places = (places - from_blank[:2, 2]) / from_blank[[0, 1], [0, 1]]
    drift = fit.drift / np.float32(from_scan[0, 0])
    return Layer(homography / homography[2, 2], drift, places.astype(np.float32))


def choose_blank(blanks: Sequence[Array], scan_image: Array, page_index: int) -> tuple[int, Alignment]:
    """Which page of a blank a scanned page is: (0-based index into ``blanks``, its alignment).

    The page of the same number where it fits; else, and for a blank of fewer pages, the one that fits best. All are
    (H, W, 3) uint8 RGB. Raises StageError when none fits.
    """
    refusals: list[StageError] = []
    if page_index < len(blanks):
        try:
            return page_index, align_template(blanks[page_index], scan_image)
        except StageError as error:
            refusals.append(error)
    best: tuple[int, Alignment] | None = None
    for index, blank in enumerate(blanks):
        if index == page_index:
            continue
        try:
            alignment = align_template(blank, scan_image)
        except StageError as error:
            refusals.append(error)
            continue
        if best is None or alignment.quality > best[1].quality:
            best = index, alignment
    if best is not None:
        return best
    if len(blanks) == 1:
        raise refusals[0]
    raise StageError(
        f"none of the {len(blanks)} pages of the blank fits: the first was refused because " + refusals[0].what,
        refusals[0].remedy,
        "template",
    )


def _refused(quality: float, inliers: int) -> StageError:
    return StageError(
        f"the blank form was not found on the page: {quality:.0%} of its print is where it should be "
        f"({LEAST_QUALITY:.0%} is needed), and {inliers} features match ({LEAST_INLIERS} are needed)",
        "check that --template is the blank of this form, in the same edition; scan the page again if it is very faint",
        "template",
    )
