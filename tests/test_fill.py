"""The classical fill: exact where the answer is known, calm where it is not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remover.fill import fill

SIDE = 96


def strokes(seed=0, count=6, thick=4):
    """A mask of short random bars, away from the border."""
    rng = np.random.default_rng(seed)
    mask = np.zeros((SIDE, SIDE), bool)
    for x, y, length in rng.integers((8, 8, 10), (60, 84, 25), (count, 3)):
        mask[y : y + thick, x : x + length] = True
    return mask


@given(st.tuples(*[st.integers(0, 255)] * 3), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_flat_paper_comes_back_exactly(colour, seed):
    paper = np.full((SIDE, SIDE, 3), colour, np.uint8)
    mask = strokes(seed)
    page = paper.copy()
    page[mask] = 255 - paper[mask]
    np.testing.assert_array_equal(fill(page, mask), paper)


def test_a_gradient_is_continued():
    ramp = np.linspace(90, 230, SIDE)
    paper = np.repeat(np.add.outer(ramp / 2, ramp / 2)[..., None], 3, axis=2).astype(np.uint8)
    mask = strokes(1)
    page = paper.copy()
    page[mask] = 0
    assert np.abs(fill(page, mask).astype(int) - paper).max() <= 12


def test_a_wide_hole_in_a_gradient_has_no_seam():
    paper = np.repeat(np.tile(np.linspace(60, 240, SIDE), (SIDE, 1))[..., None], 3, axis=2).astype(np.uint8)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[20:70, 20:70] = True
    page = paper.copy()
    page[mask] = 0
    filled = fill(page, mask).astype(int)
    assert np.abs(np.diff(filled[45, :, 0])).max() <= 12
    assert np.abs(filled - paper)[45, 45].max() <= 15


def test_the_edge_of_a_box_under_a_stroke_stays_an_edge():
    paper = np.full((SIDE, SIDE, 3), 250, np.uint8)
    paper[:, 50:] = (40, 60, 120)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[40:44, 30:70] = True
    page = paper.copy()
    page[mask] = (200, 0, 0)
    wrong = np.abs(fill(page, mask).astype(int) - paper).max(axis=2) > 12
    assert wrong.sum() <= 4 * 4  # at most two columns on either side of the edge


def test_a_narrow_band_under_a_stroke_is_continued():
    paper = np.full((SIDE, SIDE, 3), 250, np.uint8)
    paper[:, 44:56] = (40, 60, 120)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[46:49, 20:80] = True
    page = paper.copy()
    page[mask] = (200, 0, 0)
    assert np.abs(fill(page, mask)[46:49, 47:53].astype(int) - (40, 60, 120)).max() <= 12


def test_noise_is_not_smeared_into_streaks():
    rng = np.random.default_rng(5)
    paper = np.clip(rng.normal(225, 6, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8)
    mask = strokes(2)
    page = paper.copy()
    page[mask] = 20
    filled = fill(page, mask)[mask].astype(int)
    assert abs(filled.mean() - 225) < 1.5
    assert filled.std() < 4


def test_the_dark_rim_beside_the_mask_does_not_bleed_in():
    page = np.full((SIDE, SIDE, 3), 240, np.uint8)
    mask = np.zeros((SIDE, SIDE), bool)
    for x in range(4, SIDE - 8, 8):  # close strokes: half of what is known is blur that the mask did not cover
        page[8:88, x - 1 : x + 6] = 215
        mask[8:88, x : x + 5] = True
    page[mask] = 0
    assert np.median(fill(page, mask)[mask]) == 240


@pytest.mark.parametrize("paper", [0, 255])
def test_a_one_bit_page_stays_one_bit(paper):
    rng = np.random.default_rng(3)
    page = np.full((SIDE, SIDE, 3), paper, np.uint8)
    page[rng.random((SIDE, SIDE)) < 0.05] = 255 - paper
    mask = strokes(4)
    page[mask] = 255 - paper
    filled = fill(page, mask)
    assert set(np.unique(filled)) <= {0, 255}
    assert (filled[mask] == paper).mean() > 0.95


def test_a_wide_hole_in_a_one_bit_picture_gets_no_greys():
    page = np.random.default_rng(9).choice(np.array([0, 255], np.uint8), (SIDE, SIDE))[..., None].repeat(3, axis=2)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[20:76, 20:76] = True
    assert set(np.unique(fill(page, mask))) <= {0, 255}


def test_nothing_outside_the_mask_changes_and_the_input_is_left_alone():
    page = np.random.default_rng(6).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    before = page.copy()
    mask = strokes(7)
    filled = fill(page, mask)
    np.testing.assert_array_equal(page, before)
    np.testing.assert_array_equal(filled[~mask], page[~mask])
    assert (filled[mask] != page[mask]).any()
    np.testing.assert_array_equal(filled, fill(page, mask))


def test_without_a_mask_the_image_comes_back_and_without_paper_it_is_white():
    page = np.random.default_rng(8).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8)
    np.testing.assert_array_equal(fill(page, np.zeros((SIDE, SIDE), bool)), page)
    assert (fill(page, np.ones((SIDE, SIDE), bool)) == 255).all()


def test_a_single_known_pixel_is_enough():
    page = np.full((SIDE, SIDE, 3), 77, np.uint8)
    mask = np.ones((SIDE, SIDE), bool)
    mask[5, 5] = False
    assert (fill(page, mask) == 77).all()


@pytest.mark.parametrize("width", [3, 40])
def test_a_grey_page_is_filled_as_a_coloured_one(width):
    rng = np.random.default_rng(width)
    image = np.clip(rng.normal(220, 4, (90, 120, 1)), 0, 255).astype(np.uint8).repeat(3, axis=2)
    image[:, 60:63] = 80
    mask = np.zeros((90, 120), bool)
    mask[20:70, 30 : 30 + width] = True
    coloured = image.copy()
    coloured[0, 0] += np.array([1, 0, 0], np.uint8)  # one pixel that is not grey, far away
    assert (fill(image, mask)[mask] == fill(coloured, mask)[mask]).all()
