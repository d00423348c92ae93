"""Tiles: every masked pixel lies in a core, few tiles, and crops that mean what they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.tiling import PageMaps, cut_tiles, plan_blocks, plan_tiles
from pipeline.types import Box

SIDE, MARGIN = 64, 8


@st.composite
def sparse_masks(draw: st.DrawFn) -> np.ndarray:
    height, width = draw(st.integers(1, 260)), draw(st.integers(1, 260))
    mask = np.zeros((height, width), bool)
    for _ in range(draw(st.integers(0, 8))):
        y, x = draw(st.integers(0, height - 1)), draw(st.integers(0, width - 1))
        mask[y : y + draw(st.integers(1, 40)), x : x + draw(st.integers(1, 90))] = True
    return mask


def core_cover(boxes: tuple[Box, ...], shape: tuple[int, int]) -> np.ndarray:
    covered = np.zeros(shape, bool)
    height, width = shape
    for box in boxes:
        top = 0 if box.y0 == 0 else box.y0 + MARGIN
        left = 0 if box.x0 == 0 else box.x0 + MARGIN
        bottom = height if box.y1 >= height else box.y1 - MARGIN
        right = width if box.x1 >= width else box.x1 - MARGIN
        covered[top:bottom, left:right] = True
    return covered


@settings(max_examples=150, deadline=None)
@given(sparse_masks())
def test_every_masked_pixel_lies_in_the_core_of_a_tile(mask: np.ndarray) -> None:
    boxes = plan_tiles(mask, SIDE, MARGIN)
    assert not (mask & ~core_cover(boxes, mask.shape)).any()
    for box in boxes:
        assert (box.width, box.height) == (SIDE, SIDE)
        assert box.x0 >= 0 and box.y0 >= 0
        assert box.x1 <= max(mask.shape[1], SIDE) and box.y1 <= max(mask.shape[0], SIDE)
        assert mask[box.y0 : box.y1, box.x0 : box.x1].any(), "a tile without text is wasted"


@settings(max_examples=60, deadline=None)
@given(sparse_masks())
def test_never_more_tiles_than_a_fixed_grid_of_cores_on_the_text(mask: np.ndarray) -> None:
    core = SIDE - 2 * MARGIN
    cells = sum(
        bool(mask[y : y + core, x : x + core].any())
        for y in range(0, mask.shape[0], core)
        for x in range(0, mask.shape[1], core)
    )
    assert len(plan_tiles(mask, SIDE, MARGIN)) <= max(cells, 1)


def test_an_empty_page_needs_no_tile_and_one_word_needs_one() -> None:
    mask = np.zeros((2000, 1500), bool)
    assert plan_tiles(mask) == ()
    mask[1000:1030, 600:900] = True
    (box,) = plan_tiles(mask)
    assert box.x0 < 600 - 48 and box.x1 > 900 + 48 and box.y0 < 1000 - 48 and box.y1 > 1030 + 48


def test_a_column_of_text_is_covered_along_the_column() -> None:
    mask = np.zeros((1700, 900), bool)
    mask[:, 420:480] = True
    assert len(plan_tiles(mask)) == 4


def test_a_margin_that_leaves_no_core_is_refused() -> None:
    with pytest.raises(ValueError, match="core"):
        plan_tiles(np.ones((10, 10), bool), side=64, margin=32)


def test_crops_hold_the_page_and_past_its_edge_a_reflection_that_is_never_masked() -> None:
    rng = np.random.default_rng(1)
    image = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
    mask = rng.random((40, 50)) < 0.3
    (tile,) = cut_tiles(image, PageMaps(mask, ~mask, mask.astype(np.float32)), [Box(0, 0, 64, 64)])
    assert (tile.image[:40, :50] == image).all()
    assert (tile.image[40:64, :50] == image[:15:-1]).all()
    assert (
        (tile.text_mask[:40, :50] == mask).all() and not tile.text_mask[40:].any() and not tile.text_mask[:, 50:].any()
    )
    assert tile.soft_mask is not None and tile.soft_mask.dtype == np.float32
    image[:] = 0
    assert tile.image.any(), "a tile is a copy"


@given(
    width=st.integers(1, 900),
    height=st.integers(1, 900),
    corners=st.lists(st.tuples(st.integers(0, 899), st.integers(0, 899)), max_size=8),
    most=st.sampled_from([64, 160, 2048]),
)
def test_blocks_cover_the_boxes_once(width: int, height: int, corners: list[tuple[int, int]], most: int) -> None:
    boxes = [Box(x, y, x + 128, y + 128) for x, y in corners if x < width and y < height]
    blocks = plan_blocks(boxes, width, height, 48, most)
    times = np.zeros((height, width), int)
    for block in blocks:
        assert block.x1 <= width and block.y1 <= height
        assert max(block.width, block.height) <= most
        times[block.slices] += 1
    assert times.max() <= 1
    for box in boxes:
        assert (times[box.y0 : box.y1, box.x0 : box.x1] == 1).all()
    assert bool(blocks) == bool(boxes)


def test_blocks_follow_the_text_and_stay_whole_where_it_is_dense() -> None:
    left = [Box(0, y, 512, y + 512) for y in range(0, 6000, 450)]
    low = [Box(x, 6000, x + 512, 6512) for x in range(0, 4000, 450)]
    blocks = plan_blocks([*left, *low], 4960, 7016, 48, 8000)
    assert sum(block.width * block.height for block in blocks) < 1.1 * (512 * 6512 + 512 * 4112)
    dense = [Box(x, y, x + 512, y + 512) for x in range(0, 1600, 400) for y in range(0, 1600, 400)]
    assert plan_blocks(dense, 2000, 2000, 48, 2048) == (Box(0, 0, 1728, 1728),)
