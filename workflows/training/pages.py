"""What happens to whole pages: somebody writes on them, and a scanner takes them. For benchmarks made from PDFs.

Images are (H, W, 3) float32 RGB of 0 to 255.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.types import Array
from workflows.training.degrade import degrade
from workflows.training.ink import lay_ink
from workflows.training.material import Typeface, draw_line
from workflows.training.pens import pen_colour, pen_mark, roughen
from workflows.training.synthesis import lean_line

FEWEST, MOST = 8, 22  # pieces of handwriting on a page
LINES = 0.65  # of them, where there are fonts; the rest are ticks, circles, underlines ...
PENS = 2  # people write with one or two on a page
TRIES, FREE = 12, 0.6  # places looked at for a piece, and how often the freest is taken
LINE_HEIGHT, MARK_SIDE = (0.14, 0.42), (0.1, 0.9)  # inches
COVERED = 0.02  # coverage from which a pixel belongs to a piece
SKEW_DEGREES, LARGEST_SHIFT_PX = 0.6, 4.0


@dataclass(frozen=True, slots=True, eq=False)
class Written:
    """A piece of handwriting: ``polygon`` (4, 2) float64 around its ink, and what it says ("" for a mark)."""

    polygon: Array
    text: str


def write_on(
    image: Array, faces: Sequence[Typeface], dpi: int, rng: np.random.Generator
) -> tuple[Array, list[Written]]:
    """The page after somebody took a pen to it, and what was written. Half of it avoids what is printed, as people do.

    ``faces`` are fonts that look handwritten; without any there are pen marks only.
    """
    written = image.copy()
    busy = (image.min(axis=2) < 160).astype(np.float32)
    state = random.Random(int(rng.integers(2**32)))
    pens = [pen_colour(rng) for _ in range(PENS)]
    pieces = []
    for _ in range(int(rng.integers(FEWEST, MOST + 1))):
        colour, grainy = pens[int(rng.integers(PENS))]
        coverage, text = _piece(faces, dpi, state, rng)
        coverage = roughen(coverage, grainy, rng).astype(np.float32)
        x, y = _place(busy, coverage.shape, rng)
        lay_ink(written, coverage * np.float32(rng.uniform(0.75, 1)), (x, y), colour)
        ends = _bounds(coverage > COVERED, x, y, image.shape)
        if ends is not None:
            x0, y0, x1, y1 = ends
            busy[y0:y1, x0:x1] = 1
            pieces.append(Written(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float64), text))
    return written, pieces


def scan(
    images: Sequence[Array], polygons: Sequence[Array], rng: np.random.Generator
) -> tuple[list[Array], list[Array], list[Array]]:
    """The images, alike, as a scanner gives them: askew, on paper, with noise and compression.

    Returns them as (H, W, 3) uint8, as (H, W, 3) float32 before noise and compression, and the polygons moved along.
    """
    height, width = images[0].shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), rng.normal(0, SKEW_DEGREES), rng.uniform(0.985, 1.0))
    matrix[:, 2] += rng.uniform(-LARGEST_SHIFT_PX, LARGEST_SHIFT_PX, 2)
    way = {"flags": cv2.INTER_LINEAR, "borderMode": cv2.BORDER_REPLICATE}
    turned = [cv2.warpAffine(image, matrix, (width, height), **way) for image in images]
    moved = [np.asarray(polygon, np.float64) @ matrix[:, :2].T + matrix[:, 2] for polygon in polygons]
    scanned, quiet = degrade(turned, rng, clean=0.0, turns=False)
    return scanned, quiet, moved


def _piece(faces: Sequence[Typeface], dpi: int, state: random.Random, rng: np.random.Generator) -> tuple[Array, str]:
    """Ink coverage, (h, w) float32 in [0, 1], and what it says."""
    for _ in range(TRIES if faces and rng.random() < LINES else 0):
        line = draw_line(state.choice(list(faces)), state)
        if line is None:
            continue
        ink, text = line
        height = max(8, round(dpi * rng.uniform(*LINE_HEIGHT)))
        width = max(4, round(ink.shape[1] * height / ink.shape[0]))
        scaled = cv2.resize(ink, (width, height), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
        return np.ascontiguousarray(lean_line(scaled, rng)), text
    low, high = np.log(MARK_SIDE)
    return pen_mark(max(8, round(dpi * float(np.exp(rng.uniform(low, high))) / 2)), rng), ""


def _place(busy: Array, shape: tuple[int, ...], rng: np.random.Generator) -> tuple[int, int]:
    """Where a piece's upper left corner goes: mostly to the freest of some places."""
    height, width = (max(1, total - size) for total, size in zip(busy.shape, shape, strict=True))
    places = [(int(rng.integers(width)), int(rng.integers(height))) for _ in range(TRIES)]
    if rng.random() > FREE:
        return places[0]
    return min(places, key=lambda at: float(busy[at[1] : at[1] + shape[0], at[0] : at[0] + shape[1]].mean()))


def _bounds(ink: Array, x: int, y: int, shape: tuple[int, ...]) -> tuple[int, int, int, int] | None:
    """(x0, y0, x1, y1) of ink on the page, half open, or None when none of it is."""
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if not rows.size:
        return None
    x0, y0 = max(x + int(columns[0]), 0), max(y + int(rows[0]), 0)
    x1, y1 = min(x + int(columns[-1]) + 1, shape[1]), min(y + int(rows[-1]) + 1, shape[0])
    return (x0, y0, x1, y1) if x0 < x1 and y0 < y1 else None
