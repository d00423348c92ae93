"""Loops of which the network sees a part are followed by their colour; areas, print and other inks are not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from detectors.strokes.following import followed

RED, BLUE, PENCIL, BLACK = (205, 40, 45), (30, 70, 190), (150, 150, 155), (20, 20, 20)


def loop(pen, seen_from=250, thickness=4):
    """(page, likelihoods, handwriting, rest of the loop): words by a pen, print, a circle seen above a row only."""
    image, levels = np.full((330, 220, 3), 255, np.uint8), np.zeros((330, 220, 2), np.uint8)
    circle = np.zeros(image.shape[:2], np.uint8)
    cv2.ellipse(circle, (105, 240), (80, 45), 0, 0, 360, 1, thickness)
    circle = circle.view(bool)
    image[20:60, 10:200:8] = image[20:60, 11:200:8] = image[20:60, 12:200:8] = image[20:60, 13:200:8] = pen
    levels[20:60][(image[20:60] < 255).any(axis=2)] = (0, 250)
    image[90:110, 30:170:6] = BLACK
    image[130:150, 30:170] = BLACK
    levels[90:150][(image[90:150] == BLACK).all(axis=2)] = (250, 0)
    image[circle] = pen
    seen = circle & (np.arange(330)[:, None] < seen_from)
    levels[seen] = (0, 250)
    return image, levels, levels[..., 1] > 0, circle & ~seen


@pytest.mark.parametrize("pen", [RED, BLUE, PENCIL])
def test_a_loop_is_followed_to_where_the_network_sees_nothing(pen):
    image, levels, ink, rest = loop(pen)
    found = followed(image, levels, ink)
    near = cv2.dilate(rest.view(np.uint8), np.ones((5, 5), np.uint8)).view(bool)
    assert found[rest].all() and not (found & ~near).any()


def test_a_black_pen_is_not_followed_among_black_print():
    image, levels, ink, _ = loop(BLACK)
    assert not followed(image, levels, ink).any()


def test_nothing_is_followed_from_a_small_part():
    image, levels, ink, _ = loop(RED, 205)
    assert not followed(image, levels, ink).any()


@pytest.mark.parametrize("pen", [RED, PENCIL])
def test_areas_and_other_inks_are_not_followed(pen):
    image, levels, ink, _ = loop(pen)
    image[283:310, 70:150] = pen  # a bar that the loop runs into
    assert not followed(image, levels, ink)[293:305, 75:145].any()
    image, levels, ink, rest = loop(RED)
    image[rest] = (250, 190, 200)  # of the same hue
    assert not followed(image, levels, ink)[260:].any()


@pytest.mark.parametrize("pen", [RED, PENCIL])
def test_a_colour_that_is_printed_in_is_not_followed(pen):
    image, levels, ink, _ = loop(pen)
    image[130:150, 30:170] = pen
    assert not followed(image, levels, ink)[250:].any()


def test_print_across_a_followed_stroke_is_left():
    image, levels, ink, rest = loop(PENCIL)
    image[255:300, 60:64], levels[255:300, 60:64] = BLACK, (250, 0)
    found = followed(image, levels, ink)
    assert not found[255:300, 60:64].any() and found[rest & (image[..., 0] == PENCIL[0])].mean() > 0.95


@settings(max_examples=25, deadline=None)
@given(hnp.arrays(np.uint8, (24, 24, 5), elements=st.integers(0, 255)))
def test_what_is_found_was_not_known(values):
    levels = values[..., 3:] // 2
    ink = levels[..., 1] > levels[..., 0]
    assert not (followed(np.ascontiguousarray(values[..., :3]), levels, ink) & ink).any()
