"""What goes on straight from a rule or a figure's side stays, and what a pen draws does not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from detectors.strokes.lines import lines_in

BLACK, BLUE = (20, 20, 25), (30, 60, 190)


def drawn(start, end, colour=BLACK, thickness=3):
    """(a page with a line, where its ink is)."""
    image = np.full((200, 300, 3), 255, np.uint8)
    cv2.line(image, start, end, colour, thickness, cv2.LINE_AA)
    return image, image.min(axis=2) < 200


@pytest.mark.parametrize("end", [(260, 100), (150, 180), (240, 170), (255, 40)])
def test_the_end_of_a_line_comes_back(end):
    image, line = drawn((40, 100) if end[0] > 160 else (150, 20), end)
    ink = line.copy()
    ink[:, : end[0] - 40] &= end[0] <= 160
    ink[: end[1] - 40] &= end[0] > 160
    found = lines_in(image, ink)
    assert ink.any() and found[ink].mean() > 0.85 and not (found & ~ink).any()


@pytest.mark.parametrize("pen", [BLUE, (200, 30, 40), (160, 160, 160)])
def test_letters_on_a_rule_give_back_the_rule_alone(pen):
    image, rule = drawn((20, 100), (280, 100))
    written = np.zeros(rule.shape, np.uint8)
    for x in range(120, 180, 12):
        cv2.line(written, (x, 70), (x + 3, 110), 1, 4)
    written = written.view(bool)
    image[written & ~rule] = pen
    ink = written.copy()
    ink[98:103, 115:185] |= rule[98:103, 115:185]  # the network takes the rule along
    found = lines_in(image, ink)
    assert found[ink & rule].mean() > 0.9 and not found[written & ~rule].any()


def test_a_pen_that_crosses_a_rule_on_top_of_it_stays_gone():
    image, rule = drawn((20, 100), (280, 100))
    image[80:120, 140:146] = BLUE
    ink = np.zeros(rule.shape, bool)
    ink[80:120, 138:148] = True
    found = lines_in(image, ink)
    assert not found[80:120, 140:146].any() and found[rule & ink & (image == BLACK).all(axis=2)].all()


def test_a_stroke_that_is_mostly_handwriting_is_no_line():
    image, line = drawn((40, 100), (260, 100))
    ink = line.copy()
    ink[:, 110:170] = False
    assert not lines_in(image, ink).any()


def test_bars_and_curves_are_no_lines():
    image, bar = drawn((40, 100), (260, 100), thickness=25)
    ink = bar & (np.arange(300) > 200)
    assert not lines_in(image, ink).any()
    image = np.full((200, 300, 3), 255, np.uint8)
    cv2.circle(image, (150, 100), 60, BLACK, 4, cv2.LINE_AA)
    ink = (image.min(axis=2) < 200) & (np.arange(300) > 170)
    assert lines_in(image, ink)[ink].mean() < 0.05


@settings(max_examples=20, deadline=None)
@given(hnp.arrays(np.uint8, (60, 50, 4), elements=st.integers(0, 255)))
def test_only_ink_ever_comes_back(values):
    ink = values[..., 3] > 200
    assert not (lines_in(np.ascontiguousarray(values[..., :3]), ink) & ~ink).any()
