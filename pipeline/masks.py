"""Polygons to masks: the hard mask and CTRNet's soft mask (Liu et al., ECCV 2022; border maps as in DBNet).

Frame as everywhere: (x, y) pixels of the page, origin top left. Coordinates are truncated to whole pixels before
anything is drawn, as the published data set code does. Polygons may reach past the page.
"""

from __future__ import annotations

from collections.abc import Iterable

import cv2
import numpy as np
import pyclipper
from numpy.typing import ArrayLike

from pipeline.types import Array

SHRINK = 1 - 0.95**2  # step 1 of the soft mask: how far the outline moves inwards, as a share of area / perimeter
REACH = 1 - 0.4**2  # step 2: how far the rim reaches around the shrunk outline, same unit
SUBPIXEL_BITS = 8
LIMIT = 1 << 20  # coordinates beyond this many pixels are pulled in: far outside any page, yet safe for cv2


def polygon_mask(polygons: Iterable[ArrayLike], height: int, width: int) -> Array:
    """Fill polygons, boundary included.

    ``polygons`` are (N, 2) (x, y) in pixels, int or float, not closed; parts off the page are cut away.
    Returns (height, width) bool; no polygons give an empty mask.
    """
    canvas = np.zeros((height, width), bool)
    for polygon in polygons:
        _fill(canvas, whole_pixels(polygon))
    return canvas


def soft_mask(polygons: Iterable[ArrayLike], height: int, width: int) -> Array:
    """CTRNet's soft mask: 1 inside every polygon, with a rim that decays outwards to 0.

    ``polygons`` as for ``polygon_mask``. Returns (height, width) float32 in [0, 1]; no polygons give zeros.
    A polygon too thin to be shrunk keeps its own outline; one without any area is only drawn.
    """
    rim = np.zeros((height, width), np.float32)
    filled = np.zeros((height, width), bool)
    for polygon in polygons:
        points = whole_pixels(polygon)
        _fill(filled, points)
        _raise_rim(rim, points)
    rim[filled] = 1
    return rim


def _fill(canvas: Array, points: Array) -> None:
    """Set ``canvas`` (H, W) bool in place inside a polygon and on its outline.

    Where an edge passes exactly between two pixels, OpenCV 4.10 fills both and later versions the left one only.
    Moved a hair to the left, the polygon is filled alike by all of them.
    """
    window = _clip_window(points, canvas.shape)
    if window is None:
        return
    part = canvas[window]
    moved = (points - (window[1].start, window[0].start)) * (1 << SUBPIXEL_BITS) - np.array([1, 0])
    drawn = np.zeros(part.shape, np.uint8)
    cv2.fillPoly(drawn, [moved.astype(np.int32)], 1, cv2.LINE_8, SUBPIXEL_BITS)
    part |= drawn.view(bool)


def _clip_window(points: Array, shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    """(rows, columns) of the part of the page that ``points`` span, last pixel included; None when off the page."""
    x0, y0 = np.maximum(points.min(axis=0), 0)
    x1, y1 = np.minimum(points.max(axis=0) + 1, (shape[1], shape[0]))
    return (slice(int(y0), int(y1)), slice(int(x0), int(x1))) if x0 < x1 and y0 < y1 else None


def whole_pixels(polygon: ArrayLike) -> Array:
    """(N, 2) vertices as int32, truncated towards zero; coordinates far outside any page are pulled in."""
    points = np.asarray(polygon, np.float64).reshape(-1, 2)
    return np.clip(points, -LIMIT, LIMIT).astype(np.int32)


def _raise_rim(rim: Array, points: Array) -> None:
    """Raise ``rim`` (H, W) float32 in place to the border map of one polygon (steps 1 to 3 of the soft mask)."""
    outline = _shrink(points)
    area, length = _measure(outline)
    reach = area * REACH / length if length else 0.0
    around = _offset(outline, reach) if reach > 0 else None
    if around is None:
        return
    window = _clip_window(around, rim.shape)
    if window is None:
        return
    rows, columns = window
    distance = _distance_to_outline(outline, np.arange(columns.start, columns.stop), np.arange(rows.start, rows.stop))
    np.maximum(rim[window], 1 - np.clip(distance / reach, 0, 1), out=rim[window], casting="same_kind")


def _shrink(points: Array) -> Array:
    area, length = _measure(points)
    shrunk = _offset(points, -area * SHRINK / length) if area else None
    return points if shrunk is None else shrunk


def _measure(points: Array) -> tuple[float, float]:
    """(area, perimeter) of a polygon; the area as shapely and the shoelace formula have it."""
    corners = points.astype(np.float64)
    ahead = np.roll(corners, -1, axis=0)
    area = abs(float(np.sum(corners[:, 0] * ahead[:, 1] - ahead[:, 0] * corners[:, 1]))) / 2
    return area, float(np.hypot(*(ahead - corners).T).sum())


def _offset(points: Array, distance: float) -> Array | None:
    """Move an outline outwards by ``distance`` px (inwards when negative), round joins; None when nothing is left."""
    clipper = pyclipper.PyclipperOffset()
    clipper.AddPath(points.tolist(), pyclipper.JT_ROUND, pyclipper.ET_CLOSEDPOLYGON)
    paths = clipper.Execute(distance)
    return np.array(paths[0], np.int64) if paths else None


def _distance_to_outline(outline: Array, columns: Array, rows: Array) -> Array:
    """(rows, columns) float64: DBNet's distance from each pixel to the nearest edge of ``outline``.

    Perpendicular to the edge where the pixel sees it under 90 degrees or more, otherwise to the nearer end point:
    not the distance to the segment, but what the published masks were made with.
    """
    dx = columns[None, :] - outline[:, 0, None].astype(np.float64)
    dy = rows[None, :] - outline[:, 1, None].astype(np.float64)
    nearest = np.full((len(rows), len(columns)), np.inf)
    for start in range(len(outline)):
        end = (start + 1) % len(outline)
        edge = (outline[end] - outline[start]).astype(np.float64)
        edge_square = float(edge @ edge)
        if not edge_square:
            continue
        to_start = dx[start] ** 2 + (dy[start] ** 2)[:, None]
        to_end = dx[end] ** 2 + (dy[end] ** 2)[:, None]
        across = np.abs(edge[0] * dy[start][:, None] - edge[1] * dx[start]) / edge_square**0.5
        seen_wide = to_start + to_end <= edge_square
        np.minimum(nearest, np.where(seen_wide, across, np.sqrt(np.minimum(to_start, to_end))), out=nearest)
    return nearest


def grow(mask: Array, by: int) -> Array:
    """A mask (H, W) bool and all within ``by`` pixels of it, along rows, columns and both, (H, W) bool."""
    side = 2 * by + 1
    return cv2.dilate(mask.astype(np.uint8, copy=False), np.ones((side, side), np.uint8)).astype(bool)
