"""Bubbles whose lines are broken or that touch something stay beside others that are whole; letters do not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from detectors.strokes.bubbles import Bubbles, answer_bubbles, find_bubbles, without_letters
from detectors.strokes.darkness import dark_marks
from detectors.strokes.likeness import Circle, find_alike
from detectors.strokes.round_marks import find_marks
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


def bubbles_of(page: Array) -> Bubbles:
    image = as_image(page)
    return find_bubbles(image, ink_of(page), (), find_marks(dark_marks(image, ink_of(page))))


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


@pytest.mark.parametrize("sign", ["O", "Q", "C", "D", "0"])
def test_initials_of_labels_beside_them_go_as_the_network_is_sure_of_letters(sign):
    page = grid()
    image = Image.fromarray(np.clip(page, 0, 255).astype(np.uint8))
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(36)
    letters = [(x, y) for x, y in places() if x in (160, 320)]
    for x, y in letters:
        draw.rectangle((x - 19, y - 19, x + 19, y + 19), fill=225)
        draw.text((x, y), sign + "i", 60, font=font, anchor="mm")
    page = np.asarray(image).astype(float)
    stay, dark = bubbles_of(page), page < 120
    sure = np.zeros(page.shape, bool)
    for place in letters:
        sure[at(place, 20)] = dark[at(place, 20)]
    kept = without_letters(stay, dark, sure)
    assert not any(kept[at(place, 19)].any() for place in letters)
    others = [place for place in places() if place not in letters]
    assert np.mean([(kept & dark)[at(place)].sum() >= 0.9 * dark[at(place)].sum() for place in others]) > 0.9


def test_discs_are_no_letters_and_bubbles_that_are_all_sure_are():
    page = grid()
    for place in places()[3::5]:
        cv2.circle(page, place, RADIUS, 30.0, -1)
    stay, dark = bubbles_of(page), page < 120
    sure = np.zeros(page.shape, bool)
    for place in places()[3::5]:
        sure[at(place)] = True
    assert np.array_equal(without_letters(stay, dark, sure), stay.all)
    assert not without_letters(stay, dark, dark).any()


def test_broken_circles_of_two_sizes_stay():
    page = np.full((420, 660), 225, np.uint8)
    rows = [(40, 10, 40), (80, 10, 40), (120, 10, 40), (200, 16, 60), (260, 16, 60), (320, 16, 60)]
    where = [(40 + pitch * column, y, radius) for y, radius, pitch in rows for column in range(10)]
    for x, y, radius in where:
        cv2.circle(page, (x, y), radius, 60, 1, cv2.LINE_AA)
    for x, y, radius in where[1::3]:
        page[y - 3 : y + 4, x - radius - 3 : x - radius + 4] = page[y - 3 : y + 4, x + radius - 3 : x + radius + 4] = (
            225
        )
    stay, dark = answer_bubbles(as_image(page.astype(float)), ink_of(page), ()), page < 120
    assert all((stay & dark)[at((x, y), r + 2)].sum() >= 0.8 * dark[at((x, y), r + 2)].sum() for x, y, r in where)


@pytest.mark.parametrize("noise", [0.0, 2.0, 6.0])
def test_in_clean_paper_there_is_nothing_like_them(noise):
    page = grid(noise)
    known = [Circle((float(x), float(y)), 2.0 * RADIUS) for x, y in places()[:20]]
    found = find_alike(as_image(page), known, 0.6)
    assert sorted(tuple(round(v) for v in one.middle) for one in found) == sorted(places()[20:])
    assert {one.size for one in found} == {2.0 * RADIUS} and all(one.likeness >= 0.6 for one in found)


@pytest.mark.parametrize("radius", [16, 30, 50])
def test_large_circles_are_found_where_they_are(radius):
    page = np.full((8 * radius, 14 * radius), 225, np.uint8)
    where = [
        (2 * radius + 3 * radius * column, 2 * radius + 3 * radius * row) for row in range(2) for column in range(4)
    ]
    for place in where:
        cv2.circle(page, place, radius, 60, 2, cv2.LINE_AA)
    found = find_alike(as_image(page.astype(float)), [Circle((x, y), 2.0 * radius) for x, y in where[:4]], 0.6)
    assert sorted(one.middle for one in found) == sorted((float(x), float(y)) for x, y in where[4:])


def test_a_page_smaller_than_a_circle_and_circles_off_it_break_nothing():
    small = np.full((20, 20, 3), 225, np.uint8)
    assert find_alike(small, [Circle((10.0, 10.0), 26.0)], 0.6) == []
    assert find_alike(as_image(grid()), [Circle((2.0, 2.0), 26.0)], 0.6) == []
