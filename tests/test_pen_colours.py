"""Ink in the colour of a page's pens is handwriting, and print in a colour of its own is not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from detectors.strokes.colours import in_pen_colours

RED, BLUE, BLACK = (205, 40, 45), (30, 70, 190), (20, 20, 20)


def struck_out(pen, other):
    """(page, likelihoods, handwriting, strike): words by a pen, print in another colour, a strike taken for print."""
    image = np.full((160, 200, 3), 255, np.uint8)
    levels = np.zeros((160, 200, 2), np.uint8)
    written, strike, printed = (np.zeros((160, 200), bool) for _ in range(3))
    written[10:50, 5:195] = True
    printed[90:110, 30:170:6] = True
    printed[130:150, 30:170] = True
    strike[98:102, 20:180] = True
    image[printed], image[written] = other, pen
    image[strike & ~printed] = pen
    levels[printed | strike, 0] = 250
    levels[written, 1] = 250
    return image, levels, written, strike & ~printed


@pytest.mark.parametrize("pen", [RED, BLUE, (30, 130, 60)])
def test_a_strike_between_printed_letters_is_known_by_its_pens_colour(pen):
    image, levels, ink, strike = struck_out(pen, BLACK)
    found = in_pen_colours(image, levels, ink)
    rim = cv2.dilate((strike | ink).view(np.uint8), np.ones((3, 3), np.uint8)).view(bool)
    assert found[strike].all() and not (found & ~rim).any() and not (found & (image == BLACK).all(axis=2)).any()


def test_a_colour_that_is_printed_with_as_well_tells_nothing():
    image, levels, ink, _ = struck_out(RED, RED)
    assert not in_pen_colours(image, levels, ink).any()


def test_a_black_pen_has_no_colour():
    image, levels, ink, _ = struck_out(BLACK, BLACK)
    assert not in_pen_colours(image, levels, ink).any()


def test_pictures_and_rules_in_a_pens_colour_are_no_ink():
    image, levels, ink, strike = struck_out(RED, BLACK)
    image[60:80, 100:180] = RED
    found = in_pen_colours(image, levels, ink)
    assert not found[60:80].any() and found[strike].all()


@settings(max_examples=25, deadline=None)
@given(hnp.arrays(np.uint8, (24, 24, 5), elements=st.integers(0, 255)))
def test_what_is_found_is_not_what_was_known(values):
    levels = values[..., 3:] // 2
    ink = levels[..., 1] > levels[..., 0]
    assert not (in_pen_colours(np.ascontiguousarray(values[..., :3]), levels, ink) & ink).any()
