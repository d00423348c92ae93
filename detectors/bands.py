"""Looking at a large page piece by piece: where the pieces lie, and how what they show becomes one set of regions.

A detection network shrinks a page to what its memory holds, and small text is lost. Here the page is seen at full
size in overlapping pieces, which bounds the memory whatever the page, and then again in small, where glyphs too large
for the network at full size have a size that it knows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import shapely
from shapely.geometry import Polygon, box

from pipeline.geometry import as_shape, enclose, outline
from pipeline.types import Array, Box

# Pixels two neighbouring pieces share: more than the height of a skewed line of body text
OVERLAP = 192
# One piece holds at most this many pixels; the network needs some 220 MB a megapixel
PIECE_AREA = 2_200_000
# Pieces are bands as wide as the page up to this width, so that lines of text stay whole
PIECE_WIDTH = 2560
# The networks halve the image five times
STRIDE = 32
# A page whose longer side is no longer than this is seen at twice its size: measured, 7 of 182 words missed instead
SMALL_SIDE = 1280
# The longer side of the smallest overview, and how much smaller each overview is than the look before it
_OVERVIEW_SIDE, _OVERVIEW_STEP = 640, 4
# A spread of grey levels, at quarter size, below which there is nothing to see, and the margin kept around the rest
_FLAT, _MARGIN = 6, 64
# The same text, when this share of the smaller polygon's part in the zone both pieces saw is in the other polygon
_SAME = 0.5
# An overview's polygon is news, when the looks before it cover less than this share of it
_KNOWN = 0.6
# and then it replaces the polygons of which it holds this share
_INSIDE = 0.9

Found = tuple[Array, float]


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """A polygon, (N, 2) float32 in the pixels of the look, its score in [0, 1], and the piece it was seen in."""

    polygon: Array
    score: float
    seen_in: Box


def plan_scales(width: int, height: int) -> tuple[float, ...]:
    """Return the scales at which to look at a page: its own, or twice that when it is small, then the overviews."""
    longer = max(width, height)
    scales = [2.0 if longer <= SMALL_SIDE else 1.0]
    while longer * scales[-1] > 1.5 * _OVERVIEW_SIDE:
        scales.append(max(scales[-1] / _OVERVIEW_STEP, _OVERVIEW_SIDE / longer))
    return tuple(scales)


def plan_pieces(width: int, height: int) -> tuple[Box, ...]:
    """Return overlapping boxes that cover an image, all of one size, rows from the top, each row from the left.

    Boxes may reach past the image at the right and the bottom, by less than the network's stride times their number.
    """
    across, columns = _split(width, PIECE_WIDTH)
    down, rows = _split(height, max(PIECE_AREA // across // STRIDE * STRIDE, 2 * OVERLAP))
    return tuple(Box(x, y, x + across, y + down) for y in rows for x in columns)


def _split(length: int, longest: int) -> tuple[int, tuple[int, ...]]:
    """The size of equal, overlapping spans that cover ``length``, a multiple of the stride, and where they begin."""
    if length <= longest:
        return _up(length), (0,)
    count = math.ceil((length - OVERLAP) / (longest - OVERLAP))
    size = _up(math.ceil((length + (count - 1) * OVERLAP) / count))
    # the last span ends at the edge, the others are spread evenly
    return size, tuple(round((length - size) * index / (count - 1)) for index in range(count))


def _up(length: int) -> int:
    return -(-length // STRIDE) * STRIDE


def busy_box(image: Array) -> Box | None:
    """Return the part of a page, (H, W, 3) uint8, outside which it is flat; None when all of it is.

    Looking at margins costs as much as looking at text. What counts as flat is far below what the network can see.
    """
    height, width = image.shape[:2]
    small = cv2.resize(image, (-(-width // 4), -(-height // 4)), interpolation=cv2.INTER_AREA)
    window = np.ones((5, 5), np.uint8)
    spread = cv2.morphologyEx(small, cv2.MORPH_GRADIENT, window).max(axis=2) > _FLAT
    rows, columns = np.flatnonzero(spread.any(axis=1)), np.flatnonzero(spread.any(axis=0))
    if not rows.size:
        return None
    return Box(
        max(0, 4 * int(columns[0]) - _MARGIN), max(0, 4 * int(rows[0]) - _MARGIN),
        min(width, 4 * int(columns[-1] + 1) + _MARGIN), min(height, 4 * int(rows[-1] + 1) + _MARGIN),
    )  # fmt: skip


def cut_piece(image: Array, piece: Box) -> Array:
    """Return the piece's pixels; where it reaches past the image, the edge is continued."""
    height, width = image.shape[:2]
    part = image[piece.y0 : min(piece.y1, height), piece.x0 : min(piece.x1, width)]
    below, beside = piece.height - part.shape[0], piece.width - part.shape[1]
    return np.pad(part, ((0, below), (0, beside), (0, 0)), mode="edge") if below or beside else part


def merge_findings(findings: Sequence[Finding]) -> list[Found]:
    """Join what neighbouring pieces saw of the same text; returns (polygon, score) in the order of ``findings``.

    Two polygons are the same text when, inside the zone that both pieces saw, they mostly cover each other. Text cut
    by a piece's border is thereby joined with what the neighbour saw of it, and comes out whole.
    """
    shapes = [as_shape(finding.polygon) for finding in findings]
    parent = list(range(len(findings)))

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    for first, second in _touching(shapes):
        seen = findings[first].seen_in, findings[second].seen_in
        if seen[0] != seen[1] and _same_text(shapes[first], shapes[second], *seen):
            low, high = sorted((root(first), root(second)))
            parent[high] = low
    groups: dict[int, list[int]] = {}
    for index in range(len(findings)):
        groups.setdefault(root(index), []).append(index)
    merged = (_join([findings[index] for index in members], shapes, members) for members in groups.values())
    return [found for found in merged if found is not None]


def _join(findings: list[Finding], shapes: list[Polygon], members: list[int]) -> Found | None:
    if len(findings) == 1:
        return findings[0].polygon, findings[0].score
    polygon = outline(enclose([shapes[index] for index in members]))
    return None if polygon is None else (polygon, max(finding.score for finding in findings))


def _touching(shapes: list[Polygon]) -> list[tuple[int, int]]:
    """Pairs of shapes that touch, each pair once, in a fixed order."""
    if not shapes:
        return []
    left, right = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    return sorted((int(a), int(b)) for a, b in zip(left, right, strict=True) if a < b)


def _same_text(first: Polygon, second: Polygon, seen_first: Box, seen_second: Box) -> bool:
    zone = _rectangle(seen_first).intersection(_rectangle(seen_second))
    a, b = first.intersection(zone), second.intersection(zone)
    smaller = min(a.area, b.area)
    return bool(smaller > 0 and a.intersection(b).area >= _SAME * smaller)


def _rectangle(piece: Box) -> Polygon:
    return box(piece.x0, piece.y0, piece.x1, piece.y1)


def add_overview(found: Sequence[Found], overview: Iterable[Found]) -> list[Found]:
    """Add what only the overview saw; what was found before and lies inside such a polygon is dropped for it."""
    shapes = [as_shape(polygon) for polygon, _ in found]
    tree = shapely.STRtree(shapes)
    fragments: set[int] = set()
    news: list[Found] = []
    for polygon, score in overview:
        shape = as_shape(polygon)
        near = [int(index) for index in tree.query(shape)]
        known = shapely.union_all([shapes[index] for index in near]).intersection(shape).area
        if shape.area > 0 and known < _KNOWN * shape.area:
            news.append((polygon, score))
            inside = (index for index in near if shapes[index].intersection(shape).area > _INSIDE * shapes[index].area)
            fragments.update(inside)
    return [item for index, item in enumerate(found) if index not in fragments] + news
