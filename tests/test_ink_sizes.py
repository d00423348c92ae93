"""Pages photographed from near are shown to the stroke network smaller; others as they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.strokes.sizes import FEWEST, LARGEST, SHOWN_LOW, page_factor, read_page


def line(height, top=10.0):
    return np.float32([[10, top], [200, top], [200, top + height], [10, top + height]])


class Recording:
    """Sees ink in the left half of what it is shown, and remembers that."""

    def __init__(self):
        self.shown = []

    def read(self, image, wanted=None):
        self.shown.append((image.shape, None if wanted is None else wanted.shape))
        levels = np.zeros((*image.shape[:2], 2), np.uint8)
        levels[:, : image.shape[1] // 2, 0] = 255
        return levels


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(8, 300), min_size=1, max_size=30))
def test_a_page_is_shown_smaller_only_when_most_of_its_many_lines_are_high(heights):
    factor = page_factor([line(h) for h in heights])
    assert factor >= 1
    if len(heights) < FEWEST or sum(h < LARGEST - 1 for h in heights) > len(heights) / 3:
        assert factor == 1
    if factor > 1:
        assert np.percentile(heights, 25) / factor == pytest.approx(SHOWN_LOW, rel=1e-3)


@pytest.mark.parametrize(("height", "shape"), [(112, (100, 150, 3)), (40, (200, 300, 3))])
def test_what_is_seen_comes_back_in_the_pages_own_size(height, shape):
    reader, image = Recording(), np.zeros((200, 300, 3), np.uint8)
    outlines = [line(height)] * FEWEST
    levels = read_page(reader, image, outlines, np.ones((200, 300), bool))
    assert reader.shown == [(shape, shape[:2])] and levels.shape == (200, 300, 2)
    assert (levels[:, :145, 0] == 255).all() and not levels[:, 155:].any()
    assert read_page(reader, image, outlines, None).shape == (200, 300, 2) and reader.shown[1] == (shape, None)
