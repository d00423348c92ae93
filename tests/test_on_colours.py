"""On coloured bands the stroke network is believed about what is no letter, where it cannot have missed any."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.strokes.on_colours import no_letters
from pipeline.masks import grow

ORANGE, WHITE, GREY = (225, 165, 75), (255, 255, 255), (190, 190, 190)
HEIGHT = 44


def a_cell(band=ORANGE, words="$900.00", ink=(30, 30, 30)):
    """A band with words on it in a cell, its region, and which pixels are letters."""
    page = np.full((HEIGHT, 190, 3), 235, np.uint8)
    page[8:38, 14:160] = band
    letters = np.zeros(page.shape[:2], np.uint8)
    cv2.putText(letters, words, (20, 32), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 255, 2, cv2.LINE_AA)
    share = letters[..., None] / 255
    page = (page * (1 - share) + np.array(ink) * share).astype(np.uint8)
    inside = np.zeros(letters.shape, bool)
    inside[1:-1, 4:172] = True
    return page, inside, letters


def told(page, inside, likely):
    everything = inside.copy()  # the classical mask at its worst
    return no_letters(page, everything, inside, likely, grow(likely > 25, 3), HEIGHT)


@pytest.mark.parametrize(("band", "ink"), [(ORANGE, (30, 30, 30)), ((40, 60, 150), WHITE)])
def test_band_and_paper_are_no_letters(band, ink):
    page, inside, letters = a_cell(band, ink=ink)
    assert (told(page, inside, letters) == (inside & ~grow(letters > 25, 3))).all()


def test_a_rule_beside_the_band_is_no_letter_either():
    page, inside, letters = a_cell()
    page[:, 8:11] = page[40:42] = 40
    assert told(page, inside, letters)[5:38, 8:11].all()


@pytest.mark.parametrize("missed", ["dark", "red", "white"])
def test_nothing_is_told_where_the_network_missed_letters(missed):
    page, inside, letters = a_cell(words="$900")
    more = np.zeros(letters.shape, np.uint8)
    cv2.putText(more, "75", (104, 32), cv2.FONT_HERSHEY_SIMPLEX, 0.9, 255, 2)
    page[more > 0] = {"dark": (30, 30, 30), "red": (150, 20, 20), "white": WHITE}[missed]
    assert not told(page, inside, letters).any()


@pytest.mark.parametrize("change", ["grey band", "a short piece", "pale ink"])
def test_nothing_is_told_elsewhere(change):
    page, inside, letters = a_cell(GREY if change == "grey band" else ORANGE)
    if change == "a short piece":
        letters[:, 80:] = 0
    if change == "pale ink":
        page, inside, letters = a_cell(ink=(200, 145, 60))
    assert not told(page, inside, letters).any()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 40), width=st.integers(1, 60))
def test_only_what_was_found_and_is_not_near_letters_is_told(seed, height, width):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 256, (height, width, 3), np.uint8)
    found, inside, near = (rng.random((height, width)) < share for share in rng.random(3))
    likely = rng.integers(0, 256, (height, width), np.uint8)
    result = no_letters(image, found, inside, likely, near, float(rng.uniform(6, 60)))
    assert result.dtype == bool and not (result & (near | ~found)).any()
