"""Empty check boxes stay on the page; letters that look like them, and boxes with a tick, do not."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ink import square_frame
from PIL import Image, ImageDraw, ImageFont

from detectors.strokes.boxes import check_boxes
from detectors.strokes.darkness import dark_marks
from detectors.strokes.segmenters import CombinedSegmenter
from pipeline.selection import InkSelection
from pipeline.types import TextRegion

SIDE = 120


drawn = partial(square_frame, SIDE)


@settings(max_examples=60, deadline=None)
@given(st.integers(14, 70), st.integers(1, 3), st.floats(-20, 20))
def test_a_frame_that_the_network_does_not_see_is_a_box_however_it_is_turned(side, thickness, angle):
    assume(thickness < side / 8)
    frame = drawn(side, thickness, angle)
    assert np.array_equal(check_boxes(frame, np.zeros_like(frame)), frame)


@settings(max_examples=40, deadline=None)
@given(st.integers(14, 70), st.integers(1, 3), st.floats(-20, 20))
def test_a_frame_that_the_network_sees_is_a_letter(side, thickness, angle):
    frame = drawn(side, thickness, angle)
    assert not check_boxes(frame, frame).any()


def test_the_rest_of_a_box_is_kept_where_the_network_sees_bits_of_it():
    frame = drawn(40, 3)
    seen = np.zeros_like(frame)
    seen[36:44, 70:76] = True  # a corner
    assert np.array_equal(check_boxes(frame, seen & frame), frame)


def with_tick():
    ink = drawn(40, 3)
    tick = np.zeros((SIDE, SIDE), np.uint8)
    cv2.line(tick, (36, 36), (84, 84), 1, 3)
    cv2.line(tick, (84, 36), (36, 84), 1, 3)
    return ink | tick.view(bool)


def solid():
    ink = np.zeros((SIDE, SIDE), bool)
    ink[40:80, 40:80] = True
    return ink


def open_frame():
    ink = drawn(40, 3)
    ink[38:84, 76:] = False
    return ink


@pytest.mark.parametrize(
    "ink", [with_tick(), solid(), open_frame(), drawn(6, 1)], ids=["ticked", "solid", "open", "too small"]
)
def test_what_is_no_empty_frame_is_no_box(ink):
    assert not check_boxes(ink, np.zeros_like(ink)).any()


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_only_ink_is_ever_a_box(seed):
    rng = np.random.default_rng(seed)
    ink = cv2.resize(rng.integers(0, 2, (20, 20)).astype(np.uint8), (80, 80), interpolation=cv2.INTER_NEAREST) > 0
    assert not (check_boxes(ink, rng.random((80, 80)) > 0.9) & ~ink).any()


def large(sign, size):
    """(H, W) bool: a letter so many px high."""
    font = ImageFont.load_default(2 * size)
    x0, y0, x1, y1 = font.getbbox(sign)
    image = Image.new("L", (int(x1 - x0) + 40, int(y1 - y0) + 40))
    ImageDraw.Draw(image).text((20 - x0, 20 - y0), sign, 255, font=font)
    ink = np.asarray(image) > 128
    scale = size / np.ptp(np.flatnonzero(ink.any(axis=1)))
    return cv2.resize(ink.astype(np.uint8), None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) > 0


@pytest.mark.parametrize("turns", [0, 1, 2])
@pytest.mark.parametrize("size", [64, 90, 130])
@pytest.mark.parametrize("sign", ["O", "D", "Q", "0", "C", "U"])
def test_large_letters_of_which_the_network_sees_nothing_are_no_boxes(sign, size, turns):
    ink = np.rot90(large(sign, size), turns).copy()
    assert not check_boxes(ink, np.zeros_like(ink)).any()


@settings(max_examples=40, deadline=None)
@given(st.integers(50, 80), st.integers(2, 4), st.floats(-20, 20), st.integers(0, 4))
def test_large_frames_are_boxes_even_if_a_corner_is_gone(side, thickness, angle, corner):
    frame = drawn(side, thickness, angle)
    corners = cv2.boxPoints(((SIDE / 2, SIDE / 2), (side, side), angle)).round().astype(int)
    if corner < 4:
        x, y = corners[corner]
        frame[max(y - 4, 0) : y + 5, max(x - 4, 0) : x + 5] = False
    assert np.array_equal(check_boxes(frame, np.zeros_like(frame)), frame)


def test_a_box_beside_a_short_label_stays_though_the_two_masks_agree_on_half_of_the_ink():
    """As ``Yes`` and ``No`` on forms: the classical mask takes the box for a letter of the line."""
    image = np.full((SIDE, 240, 3), 255, np.uint8)
    image[drawn(34, 3)[:, :SIDE].nonzero()] = 0
    label = np.zeros(image.shape[:2], bool)
    for x in (90, 102, 114):
        label[46:76, x : x + 5] = True
    image[label] = 0

    class SeesTheLabel:
        def read(self, page, wanted=None):
            return np.stack([label * np.uint8(255), np.zeros(label.shape, np.uint8)], axis=2)

    regions = (TextRegion(np.float32([[36, 36], [126, 36], [126, 84], [36, 84]])),)
    ink = CombinedSegmenter(reader=SeesTheLabel()).segment(image, regions, InkSelection())
    assert ink[label].all() and not ink[40:80, 40:80].any()


def test_a_box_that_a_region_cuts_is_seen_whole():
    page = np.full((100, 200, 3), 235, np.uint8)
    page[30:62, 20:52] = 60
    page[32:60, 22:50] = 235
    cut = np.zeros((100, 200), bool)
    cut[:, 36:] = True  # a region of text begins in the middle of the box
    ink = (page[..., 0] < 128) & cut
    nothing = np.zeros_like(ink)
    assert not check_boxes(ink, nothing).any()
    assert check_boxes(ink, nothing, dark_marks(page, ink)).sum() > 0.9 * ink.sum()


def mark(side, thickness, angle=0.0):
    """(H, W) bool: a square that is hollow inside, as scanners find their way by, turned by degrees."""
    ink = np.zeros((SIDE, SIDE), np.uint8)
    for length, value in ((side, 1), (side - 2 * thickness, 0)):
        corners = cv2.boxPoints(((SIDE / 2, SIDE / 2), (length, length), angle)).round().astype(np.int32)
        cv2.fillPoly(ink, [corners], value)
    return ink.view(bool)


@settings(max_examples=40, deadline=None)
@given(st.integers(50, 80), st.floats(0.275, 0.285), st.floats(-20, 20))
def test_a_mark_too_thick_for_a_letter_stays_whatever_the_network_says(side, share, angle):
    ink = mark(side, int(share * side), angle)
    assert np.array_equal(check_boxes(ink, ink), ink)


def letter(sign, size):
    ink = np.zeros((SIDE, SIDE), np.uint8)
    cv2.putText(ink, sign, (30, 90), cv2.FONT_HERSHEY_DUPLEX, size, 1, round(6 * size))
    return ink.view(bool)


@pytest.mark.parametrize("ink", [mark(24, 6), letter("O", 2.4), letter("D", 2.4), letter("B", 2.4)])
def test_small_ones_and_letters_as_bold_are_no_marks(ink):
    assert not check_boxes(ink, ink).any()


GLYPHS = {
    "4": "1001 1001 1111 0001 0001 0001",
    "0": "1111 1001 1001 1001 1001 1111",
    "7": "1111 0001 0010 0010 0100 0100",
}


@pytest.mark.parametrize("cell", [8, 12, 16])
def test_block_letters_are_no_marks_though_as_thick_and_as_square(cell):
    glyphs = [np.array([[c == "1" for c in row] for row in GLYPHS[sign].split()]) for sign in "4007"]
    line = np.hstack([np.pad(glyph, ((0, 0), (0, 1))) for glyph in glyphs])
    ink = np.pad(np.kron(line, np.ones((cell, cell))) > 0, 40)
    assert not check_boxes(ink, ink).any()


@pytest.mark.parametrize("sign", "PBR8")
def test_a_light_letter_on_a_dark_tile_is_no_mark(sign):
    tile = np.zeros((SIDE, SIDE), np.uint8)
    tile[20:84, 20:84] = 1
    cv2.putText(tile, sign, (34, 72), cv2.FONT_HERSHEY_SIMPLEX, 1.6, 0, 7)
    assert not check_boxes(tile.view(bool), tile.view(bool)).any()


def test_a_thick_ring_has_no_corners_and_is_no_mark():
    ring = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(ring, (60, 60), 32, 1, 18)
    assert not check_boxes(ring.view(bool), ring.view(bool)).any()
