"""Arithmetic on polygons and boxes: clip, measure overlap, merge, put in reading order.

Frame: (x, y) pixels, origin top left. A polygon is (N >= 3, 2) float32, not closed; it need not be simple or of any
orientation. Areas are in square pixels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import shapely
from shapely.geometry import Polygon, box

from pipeline.types import Array, Box, TextRegion

# A hull this much larger than what it encloses is no longer one piece of text but a bent or branched one
_HULL_SLACK = 1.3
_DECIMALS = 6


def clip_polygon(polygon: Array, width: int, height: int) -> Array | None:
    """Return the part of a polygon inside the page [0, width] x [0, height], or None when nothing is left.

    ``polygon`` (N, 2), any number type. Of several parts the largest is returned. The result is (M, 2) float32.
    """
    points = np.asarray(polygon, np.float32)
    low, high = points.min(axis=0), points.max(axis=0)
    if (low >= 0).all() and high[0] <= width and high[1] <= height and as_shape(points).area > 0:
        return points
    return outline(as_shape(points).intersection(box(0, 0, width, height)))


def polygon_box(polygon: Array, width: int, height: int) -> Box | None:
    """Return the smallest Box of whole pixels of the page that holds a polygon, or None when it lies outside."""
    (x0, y0), (x1, y1) = polygon.min(axis=0), polygon.max(axis=0)
    left, top = max(0, math.floor(x0)), max(0, math.floor(y0))
    right, bottom = min(width, math.ceil(x1)), min(height, math.ceil(y1))
    return Box(left, top, right, bottom) if left < right and top < bottom else None


def as_shape(polygon: Array) -> Polygon:
    """Return a polygon as a valid shapely shape; one that crosses itself becomes its convex hull.

    Corners are rounded to some millionths of a pixel: those 1e-30 px apart make GEOS lose a part of an overlap.
    """
    shape = Polygon(np.round(np.asarray(polygon, np.float64), _DECIMALS))
    return shape if shape.is_valid else shape.convex_hull


def outline(shape: shapely.Geometry) -> Array | None:
    """Return the outer ring of a shape's largest polygon, (N, 2) float32, or None when it has no area."""
    parts = [part for part in shapely.get_parts(shape) if part.geom_type == "Polygon" and part.area > 0]
    if not parts:
        return None
    ring = max(parts, key=lambda part: (part.area, part.bounds)).exterior
    return np.asarray(ring.coords, np.float32)[:-1]


def intersection_over_union(first: Array, second: Array) -> float:
    """Return |A and B| / |A or B| of two polygons, in [0, 1]; 0 when both are without area."""
    a, b = as_shape(first), as_shape(second)
    union = a.union(b).area
    return float(a.intersection(b).area / union) if union > 0 else 0.0


def containment(inner: Array, outer: Array) -> float:
    """Return the share of ``inner``'s area that lies inside ``outer``, in [0, 1]; 0 when ``inner`` has no area."""
    shape = as_shape(inner)
    return float(shape.intersection(as_shape(outer)).area / shape.area) if shape.area > 0 else 0.0


def enclose(shapes: Sequence[shapely.Geometry]) -> shapely.Geometry:
    """Return one shape that covers all of ``shapes``: their hull where that is snug or needed, else their union."""
    union = shapely.union_all(shapes)
    hull = union.convex_hull
    return union if union.geom_type == "Polygon" and hull.area > _HULL_SLACK * union.area else hull


def reading_order(regions: Sequence[TextRegion]) -> tuple[TextRegion, ...]:
    """Return the regions line by line from the top, each line from the left; the same for any order given.

    A region is on a line when its centre and that of the line's first region are each within the other's height.
    """
    lines: list[list[TextRegion]] = []
    first_centre, first_half = 0.0, 0.0
    for region in sorted(regions, key=_from_the_top):
        centre, half = _vertical_extent(region)
        if not lines or centre - first_centre > min(half, first_half):
            lines.append([])
            first_centre, first_half = centre, half
        lines[-1].append(region)
    return tuple(region for line in lines for region in sorted(line, key=_from_the_left))


def _from_the_top(region: TextRegion) -> tuple[float, float, float, bytes]:
    return (_vertical_extent(region)[0], float(region.polygon[:, 0].min()), -region.score, region.polygon.tobytes())


def _from_the_left(region: TextRegion) -> tuple[float, float, float, bytes]:
    return (float(region.polygon[:, 0].min()), _vertical_extent(region)[0], -region.score, region.polygon.tobytes())


def _vertical_extent(region: TextRegion) -> tuple[float, float]:
    """The centre's y, and half the height."""
    top, bottom = float(region.polygon[:, 1].min()), float(region.polygon[:, 1].max())
    return (top + bottom) / 2, (bottom - top) / 2
