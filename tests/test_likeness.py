"""Bubbles whose lines are broken or that touch something stay beside others that are whole; letters do not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from detectors.strokes.bubbles import answer_bubbles
from detectors.strokes.likeness import Circle, find_alike
from pipeline.types import Array

PITCH, RADIUS, ROWS, COLUMNS = 40, 13, 4, 10


def places():
    return [(40 + PITCH * column, 40 + PITCH * row) for row in range(ROWS) for column in range(COLUMNS)]


def grid(noise: float = 3.0) -> Array:
    """(H, W) float64: rows of circles on grainy paper."""
    page = np.full((260, 460), 225, np.uint8)
    for x, y in places():
        cv2.circle(page, (x, y), RADIUS, 60, 1, cv2.LINE_AA)
    return page + np.random.default_rng(0).normal(0, noise, page.shape)


def as_image(page: Array) -> Array:
    return np.clip(np.rint(page), 0, 255).astype(np.uint8)[..., None].repeat(3, axis=2)


def ink_of(page: Array) -> Array:
    return cv2.dilate((page < 160).astype(np.uint8), np.ones((3, 3), np.uint8)).view(bool)


def at(place: tuple[int, int], reach: int = RADIUS + 3):
    return np.s_[place[1] - reach : place[1] + reach + 1, place[0] - reach : place[0] + reach + 1]


def broken(page: Array, place: tuple[int, int]) -> Array:
    """The page with gaps in the line of one circle."""
    page = page.copy()
    for x, y in ((-RADIUS, 0), (RADIUS, 0)):
        page[place[1] + y - 3 : place[1] + y + 4, place[0] + x - 3 : place[0] + x + 4] = 225
    return page


def test_broken_circles_among_whole_ones_stay():
    page, gone = grid(), places()[1::2]
    for place in gone:
        page = broken(page, place)
    stay = answer_bubbles(as_image(page), ink_of(page), ())
    dark = page < 120
    assert all((stay & dark)[at(place)].sum() >= 0.9 * dark[at(place)].sum() for place in places())


def test_a_circle_that_a_rule_touches_stays():
    page, place = grid(), places()[15]
    page[:, place[0] + RADIUS + 1 : place[0] + RADIUS + 3] = 60
    stay, dark = answer_bubbles(as_image(page), ink_of(page), ()), page < 120
    left = at(place)[0], slice(place[0] - RADIUS - 2, place[0] + RADIUS - 2)
    assert (stay & dark)[left].sum() >= 0.9 * dark[left].sum()


def test_a_circle_beside_a_label_that_touches_it_stays_and_the_label_goes():
    page, place = grid(), places()[20]
    page[place[1] - 9 : place[1] + 10, place[0] - RADIUS - 14 : place[0] - RADIUS - 10] = 60
    page[place[1] - 9 : place[1] - 5, place[0] - RADIUS - 14 : place[0] - RADIUS - 1] = 60  # an F
    stay, dark = answer_bubbles(as_image(page), ink_of(page), ()), page < 120
    right = at(place)[0], slice(place[0] - RADIUS + 3, place[0] + RADIUS + 3)
    assert (stay & dark)[right].sum() >= 0.9 * dark[right].sum()
    assert not stay[place[1] - 12 : place[1] + 12, place[0] - RADIUS - 14 : place[0] - RADIUS - 3].any()


def test_discs_with_frayed_edges_stay_among_others():
    page, filled = grid(), places()[3::5]
    for place in filled:
        cv2.circle(page, place, RADIUS, 30.0, -1)
    place = filled[2]
    for step in range(-RADIUS, RADIUS, 6):
        page[place[1] + step : place[1] + step + 3, place[0] + RADIUS - 1 : place[0] + RADIUS + 3] = 30
        page[place[1] + step + 3 : place[1] + step + 6, place[0] - RADIUS : place[0] - RADIUS + 3] = 225
    stay = answer_bubbles(as_image(page), ink_of(page), ())
    assert all(stay[at(place, 5)].all() for place in filled)


@pytest.mark.parametrize("word", ["BOOK", "MOON", "ODOUR", "100200"])
def test_letters_beside_them_go(word):
    page = grid()
    cv2.putText(page, word, (40, 225), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 60.0, 2, cv2.LINE_AA)
    stay = answer_bubbles(as_image(page), ink_of(page), ())
    assert stay[:180].any() and not stay[190:].any()


@pytest.mark.parametrize("noise", [0.0, 2.0, 6.0])
def test_in_clean_paper_there_is_nothing_like_them(noise):
    page = grid(noise)
    known = [Circle((float(x), float(y)), 2.0 * RADIUS) for x, y in places()[:20]]
    found = find_alike(as_image(page), known, 0.6)
    assert sorted(tuple(round(v) for v in one.middle) for one in found) == sorted(places()[20:])
    assert {one.size for one in found} == {2.0 * RADIUS} and all(one.likeness >= 0.6 for one in found)


def test_a_page_smaller_than_a_circle_and_circles_off_it_break_nothing():
    small = np.full((20, 20, 3), 225, np.uint8)
    assert find_alike(small, [Circle((10.0, 10.0), 26.0)], 0.6) == []
    assert find_alike(as_image(grid()), [Circle((2.0, 2.0), 26.0)], 0.6) == []
