"""On pages with hardly any handwriting, what may be print or a picture stays; elsewhere it is believed."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from detectors.strokes.doubts import doubtful
from detectors.strokes.repeats import repeated_print
from detectors.strokes.segmenters import mistaken
from pipeline.selection import InkSelection
from workflows.config import RunSettings
from workflows.pages.tools import find_ink

FONT = cv2.FONT_HERSHEY_SIMPLEX


def sheet(*pieces, lines=8, paper=250):
    """(page, likelihoods, handwriting): lines of print, and words: (place, likelihood of print, of handwriting)."""
    image, levels = np.full((400, 400, 3), paper, np.uint8), np.zeros((400, 400, 2), np.uint8)
    for row in range(lines):
        put(image, levels, "printed words, all of them", (10, 30 + 30 * row), (250, 0))
    for place, (printed, written) in pieces:
        put(image, levels, "ink", place, (printed, written))
    return image, levels, levels[..., 1] > levels[..., 0]


def put(image, levels, text, place, likely):
    ink = np.zeros(image.shape[:2], np.uint8)
    cv2.putText(ink, text, place, FONT, 0.8, 1, 2)
    image[ink > 0], levels[ink > 0] = 20, likely


def test_a_word_among_print_that_may_be_print_stays():
    image, levels, ink = sheet(((200, 107), (60, 170)))
    assert doubtful(image, levels, ink)[ink].all()


def test_a_lone_word_that_is_sure_goes():
    for place in ((100, 350), (150, 290)):
        image, levels, ink = sheet((place, (5, 220)))
        assert not doubtful(image, levels, ink).any()


def test_a_page_that_is_written_on_is_believed():
    image, levels, ink = sheet(((200, 107), (60, 170)), ((20, 350), (5, 220)), ((150, 350), (5, 220)))
    assert not doubtful(image, levels, ink).any()
    image, levels, ink = sheet(((200, 107), (60, 170)))
    assert not doubtful(image, levels, ink, gone=3000).any(), "most of it is gone already"
    image, levels, ink = sheet(*[((20 + 100 * (k % 4), 42 + 25 * (k // 4)), (60, 170)) for k in range(8)], lines=1)
    assert not doubtful(image, levels, ink).any(), "there is little print, and much that looks written"


def test_a_pen_of_another_colour_is_not_like_the_print_around_it():
    image, levels, ink = sheet(((200, 107), (60, 170)))
    image[ink] = (200, 30, 40)
    assert not doubtful(image, levels, ink).any()


def test_what_looks_written_in_a_picture_stays():
    image, levels, ink = sheet(((100, 340), (5, 220)))
    picture = np.random.default_rng(3).integers(0, 255, (20, 40, 3), dtype=np.uint8)
    picture = cv2.resize(picture, (200, 100), interpolation=cv2.INTER_CUBIC)
    image[280:380, 60:260] = np.where(ink[280:380, 60:260, None], 20, picture)
    assert doubtful(image, levels, ink)[ink].all()


def circles(written):
    """(page, handwriting): rows of circles to be filled in, of which those numbered look handwritten."""
    image, ink = np.full((120, 400, 3), 250, np.uint8), np.zeros((120, 400), bool)
    for number in range(20):
        one = np.zeros(ink.shape, np.uint8)
        cv2.circle(one, (30 + 36 * (number % 10), 30 + 50 * (number // 10)), 13, 1, 2)
        image[one > 0] = 60
        ink |= (one > 0) & (number in written)
    return image, ink


def test_one_of_many_like_shapes_is_print_as_the_others_are():
    image, ink = circles({3, 4, 17})
    assert np.array_equal(repeated_print(image, ink), ink)


def test_shapes_that_are_all_written_or_in_another_ink_are_not():
    image, ink = circles(range(20))
    assert not repeated_print(image, ink).any()
    image, ink = circles({3})
    image[ink] = (30, 60, 200)
    assert not repeated_print(image, ink).any()
    image, ink = circles({3})
    image[40:52, 130:150][ink[40:52, 130:150]] = 250  # a C, and no O
    assert not repeated_print(image, ink & (image[..., 0] < 200)).any()


def ornaments(turned=0.0, count=3):
    """(page, handwriting): swooshes as in a margin, all of which look handwritten; the last one ``turned``."""
    image = np.full((500, 300, 3), 250, np.uint8)
    for number in range(count):
        angle = turned if number == count - 1 else 0.0
        cv2.ellipse(image, (150, 120 + 140 * number), (90, 30), angle, 200, 320, (120, 120, 120), 9)
    return image, image[..., 0] < 200


def test_nobody_draws_the_same_swoosh_three_times():
    image, ink = ornaments()
    assert np.array_equal(repeated_print(image, ink), ink)
    for others in ({"turned": 12.0}, {"count": 2}):
        image, ink = ornaments(**others)
        assert not repeated_print(image, ink).any(), others


def test_what_looks_written_on_darker_paper_stays_and_on_a_dark_page_goes():
    image, levels, ink = sheet(((100, 340), (5, 220)))
    dim = image.copy()
    dim[290:390] = np.where(ink[290:390, :, None], 20, 150)
    assert doubtful(dim, levels, ink)[ink].all()
    dim[:] = np.where(image > 128, 150, image)
    assert not doubtful(dim, levels, ink).any()


@settings(max_examples=20, deadline=None)
@given(hnp.arrays(np.uint8, (60, 50, 5), elements=st.integers(0, 255)))
def test_only_ink_is_ever_mistaken(values):
    levels = values[..., 3:] // 2
    ink = levels[..., 1] > 100
    found = mistaken(np.ascontiguousarray(values[..., :3]), levels, ink, InkSelection("handwriting"))
    assert found.dtype == bool and not (found & ~ink).any()


def test_doubtful_handwriting_goes_where_nothing_may_be_left(monkeypatch):
    image, levels, ink = sheet(((200, 107), (60, 170)))
    asked = []

    class Segmenter:
        def segment(self, image, regions, selection):
            asked.append(selection)
            return ink

    monkeypatch.setattr("workflows.pages.tools.make_segmenter", lambda *_: Segmenter())
    for strict in (False, True):
        find_ink(image, (), RunSettings(remove="handwriting", anonymize=strict))
    assert [mistaken(image, levels, ink, selection).any() for selection in asked] == [True, False]
