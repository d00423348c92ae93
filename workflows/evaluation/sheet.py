"""A contact sheet: the best, the median and the worst page of an evaluation, with what differs from the truth."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.types import Array

CELL_WIDTH, CELL_HEIGHT, GAP, CAPTION = 460, 620, 12, 26  # px
GAIN = 4  # how much differences are exaggerated: 64 levels are the darkest
TITLES = ("page", "output", "truth", f"output - truth, x {GAIN}")


@dataclass(frozen=True, slots=True, eq=False)
class SheetRow:
    """One row: ``caption``, and the page, the output and the truth, (H, W, 3) uint8 RGB of one size."""

    caption: str
    before: Array
    output: Array
    truth: Array


def pick_rows(values: Sequence[float]) -> dict[str, int]:
    """Indices of the best, the median and the worst of ``values`` (higher is better), each page once."""
    order = np.argsort(values, kind="stable")[::-1]
    places = {"best": 0, "worst": len(order) - 1, "median": len(order) // 2}  # of two pages, none is the median
    picked: dict[str, int] = {}
    for name, place in places.items():
        index = int(order[place])
        if index not in picked.values():
            picked[name] = index
    return {name: picked[name] for name in ("best", "median", "worst") if name in picked}


def difference_map(output: Array, truth: Array) -> Array:
    """Where an output differs: white is equal, then yellow, red and black from 64 levels on; (H, W, 3) uint8 RGB.

    It is of the largest difference of the three channels.
    """
    difference = np.abs(output.astype(np.int16) - truth).max(axis=2)
    heat = cv2.applyColorMap(np.clip(255 - GAIN * difference, 0, 255).astype(np.uint8), cv2.COLORMAP_HOT)
    return np.ascontiguousarray(heat[..., ::-1])


def draw_sheet(rows: Sequence[SheetRow]) -> bytes:
    """The sheet as a PNG; the same rows make the same bytes."""
    width = GAP + len(TITLES) * (CELL_WIDTH + GAP)
    heights = [_cell_height(row) for row in rows]
    canvas = Image.new("RGB", (width, CAPTION + sum(heights) + len(rows) * (CAPTION + GAP) + GAP), (236, 236, 232))
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=16)
    for column, title in enumerate(TITLES):
        pen.text((GAP + column * (CELL_WIDTH + GAP), 4), title, fill=(90, 90, 90), font=font)
    top = CAPTION
    for row, height in zip(rows, heights, strict=True):
        pen.text((GAP, top + 4), row.caption, fill=(0, 0, 0), font=font)
        top += CAPTION
        pictures = (row.before, row.output, row.truth, difference_map(row.output, row.truth))
        for column, picture in enumerate(pictures):
            canvas.paste(_shrunk(picture), (GAP + column * (CELL_WIDTH + GAP), top))
        top += height + GAP
    buffer = io.BytesIO()
    canvas.save(buffer, "PNG", optimize=False)
    return buffer.getvalue()


def _scale(picture: Array) -> float:
    return min(CELL_WIDTH / picture.shape[1], CELL_HEIGHT / picture.shape[0])


def _cell_height(row: SheetRow) -> int:
    return max(1, round(row.before.shape[0] * _scale(row.before)))


def _shrunk(picture: Array) -> Image.Image:
    scale = _scale(picture)
    size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
    way = cv2.INTER_AREA if scale < 1 else cv2.INTER_NEAREST
    return Image.fromarray(cv2.resize(picture, size, interpolation=way))
