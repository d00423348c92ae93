"""How much of the annotated text a detector still finds in cleaned images: precision, recall and F of what it finds.

Field's practice (EnsNet, EraseNet): run a text detector on the outputs and score its boxes against the ground truth of
the inputs; lower is better. Two protocols: DetEval (Wolf and Jolion, 2006, with the thresholds and the one-to-one,
one-to-many and many-to-one rules of ICDAR 2013's evaluation), and intersection over union (ICDAR 2015). Both on
polygons, (N, 2) numbers (x, y) in pixels; the published ones count on rectangles and quadrilaterals.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import shapely

from pipeline.geometry import as_shape
from pipeline.types import Array

AREA_RECALL, AREA_PRECISION = 0.8, 0.4  # DetEval's thresholds on shares of areas
SPLIT = 0.8  # what a word counts that was found in several pieces
FAR = 1.0  # centres farther apart than this, in mean diagonals, are no match
LEAST_IOU = 0.5  # ICDAR 2015's threshold
IGNORED_SHARE = 0.5  # ... and the share of what is found that must lie in an ignored region to be left out


@dataclass(frozen=True, slots=True)
class DetectionScore:
    """Sums over images, so that scores add up: ``+`` pools two of them.

    ``recalled`` of ``truths`` regions were found, ``precise`` of ``found`` were right; with DetEval parts count.
    """

    recalled: float = 0.0
    truths: int = 0
    precise: float = 0.0
    found: int = 0

    def __add__(self, other: DetectionScore) -> DetectionScore:
        return DetectionScore(
            self.recalled + other.recalled,
            self.truths + other.truths,
            self.precise + other.precise,
            self.found + other.found,
        )

    @property
    def recall(self) -> float:
        """Percent of the annotated text that is found; 0 when there is none."""
        return 100 * self.recalled / self.truths if self.truths else 0.0

    @property
    def precision(self) -> float:
        """Percent of what is found that is annotated; 0 when nothing is."""
        return 100 * self.precise / self.found if self.found else 0.0

    @property
    def f(self) -> float:
        """Harmonic mean of both, in percent."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def detection_iou(truths: Sequence[Array], found: Sequence[Array], ignored: Sequence[Array] = ()) -> DetectionScore:
    """ICDAR 2015: a region is found when one not yet matched has an intersection over union above 0.5 with it.

    What lies by more than half in an ``ignored`` polygon is left out.
    """
    targets, seen = _shapes(truths), _without(_shapes(found), _shapes(ignored), IGNORED_SHARE)
    if not targets.size or not seen.size:
        return DetectionScore(0.0, targets.size, 0.0, seen.size)
    shared = _intersections(targets, seen)
    unions = shapely.area(targets)[:, None] + shapely.area(seen)[None] - shared
    overlap = np.divide(shared, unions, out=np.zeros_like(shared), where=unions > 0)
    taken: set[int] = set()
    for row in overlap:
        free = [index for index in np.flatnonzero(row > LEAST_IOU) if index not in taken]
        taken.update(free[:1])
    return DetectionScore(len(taken), targets.size, len(taken), seen.size)


def detection_deteval(truths: Sequence[Array], found: Sequence[Array], ignored: Sequence[Array] = ()) -> DetectionScore:
    """DetEval as ICDAR 2013 counts it: area recall of at least 0.8 and area precision of at least 0.4.

    One region found as one counts 1; one found in k pieces 0.8, and 0.8 for each piece; k found as one 1 each, and 1
    for the one. What lies by more than 0.4 in an ``ignored`` polygon is left out.
    """
    targets, seen = _shapes(truths), _without(_shapes(found), _shapes(ignored), AREA_PRECISION)
    if not targets.size or not seen.size:
        return DetectionScore(0.0, targets.size, 0.0, seen.size)
    matching = _Matching(targets, seen)
    matching.one_to_one()
    matching.one_to_many()
    matching.many_to_one()
    return DetectionScore(matching.recalled, targets.size, matching.precise, seen.size)


class _Matching:
    """DetEval's three kinds of matches between T regions and F found ones; each region is matched once."""

    def __init__(self, truths: Array, found: Array) -> None:
        shared = _intersections(truths, found)
        self._of_truth = shared / np.maximum(shapely.area(truths), 1e-9)[:, None]  # (T, F): share that is found
        self._of_found = shared / np.maximum(shapely.area(found), 1e-9)[None]  # (T, F): share that is right
        self._distance = _centre_distances(truths, found)
        self._truth_free = np.ones(len(truths), bool)
        self._found_free = np.ones(len(found), bool)
        self.recalled = self.precise = 0.0

    def one_to_one(self) -> None:
        good = (self._of_truth >= AREA_RECALL) & (self._of_found >= AREA_PRECISION)
        touching = self._of_truth > 0
        alone = [matrix.sum(axis=1, keepdims=True) == 1 for matrix in (good, touching)]
        alone += [matrix.sum(axis=0, keepdims=True) == 1 for matrix in (good, touching)]
        matched = good & np.logical_and.reduce(np.broadcast_arrays(*alone)) & (self._distance < FAR)
        self._truth_free &= ~matched.any(axis=1)
        self._found_free &= ~matched.any(axis=0)
        self.recalled += int(matched.sum())
        self.precise += int(matched.sum())

    def one_to_many(self) -> None:
        for truth in np.flatnonzero(self._truth_free & ((self._of_truth > 0).sum(axis=1) >= 2)):
            pieces = np.flatnonzero(self._found_free & (self._of_found[truth] >= AREA_PRECISION))
            if not len(pieces) or round(float(self._of_truth[truth, pieces].sum()), 4) < AREA_RECALL:
                continue
            weight = 1.0 if len(pieces) == 1 else SPLIT
            self._take([truth], pieces, weight, weight)

    def many_to_one(self) -> None:
        for found in np.flatnonzero(self._found_free & ((self._of_truth > 0).sum(axis=0) >= 2)):
            parts = np.flatnonzero(self._truth_free & (self._of_truth[:, found] >= AREA_RECALL))
            if len(parts) and round(float(self._of_found[parts, found].sum()), 4) >= AREA_PRECISION:
                self._take(parts, [found], 1.0, 1.0)

    def _take(self, truths: Sequence[int] | Array, found: Sequence[int] | Array, each: float, piece: float) -> None:
        self._truth_free[truths] = False
        self._found_free[found] = False
        self.recalled += each * len(truths)
        self.precise += piece * len(found)


def outside(found: Sequence[Array], regions: Sequence[Array], share: float) -> list[Array]:
    """Of the polygons ``found`` those that lie by no more than ``share`` of their area in ``regions`` together.

    A line that runs over several words lies in none of them by much, but in all of them.
    """
    seen = _shapes(found)
    if not seen.size or not regions:
        return list(found)
    inside = shapely.area(shapely.intersection(seen, shapely.union_all(_shapes(regions))))
    stays = inside <= share * np.maximum(shapely.area(seen), 1e-9)
    return [polygon for polygon, kept in zip(found, stays, strict=True) if kept]


def _shapes(polygons: Sequence[Array]) -> Array:
    return np.array([as_shape(polygon) for polygon in polygons], object)


def _without(found: Array, ignored: Array, share: float) -> Array:
    """What is found, but for what lies by more than ``share`` in an ignored region."""
    if not found.size or not ignored.size:
        return found
    inside = _intersections(found, ignored) / np.maximum(shapely.area(found), 1e-9)[:, None]
    return np.asarray(found[~(inside > share).any(axis=1)])


def _intersections(first: Array, second: Array) -> Array:
    """Areas that each of T shapes shares with each of F: (T, F) float64; only pairs that touch are intersected."""
    areas = np.zeros((len(first), len(second)))
    rows, columns = shapely.STRtree(second).query(first, predicate="intersects")
    areas[rows, columns] = shapely.area(shapely.intersection(first[rows], second[columns]))
    return areas


def _centre_distances(truths: Array, found: Array) -> Array:
    """Distances of the centres of bounding boxes, (T, F), in means of the two boxes' diagonals."""
    one, other = shapely.bounds(truths), shapely.bounds(found)
    centres = [(box[:, :2] + box[:, 2:]) / 2 for box in (one, other)]
    diagonals = [np.hypot(*(box[:, 2:] - box[:, :2]).T) for box in (one, other)]
    apart = np.linalg.norm(centres[0][:, None] - centres[1][None], axis=2)
    return np.asarray(2 * apart / np.maximum(diagonals[0][:, None] + diagonals[1][None], 1e-9))
