"""Polygons to masks: what is inside, what is outside, and agreement with the published soft mask."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.masks import polygon_mask, soft_mask

GOLDEN = Path(__file__).parent / "golden"
HEIGHT, WIDTH = 60, 80

coordinates = st.integers(-50, 130)
outlines = st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=7).map(np.array)
boxes = st.tuples(st.integers(2, 40), st.integers(2, 30), st.integers(6, 35), st.integers(6, 25)).map(
    lambda b: np.array([(b[0], b[1]), (b[0] + b[2], b[1]), (b[0] + b[2], b[1] + b[3]), (b[0], b[1] + b[3])])
)


@pytest.fixture(scope="module")
def golden():
    layout = json.loads((GOLDEN / "softmask.json").read_text())
    polygons = [np.array(flat).reshape(-1, 2) for flat in layout["polygons"]]
    with np.load(GOLDEN / "softmask.npz") as arrays:
        return polygons, layout["height"], layout["width"], arrays["mask"].astype(bool), arrays["soft"]


def test_the_soft_mask_is_the_published_one(golden):
    polygons, height, width, _, expected = golden
    assert expected[expected < 1].max() > 0
    np.testing.assert_allclose(soft_mask(polygons, height, width), expected, atol=1e-5)


def test_the_hard_mask_is_the_published_one(golden):
    polygons, height, width, expected, _ = golden
    np.testing.assert_array_equal(polygon_mask(polygons, height, width), expected)


def test_no_polygons_give_empty_masks():
    assert not polygon_mask([], 4, 5).any() and polygon_mask([], 4, 5).shape == (4, 5)
    assert not soft_mask([], 4, 5).any() and soft_mask([], 4, 5).dtype == np.float32


def test_a_polygon_holds_its_own_outline_and_is_half_a_pixel_exact():
    mask = polygon_mask([[(10, 10), (20, 10), (20, 15), (10, 15)]], HEIGHT, WIDTH)
    assert mask.sum() == 11 * 6
    assert mask[10:16, 10:21].all()


def test_fractions_of_a_pixel_are_cut_off():
    whole = [(10, 10), (20, 10), (20, 15), (10, 15)]
    np.testing.assert_array_equal(soft_mask([np.array(whole) + 0.9], HEIGHT, WIDTH), soft_mask([whole], HEIGHT, WIDTH))


@given(st.lists(outlines, max_size=3))
@settings(max_examples=60, deadline=None)
def test_soft_masks_stay_in_range_and_are_one_inside(polygons):
    soft = soft_mask(polygons, HEIGHT, WIDTH)
    hard = polygon_mask(polygons, HEIGHT, WIDTH)
    assert soft.shape == hard.shape == (HEIGHT, WIDTH)
    assert soft.dtype == np.float32 and hard.dtype == np.bool_
    assert soft.min() >= 0 and soft.max() <= 1
    assert (soft[hard] == 1).all()


@given(boxes)
@settings(max_examples=60, deadline=None)
def test_the_rim_of_a_box_decays_to_nothing(box):
    soft = soft_mask([box], HEIGHT, WIDTH)
    width, height = box[2] - box[0]
    reach = 0.84 * width * height / (2 * (width + height))  # (1 - 0.4^2) area / perimeter
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    outside = np.maximum.reduce([box[0, 0] - columns, columns - box[2, 0], box[0, 1] - rows, rows - box[2, 1]])
    assert (soft[outside > reach + 1] == 0).all()
    beside = (outside == 1) & (soft > 0)
    assert beside.any() and (soft[beside] < 1).all()


@given(boxes, st.sampled_from([(-200, 0), (0, -200), (300, 0), (0, 300)]))
@settings(max_examples=20, deadline=None)
def test_a_polygon_off_the_page_leaves_no_trace(box, move):
    assert not polygon_mask([box + np.array(move)], HEIGHT, WIDTH).any()
    assert not soft_mask([box + np.array(move)], HEIGHT, WIDTH).any()


@given(boxes, st.tuples(st.integers(-30, 30), st.integers(-30, 30)))
@settings(max_examples=30, deadline=None)
def test_what_is_off_the_page_is_cut_away_and_nothing_else(box, move):
    moved = box + np.array(move)
    margin = 60
    large = soft_mask([moved + margin], HEIGHT + 2 * margin, WIDTH + 2 * margin)
    np.testing.assert_allclose(soft_mask([moved], HEIGHT, WIDTH), large[margin:-margin, margin:-margin], atol=1e-6)


@pytest.mark.parametrize(
    "thin",
    [
        [(5, 5), (25, 5), (45, 5)],
        [(5, 5), (5, 5), (5, 5)],
        [(5, 5), (45, 6), (45, 5)],
        [(5, 5), (45, 5), (45, 6), (5, 6)],
        [(10, 10), (30, 30), (30, 10), (10, 30)],
    ],
    ids=["line", "point", "sliver", "hairline", "bow tie"],
)
def test_a_polygon_too_thin_to_shrink_is_drawn_all_the_same(thin):
    hard = polygon_mask([thin], HEIGHT, WIDTH)
    soft = soft_mask([thin], HEIGHT, WIDTH)
    assert hard[thin[0][1], thin[0][0]]
    assert (soft[hard] == 1).all()


def test_absurd_coordinates_cover_the_page_and_do_not_overflow():
    huge = [(-1e12, -1e12), (1e12, -1e12), (1e12, 1e12), (-1e12, 1e12)]
    assert polygon_mask([huge], HEIGHT, WIDTH).all()
    assert (soft_mask([huge], HEIGHT, WIDTH) == 1).all()
