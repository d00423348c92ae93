"""Where to cut a page: the pieces that have the most to teach, text over drawings, pictures and colour."""

from __future__ import annotations

import random

import cv2
import numpy as np

from pipeline.pairs import Pair
from pipeline.types import Array

PIECE_SIDE_PX = 512
_CELL_PX = 16  # pieces are compared on a map this coarse
_STEP_PX = 128


def choose_pieces(pair: Pair, count: int, state: random.Random) -> list[tuple[int, int]]:
    """Corners (x, y) of up to ``count`` 512-px pieces of a page that overlap by a third at most.

    Text counts most, then drawings, pictures and colour behind it; chance decides between equals.
    """
    height, width = pair.text.shape[:2]
    if min(height, width) < PIECE_SIDE_PX:
        return []
    worth = _piece_worth(pair)
    corners = [(x, y) for y in _steps(height, state) for x in _steps(width, state)]
    ranked = sorted(
        ((worth[y // _CELL_PX, x // _CELL_PX] * (0.75 + 0.5 * state.random()), x, y) for x, y in corners), reverse=True
    )
    chosen: list[tuple[int, int]] = []
    for value, x, y in ranked:
        near = any(max(abs(x - a), abs(y - b)) < 0.7 * PIECE_SIDE_PX for a, b in chosen)
        if len(chosen) < count and not near and value > max(0.02, 0.3 * ranked[0][0]):
            chosen.append((x, y))
    return chosen


def _steps(length: int, state: random.Random) -> list[int]:
    """Where pieces may start along one side of a page."""
    last = length - PIECE_SIDE_PX
    first = state.randint(0, min(last, _STEP_PX - 1))
    return sorted({*range(first, last + 1, _STEP_PX), last})


def _piece_worth(pair: Pair) -> Array:
    """For each cell of 16 px, how good a piece starting there would be, float 0 to about 1."""
    channels = cv2.split(pair.blank)
    grey = cv2.cvtColor(pair.blank, cv2.COLOR_RGB2GRAY)
    edges = np.abs(cv2.Laplacian(grey, cv2.CV_16S)) > 12
    darkest, brightest = cv2.min(*channels[:2]), cv2.max(*channels[:2])
    darkest, brightest = cv2.min(darkest, channels[2]), cv2.max(brightest, channels[2])
    vivid, paper = brightest - darkest > 24, darkest < 247
    full = {"ink": (pair.changed, 0.04), "edges": (edges, 0.04), "vivid": (vivid, 0.3), "paper": (paper, 0.5)}
    share = {name: np.minimum(_window_mean(found) / enough, 1) for name, (found, enough) in full.items()}
    scene = 0.5 * share["edges"] + 0.3 * share["vivid"] + 0.2 * share["paper"]
    return share["ink"] * (0.3 + 0.7 * scene) + 0.03 * scene


def _window_mean(found: Array) -> Array:
    """Share of ``found``, (H, W) bool, in the piece that starts at each cell; pieces past the edge see it repeated."""
    cells = cv2.resize(found.astype(np.float32), None, fx=1 / _CELL_PX, fy=1 / _CELL_PX, interpolation=cv2.INTER_AREA)
    side = PIECE_SIDE_PX // _CELL_PX
    return np.asarray(cv2.boxFilter(cells, -1, (side, side), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE))
