"""Where tiles go, and cutting them: few square tiles, only where there is text to remove."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.types import Array, Box, Tile

TILE_SIDE = 512
# What a remover sees around the ink it replaces, and the width of the feather where tiles overlap.
TILE_MARGIN = 48
_CELL = 32  # px: blocks are planned on a grid of cells this large


@dataclass(frozen=True, slots=True, eq=False)
class PageMaps:
    """What tiles are cut from beside the image, all (H, W): see ``pipeline.types.Tile``.

    ``text`` bool, the pixels to replace; ``polygon`` bool and ``soft`` float32 [0, 1] or None, the regions they
    lie in; ``structure`` (H, W, 3) float32 [0, 1] or None.
    """

    text: Array
    polygon: Array
    soft: Array | None = None
    structure: Array | None = None


def plan_tiles(text_mask: Array, side: int = TILE_SIDE, margin: int = TILE_MARGIN) -> tuple[Box, ...]:
    """Place square tiles so that every set pixel lies in the core of at least one of them.

    ``text_mask`` (H, W) bool. A tile's core is the tile less ``margin`` pixels on each side that is not the page's
    own edge, so that a remover sees the surroundings of all that it replaces. Where a page is smaller than a tile,
    the tile reaches past the page's right or lower edge; nowhere else. Returns boxes in reading order, none for an
    empty mask. Shelves are swept in rows and in columns, and the sweep that needs fewer tiles wins.
    """
    if not 0 <= 2 * margin < side:
        raise ValueError(f"margin {margin} leaves no core in a tile of side {side}")
    by_rows = _sweep(text_mask, side, margin)
    by_columns = [Box(b.y0, b.x0, b.y1, b.x1) for b in _sweep(text_mask.T, side, margin)]
    best = by_columns if len(by_columns) < len(by_rows) else by_rows
    return tuple(sorted(best, key=lambda box: (box.y0, box.x0)))


def _sweep(mask: Array, side: int, margin: int) -> list[Box]:
    """Greedy shelves: from the first uncovered row down, and in each shelf from the first uncovered column on."""
    height, width = mask.shape
    rows = np.flatnonzero(mask.any(axis=1))
    boxes: list[Box] = []
    while rows.size:
        top = int(rows[0])
        bottom = _core_end(top, height, side, margin)
        shelf = mask[top:bottom]
        columns = np.flatnonzero(shelf.any(axis=0))
        while columns.size:
            left = int(columns[0])
            right = _core_end(left, width, side, margin)
            inside = columns[columns < right]
            filled = np.flatnonzero(shelf[:, left:right].any(axis=1))
            y0 = _centre(top + int(filled[0]), top + int(filled[-1]) + 1, height, side)
            x0 = _centre(left, int(inside[-1]) + 1, width, side)
            boxes.append(Box(x0, y0, x0 + side, y0 + side))
            columns = columns[columns >= right]
        rows = rows[rows >= bottom]
    return boxes


def _core_end(start: int, length: int, side: int, margin: int) -> int:
    """One past the last pixel that the core of a tile whose core holds ``start`` can reach along an axis."""
    origin = min(max(start - margin, 0), max(length - side, 0))
    end = origin + side
    return length if end >= length else end - margin


def _centre(start: int, end: int, length: int, side: int) -> int:
    """The origin that centres [start, end) in a tile without leaving the page; keeps the margin _core_end left."""
    return int(min(max((start + end - side) // 2, 0), max(length - side, 0)))


def plan_blocks(boxes: Sequence[Box], width: int, height: int, rim: int, most: int) -> tuple[Box, ...]:
    """Disjoint rectangles that cover the part of a page under ``boxes``, each at most ``most`` px a side.

    For work that costs by area and needs ``rim`` px around what it is asked for: a rectangle is divided where the
    parts with their rims are smaller than the whole with its own. ``width`` and ``height`` are the page's. What the
    rectangles hold beside the boxes comes from rounding to cells of 32 px and from corners not worth a cut.
    """
    cells = np.zeros((-(-height // _CELL), -(-width // _CELL)), bool)
    for box in boxes:
        cells[max(box.y0, 0) // _CELL : -(-box.y1 // _CELL), max(box.x0, 0) // _CELL : -(-box.x1 // _CELL)] = True
    found = _divide(cells, (0, 0), rim / _CELL, most // _CELL)
    return tuple(
        Box(x0 * _CELL, y0 * _CELL, min(x1 * _CELL, width), min(y1 * _CELL, height)) for y0, x0, y1, x1 in found
    )


def _divide(cells: Array, origin: tuple[int, int], rim: float, most: int) -> list[tuple[int, int, int, int]]:
    """Rectangles (y0, x0, y1, x1), in cells, around the set cells: divided at the best line while that pays."""
    bounds = _bounds(cells)
    if bounds is None:
        return []
    y0, x0, y1, x1 = bounds
    cells = cells[y0:y1, x0:x1]
    origin = (origin[0] + y0, origin[1] + x0)
    small = max(cells.shape) <= most
    best, parts = _rimmed_area(cells, rim) if small else math.inf, None
    for axis in (0, 1):
        for cut in range(1, cells.shape[axis]):
            first, second = np.split(cells, [cut], axis=axis)
            uneven = abs(2 * cut - cells.shape[axis])  # decides between cuts that cost the same
            cost = _rimmed_area(first, rim) + _rimmed_area(second, rim) + 1e-6 * uneven
            if cost < best:
                best, parts = cost, ((first, origin), (second, (origin[0] + cut * (axis == 0), origin[1] + cut * axis)))
    if parts is None:
        return [(*origin, origin[0] + cells.shape[0], origin[1] + cells.shape[1])]
    return [box for part, corner in parts for box in _divide(part, corner, rim, most)]


def _bounds(cells: Array) -> tuple[int, int, int, int] | None:
    rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    return (int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1) if rows.size else None


def _rimmed_area(cells: Array, rim: float) -> float:
    bounds = _bounds(cells)
    return 0.0 if bounds is None else (bounds[2] - bounds[0] + 2 * rim) * (bounds[3] - bounds[1] + 2 * rim)


def cut_tiles(image: Array, maps: PageMaps, boxes: Sequence[Box]) -> tuple[Tile, ...]:
    """Cut tiles out of a page; what lies past the page's edge is reflected, and never masked.

    ``image`` (H, W, 3) uint8 RGB. Returns copies, in the boxes' order.
    """
    return tuple(
        Tile(
            box=box,
            image=_crop(image, box, "reflect"),
            text_mask=_crop(maps.text, box, "constant"),
            polygon_mask=_crop(maps.polygon, box, "constant"),
            soft_mask=None if maps.soft is None else _crop(maps.soft, box, "constant"),
            structure=None if maps.structure is None else _crop(maps.structure, box, "reflect"),
        )
        for box in boxes
    )


def _crop(array: Array, box: Box, mode: str) -> Array:
    """A copy of ``array`` under ``box``, padded where the box reaches past the lower or right edge."""
    height, width = array.shape[:2]
    part = array[box.y0 : min(box.y1, height), box.x0 : min(box.x1, width)]
    missing = (box.height - part.shape[0], box.width - part.shape[1])
    if missing == (0, 0):
        return part.copy()
    padding = [(0, missing[0]), (0, missing[1])] + [(0, 0)] * (array.ndim - 2)
    if mode == "constant":
        return np.pad(part, padding)
    # numpy's "reflect" wants at least two rows and columns; "symmetric" works from one on
    return np.pad(part, padding, mode="symmetric")
