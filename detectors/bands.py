"""Looking at a large page piece by piece: where the pieces lie, and how what they show becomes one set of regions.

A detection network shrinks a page to what its memory holds, and small text is lost. Seen in overlapping pieces, a
page of any size needs the memory of one piece.
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
# The networks halve the image five times
STRIDE = 32
# The same text, when this share of the smaller polygon's part in the zone both pieces saw is in the other polygon
_SAME = 0.5
# What a look from farther away found is news, when a part this thick of it, in its own thickness, is not covered
_UNKNOWN = 0.3
# and then it replaces the polygons of which it holds this share
_INSIDE = 0.9
# What holds so many polygons that are at most so high, as a share of its own height, is no line of text
_LABELS, _LOWER = 3, 0.5

Found = tuple[Array, float]


@dataclass(frozen=True, slots=True, eq=False)
class Finding:
    """A polygon, (N, 2) float32 in the pixels of the look, its score in [0, 1], and the piece it was seen in."""

    polygon: Array
    score: float
    seen_in: Box


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


def join_looks(closer: Sequence[Found], farther: Iterable[Found]) -> list[Found]:
    """Return what a closer look found, and what only the look from farther away did.

    Of text too large for the closer look, that look sees fragments: they are dropped for the whole.
    """
    shapes = [as_shape(polygon) for polygon, _ in closer]
    tree = shapely.STRtree(shapes)
    fragments: set[int] = set()
    news: list[Found] = []
    for polygon, score in farther:
        shape = as_shape(polygon)
        near = [int(index) for index in tree.query(shape)]
        if _is_news(shape, [shapes[index] for index in near]):
            news.append((polygon, score))
            inside = (index for index in near if shapes[index].intersection(shape).area > _INSIDE * shapes[index].area)
            fragments.update(inside)
    return [item for index, item in enumerate(closer) if index not in fragments] + news


def drop_enclosing(found: Sequence[Found]) -> list[Found]:
    """Return what is found less the polygons that hold several much lower ones: charts and frames, no lines of text.

    The network's map of a chart's curves is one connected shape, and its outline a polygon around all the labels.
    """
    shapes = [as_shape(polygon) for polygon, _ in found]
    thickness = [_thickness(shape) for shape in shapes]
    tree = shapely.STRtree(shapes)
    kept = []
    for index, (item, shape) in enumerate(zip(found, shapes, strict=True)):
        lower = [int(i) for i in tree.query(shape) if thickness[i] <= _LOWER * thickness[index]]
        inside = sum(shapes[i].intersection(shape).area > _INSIDE * shapes[i].area for i in lower)
        if inside < _LABELS:
            kept.append(item)
    return kept


def _thickness(shape: Polygon) -> float:
    """Of a long thin shape, its thickness; of a square, half its side."""
    return float(2 * shape.area / shape.length) if shape.length else 0.0


def _is_news(shape: Polygon, known: list[Polygon]) -> bool:
    """Whether more than a margin of a shape is not covered: a glance from afar draws wider margins around text."""
    if not shape.area:
        return False
    return not shape.difference(shapely.union_all(known)).buffer(-_UNKNOWN / 2 * _thickness(shape)).is_empty
