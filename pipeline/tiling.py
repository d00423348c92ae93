"""Where tiles go, and cutting them: few square tiles, only where there is text to remove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.types import Array, Box, Tile

TILE_SIDE = 512
# What a remover sees around the ink it replaces, and the width of the feather where tiles overlap.
TILE_MARGIN = 48


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
