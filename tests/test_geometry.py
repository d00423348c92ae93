"""Polygons and boxes: what holds for any of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.geometry import (
    as_shape,
    clip_polygon,
    containment,
    enclose,
    intersection_over_union,
    outline,
    polygon_box,
    reading_order,
)
from pipeline.types import Array, TextRegion

WIDTH, HEIGHT = 200, 100
coordinate = st.floats(-150, 350, width=32)
polygons = st.lists(st.tuples(coordinate, coordinate), min_size=3, max_size=8).map(
    lambda points: np.array(points, np.float32)
)


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Array:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32)


@st.composite
def rectangles(draw: st.DrawFn) -> Array:
    x, y = draw(st.integers(-50, 300)), draw(st.integers(-50, 200))
    return rectangle(x, y, x + draw(st.integers(1, 200)), y + draw(st.integers(1, 100)))


@given(polygons)
def test_a_clipped_polygon_is_inside_the_page(polygon: Array) -> None:
    clipped = clip_polygon(polygon, WIDTH, HEIGHT)
    if clipped is not None:
        assert clipped.dtype == np.float32 and clipped.shape[1] == 2 and len(clipped) >= 3
        assert (clipped >= 0).all() and (clipped <= (WIDTH, HEIGHT)).all()
        TextRegion(clipped)


@given(rectangles())
def test_clipping_keeps_exactly_what_is_inside(polygon: Array) -> None:
    page = shapely.box(0, 0, WIDTH, HEIGHT)
    clipped = clip_polygon(polygon, WIDTH, HEIGHT)
    inside = as_shape(polygon).intersection(page).area
    assert (0 if clipped is None else as_shape(clipped).area) == pytest.approx(inside)


def test_a_polygon_inside_the_page_is_returned_as_it_is() -> None:
    polygon = rectangle(0, 0, WIDTH, HEIGHT)
    assert clip_polygon(polygon, WIDTH, HEIGHT) is polygon


@pytest.mark.parametrize(
    "points",
    [
        [(1, 1), (1, 1), (1, 1)],
        [(0, 0), (5, 5), (9, 9)],
        [(300, 5), (310, 5), (310, 9)],
        [(200, 0), (210, 0), (210, 9)],
    ],
)
def test_nothing_is_left_of_a_polygon_without_area_on_the_page(points: list[tuple[int, int]]) -> None:
    assert clip_polygon(np.array(points), WIDTH, HEIGHT) is None


def test_of_several_parts_the_largest_is_kept() -> None:
    # a horseshoe whose bend lies below the page: two legs remain
    polygon = np.array([(10, 50), (20, 50), (20, 150), (40, 150), (40, 20), (70, 20), (70, 180), (10, 180)], np.float32)
    clipped = clip_polygon(polygon, WIDTH, HEIGHT)
    assert clipped is not None
    assert as_shape(clipped).area == pytest.approx(30 * 80)


@given(polygons)
def test_a_polygons_box_holds_it_and_is_as_small_as_whole_pixels_allow(polygon: Array) -> None:
    box = polygon_box(polygon, WIDTH, HEIGHT)
    (x0, y0), (x1, y1) = polygon.min(axis=0), polygon.max(axis=0)
    if box is None:
        assert x1 <= 0 or y1 <= 0 or x0 >= WIDTH or y0 >= HEIGHT or math.ceil(x1) == math.floor(x0) or y0 == y1
        return
    assert min(box.x0, box.y0) >= 0 and box.x1 <= WIDTH and box.y1 <= HEIGHT
    assert box.x0 <= max(x0, 0) < box.x0 + 1 and box.y0 <= max(y0, 0) < box.y0 + 1
    assert box.x1 - 1 < min(x1, WIDTH) <= box.x1 and box.y1 - 1 < min(y1, HEIGHT) <= box.y1


@example(
    np.array([(0, -3e-30), (1, 0), (1, -1), (-1, 20)], np.float32),
    np.array([(0, 0), (1, 0), (1, -1), (0, 19)], np.float32),
)
@example(np.array([(0, -3e-30), (1, 0), (1, -1), (-1, 1)], np.float32), np.array([(1, -1), (0, 0), (1, 1)], np.float32))
@given(polygons, polygons)
def test_overlap_measures_are_shares(first: Array, second: Array) -> None:
    iou = intersection_over_union(first, second)
    assert 0 <= iou <= 1 + 1e-9
    assert iou == pytest.approx(intersection_over_union(second, first))
    assert iou <= containment(first, second) + 1e-6 or as_shape(first).area == 0


@given(rectangles())
def test_a_polygon_overlaps_itself_wholly(polygon: Array) -> None:
    assert intersection_over_union(polygon, polygon) == pytest.approx(1)
    assert containment(polygon, polygon) == pytest.approx(1)


def test_overlap_of_known_rectangles() -> None:
    left, right = rectangle(0, 0, 20, 10), rectangle(10, 0, 40, 10)
    assert intersection_over_union(left, right) == pytest.approx(100 / 400)
    assert containment(left, right) == pytest.approx(0.5)
    assert containment(right, left) == pytest.approx(1 / 3)
    assert containment(left, rectangle(20, 0, 30, 10)) == 0


def test_polygons_without_area_overlap_nothing() -> None:
    line = np.array([(0, 0), (10, 0), (20, 0)], np.float32)
    assert intersection_over_union(line, line) == 0
    assert containment(line, rectangle(0, 0, 50, 50)) == 0


@given(st.lists(rectangles(), min_size=1, max_size=4))
def test_what_encloses_covers_everything_and_has_one_outline(parts: list[Array]) -> None:
    shapes = [as_shape(part) for part in parts]
    ring = outline(enclose(shapes))
    assert ring is not None
    assert shapely.union_all(shapes).difference(as_shape(ring).buffer(0.01)).area == pytest.approx(0, abs=1e-3)


def test_two_halves_of_a_line_make_one_rectangle_but_a_corner_is_not_filled_in() -> None:
    halves = [as_shape(rectangle(0, 0, 60, 10)), as_shape(rectangle(50, 1, 110, 11))]
    assert enclose(halves).area < 1.1 * shapely.union_all(halves).area
    corner = [as_shape(rectangle(0, 0, 100, 10)), as_shape(rectangle(0, 0, 10, 100))]
    assert enclose(corner).area == pytest.approx(1900)


def test_a_self_crossing_polygon_becomes_its_hull() -> None:
    bow_tie = np.array([(0, 0), (10, 10), (10, 0), (0, 10)], np.float32)
    assert as_shape(bow_tie).area == pytest.approx(100)


@given(st.lists(rectangles(), max_size=12), st.randoms(use_true_random=False))
def test_reading_order_does_not_depend_on_the_order_given(parts: list[Array], random: object) -> None:
    regions = [TextRegion(part) for part in parts]
    ordered = reading_order(regions)
    random.shuffle(regions)  # type: ignore[attr-defined]
    assert sorted(map(id, ordered)) == sorted(map(id, regions))
    assert [r.polygon.tobytes() for r in reading_order(regions)] == [r.polygon.tobytes() for r in ordered]


def test_reading_order_goes_line_by_line() -> None:
    def at(x: int, y: int, width: int = 30, height: int = 10) -> TextRegion:
        return TextRegion(rectangle(x, y, x + width, y + height))

    # the second line is skewed, and a tall stamp stands beside all three
    expected = [at(0, 0), at(50, 2), at(0, 22), at(40, 19), at(100, 0, 40, 60), at(0, 45), at(50, 44)]
    found = reading_order(expected[::-1])
    assert [r.polygon.tolist() for r in found] == [r.polygon.tolist() for r in expected]
