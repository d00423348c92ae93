"""Stitching: outside the mask nothing moves, whatever a remover predicts; inside, predictions arrive whole."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import stitching
from pipeline.stitching import stitch
from pipeline.tiling import PageMaps, cut_tiles, plan_tiles
from pipeline.types import Box, RestoredTile

SIDE, MARGIN = 64, 8


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(1, 200), st.floats(0.0, 0.2))
def test_outside_the_mask_the_page_is_bit_identical_for_any_remover(
    seed: int, height: int, width: int, density: float
) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    mask = rng.random((height, width)) < density
    boxes = plan_tiles(mask, SIDE, MARGIN)
    noise = [RestoredTile(box, rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)) for box in boxes]
    before = image.copy()
    result = stitch(image, mask, noise, MARGIN)
    assert (result[~mask] == image[~mask]).all()
    assert (image == before).all(), "the page that came in is read-only"


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 200), st.integers(1, 200))
def test_tiles_that_agree_come_back_exactly(seed: int, height: int, width: int) -> None:
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    truth = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    mask = rng.random((height, width)) < 0.1
    tiles = cut_tiles(truth, PageMaps(mask, mask), plan_tiles(mask, SIDE, MARGIN))
    result = stitch(image, mask, [RestoredTile(t.box, t.image) for t in tiles], MARGIN)
    assert (result[mask] == truth[mask]).all()


def test_where_tiles_overlap_one_fades_into_the_other() -> None:
    image = np.zeros((64, 112, 3), np.uint8)
    mask = np.ones((64, 112), bool)
    left = RestoredTile(Box(0, 0, 64, 64), np.full((64, 64, 3), 100, np.uint8))
    right = RestoredTile(Box(48, 0, 112, 64), np.full((64, 64, 3), 200, np.uint8))
    row = stitch(image, mask, [right, left], feather=16)[32, :, 0].astype(int)
    assert (row[:48] == 100).all() and (row[64:] == 200).all()
    assert (np.diff(row[47:65]) > 0).all(), "no seam: the step is spread over the overlap"


def test_order_of_tiles_does_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stitching, "_STRIP_ROWS", 37)  # strips must not show either
    rng = np.random.default_rng(3)
    image = rng.integers(0, 256, (150, 150, 3), dtype=np.uint8)
    mask = rng.random((150, 150)) < 0.5
    tiles = [
        RestoredTile(b, rng.integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)) for b in plan_tiles(mask, SIDE, MARGIN)
    ]
    one = stitch(image, mask, tiles, MARGIN)
    monkeypatch.setattr(stitching, "_STRIP_ROWS", 4096)
    assert (stitch(image, mask, tiles[::-1], MARGIN) == one).all()


def test_a_masked_pixel_that_no_tile_covers_is_an_error() -> None:
    image, mask = np.zeros((80, 80, 3), np.uint8), np.zeros((80, 80), bool)
    mask[70, 70] = True
    with pytest.raises(ValueError, match="no tile"):
        stitch(image, mask, [RestoredTile(Box(0, 0, 64, 64), np.zeros((64, 64, 3), np.uint8))], MARGIN)
