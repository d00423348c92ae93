"""Grain over what was removed: the paper's own, and no letters in it."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipeline.grain import merge_strokes, renew_grain

SIDE = 256


def scan(sigma=3.0, seed=0):
    rng = np.random.default_rng(seed)
    shade = np.linspace(210, 240, SIDE)[None, :, None] + np.zeros((SIDE, 1, 3))
    return np.clip(shade + rng.normal(0, sigma, (SIDE, SIDE, 1)), 0, 255).round().astype(np.uint8)


def letters():
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.putText(mask, "SECRET", (30, 140), cv2.FONT_HERSHEY_DUPLEX, 1.6, 1, 4)
    return mask > 0


def without_grain_under(page, mask):
    return np.where(mask[..., None], cv2.GaussianBlur(page, (0, 0), 6), page)


def local_grain(page):
    return np.abs(page.astype(float) - cv2.GaussianBlur(page, (0, 0), 2.5)).mean(axis=2)


def test_letters_do_not_show_as_missing_grain():
    mask = letters()
    smooth = without_grain_under(scan(), mask)
    renewed = renew_grain(smooth, merge_strokes(mask, 30), seed=5)
    ring = cv2.dilate(mask.astype(np.uint8), np.ones((15, 15))).astype(bool) & ~mask
    before, after = (local_grain(page)[mask].mean() / local_grain(page)[ring].mean() for page in (smooth, renewed))
    assert before < 0.55 and 0.9 < after < 1.1
    assert abs(renewed[mask].mean() - scan()[mask].mean()) < 1


def test_rules_in_the_area_and_everything_outside_it_stay():
    page = scan()
    page[120:123] = 40
    area = merge_strokes(letters(), 30)
    renewed = renew_grain(page, area, seed=5)
    assert (renewed[~area] == page[~area]).all()
    assert (renewed[118:125] == page[118:125]).all()
    assert (renewed[area] != page[area]).any()


@given(st.integers(0, 2**32), st.integers(0, 2**32))
def test_the_same_seed_gives_the_same_page(one, other):
    page, area = scan()[:96, :96], letters()[60:156, 30:126]
    assert (renew_grain(page, area, one) == renew_grain(page, area, one)).all()
    if one != other and area.any():
        assert (renew_grain(page, area, one) != renew_grain(page, area, other)).any()


def test_a_page_without_grain_is_left_alone():
    clean = np.full((SIDE, SIDE, 3), 255, np.uint8)
    assert (renew_grain(clean, merge_strokes(letters(), 30), 1) == 255).all()
    assert (renew_grain(scan(), np.zeros((SIDE, SIDE), bool), 1) == scan()).all()


def test_words_of_a_line_become_one_line_and_lines_stay_apart():
    ink = np.zeros((200, 400), bool)
    for start, stop in ((20, 80), (110, 150), (190, 320)):  # words, 30 and 40 px apart
        ink[40:60, start:stop:3] = True
        ink[150:170, start:stop:3] = True
    lines = merge_strokes(ink, 20)
    count, _ = cv2.connectedComponents(lines.astype(np.uint8))
    assert count - 1 == 2
    assert lines[50, 15:325].all() and not lines[90:120].any()
    assert lines[ink].all()


def test_specks_of_letters_go_from_paper_without_grain():
    page = np.full((SIDE, SIDE, 3), 250, np.uint8)
    rim = cv2.dilate(letters().astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool) & ~letters()
    rng = np.random.default_rng(1)
    page[rim & (rng.random(rim.shape) < 0.1)] = 200
    page[170:172] = 60  # a rule stays
    renewed = renew_grain(page, merge_strokes(letters(), 30), seed=1)
    assert (renewed[rim] == 250).mean() > 0.999 and (page[rim] == 200).any()
    assert (renewed[170:172] == 60).all()
