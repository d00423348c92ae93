"""What is behind dark ink on narrow coloured bands: their colour farther along the row."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.highlights import STRIP, behind_on_highlights, ink_on_highlights
from remover.fill import fill

PAPER, BLUE = (236, 228, 226), (112, 168, 222)
HIGH = 24  # px, of a band


def a_page(band=BLUE, ink=(30, 30, 34), paper=PAPER, words="must provide a low startup time and high"):
    """A page of bands with words that fill them, as a scanner sees it; without the words; and where their ink is."""
    blank = np.full((160, 640, 3), paper, np.uint8)
    for top in (20, 65, 110):
        blank[top : top + HIGH, 30:610] = band
    page, strokes = blank.copy(), np.zeros(blank.shape[:2], np.uint8)
    for top in (20, 65, 110):
        for image, colour in ((page, ink), (strokes, 255)):
            cv2.putText(image, words, (40, top + 20), cv2.FONT_HERSHEY_DUPLEX, 0.75, colour, 2, cv2.LINE_AA)
    soft = [cv2.GaussianBlur(image, (0, 0), 1.4) for image in (blank, page)]
    return soft[1], soft[0], strokes > 128


def inside(blank):
    """What is well within the bands."""
    return cv2.erode((blank[..., 2] > blank[..., 0].astype(int) + 100).astype(np.uint8), np.ones((5, 5))) > 0


def test_the_band_is_told_where_letters_hide_it():
    page, blank, ink = a_page()
    mask = ink_on_highlights(page, ink)
    behind, told = behind_on_highlights(page, mask, mask)
    assert (told & mask).sum() > 0.9 * (mask & (blank[..., 2] > blank[..., 0] + 60)).sum()
    assert np.abs(behind[told & inside(blank)].astype(int) - BLUE).max() <= 12
    assert (behind[~told] == 0).all() and not (told & ~mask).any()


def test_letters_in_a_band_cannot_be_read_in_what_is_filled_in():
    page, blank, ink = a_page()
    spots = {"as it was": ink, "with what is beside it": ink_on_highlights(page, ink)}
    left = {}
    for name, mask in spots.items():
        filled = np.where(mask[..., None], fill(page, mask), page)
        left[name] = (blank.astype(int) - filled).max(axis=2)
    written = (cv2.dilate(ink.astype(np.uint8), np.ones((7, 7))) > 0) & inside(blank)
    assert np.mean(left["as it was"][written] > 25) > 0.2, "the rim of letters stays, and shows them"
    assert np.mean(left["with what is beside it"][written] > 25) < 0.03


@pytest.mark.parametrize(
    "change", [{"band": PAPER}, {"band": (150, 150, 150)}, {"ink": (255, 255, 255), "band": (160, 30, 40)}]
)
def test_without_a_coloured_band_and_dark_ink_nothing_is_told(change):
    page, _, ink = a_page(**change)
    assert not behind_on_highlights(page, ink, ink)[1].any()
    assert (ink_on_highlights(page, ink) == ink).all()


def test_an_underline_is_no_band():
    page = np.full((60, 400, 3), 255, np.uint8)
    page[40:43, 20:380] = (20, 20, 230)
    mask = np.zeros(page.shape[:2], bool)
    mask[20:46, 60:66] = mask[20:46, 100:106] = True
    assert not behind_on_highlights(page, mask, mask)[1].any()


def test_the_colour_of_another_band_is_not_taken():
    page = np.full((60, 400, 3), (224, 156, 66), np.uint8)
    page[:, 150:] = (250, 240, 170)
    mask = np.zeros(page.shape[:2], bool)
    mask[20:40, 120:130] = True
    behind, told = behind_on_highlights(page, mask, mask)
    assert not told.any() or np.abs(behind[told].astype(int) - (224, 156, 66)).max() < 12


def test_letters_beside_a_band_are_not_painted_in_its_colour():
    page = np.full((60, 400, 3), 240, np.uint8)
    page[15:45, 200:380] = BLUE
    mask = np.zeros(page.shape[:2], bool)
    mask[20:40, 150:160] = mask[20:40, 240:250] = True
    told = behind_on_highlights(page, mask, mask)[1]
    assert told[20:40, 240:250].all() and not told[:, :200].any()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0, 1), height=st.integers(1, 40), width=st.integers(1, 200))
def test_any_picture_is_looked_at_and_only_wanted_pixels_are_told(seed, share, height, width):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    mask, wanted = rng.random((height, width)) < share, rng.random((height, width)) < 0.5
    behind, told = behind_on_highlights(image, mask, wanted)
    assert behind.shape == image.shape and not (told & ~wanted).any() and (behind[~told] == 0).all()
    more = ink_on_highlights(image, mask)
    assert (more | mask == more).all()


def test_a_page_without_colours_is_looked_at_too():
    grey = np.full((20, 20, 1), 90, np.uint8)
    mask = np.ones((20, 20), bool)
    assert not behind_on_highlights(grey, mask, mask)[1].any()


def test_a_high_page_is_looked_at_in_strips_without_a_seam():
    page, _, ink = a_page()
    high, mask = np.tile(page, (5, 1, 1)), np.tile(ink, (5, 1))
    low = behind_on_highlights(page, ink, ink)[1]
    told = behind_on_highlights(high, mask, mask)[1].reshape(5, *ink.shape)
    assert STRIP % len(page), "a band lies across the edge of a strip"
    assert all(np.mean(one != low) < 0.002 for one in told)
