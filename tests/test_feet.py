"""Letters like 口 are told from check boxes by the feet they stand on."""

from __future__ import annotations

import cv2
import numpy as np
import pymupdf
import pytest
from ink import square_frame

from detectors.strokes.boxes import check_boxes, letters_like_boxes
from detectors.strokes.feet import on_feet, without_feet


def letters(text, size, dpi, slope=0.0):
    """Print, (H, W) bool, at ``size`` points and ``dpi``, turned by ``slope`` degrees."""
    font = pymupdf.Font("china-s")
    with pymupdf.open() as document:
        page = document.new_page(width=size * 2 * len(text) + size, height=2.5 * size)
        writer = pymupdf.TextWriter(page.rect)
        for number, letter in enumerate(text):  # apart, so that nothing beside them tells that they are letters
            writer.append((size * (0.8 + 2 * number), 1.6 * size), letter, font=font, fontsize=size)
        writer.write_text(page)
        pixels = page.get_pixmap(dpi=dpi, colorspace="gray")
    image = np.frombuffer(pixels.samples, np.uint8).reshape(pixels.h, pixels.w)
    middle = (pixels.w / 2, pixels.h / 2)
    turned = cv2.warpAffine(
        image, cv2.getRotationMatrix2D(middle, slope, 1), (pixels.w, pixels.h), flags=cv2.INTER_AREA, borderValue=255
    )
    return turned < 128


@pytest.mark.parametrize("turn", range(4))
@pytest.mark.parametrize(("size", "dpi", "slope"), [(12, 300, 0), (24, 150, 0), (24, 200, 1), (36, 200, -1)])
def test_letters_that_look_like_boxes_are_none(size, dpi, slope, turn):
    print_ = np.ascontiguousarray(np.rot90(letters("口国口四", size, dpi, slope), turn))
    assert not check_boxes(print_, np.zeros_like(print_), print_).any()


@pytest.mark.parametrize("side", [14, 24, 40, 80, 150])
@pytest.mark.parametrize("slope", [0.0, 2.0, 10.0])
@pytest.mark.parametrize("turn", range(4))
def test_boxes_have_no_feet_however_they_lie(side, slope, turn):
    box = np.ascontiguousarray(np.rot90(square_frame(2 * side + 40, side, max(1, side // 14), slope), turn))
    assert (without_feet(box, box) == box).all()


def crossing(side, above):
    """A box's frame and all of its lines, (H, W) bool: level ones run on by ``side`` px, others by ``above``."""
    page, frame = np.zeros((100, 100), bool), np.zeros((100, 100), bool)
    for place in (20, 60):
        page[place : place + 3, 20 - side : 63 + side] = page[20 - above : 63 + above, place : place + 3] = True
    frame[20:63, 20:63] = page[20:63, 20:63]
    return frame, page


def test_rules_that_run_on_below_a_box_are_no_feet():
    box, page = crossing(0, 0)
    page[63:95, 20:23] = page[63:95, 60:63] = True
    assert (without_feet(box, page) == box).all()


def test_a_rule_under_a_box_is_no_foot():
    box, page = crossing(0, 0)
    page[63:67, 5:95] = True
    assert (without_feet(box, page) == box).all()


def test_a_box_whose_lines_cross_at_its_corners_is_one():
    box, page = crossing(6, 6)
    assert (without_feet(box, page) == box).all() and not on_feet(box, page).any()


def test_what_has_feet_above_and_below_is_no_box_for_sure_and_no_letter_either():
    box, page = crossing(0, 4)
    assert not without_feet(box, page).any() and not on_feet(box, page).any()


def test_nothing_comes_of_nothing():
    nothing = np.zeros((20, 20), bool)
    assert not without_feet(nothing, nothing).any()


def test_a_letter_is_told_from_a_box_beside_it():
    page = np.zeros((120, 260), bool)
    for left in (20, 150):
        page[30:82, left : left + 52] = True
        page[34:78, left + 4 : left + 48] = False
    page[82:86, 150:154] = page[82:86, 198:202] = True
    assert not letters_like_boxes(page)[:, :110].any()
    assert (letters_like_boxes(page) & page)[:, 110:].sum() == page[:, 110:].sum()
