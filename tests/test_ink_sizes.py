"""Pages photographed from near are shown to the stroke network smaller; others as they are."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from detectors.strokes.sizes import FEWEST, LARGEST, SHOWN_LOW, page_factors, read_page


def line(height, top=10.0):
    return np.float32([[10, top], [700, top], [700, top + height], [10, top + height]])  # it is longer than high


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
@example([8.0, 8.0, 191.0, 191.0, 191.0, 191.0, 191.0, 191.0])
def test_a_page_is_shown_smaller_only_when_most_of_its_many_lines_are_high(heights):
    factors = page_factors([line(h) for h in heights])
    assert min(factors) >= 1 and sorted(factors, reverse=True) == list(factors)
    if len(heights) < FEWEST or sum(h < LARGEST - 1 for h in heights) > len(heights) / 3:
        assert factors == (1,)
    for factor, shown in zip(factors, SHOWN_LOW, strict=False):
        assert factor == 1 or np.percentile(heights, 25) / factor == pytest.approx(shown, rel=1e-3)


@pytest.mark.parametrize(("height", "shape"), [(112, (100, 150, 3)), (40, (200, 300, 3))])
def test_what_is_seen_comes_back_in_the_pages_own_size(height, shape):
    reader, image = Recording(), np.zeros((200, 300, 3), np.uint8)
    outlines = [line(height)] * FEWEST
    levels = read_page(reader, image, outlines, np.ones((200, 300), bool))
    assert reader.shown[0] == (shape, shape[:2]) and levels.shape == (200, 300, 2)
    assert len(reader.shown) == (2 if height > 64 else 1)
    assert (levels[:, :145, 0] == 255).all() and not levels[:, 155:].any()
    assert read_page(reader, image, outlines, None).shape == (200, 300, 2) and reader.shown[-1][1] is None
