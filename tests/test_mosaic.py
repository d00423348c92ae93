"""Parts of a page laid out on one sheet, and the way back."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.mosaic import join_windows, lay_out
from pipeline.types import Box

SIDE = 200


@given(
    st.lists(st.tuples(st.integers(0, 180), st.integers(0, 180), st.integers(5, 90), st.integers(5, 90)), min_size=1),
    st.integers(1, 3),
)
def test_a_place_on_a_mosaic_is_found_on_the_page(corners, scale):
    image = np.full((SIDE, SIDE, 3), 230, np.uint8)
    polygons = [np.float32([[x, y], [x + w, y], [x + w, y + h], [x, y + h]]) for x, y, w, h in corners]
    windows = join_windows(polygons, 4, image.shape)
    sheet = lay_out(image, windows, [float(scale)] * len(windows))
    for window, (left, top) in zip(sheet.windows, sheet.corners, strict=True):
        half = np.float32([window.width * scale / 2, window.height * scale / 2])
        middle = np.stack([half] * 3) + np.float32([left, top])
        found = sheet.locate(middle)
        assert found is not None
        np.testing.assert_allclose(found[0], (window.x0 + window.width / 2, window.y0 + window.height / 2), atol=0.01)
    assert sheet.locate(np.float32([[2, 2]] * 3)) is None  # the gap belongs to no part


@given(st.lists(st.tuples(st.integers(-30, 220), st.integers(-30, 220)), min_size=1, max_size=12))
def test_windows_cover_the_polygons_and_keep_apart(middles):
    polygons = [np.float32([[x - 5, y - 5], [x + 5, y - 5], [x + 5, y + 5], [x - 5, y + 5]]) for x, y in middles]
    windows = join_windows(polygons, 3, (SIDE, SIDE))
    covered = np.zeros((SIDE, SIDE), int)
    for window in windows:
        covered[window.slices] += 1
    assert covered.max(initial=0) <= 1
    assert all(covered[y, x] for x, y in middles if 0 <= x < SIDE and 0 <= y < SIDE)


def test_a_box_that_is_left_alone_is_not_enlarged_beyond_the_page():
    assert join_windows([np.float32([[-50, -50], [-20, -50], [-20, -20]])], 4, (SIDE, SIDE)) == []
    near = np.float32([[40, 40], [120, 40], [120, 70], [40, 70]])
    assert join_windows([near], 500, (SIDE, SIDE)) == [Box(0, 0, SIDE, SIDE)]
