"""Looking for the print of a blank form on a scan: features first, then one small patch after the other.

All of it works on ink maps, (h, w) float32 in [0, 1], of which the longest side is ``WORKING_SIDE``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from pipeline.types import Array

WORKING_SIDE = 1700  # px: both pages are looked at with this longest side
LEAST_PATCHES = 12  # print that shows in fewer places tells nothing
STRAY = 3.0  # px: a patch found farther than this from where its neighbours say is not in its place
_FEATURE_SIDE = 1000  # px: features are looked for on copies of this longest side
_RATIO = 0.85  # Lowe's test: a match is used when the next best is this much worse
_REPROJECTION = 2.5  # px at that size
_PATCH = 20  # half side of a patch
_MOST_PATCHES = 900
_SEARCHES = (10, 6, 4)  # how far patches are looked for while the fit gets better
_FOUND = 0.6  # correlation from which a patch counts as found
_MOVED_FARTHEST = 120.0  # px: print that stands elsewhere than on the blank is looked for so far away
_VOTE = 6.0  # px: matches that agree on a move to this much vote for the same one
_NEIGHBOURS = 45.0  # px: how far patches of one block of print speak for each other
_CELLS = 8  # drift is kept on a grid of this many cells along the longest side
_DRIFT_REACH = 1.0  # cells over which offsets are averaged
_SEED = 20220823


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """Where print of the blank was found: by ``matrix`` (3, 3) from blank to scan, plus ``drift`` (R, C, 2).

    ``found`` (N,) bool says of each patch of the blank whether it is there, ``on_scan`` (N,) whether the scan reaches
    that far; ``error`` is the median distance from
    where it should be, in px.
    """

    matrix: Array
    drift: Array
    alike: Array
    on_scan: Array
    error: float


def working_copy(image: Array) -> tuple[Array, Array]:
    """(ink (h, w) float32 in [0, 1], the matrix that takes the image's pixels to it)."""
    height, width = image.shape[:2]
    scale = WORKING_SIDE / max(height, width)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    small = cv2.resize(grey, size, interpolation=way)
    paper = cv2.morphologyEx(small, cv2.MORPH_CLOSE, np.ones((31, 31), np.uint8))
    paper = cv2.GaussianBlur(paper, (0, 0), 15)
    ink = 1 - small.astype(np.float32) / np.maximum(paper, 1)
    x, y = size[0] / width, size[1] / height
    matrix = np.array([[x, 0, 0.5 * x - 0.5], [0, y, 0.5 * y - 0.5], [0, 0, 1]], np.float64)
    return cv2.GaussianBlur(ink.clip(0, 1), (0, 0), 0.8), matrix


def match_features(blank: Array, scan: Array) -> tuple[Array, Array]:
    """Places (N, 2) float32 on the blank and the places (N, 2) on the scan that look like them; many are wrong."""
    finder = cv2.AKAZE.create(threshold=0.001)
    (points, wanted), (others, offered) = (finder.detectAndCompute(_for_features(ink), None) for ink in (blank, scan))
    pairs: Sequence[Any] = []
    if wanted is not None and offered is not None:
        pairs = cv2.BFMatcher(cv2.NORM_HAMMING).knnMatch(wanted, offered, k=2)
    kept = [pair[0] for pair in pairs if len(pair) == 2 and pair[0].distance < _RATIO * pair[1].distance]
    grow = np.float32(WORKING_SIDE / _FEATURE_SIDE)
    source = np.array([points[match.queryIdx].pt for match in kept], np.float32).reshape(-1, 2)
    target = np.array([others[match.trainIdx].pt for match in kept], np.float32).reshape(-1, 2)
    return source * grow, target * grow


def first_guess(source: Array, target: Array) -> tuple[Array | None, int]:
    """(homography from blank to scan, or None; how many matches agree with it)."""
    if len(source) < LEAST_PATCHES:
        return None, len(source)
    matrix, inside = _homography(source, target, _REPROJECTION * WORKING_SIDE / _FEATURE_SIDE)
    return (None, 0) if matrix is None else (matrix, int(inside.sum()))


def _for_features(ink: Array) -> Array:
    scale = _FEATURE_SIDE / WORKING_SIDE
    small = cv2.resize(ink, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.rint(255 * (1 - small)).astype(np.uint8)


def _homography(source: Array, target: Array, within: float) -> tuple[Array | None, Array]:
    cv2.setRNGSeed(_SEED)
    return cv2.findHomography(source, target, cv2.USAC_MAGSAC, within, maxIters=10_000, confidence=0.9999)


def plausible(matrix: Array | None, blank: tuple[int, ...], scan: tuple[int, ...]) -> bool:
    """Whether a homography at the working size is what a sheet on a scanner or before a camera may give."""
    if matrix is None or not np.isfinite(matrix).all():
        return False
    height, width = blank[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32)
    if ((np.c_[corners, np.ones(4)] @ matrix[2]) <= 0).any():
        return False
    seen = cv2.perspectiveTransform(corners[None], matrix)[0]
    area = cv2.contourArea(seen, oriented=True)
    sides = np.hypot(*(np.roll(seen, -1, axis=0) - seen).T) / np.array([width, height, width, height])
    on_scan = area / (scan[0] * scan[1])
    return bool(cv2.isContourConvex(seen) and 0.1 < on_scan < 12 and sides.max() < 2.5 * sides.min())


def print_patches(blank: Array) -> Array:
    """Places (N, 2) float32 all over the blank's print that can be told from their surroundings."""
    corners = cv2.goodFeaturesToTrack(blank, _MOST_PATCHES, 0.02, _PATCH, blockSize=9)
    return np.empty((0, 2), np.float32) if corners is None else corners[:, 0]


def refine(blank: Array, scan: Array, patches: Array, matrix: Array) -> Array | None:
    """The homography, made exact on the patches (N, 2) of the blank; None when too few are to be found."""
    for reach in _SEARCHES:
        places, offsets, alike, _ = _look(blank, scan, patches, matrix, reach)
        found = alike > 0
        if found.sum() < LEAST_PATCHES:
            return None
        step, _ = _homography(places[found], places[found] + offsets[found], STRAY)
        if step is None or not plausible(step @ matrix, blank.shape, scan.shape):
            return None
        matrix = step @ matrix
    return matrix


def find_move(blank: Array, scan: Array, patches: Array, matrix: Array, matches: tuple[Array, Array]) -> Array | None:
    """The homography of patches (N, 2) that are not in their place, if many moved the same way; else None.

    ``matches`` are those of ``match_features``. Print moves where a form has come in another edition: by a line or
    two, without being turned.
    """
    source, target = matches
    moves = target - cv2.perspectiveTransform(source[:, None], matrix)[:, 0]
    far = np.hypot(*moves.T)
    moves = moves[(far > 2 * STRAY) & (far < _MOVED_FARTHEST)]
    if len(moves) < LEAST_PATCHES:
        return None
    votes = (np.abs(moves[:, None] - moves[None]) < _VOTE / 2).all(axis=2).sum(axis=1)
    move = np.median(moves[(np.abs(moves - moves[votes.argmax()]) < _VOTE).all(axis=1)], axis=0)
    for reach in _SEARCHES:
        _, offsets, alike, _ = _look(blank, scan, patches, _shift(move) @ matrix, reach)
        if (alike > 0).sum() < LEAST_PATCHES:
            return None
        move = move + np.median(offsets[alike > 0], axis=0)
    return _shift(move) @ matrix


def _shift(move: Array) -> Array:
    return np.array([[1, 0, move[0]], [0, 1, move[1]], [0, 0, 1]], np.float64)


def measure_fit(blank: Array, scan: Array, patches: Array, matrix: Array, own: Array) -> Fit | None:
    """How well a homography fits: on all patches (N, 2), with the drift of those that are its ``own`` (N,) bool.

    None when too few of its own are to be found.
    """
    places, offsets, alike, on_scan = _look(blank, scan, patches, matrix, _SEARCHES[-1])
    used = own & (alike > 0)
    if used.sum() < LEAST_PATCHES:
        return None
    drift, left = _drift(places, offsets, used, scan.shape)
    alike[left >= STRAY] = 0
    near = left[used & (left < STRAY)]
    return Fit(matrix, drift, alike, on_scan, float(np.median(near))) if near.size >= LEAST_PATCHES else None


def nearest_fit(fits: Sequence[Fit], patches: Array) -> Array:
    """The fit that each patch (N, 2) belongs to, (N,) int: the one that also has its neighbours in their places."""
    if len(fits) == 1:
        return np.zeros(len(patches), int)
    apart = ((patches[:, None] - patches[None]) ** 2).sum(axis=2)
    weight = np.exp(-0.5 * apart / _NEIGHBOURS**2)
    return np.argmax([weight @ fit.alike for fit in fits], axis=0)


def _look(blank: Array, scan: Array, patches: Array, matrix: Array, reach: int) -> tuple[Array, Array, Array, Array]:
    """Of each patch (N, 2): place on the scan (N, 2), offset there (N, 2), how like (0: not found), on it or not."""
    height, width = scan.shape
    laid = cv2.warpPerspective(blank, matrix, (width, height), flags=cv2.INTER_LINEAR)
    centres = np.rint(cv2.perspectiveTransform(patches[:, None], matrix)[:, 0])
    margin = _PATCH + reach
    on_scan = ((centres >= margin) & (centres < np.array([width, height]) - margin)).all(axis=1)
    offsets = np.zeros((len(centres), 2), np.float32)
    alike = np.zeros(len(centres), np.float32)
    for index in np.flatnonzero(on_scan):
        x, y = centres[index].astype(int)
        patch = laid[y - _PATCH : y + _PATCH + 1, x - _PATCH : x + _PATCH + 1]
        around = scan[y - margin : y + margin + 1, x - margin : x + margin + 1]
        scores = cv2.matchTemplate(around, patch, cv2.TM_CCOEFF_NORMED)
        row, column = np.unravel_index(int(scores.argmax()), scores.shape)
        if scores[row, column] >= _FOUND and 0 < row < 2 * reach and 0 < column < 2 * reach:
            alike[index] = scores[row, column]
            dx = _peak(*scores[row, column - 1 : column + 2])
            dy = _peak(*scores[row - 1 : row + 2, column])
            offsets[index] = column - reach + dx, row - reach + dy
    return centres.astype(np.float32), offsets, alike, on_scan


def _peak(before: float, at: float, after: float) -> float:
    """Where between -0.5 and 0.5 the parabola through three neighbours has its top."""
    bend = before - 2 * at + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def _drift(places: Array, offsets: Array, used: Array, shape: tuple[int, ...]) -> tuple[Array, Array]:
    """(drift (R, C, 2) float32 px from those ``used`` (N,), how far (N,) each patch is from where that puts it)."""
    height, width = shape[:2]
    cell = max(height, width) / _CELLS
    rows, columns = round(height / cell) + 1, round(width / cell) + 1
    grid = np.zeros((rows, columns, 2), np.float32)
    near = used & (np.hypot(*offsets.T) < 2 * STRAY)
    for row in range(rows):
        for column in range(columns):
            at = np.array([column * (width - 1) / (columns - 1), row * (height - 1) / (rows - 1)])
            weight = near * np.exp(-0.5 * (((places - at) / (_DRIFT_REACH * cell)) ** 2).sum(axis=1))
            # a place without print around it keeps to the homography
            grid[row, column] = (weight[:, None] * offsets).sum(axis=0) / (weight.sum() + 2.0)
    found = drift_at(grid, places[None, :, 0], places[None, :, 1], shape)[0]
    return grid, np.hypot(*(offsets - found).T)


def drift_at(drift: Array, x: Array, y: Array, shape: tuple[int, ...]) -> Array:
    """The drift at places x, y (each (H, W) float32) of a scan of ``shape`` (height, width, ...): (H, W, 2) float32."""
    rows, columns = drift.shape[:2]
    across = (x * ((columns - 1) / max(shape[1] - 1, 1))).astype(np.float32)
    down = (y * ((rows - 1) / max(shape[0] - 1, 1))).astype(np.float32)
    return cv2.remap(drift, across, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
