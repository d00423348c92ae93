"""A plain fill where the paper around the strokes is flat, CTRNet where it is not.

On flat paper a median of what is known is as good as a network and some hundred times as fast; across rules, frames,
pictures and print it is not. In highlights the fill is better, too. How uneven the known pixels around a stroke are
decides for all of the stroke, so that there is no seam in it. A tile that is flat throughout never sees the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from pipeline.errors import SetupError
from pipeline.paper import from_nearest
from pipeline.threads import map_in_threads
from pipeline.types import Array, Box, RestoredTile, Tile
from remover.base import RemoverSettings
from remover.fill import fill_and_tell, has_greys
from remover.windows import Window, plan_windows

# Grey levels by which the known pixels of a square vary, after a blur that takes most of a scan's grain off. On the
# sample scans that is 1.0 to 1.6 on paper with its grain and 10 to 60 beside a rule or an edge; beside pale rules less.
# Of the strokes below 5, half to all of a page's, the fill's error is the grain's (1.7 to 2.5 grey levels; 2.8 on two
# pages of shading and photographs, where it begins to rise at 4), whatever it is on the others (up to 30). With 8 and
# 11, gaps are left in rules 2 px wide and 35 grey levels darker than the paper.
FLAT, UNEVEN = 5.5, 7.5
# px, the square: what is farther from a stroke than half of it, and the blur, does not run under it. 11 px, and levels
# from 4.5 on, show the network 1.35 times the area, for 0.02 dB on scans and 0.3 dB less on clean pages.
SPREAD_SIDE = 7
GRAIN_SIGMA = 1.0  # px, of the blur
LEAST_KNOWN = 0.1  # the share of a square that must be known to say anything
# The share of a light stroke's contrast that the network may leave. It was shown few of them: of white letters in a
# small black box it left 0.2 to 0.4, where the fill left none. Dark strokes are not asked: what comes out dark may be
# print behind a pen's stroke, and asking lost 2.6 dB there.
GHOST, GONE = 0.1, 0.15
LEAST_CONTRAST = 20  # grey levels by which a stroke is lighter than the fill, if it is to count as light
# Of what is so many px beside a stroke such a share is lighter by LEAST_CONTRAST where it is a pen's over bold print:
# 0.2 to 0.8 on two pages. Beside white letters that fill a black box 0.2 to 0.3 was seen, but the network leaves
# less of them.
BESIDE, PAPER_BESIDE = 3, 0.2
RIM = 1  # px next to the strokes that are left out: they carry some ink


class PrefilledRemover(Protocol):
    """A remover that takes fills of its tiles along with them, as CTRNet does.

    ``takes_any_size``: tiles may have any sides that are multiples of 32, and less costs less.
    """

    needs_structure: bool
    needs_soft_mask: bool

    @property
    def takes_any_size(self) -> bool:
        """Whether a tile's size may be any."""
        ...

    def remove(self, tiles: Sequence[Tile], prefills: Sequence[Array] | None = None) -> tuple[RestoredTile, ...]:
        """As ``Remover.remove``; ``prefills`` are what ``fill`` makes of the tiles."""
        ...


class AutoRemover:
    """Fills flat surroundings and asks CTRNet for all others."""

    name = "auto"
    tile_side = 512

    def __init__(self, settings: RemoverSettings, network: PrefilledRemover | None = None) -> None:
        """``network`` replaces the CTRNet of the settings. Raises SetupError for weights or a device that fail.

        With the shipped weights on a CPU the network is loaded when a tile first needs it: many pages never do.
        """
        self._settings = settings
        self._network = network
        if network is None and (settings.weights is not None or settings.device == "cuda"):
            self._network = _load_network(settings)
        elif network is None and not _SHIPPED.exists():
            raise SetupError("remover auto needs weights for CTRNet", "name some with --weights FILE, or use fill")
        self.needs_soft_mask = self._network is not None and self._network.needs_soft_mask
        self.needs_structure = self._network is not None and self._network.needs_structure

    def remove(self, tiles: Sequence[Tile]) -> tuple[RestoredTile, ...]:
        """See ``Remover.remove``. Raises MemoryError when a single tile does not fit."""
        threads = self._settings.threads
        filled_and_told = map_in_threads(lambda tile: fill_and_tell(tile.image, tile.text_mask), tiles, threads)
        fills = [filled for filled, _ in filled_and_told]
        shares = map_in_threads(lambda tile: measure_unevenness(tile.image, tile.text_mask), tiles, threads)
        for share, (filled, told) in zip(shares, filled_and_told, strict=True):
            leave_bands_to_the_fill(share, filled, told)
        chosen = [number for number, share in enumerate(shares) if share.any()]
        if chosen:
            network = self._load()
            windows = [
                (number, window)
                for number in chosen
                for window in _find_windows(shares[number], network.takes_any_size)
            ]
            windows.sort(key=lambda pair: (pair[1].box.height, pair[1].box.width))  # each size is prepared for once
            asked = [_cut(tiles[number], window.box) for number, window in windows]
            seen = [fills[number][window.box.slices].copy() for number, window in windows]
            predicted = network.remove(asked, seen)
            for (number, window), part, filled, restored in zip(windows, asked, seen, predicted, strict=True):
                share = shares[number][window.box.slices] * window.strokes
                share = share * believe(part.image, part.text_mask, filled, restored.image)
                mixed = _mix(part, filled, restored.image, share)
                np.copyto(fills[number][window.box.slices], mixed, where=window.strokes[..., None])
        return tuple(RestoredTile(tile.box, image) for tile, image in zip(tiles, fills, strict=True))

    def _load(self) -> PrefilledRemover:
        if self._network is None:
            self._network = _load_network(self._settings)
        return self._network


def measure_unevenness(image: Array, mask: Array) -> Array:
    """How uneven the surroundings of each stroke are at most: (H, W) float32, 0 = flat, 1 = not; 0 outside the mask.

    ``image`` is (H, W, 3) uint8 RGB, ``mask`` (H, W) bool; a stroke is a connected part of it. Where nothing near is
    known, what is nearest says.
    """
    known = cv2.erode((~mask).astype(np.uint8), np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8))
    if not known.any():
        return np.zeros(mask.shape, np.float32)
    seen = known.astype(np.float32)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    weight = cv2.GaussianBlur(seen, (0, 0), GRAIN_SIGMA)
    smooth = cv2.GaussianBlur(grey * seen, (0, 0), GRAIN_SIGMA) / np.maximum(weight, _LITTLE)
    side = (SPREAD_SIDE, SPREAD_SIDE)
    share = cv2.blur(seen, side)
    enough = np.maximum(share, _LITTLE)
    mean = cv2.blur(smooth * seen, side) / enough
    square = cv2.blur(smooth * smooth * seen, side) / enough
    spread = from_nearest(np.sqrt(np.maximum(square - mean * mean, 0)), (share >= LEAST_KNOWN).astype(np.uint8))
    count, strokes = cv2.connectedComponents(mask.astype(np.uint8))
    most = np.zeros(count, np.float32)
    np.maximum.at(most, strokes[mask], np.clip((spread[mask] - FLAT) / (UNEVEN - FLAT), 0, 1))
    return most[strokes]


def leave_bands_to_the_fill(share: Array, filled: Array, told: Array) -> None:
    """Take the network's ``share``, (H, W) float32, of what highlights tell, but along their edges. In place.

    ``filled`` (H, W, 3) uint8 RGB is what the fill makes of the tile, ``told`` (H, W) bool where a highlight's colour
    along the row says so. The network was shown few vivid colours: on them it leaves letters that can be read.
    """
    if not told.any():
        return
    smooth = cv2.GaussianBlur(cv2.cvtColor(filled, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), GRAIN_SIGMA)
    side = (SPREAD_SIDE, SPREAD_SIDE)
    mean = cv2.blur(smooth, side)
    spread = np.sqrt(np.maximum(cv2.blur(smooth * smooth, side) - mean * mean, 0))
    share[told] *= np.clip((spread[told] - FLAT) / (UNEVEN - FLAT), 0, 1)


def believe(image: Array, mask: Array, filled: Array, predicted: Array) -> Array:
    """How far a prediction is to be believed, stroke by stroke: (H, W) float32 in [0, 1], 1 outside the mask.

    ``filled`` and ``predicted``, (H, W, 3) uint8 RGB, say what is behind the strokes of ``image`` under ``mask`` (H, W)
    bool. Where the prediction has kept some of a light stroke, it lies between the fill and the ink. What is lighter
    yet, beside a stroke as well, is the paper: a pen crosses bold print.
    """
    count, strokes = cv2.connectedComponents(mask.astype(np.uint8))
    pixels = np.maximum(np.bincount(strokes[mask], minlength=count), 1)
    ink, fills, kept = (
        np.bincount(strokes[mask], cv2.cvtColor(seen, cv2.COLOR_RGB2GRAY)[mask], count) / pixels
        for seen in (image, filled, predicted)
    )
    contrast = ink - fills
    ghost = np.where(contrast > LEAST_CONTRAST, (kept - fills) / np.maximum(contrast, 1), 0)
    believed = np.clip((GONE - ghost) / (GONE - GHOST), 0, 1).astype(np.float32)
    believed[(kept >= ink) & (_share_lighter(image, mask, strokes, ink + LEAST_CONTRAST) > PAPER_BESIDE)] = 1
    believed[0] = 1
    return believed[strokes]


def _share_lighter(image: Array, mask: Array, strokes: Array, levels: Array) -> Array:
    """The share of the known pixels beside each stroke that are lighter than its level, (N,); 0 where none is known.

    ``strokes`` (H, W) int are numbered, ``levels`` (N,) in grey levels.
    """
    reach = np.ones((2 * BESIDE + 1, 2 * BESIDE + 1), np.uint8)
    label = cv2.dilate(strokes.astype(np.float32), reach)  # OpenCV dilates no larger integers
    label = np.where(mask, 0, label).astype(np.intp)
    beside = label > 0
    number, grey = label[beside], cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[beside]
    count = np.bincount(number, minlength=len(levels))
    return np.bincount(number, grey > levels[number], len(levels)) / np.maximum(count, 1)


_LITTLE = 1e-3
_SHIPPED = Path(__file__).parent / "ctrnet" / "documents.safetensors"


def _load_network(settings: RemoverSettings) -> PrefilledRemover:
    from remover.ctrnet.remover import CtrnetRemover

    return CtrnetRemover(settings)


def _find_windows(share: Array, any_size: bool) -> list[Window]:
    """What the network is to see of a tile, in the tile's pixels, for all strokes that are uneven."""
    uneven = share > 0
    height, width = share.shape
    return plan_windows(uneven) if any_size else [Window(Box(0, 0, width, height), uneven)]


def _cut(tile: Tile, window: Box) -> Tile:
    """The part of a tile under a window in its pixels."""
    return Tile(
        window.moved(tile.box.x0, tile.box.y0),
        tile.image[window.slices],
        tile.text_mask[window.slices],
        tile.polygon_mask[window.slices],
        None if tile.soft_mask is None else tile.soft_mask[window.slices],
        None if tile.structure is None else tile.structure[window.slices],
    )


def _mix(tile: Tile, filled: Array, predicted: Array, share: Array) -> Array:
    """The fill where ``share`` is 0, the prediction where it is 1; black and white where the page is."""
    part = share[..., None]
    mixed = np.rint(filled + part * (predicted.astype(np.float32) - filled)).astype(np.uint8)
    if not has_greys(tile.image[~tile.text_mask]):
        mixed = np.where(mixed < 128, 0, 255).astype(np.uint8)
    return mixed
