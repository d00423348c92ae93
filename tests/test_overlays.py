"""What is drawn over training samples: the same in every picture, and of the page's own kind."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflows.training.overlays import blur_borders, draw_rules, overwrite

SIDE = 96


def text_lines(side=SIDE):
    ink = np.zeros((side, side), bool)
    ink[20:32, 8:80:2] = True
    ink[60:72, 8:80:2] = True
    return ink


@given(st.integers(0, 2**32 - 1), st.integers(120, 255))
def test_rules_are_the_same_in_image_and_truth(seed, paper):
    ink = text_lines()
    truth = np.full((SIDE, SIDE, 3), paper, np.uint8)
    image = np.where(ink[..., None], np.uint8(30), truth)
    ruled, blank = draw_rules([image, truth], ink, np.random.default_rng(seed))
    assert (ruled[~ink] == blank[~ink]).all()
    assert (ruled <= image).all() and (blank <= truth).all()
    assert (ruled[ink] <= blank[ink]).all()


def test_rules_are_drawn_and_most_touch_what_hangs_below_a_line():
    ink = text_lines()
    truth = np.full((SIDE, SIDE, 3), 250, np.uint8)
    touched = []
    for seed in range(100):
        (blank,) = draw_rules([truth], ink, np.random.default_rng(seed))
        touched.append((blank[[32, 33, 34, 72, 73, 74]] < 250).any())
    assert np.mean(touched) > 0.5


@given(st.integers(0, 2**32 - 1))
def test_a_page_in_black_and_white_stays_one(seed):
    ink = text_lines()
    truth = np.full((SIDE, SIDE, 3), 255, np.uint8)
    image = np.where(ink[..., None], np.uint8(0), truth)
    for picture in draw_rules([image, truth], ink, np.random.default_rng(seed)):
        assert np.isin(picture, (0, 255)).all()


def test_rules_on_dark_paper_are_light():
    dark = np.full((SIDE, SIDE, 3), 20, np.uint8)
    drawn = [draw_rules([dark], text_lines(), np.random.default_rng(seed))[0] for seed in range(20)]
    assert all((picture >= dark).all() for picture in drawn) and any((picture > dark).any() for picture in drawn)


@pytest.mark.parametrize("paper", [240, 20])
def test_what_is_written_over_a_picture_is_said_to_be(paper):
    picture = np.full((SIDE, SIDE, 3), paper, np.uint8)
    for seed in range(20):
        written_over, written = overwrite(picture, text_lines(), np.random.default_rng(seed))
        assert (written_over[~written] == paper).all() or np.abs(written_over[~written].astype(int) - paper).max() <= 5
        assert not written.any() or np.abs(written_over[written].astype(int) - paper).max() > 50


def test_an_imperfect_mask_is_mostly_the_ink():
    ink = text_lines()
    shares = [blur_borders(ink, np.random.default_rng(seed))[ink].mean() for seed in range(50)]
    assert np.mean(shares) > 0.95 and min(shares) > 0.5
