"""Print that shows through a pen's ink stays; what cannot be told apart does not."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from detectors.strokes.crossings import print_under_pens

SIDE = 120


def crossing(pen, toner=(20, 20, 20), paper=255):
    """(a page, its likelihoods, the pen's ink, where pen and print cross): a printed bar, and a pen across it."""
    printed, written = np.zeros((SIDE, SIDE), bool), np.zeros((SIDE, SIDE), bool)
    printed[50:56, 10:110] = True
    written[10:110, 40:46] = True
    image = np.full((SIDE, SIDE, 3), paper, np.uint8)
    image[printed] = toner
    image[written] = np.minimum(image[written], np.array(pen, np.uint8))
    levels = np.zeros((SIDE, SIDE, 2), np.uint8)
    levels[printed & ~written, 0] = levels[written, 1] = 250  # the network calls all under a pen handwriting
    return image, levels, written, printed & written


@pytest.mark.parametrize("pen", [(30, 60, 190), (200, 30, 40), (150, 150, 150), (20, 140, 60)])
def test_print_under_a_paler_pen_is_told_from_it(pen):
    image, levels, ink, both = crossing(pen)
    assert np.array_equal(print_under_pens(image, levels, ink), both)


def test_a_black_pen_is_not_told_from_black_print():
    image, levels, ink, _ = crossing((30, 30, 40))
    assert not print_under_pens(image, levels, ink).any()


def test_dark_places_of_a_pen_are_print_only_where_print_goes_on():
    image, levels, ink, both = crossing((30, 60, 190))
    image[90:94, 40:46] = 20  # where the pen turned
    found = print_under_pens(image, levels, ink)
    assert found[both].all() and not found[90:94].any()


def test_each_stroke_is_compared_with_its_own_colour():
    image, levels, ink, both = crossing((30, 60, 190))
    image[:, 60:66] = np.minimum(image[:, 60:66], np.uint8(30))  # a black pen beside the blue one
    levels[:, 60:66] = (0, 250)
    ink[:, 60:66] = True
    assert np.array_equal(print_under_pens(image, levels, ink), both)


@settings(max_examples=25, deadline=None)
@given(hnp.arrays(np.uint8, (24, 24, 5), elements=st.integers(0, 255)), st.integers(0, 255))
def test_only_ink_is_ever_print_under_a_pen(values, least):
    levels = np.minimum(values[..., 3:], 127 + values[..., 3:] // 2)
    ink = levels[..., 1] > least
    found = print_under_pens(values[..., :3], levels, ink)
    assert found.dtype == bool and not (found & ~ink).any()
