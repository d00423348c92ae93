"""Check boxes that a letter touches stay whole, and the letter goes; letters that enclose something square go too."""

from __future__ import annotations

from functools import partial

import cv2
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ink import square_frame

from detectors.strokes.boxes import check_boxes
from detectors.strokes.enclosed import enclosing_frames

SIDE = 160


frame = partial(square_frame, SIDE)


def stroke(*points, thickness=3):
    """(H, W) bool: a letter's stroke."""
    ink = np.zeros((SIDE, SIDE), np.uint8)
    cv2.polylines(ink, [np.int32(points)], False, 1, thickness)
    return ink.view(bool)


@settings(max_examples=60, deadline=None)
@given(st.integers(46, 76), st.integers(1, 3), st.floats(-12, 12))
def test_a_box_that_a_letter_touches_stays_and_the_letter_is_ink(side, thickness, angle):
    assume(thickness < side / 16)
    box = frame(side, thickness, angle)
    edge = int(np.flatnonzero(box[80]).max())
    letter = stroke((edge, 80), (SIDE - 4, 60), (SIDE - 4, 100)) & ~box
    kept = enclosing_frames(box | letter, letter)
    assert (kept & box).sum() >= 0.95 * box.sum()
    assert not (kept & letter)[:, edge + 2 + side // 8 :].any()
    assert (kept & letter).sum() <= 4 * thickness + 8


def test_one_side_may_be_a_letter_to_the_network_and_all_four_are_one():
    box = frame(40, 2)
    side = box & (np.arange(SIDE) >= 98)
    assert 0.2 < side.sum() / box.sum() < 0.3
    assert (enclosing_frames(box, side) & box).sum() == box.sum()
    assert not enclosing_frames(box, box).any()


def test_what_was_blurred_beside_its_line_belongs_to_it_but_where_it_touches():
    box, letter = frame(40, 2), stroke((103, 80), (140, 80))
    kept = enclosing_frames(box | letter, letter)
    assert kept[80, 58:60].all() and not kept[80, 57]
    assert kept[70, 102] and not kept[80, 102:].any()


def ring():
    ink = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(ink, (80, 80), 22, 1, 3)
    return ink.view(bool)


def letter_d():
    ink = np.zeros((SIDE, SIDE), np.uint8)
    cv2.line(ink, (64, 60), (64, 100), 1, 3)
    cv2.ellipse(ink, (86, 80), (14, 20), 0, -90, 90, 1, 3)
    for y in (60, 100):
        cv2.line(ink, (64, y), (86, y), 1, 3)
    return ink.view(bool)


def with_tick():
    return frame(40, 2) | stroke((66, 66), (80, 94), (98, 60))


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(ring(), id="a ring"),
        pytest.param(with_tick(), id="a box with a tick"),
        pytest.param(frame(40, 2) & ~stroke((55, 80), (65, 80), thickness=9), id="an open box"),
        pytest.param(frame(8, 1), id="a small one, as in a letter"),
        pytest.param(frame(157, 2), id="a table's cell"),
        pytest.param(frame(36, 14), id="a thick one"),
        pytest.param(frame(40, 2) & False, id="nothing"),
        pytest.param(frame(40, 2) | stroke((70, 70), (70, 90), (90, 90)), id="a box with a letter in it"),
        pytest.param(
            frame(60, 2) | stroke((110, 70), (90, 70), (90, 90), (110, 90)), id="a cell whose text touches it"
        ),
        pytest.param(letter_d(), id="a letter D"),
    ],
)
def test_other_shapes_are_no_boxes(shape):
    assert not enclosing_frames(shape, np.zeros_like(shape)).any()


def test_a_box_on_the_edge_of_the_page_is_one():
    box = np.zeros((60, 60), bool)
    box[0:40, 0:40] = True
    box[2:38, 2:38] = False
    seen = box & (np.arange(60) >= 38)  # one side is a letter to the network
    assert (enclosing_frames(box, seen) & box).sum() == box.sum()


def in_a_line(shape):
    """A shape between two others of its height, right beside it."""
    line = np.zeros((100, 200), bool)
    line[30:70, 80:120] = shape
    for x in (40, 124):
        line[30:70, x + 8 : x + 12] = line[30:34, x : x + 32] = True
    return line


@pytest.mark.parametrize("seen_share", [0.0, 0.2])
def test_a_square_letter_in_a_line_is_none_and_one_at_its_end_is(seen_share):
    shape = np.ones((40, 40), bool)
    shape[3:37, 3:37] = False
    line = in_a_line(shape)
    seen = np.zeros_like(line)
    seen[30:33, 80 : 80 + round(160 * seen_share)] = seen_share > 0
    assert not enclosing_frames(line, seen & line).any()
    assert not check_boxes(line, np.zeros_like(line)).any()
    line[:, :80] = False
    assert check_boxes(line, np.zeros_like(line))[30:70, 80:120].any()
