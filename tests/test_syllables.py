"""The Korean letter ㅁ is told from check boxes by the vowel of its syllable."""

from __future__ import annotations

import numpy as np
import pymupdf
import pytest

from detectors.strokes.boxes import check_boxes, letters_like_boxes
from detectors.strokes.syllables import with_vowels, without_vowels

SIDE = 24


def syllables(text, size, dpi):
    """Print without serifs, (H, W) bool, its syllables apart, so that no other tells that they are letters."""
    font = pymupdf.Font("korea")
    with pymupdf.open() as document:
        page = document.new_page(width=size * 2 * len(text) + size, height=2.5 * size)
        writer = pymupdf.TextWriter(page.rect)
        for number, letter in enumerate(text):
            writer.append((size * (0.8 + 2 * number), 1.6 * size), letter, font=font, fontsize=size)
        writer.write_text(page)
        pixels = page.get_pixmap(dpi=dpi, colorspace="gray")
    return np.frombuffer(pixels.samples, np.uint8).reshape(pixels.h, pixels.w) < 128


@pytest.mark.parametrize(("size", "dpi"), [(12, 200), (12, 300), (18, 200), (24, 200), (24, 300)])
@pytest.mark.parametrize("text", ["마머며미", "모무므뮤", "매메", "음름움", "님임담감", "민멀만면"])
def test_it_is_no_box_in_any_syllable(text, size, dpi):
    print_ = syllables(text, size, dpi)
    assert not check_boxes(print_, np.zeros_like(print_), print_).any()


def test_and_where_the_network_takes_it_for_a_rule_it_is_a_letter():
    print_ = syllables("마미므", 18, 300)
    found = letters_like_boxes(print_)
    assert [bool(part.any()) for part in np.array_split(found[:, 15:], 3, axis=1)] == [True] * 3


def box(*others):
    """A box at (60, 60), and other shapes x, y, width, height beside it: the box, and all, (H, W) bool."""
    page, frame = np.zeros((160, 200), bool), np.zeros((160, 200), bool)
    frame[60 : 60 + SIDE, 60 : 60 + SIDE] = True
    frame[62 : 58 + SIDE, 62 : 58 + SIDE] = False
    for x, y, width, height in others:
        page[y : y + height, x : x + width] = True
    return frame, page | frame


VOWELS = {
    "right of it": [(92, 52, 3, 42)],
    "with a short stroke": [(90, 50, 3, 42), (93, 70, 8, 3)],
    "below it": [(52, 90, 40, 3)],
    "above it": [(52, 50, 40, 3)],
    "upright above it, beside another": [(78, 24, 3, 30), (58, 40, 12, 12)],
}
LABELS = {
    "none": [],
    "a lower letter": [(92, 66, 12, 16)],
    "a bar as high as the box": [(92, 60, 3, SIDE)],
    "a bar farther away": [(60 + SIDE + 14, 52, 3, 42)],
    "a bar that begins within": [(92, 68, 3, 42)],
    "a broad letter": [(92, 55, 30, 34)],
    "a bar on the left": [(50, 52, 3, 42)],
    "a table's rule beside it": [(92, 0, 3, 160)],
    "a rule below it": [(0, 90, 200, 3)],
    "a broad picture below it": [(52, 90, 40, 40)],
    "one letter above it": [(66, 30, 4, 24)],
    "two low letters above it": [(60, 40, 10, 14), (74, 40, 10, 14)],
    "another box below it": [(60, 92, SIDE, SIDE)],
}


@pytest.mark.parametrize("vowel", VOWELS)
def test_a_vowel_is_a_bar_near_it_and_longer(vowel):
    frame, page = box(*VOWELS[vowel])
    assert not without_vowels(frame, page).any()
    assert (with_vowels(frame, page) == frame).all()


@pytest.mark.parametrize("label", LABELS)
def test_what_else_is_near_a_box_is_no_vowel(label):
    frame, page = box(*LABELS[label])
    assert (without_vowels(frame, page) == frame).all()
    assert not with_vowels(frame, page).any()


def test_each_frame_is_judged_by_what_is_near_it():
    frame, page = box((92, 52, 3, 42))
    two, all_of_it = (np.hstack([part, box()[number]]) for number, part in enumerate((frame, page)))
    kept = without_vowels(two, all_of_it)
    assert not kept[:, :200].any() and (kept[:, 200:] == frame).all()


def test_no_frames_no_letters():
    nothing = np.zeros((30, 30), bool)
    assert not with_vowels(nothing, ~nothing).any() and not without_vowels(nothing, ~nothing).any()
