"""What is put back under ink that goes: nothing that can be read, whatever the network left."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.surroundings import AROUND, RIM, keep_to_surroundings

BLUE = (106, 172, 240)


def highlighted() -> tuple[np.ndarray, np.ndarray]:
    """A word on a highlight, with a rule through it, and its ink."""
    image = np.full((80, 200, 3), BLUE, np.uint8)
    image[60:63] = 40  # a rule that runs under the word
    mask = np.zeros((80, 200), np.uint8)
    cv2.putText(mask, "word", (20, 60), cv2.FONT_HERSHEY_SIMPLEX, 1.5, 1, 3)
    image[mask > 0] = 20
    return image, mask > 0


def test_a_ghost_of_a_letter_on_a_highlight_goes() -> None:
    image, mask = highlighted()
    ghost = np.full_like(image, BLUE)
    ghost[mask] = (80, 140, 205)
    after = keep_to_surroundings(image, ghost, mask)
    far = mask & (np.arange(80) < 60 - AROUND - 1)[:, None]
    assert far.any() and (after[far] == BLUE).all()


def test_a_rule_that_goes_on_under_a_letter_stays() -> None:
    image, mask = highlighted()
    truth = np.full_like(image, BLUE)
    truth[60:63] = 40
    assert (keep_to_surroundings(image, truth, mask) == truth).all()


@given(arrays(np.uint8, (24, 40, 3)), arrays(np.uint8, (24, 40, 3)), arrays(bool, (24, 40)), st.booleans())
def test_bounded_by_what_is_known_and_the_rest_is_left_alone(image, after, mask, everything) -> None:
    mask = mask | everything
    result = keep_to_surroundings(image, after, mask)
    assert (result[~mask] == after[~mask]).all()
    known = cv2.erode((~mask).view(np.uint8), np.ones((2 * RIM + 1,) * 2, np.uint8)) > 0
    for y, x in np.argwhere(mask):
        near = np.s_[max(y - AROUND, 0) : y + AROUND + 1, max(x - AROUND, 0) : x + AROUND + 1]
        around = image[near][known[near]]
        if len(around):
            expected = np.clip(after[y, x], around.min(axis=0), around.max(axis=0))
            assert (result[y, x] == expected).all()
        else:
            assert (result[y, x] == after[y, x]).all()
