"""What is to be filled in stays on a cleaned page and is not looked at: bubbles, boxes, marks; letters are."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from detectors.strokes.blanks import blanks

HEIGHT, WIDTH = 240, 420


def page_with(*, bubbles=False, boxes=False, mark=False):
    page = np.full((HEIGHT, WIDTH, 3), 235, np.uint8)
    if bubbles:
        for k in range(10):
            cv2.circle(page, (30 + 38 * k, 40), 13, (60,) * 3, 2, cv2.LINE_AA)
    if boxes:
        for k in range(3):
            cv2.rectangle(page, (30 + 60 * k, 100), (54 + 60 * k, 124), (60,) * 3, 2)
    if mark:
        cv2.rectangle(page, (300, 100), (379, 179), (30,) * 3, -1)
        cv2.rectangle(page, (318, 118), (361, 161), (235,) * 3, -1)
    return page


def everywhere():
    return np.ones((HEIGHT, WIDTH), bool)


class Network:
    """Says one likelihood for all it is asked."""

    def __init__(self, says):
        self.says, self.asked = says, []

    def __call__(self, part):
        self.asked.append(part)
        return np.full(part.shape, self.says, np.uint8)


@pytest.mark.parametrize("kind", ["bubbles", "boxes", "mark"])
def test_what_is_to_be_filled_in_stays_whole(kind):
    page = page_with(**{kind: True})
    found = blanks(page, everywhere(), Network(40))
    dark = page[..., 0] < 120
    assert (found & dark).sum() > 0.97 * dark.sum()
    assert not (found & ~cv2.dilate(dark.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)).any()


@pytest.mark.parametrize(
    ("kind", "says", "stays"),
    [("bubbles", 255, False), ("bubbles", 150, True), ("boxes", 255, False), ("boxes", 70, False), ("mark", 255, True)],
)
def test_what_the_network_is_sure_of_is_a_letter_and_no_mark_is_one(kind, says, stays):
    assert blanks(page_with(**{kind: True}), everywhere(), Network(says)).any() == stays


def test_the_network_is_asked_only_where_there_is_something():
    network = Network(0)
    assert not blanks(page_with(), everywhere(), network).any()
    assert not network.asked
    blanks(page_with(boxes=True), everywhere(), network)
    assert 0 < network.asked[0].sum() < 2000


def test_only_what_is_wanted_is_looked_for():
    wanted = everywhere()
    wanted[90:] = False
    found = blanks(page_with(bubbles=True, boxes=True), wanted, Network(0))
    assert found[:90].any() and not found[90:].any()


def test_a_frame_beside_a_letter_of_its_size_is_a_letter_itself():
    """As in 口腔科, of which the network is not sure, so that the first look has left it."""
    page = page_with()
    cv2.rectangle(page, (40, 40), (80, 80), (60,) * 3, 3)
    alone = blanks(page, everywhere(), Network(0))
    assert alone.any()
    cv2.line(page, (90, 40), (128, 78), (60,) * 3, 3)
    cv2.line(page, (128, 40), (90, 78), (60,) * 3, 3)
    assert not blanks(page, everywhere(), Network(0)).any()


def test_boxes_are_found_with_their_rims_and_nothing_that_was_not_wanted():
    image = np.full((120, 120, 3), 240, np.uint8)
    cv2.rectangle(image, (40, 40), (80, 80), (150, 150, 150), 7)
    cv2.rectangle(image, (40, 40), (80, 80), (20, 20, 20), 3)
    wanted = np.ones(image.shape[:2], bool)
    found = blanks(image, wanted, lambda part: np.zeros(part.shape, np.uint8))
    assert found[image[..., 0] < 200].all() and not found[50:70, 50:70].any()
    wanted[:, :60] = False
    assert not blanks(image, wanted, lambda part: np.zeros(part.shape, np.uint8))[:, :60].any()
