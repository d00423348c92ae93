"""What a look at a cleaned page counts: by where it stands, behind a form's print, and by what it says."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from residues import REGION, SIDE, Stand, bars, dark_box, paper, reading, with_bars

from pipeline.masks import grow
from pipeline.readings import NOTHING_READ
from pipeline.types import TextRegion
from workflows.pages.sight import Ink, Scope
from workflows.pages.verification import verify


@pytest.mark.parametrize(("share", "found"), [(0.3, 0), (0.7, 1)])
def test_text_counts_when_most_of_it_stands_where_it_was_to_go(share, found):
    stand = Stand(1)
    allowed = np.zeros((SIDE, SIDE), bool)
    allowed[:, : round(40 + 80 * share)] = True
    allowed[54:58] = not allowed[55, 80]  # what lies in the middle says nothing
    verdict = verify(with_bars(paper()), np.zeros((SIDE, SIDE), bool), stand.tools, Scope(allowed))
    assert verdict.checks[0].found == found


def test_a_forms_print_is_painted_out_before_anything_looks():
    stand = Stand(1)
    page = with_bars(paper())
    page[140:160, 40:160] = 20  # a value under the print
    form = cv2.dilate(bars().astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    verdict = verify(page, np.zeros((SIDE, SIDE), bool), stand.tools, Scope(~form, form))
    assert verdict.checks[0].found == 1 and not verdict.residual
    assert (verdict.image[form] == page[form]).all() and (verdict.image[142:158, 42:158] > 100).all()


def test_bubbles_are_painted_out_too_and_text_beside_them_is_found():
    """A row of circles reads as a row of 8s, and what stays of it would be smeared over."""
    stand, stays = Stand(1), grow(bars(), 2)
    page = with_bars(paper())
    asked = []

    def find_staying(image, wanted):
        asked.append(int(wanted.sum()))
        return stays & wanted

    tools = replace(stand.tools, find_staying=find_staying)
    nothing = np.zeros((SIDE, SIDE), bool)
    verdict = verify(page, nothing, tools)
    assert asked[0] == SIDE * SIDE and not any(check.found for check in verdict.checks)
    assert (verdict.image == page).all() and not verdict.mask.any()
    page[140:160, 40:160] = 20
    verdict = verify(page, nothing, tools)
    assert verdict.checks[0].found == 1 and not verdict.residual
    assert (verdict.image[stays] == page[stays]).all() and (verdict.image[142:158, 42:158] > 100).all()


@pytest.mark.parametrize(("read", "found"), [((), 1), ((REGION,), 0)])
def test_text_read_unsurely_counts_where_nothing_was_read_at_first(read, found):
    stand = Stand(1)
    asked = []

    def reread(image, polygons):
        asked.append(len(polygons))
        return (), polygons if (image < 100).any() else ()

    nowhere = np.zeros((SIDE, SIDE), bool)
    tools = replace(stand.tools, reread=reread)
    verdict = verify(with_bars(paper()), nowhere, tools, Scope(nowhere, None, read))
    assert {check.name: check.found for check in verdict.checks}["reader"] == found
    assert asked[0] == 1 and not verdict.residual and (verdict.image[bars()] > 100).all() == bool(found)


def test_words_too_small_for_the_detector_are_read_where_the_network_sees_a_line_of_them():
    stand = Stand(1)
    page = paper()
    page[90:96, 60:110] = 30
    nothing = np.zeros((SIDE, SIDE), bool)
    verdict = verify(page, nothing, replace(stand.tools, detect=lambda image: []))
    assert {check.name: check.found for check in verdict.checks}["strokes"] == 1
    assert not verdict.residual and (verdict.image[90:96, 60:110] > 100).all()
    unread = replace(
        stand.tools, detect=lambda image: [], read_text=lambda image, regions: [reading("ll", 0.9)] * len(regions)
    )
    assert not any(check.found for check in verify(page, nothing, unread).checks)


def test_a_single_character_that_the_detector_does_not_see_is_read_where_the_network_is_sure_of_one():
    stand = Stand(1)
    page = paper()
    page[90:100, 60:66] = 30
    nothing = np.zeros((SIDE, SIDE), bool)

    def read_as(text):
        return lambda image, regions: [reading(text, 0.9) if (image[90:100, 60:66] < 100).any() else NOTHING_READ
                                       for _ in regions]  # fmt: skip

    tools = replace(stand.tools, detect=lambda image: [], read_text=read_as("7"))
    verdict = verify(page, nothing, tools)
    assert {check.name: check.found for check in verdict.checks}["strokes"] == 1
    assert not verdict.residual and (verdict.image[90:100, 60:66] > 100).all()
    boxed = replace(tools, read_text=read_as("口"))
    assert not any(check.found for check in verify(page, nothing, boxed).checks)
    kept = np.ones((SIDE, SIDE), bool)
    kept[85:105, 55:70] = False
    assert not any(check.found for check in verify(page, nothing, tools, Scope(kept)).checks)


def test_single_characters_that_stay_take_no_others_turn():
    page = paper()
    page[90:100, 60:66] = 30
    for y in (*range(5, 80, 14), *range(115, 195, 14)):
        for x in range(5, 190, 14):
            page[y : y + 9, x : x + 6] = 30
    allowed = np.zeros((SIDE, SIDE), bool)
    allowed[85:108, 50:80] = True
    tools = replace(
        Stand(1).tools, detect=lambda image: [], read_text=lambda image, regions: [reading("7", 0.9)] * len(regions)
    )
    verdict = verify(page, np.zeros((SIDE, SIDE), bool), tools, Scope(allowed))
    assert {check.name: check.found for check in verdict.checks}["strokes"] == 1


def test_a_single_character_that_cannot_be_removed_needs_review():
    page = paper()
    page[90:100, 60:66] = 30
    tools = replace(
        Stand(3).tools, detect=lambda image: [], read_text=lambda image, regions: [reading("7", 0.9)] * len(regions)
    )
    verdict = verify(page, np.zeros((SIDE, SIDE), bool), tools)
    assert len(verdict.residual) == 1 and (verdict.image[90:100, 60:66] < 100).any()


@pytest.mark.parametrize(("bottom", "text", "found"), [(180, "6", 0), (180, "Secret", 1), (120, "6", 1)])
def test_of_a_large_patch_that_still_shows_one_character_is_no_text(bottom, text, found):
    removed = bars()
    page = paper()
    page[removed] -= 8
    patch = np.float32([[20, 20], [180, 20], [180, bottom], [20, bottom]])
    tools = replace(
        Stand(1).tools,
        detect=lambda image: [TextRegion(patch, 0.9)],
        read_ink=lambda image, wanted: Ink(np.zeros(image.shape[:2], np.int32), np.zeros(image.shape[:2], bool)),
        # it reads in the copy with more contrast only
        read_text=lambda image, regions: [reading(text, 0.91) if np.ptp(image) > 30 else NOTHING_READ for _ in regions],
    )
    verdict = verify(page, removed, tools)
    assert {check.name: check.found for check in verdict.checks}["detector, stretched"] == found


def test_where_text_is_chosen_by_what_it_says_the_places_where_it_stood_are_read_again():
    stand = Stand(1)
    asked = []

    def reread(image, polygons):
        asked.append(list(polygons))
        return [p for p in polygons if p is REGION], ()

    nowhere = np.zeros((SIDE, SIDE), bool)
    tools = replace(stand.tools, detect=lambda image: [], reread=reread)
    verdict = verify(paper(), nowhere, tools, Scope(nowhere, None, (REGION,)))
    assert {check.name: check.found for check in verdict.checks}["reader"] == 1
    assert any(p is REGION for p in asked[0]) and len(verdict.residual) == 1


def test_tiny_words_that_stay_take_no_other_words_turn():
    page = paper()
    allowed = np.zeros((SIDE, SIDE), bool)
    for row in range(18):
        for column in range(3):
            page[5 + 8 * row : 10 + 8 * row, 10 + 60 * column : 40 + 60 * column] = 30
    allowed[160:] = True
    page[180:186, 60:110] = 30
    tools = replace(Stand(1).tools, detect=lambda image: [])
    verdict = verify(page, np.zeros((SIDE, SIDE), bool), tools, Scope(allowed))
    assert {check.name: check.found for check in verdict.checks}["strokes"] == 1


def test_light_text_on_what_is_painted_out_is_looked_for_in_the_dark():
    page = dark_box()
    page[50:70, 60:120] = 220
    seen = []

    def read_text(image, regions):
        seen.append(image.copy())
        return [reading("Text", 0.9) if (image[50:70, 60:120] < 100).any() else NOTHING_READ for _ in regions]

    stays = np.zeros((SIDE, SIDE), bool)
    stays[30:90, 30:150] = True
    tools = replace(Stand(1).tools, read_text=read_text, find_staying=lambda image, wanted: stays & wanted)
    verdict = verify(page, np.zeros((SIDE, SIDE), bool), tools)
    assert {check.name: check.found for check in verdict.checks}["dark places"] >= 1
