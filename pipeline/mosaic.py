"""Parts of a page on one sheet, at sizes of their own, so that a detector looks at all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.types import Array, Box

GAP = 24  # px of continued border around every part: text is found badly at an edge
LEAST_WIDTH = 1024  # px of the sheet


@dataclass(frozen=True, slots=True, eq=False)
class Mosaic:
    """``image`` (H, W, 3) uint8 RGB; ``windows`` are the parts' places on the page.

    ``corners`` is where each one lies on the sheet, ``scales`` how much it was enlarged.
    """

    image: Array
    windows: tuple[Box, ...]
    corners: tuple[tuple[int, int], ...]
    scales: tuple[float, ...]

    def locate(self, polygon: Array) -> Array | None:
        """A polygon (N, 2) on the sheet in page coordinates, float32; None when its centre is on none of the parts."""
        x, y = polygon.mean(axis=0)
        for window, (left, top), scale in zip(self.windows, self.corners, self.scales, strict=True):
            if left <= x < left + window.width * scale and top <= y < top + window.height * scale:
                return ((polygon - (left, top)) / scale + (window.x0, window.y0)).astype(np.float32)
        return None


def lay_out(image: Array, windows: Sequence[Box], scales: Sequence[float]) -> Mosaic:
    """Put the windows of ``image`` (H, W, 3) uint8 on a sheet, row by row, each enlarged by its scale.

    The windows lie inside the image. Raises ValueError when there are none.
    """
    parts = [_enlarge(image[window.slices], scale) for window, scale in zip(windows, scales, strict=True)]
    if not parts:
        raise ValueError("a mosaic needs a window")
    width = max(LEAST_WIDTH, *(part.shape[1] + 2 * GAP for part in parts))
    corners, x, y, row = [], 0, 0, 0
    for part in parts:
        if x + part.shape[1] + 2 * GAP > width:
            x, y, row = 0, y + row, 0
        corners.append((x + GAP, y + GAP))
        x, row = x + part.shape[1] + 2 * GAP, max(row, part.shape[0] + 2 * GAP)
    sheet = np.empty((y + row, width, 3), np.uint8)
    sheet[...] = np.median(image[::16, ::16].reshape(-1, 3), axis=0)
    for part, (left, top) in zip(parts, corners, strict=True):
        framed = cv2.copyMakeBorder(part, GAP, GAP, GAP, GAP, cv2.BORDER_REPLICATE)
        sheet[top - GAP : top - GAP + framed.shape[0], left - GAP : left - GAP + framed.shape[1]] = framed
    return Mosaic(sheet, tuple(windows), tuple(corners), tuple(scales))


def join_windows(polygons: Sequence[Array], margin: int, shape: tuple[int, ...]) -> list[Box]:
    """Windows around polygons with a margin, clipped to a page of (H, W); those that overlap become one."""
    height, width = shape[:2]
    boxes: list[Box] = []
    for polygon in polygons:
        low, high = (
            np.floor(polygon.min(axis=0)).astype(int) - margin,
            np.ceil(polygon.max(axis=0)).astype(int) + margin,
        )
        x0, y0, x1, y1 = max(low[0], 0), max(low[1], 0), min(high[0] + 1, width), min(high[1] + 1, height)
        if x0 < x1 and y0 < y1:
            boxes.append(Box(int(x0), int(y0), int(x1), int(y1)))
    joined: list[Box] = []
    while boxes:
        box = boxes.pop()
        touching = [other for other in joined if _overlap(box, other)]
        if not touching:
            joined.append(box)
            continue
        joined = [other for other in joined if other not in touching]
        every = [box, *touching]
        boxes.append(
            Box(min(b.x0 for b in every), min(b.y0 for b in every), max(b.x1 for b in every), max(b.y1 for b in every))
        )
    return sorted(joined, key=lambda box: (box.y0, box.x0))


def _overlap(one: Box, other: Box) -> bool:
    return one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1


def _enlarge(part: Array, scale: float) -> Array:
    if scale == 1:
        return part
    size = max(1, round(part.shape[1] * scale)), max(1, round(part.shape[0] * scale))
    return cv2.resize(part, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC)
