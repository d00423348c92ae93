"""Polygons on a page, and how they lie to one another. All are (N, 2) in pixels."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from pipeline.types import Array, TextRegion

RIM = 4  # px by which a polygon is grown, to have all of its ink


def corners(x: int, y: int, width: int, height: int) -> Array:
    """A box as a polygon, (4, 2) float32."""
    return np.array([[x, y], [x + width, y], [x + width, y + height], [x, y + height]], np.float32)


def as_regions(polygons: Sequence[Array]) -> tuple[TextRegion, ...]:
    """Polygons (N, 2) as text regions."""
    return tuple(TextRegion(np.asarray(polygon, np.float32)) for polygon in polygons)


def covered(polygon: Array, others: Sequence[Array]) -> bool:
    """Whether the polygon's middle lies in one of the others, or theirs in it."""
    middle = polygon.mean(axis=0)
    for other in others:
        theirs = other.mean(axis=0)
        if cv2.pointPolygonTest(other, (float(middle[0]), float(middle[1])), False) >= 0:
            return True
        if cv2.pointPolygonTest(polygon, (float(theirs[0]), float(theirs[1])), False) >= 0:
            return True
    return False


def grown(polygon: Array) -> Array:
    """The polygon, a little larger on all sides."""
    middle = polygon.mean(axis=0)
    away = polygon - middle
    return (middle + away + np.sign(away) * RIM).astype(np.float32)
