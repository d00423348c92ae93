"""Counted order statistics are numpy's, bit for bit."""

import numpy as np
import pytest

from pipeline.levels import count_levels, median_level, percentile_level


@pytest.mark.parametrize("size", [1, 2, 3, 20, 21, 1000, 4097])
def test_counted_statistics_are_those_of_numpy(size):
    rng = np.random.default_rng(size)
    for spread in (1, 7, 256):
        levels = rng.integers(0, spread, (size, 1)).astype(np.uint8)
        counts = count_levels(levels)
        assert median_level(counts) == np.median(levels)
        for percent in (0, 20, 50, 97, 100):
            assert percentile_level(counts, percent) == np.percentile(levels, percent)


def test_only_what_is_asked_for_counts():
    rng = np.random.default_rng(0)
    image, where = rng.integers(0, 256, (30, 40)).astype(np.uint8), rng.random((30, 40)) < 0.3
    counts = count_levels(image, where)
    assert np.array_equal(counts, np.bincount(image[where], minlength=256))
    assert counts[:40].any()
    assert median_level(counts[:40]) == np.median(image[where & (image < 40)])
