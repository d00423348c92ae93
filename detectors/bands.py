"""Looking at a large page piece by piece: where the pieces lie, and how what they show becomes one set of regions.

A detection network shrinks a page to what its memory holds, and small text is lost. Here the page is seen at full
size in overlapping pieces, which bounds the memory whatever the page, and once more as a whole in small, where glyphs
too large for a piece have a size the network knows.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
_STRIDE = 32
# Same text, when this share of the smaller polygon's part in the shared zone is in the other polygon
_SAME = 0.5
# What the overview found is news, when the pieces cover less than this share of it
_KNOWN = 0.6
_INSIDE = 0.9


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """A polygon, (N, 2) in page pixels, its score in [0, 1], and the piece it was seen in."""

    polygon: Array
    score: float
    seen_in: Box


def plan_pieces(width: int, height: int) -> tuple[Box, ...]:
    """Return overlapping boxes that cover the page, all of one size, rows from the top, each row from the left.

    Boxes may reach past the page at the right and the bottom, by less than a stride of the network.
    """
    across, columns = _split(width, PIECE_WIDTH)
    down, rows = _split(height, max(PIECE_AREA // across // _STRIDE * _STRIDE, 2 * OVERLAP))
    return tuple(Box(x, y, x + across, y + down) for y in rows for x in columns)


def _split(length: int, longest: int) -> tuple[int, tuple[int, ...]]:
    """The size of equal, overlapping spans that cover ``length``, a multiple of the stride, and where they begin."""
    count = 1 if length <= longest else math.ceil((length - OVERLAP) / (longest - OVERLAP))
    size = math.ceil((length + (count - 1) * OVERLAP) / count / _STRIDE) * _STRIDE
    if count == 1:
        return size, (0,)
    # the last span ends at the page's edge, the others are spread evenly
    last = max(length - size, 0)
    return size, tuple(round(last * index / (count - 1)) for index in range(count))


def merge_findings(findings: Sequence[Finding]) -> list[tuple[Array, float]]:
    """Join what neighbouring pieces saw of the same text; returns (polygon, score) in a fixed order.

    Two polygons are the same text when, inside the zone that both pieces saw, they mostly cover each other. Text cut
    by a piece's border is thereby joined with what the neighbour saw of it, and comes out whole.
    """
    shapes = [as_shape(finding.polygon) for finding in findings]
    parent = list(range(len(findings)))

    def root(index: int) -> int:
        while parent[index] != index:
            index = parent[index]
        return index

    for first, second in _neighbours(shapes):
        a, b = findings[first], findings[second]
        if a.seen_in != b.seen_in and _same_text(shapes[first], shapes[second], a.seen_in, b.seen_in):
            low, high = sorted((root(first), root(second)))
            parent[high] = low
    groups: dict[int, list[int]] = {}
    for index in range(len(findings)):
        groups.setdefault(root(index), []).append(index)
    merged = (_merge(members, shapes, findings) for members in groups.values())
    return [item for item in merged if item is not None]


def _merge(members: list[int], shapes: list[Polygon], findings: Sequence[Finding]) -> tuple[Array, float] | None:
    if len(members) == 1:
        finding = findings[members[0]]
        return finding.polygon, finding.score
    polygon = outline(enclose([shapes[index] for index in members]))
    return None if polygon is None else (polygon, max(findings[index].score for index in members))


def add_overview(found: Sequence[tuple[Array, float]], overview: Iterable[tuple[Array, float]]
                 ) -> list[tuple[Array, float]]:
    """Add what only the overview saw; fragments that lie inside such a polygon are dropped for it."""
    shapes = [as_shape(polygon) for polygon, _ in found]
    tree = shapely.STRtree(shapes)
    fragments: set[int] = set()
    news: list[tuple[Array, float]] = []
    for polygon, score in overview:
        shape = as_shape(polygon)
        near = [int(index) for index in tree.query(shape)]
        known = shapely.union_all([shapes[index] for index in near]).intersection(shape).area
        if shape.area > 0 and known < _KNOWN * shape.area:
            news.append((polygon, score))
            inside = (index for index in near if shapes[index].intersection(shape).area > _INSIDE * shapes[index].area)
            fragments.update(inside)
    return [item for index, item in enumerate(found) if index not in fragments] + news


def _neighbours(shapes: list[Polygon]) -> Iterable[tuple[int, int]]:
    """Pairs of shapes that touch, each pair once, in a fixed order."""
    if not shapes:
        return []
    left, right = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    return sorted((int(a), int(b)) for a, b in zip(left, right, strict=True) if a < b)


def _same_text(first: Polygon, second: Polygon, seen_first: Box, seen_second: Box) -> bool:
    zone = _shape(seen_first).intersection(_shape(seen_second))
    a, b = first.intersection(zone), second.intersection(zone)
    smaller = min(a.area, b.area)
    return bool(smaller > 0 and a.intersection(b).area >= _SAME * smaller)


def _shape(piece: Box) -> Polygon:
    return box(piece.x0, piece.y0, piece.x1, piece.y1)


def cut_piece(image: Array, piece: Box) -> Array:
    """Return the piece's pixels, contiguous; where it reaches past the page, the edge is continued."""
    height, width = image.shape[:2]
    part = image[piece.y0:min(piece.y1, height), piece.x0:min(piece.x1, width)]
    below, beside = piece.height - part.shape[0], piece.width - part.shape[1]
    if not below and not beside:
        return np.ascontiguousarray(part)
    return np.pad(part, ((0, below), (0, beside), (0, 0)), mode="edge")
