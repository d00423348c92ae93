"""Looking at a cleaned page again: what counts as text left, and what is done about it."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from residues import SIDE, Stand, bars, dark_box, paper, reading, with_bars

from pipeline.readings import NOTHING_READ
from pipeline.types import PageRef
from workflows.config import RunSettings
from workflows.pages.sight import Ink, Scope
from workflows.pages.tools import verification_tools
from workflows.pages.verification import verify


def test_a_clean_page_is_left_alone():
    stand = Stand(1)
    verdict = verify(paper(), bars(), stand.tools)
    assert verdict.attempts == 0 and not verdict.residual and not stand.calls
    assert (verdict.image == paper()).all() and (verdict.mask == bars()).all()
    assert sum(check.found for check in verdict.checks) == 0 and verdict.checks


@pytest.mark.parametrize(
    ("tries", "names", "left"), [(1, ["remove"], 0), (2, ["remove", "fill"], 0), (9, ["remove", "fill"], 1)]
)
def test_what_is_left_is_removed_again_then_filled_then_reported(tries, names, left):
    stand = Stand(tries)
    page, nothing = with_bars(paper()), np.zeros((SIDE, SIDE), bool)
    verdict = verify(page, nothing, stand.tools)
    assert [name for name, _ in stand.calls] == names and verdict.attempts == len(names)
    assert len(verdict.residual) == left
    assert verdict.checks[0].found == 1
    assert all(mask[bars()].all() for _, mask in stand.calls)
    far = np.ones(nothing.shape, bool)
    far[30:80, 30:130] = False
    assert (verdict.image[far] == page[far]).all() and not verdict.mask[far].any()


@pytest.mark.parametrize("whole", [False, True])
def test_only_ink_is_filled_unless_whole_regions_may_go(whole):
    stand = Stand(2, whole_regions=whole)
    verify(with_bars(paper()), np.zeros((SIDE, SIDE), bool), stand.tools)
    (_, mask) = stand.calls[-1]
    assert mask[48:62, 46:112].all() and mask[39, 50:110].any() == whole


def test_text_that_may_stay_stays():
    stand = Stand(1)
    allowed = np.zeros((SIDE, SIDE), bool)
    allowed[100:] = True
    verdict = verify(with_bars(paper()), np.zeros((SIDE, SIDE), bool), stand.tools, Scope(allowed))
    assert not stand.calls and not verdict.residual


def test_handwriting_that_is_left_is_found_by_its_ink():
    stand = Stand(1, by_ink=True)
    verdict = verify(with_bars(paper()), np.zeros((SIDE, SIDE), bool), stand.tools)
    assert [name for name, _ in stand.calls] == ["remove"] and not verdict.residual
    assert not (verdict.image < 100).any()


def test_print_beside_handwriting_that_is_left_does_not_go_with_it():
    stand, stays = Stand(9, by_ink=True), np.zeros((SIDE, SIDE), bool)
    stays[46:64, 60:80] = True
    tools = replace(stand.tools, find_staying=lambda image, near: stays)
    verify(with_bars(paper()), np.zeros((SIDE, SIDE), bool), tools)
    assert [name for name, _ in stand.calls] == ["remove", "fill"]
    assert all(mask.any() and not mask[stays].any() for _, mask in stand.calls)


def test_what_looks_written_and_stays_is_told():
    stand, spared = Stand(1, by_ink=True), np.zeros((SIDE, SIDE), bool)
    tools = replace(stand.tools, read_ink=lambda image, wanted: Ink(np.zeros(image.shape[:2], int), spared))
    assert verify(paper(), np.zeros((SIDE, SIDE), bool), tools).notes == ()
    spared[10:14, 10:40] = spared[20:22, 30:60] = True  # two strokes of one place
    spared[80:83, 10:13] = True  # a speck
    (note,) = verify(paper(), np.zeros((SIDE, SIDE), bool), tools).notes
    assert note.startswith("1 place looks written by hand and stayed")
    spared[100:104, 60:100] = True
    assert verify(paper(), np.zeros((SIDE, SIDE), bool), tools).notes[0].startswith("2 places look written by hand")


@pytest.mark.parametrize(("text", "left"), [("SAIM", True), ("SA", False), ("|||", False)])
def test_text_that_still_reads_as_a_word_by_half_is_left(text, left):
    """A pale word across a cheque: removed again, it reads worse than anything new that would count as text."""
    stand = Stand(99)
    said = iter([reading("SAMPLE", 0.91)])
    tools = replace(
        stand.tools,
        read_text=lambda image, regions: [next(said, reading(text, 0.68)) for _ in regions],
        read_ink=lambda image, wanted: Ink(np.zeros(image.shape[:2], int), np.zeros(image.shape[:2], bool)),
    )
    verdict = verify(with_bars(paper()), np.zeros((SIDE, SIDE), bool), tools)
    assert verdict.attempts == (2 if left else 1) and bool(verdict.residual) == left


def test_further_removals_that_leave_handwriting_are_taken_back():
    stand = Stand(9, by_ink=True)
    page, nothing = with_bars(paper()), np.zeros((SIDE, SIDE), bool)
    tools = replace(stand.tools, fill=lambda image, mask: np.where(mask[..., None], image // 2, image))
    verdict = verify(page, nothing, tools)
    assert verdict.residual and verdict.attempts == 2
    assert (verdict.image == page).all() and not verdict.mask.any()
    kept = verify(page, nothing, replace(tools, whole_regions=True))
    assert kept.residual and (kept.image != page).any()  # whoever anonymizes wants less ink, whatever becomes of print


def test_light_text_in_dark_places_is_read_where_the_detector_sees_none():
    stand = Stand(1)

    def read(image, regions):  # knows dark on light only, as it is shown it
        windows = [(slice(*np.int32(r.polygon[[0, 2], 1])), slice(*np.int32(r.polygon[[0, 2], 0]))) for r in regions]
        return [reading("Text", 0.9) if (image[w] < 30).any() else NOTHING_READ for w in windows]

    tools = replace(
        stand.tools,
        detect=lambda image: [],
        read_text=read,
        find_ink=lambda image, regions: image.min(axis=2) > 235,
        remove=lambda image, mask: np.where(mask[..., None], np.uint8(50), image),
    )
    verdict = verify(with_bars(dark_box(), 240), np.zeros((SIDE, SIDE), bool), tools)
    assert {check.name: check.found for check in verdict.checks}["dark places"] == 1
    assert verdict.attempts == 1 and not verdict.residual
    assert (verdict.image[34:86, 34:146] < 60).all()
    assert verify(dark_box(), np.zeros((SIDE, SIDE), bool), tools).attempts == 0


def test_text_that_a_first_look_missed_goes():
    """With the real detector, stroke network, reader and remover: all that is on the page was missed."""
    page = np.full((420, 640, 3), (238, 236, 228), np.uint8)
    page[300:360, 330:600] = 45  # light on dark
    places = {"faint": (30, 60), "tiny": (40, 130), "light": (350, 340), "single": (560, 90), "upright": (30, 250)}
    font = cv2.FONT_HERSHEY_DUPLEX
    blank = page.copy()
    cv2.putText(page, "faint secret", places["faint"], font, 1.0, (214, 212, 204), 2, cv2.LINE_AA)
    cv2.putText(page, "tiny words 4711", places["tiny"], font, 0.35, (40, 40, 40), 1, cv2.LINE_AA)
    cv2.putText(page, "on dark", places["light"], font, 1.0, (240, 240, 240), 2, cv2.LINE_AA)
    cv2.putText(page, "K", places["single"], font, 1.0, (30, 30, 60), 2, cv2.LINE_AA)
    lying = np.zeros((50, 200), np.uint8)
    cv2.putText(lying, "upright", (5, 36), font, 1.0, 255, 2, cv2.LINE_AA)
    standing = np.rot90(lying)
    page[190:390, 60:110][standing > 60] = 40
    noise = np.random.default_rng(1).normal(0, 1.5, page.shape)
    noisy, truth = (np.clip(image + noise, 0, 255).round().astype(np.uint8) for image in (page, blank))
    verdict = verify(noisy, np.zeros(page.shape[:2], bool), verification_tools(PageRef("x.png", 0), RunSettings()))
    ink = np.abs(page.astype(int) - blank).max(axis=2) > 8
    assert not verdict.residual and verdict.attempts >= 1
    assert verdict.mask[ink].mean() > 0.95
    left = np.abs(verdict.image.astype(int) - truth).max(axis=2) > 14
    assert left[ink].mean() < 0.03
    assert verdict.mask[~cv2.dilate(ink.astype(np.uint8), np.ones((15, 15), np.uint8)).astype(bool)].mean() < 0.001


@pytest.mark.parametrize("kind", ["all", "handwriting", "print"])
def test_kinds_of_ink_are_told_by_all_of_the_page(monkeypatch, kind):
    """Beside a stroke that is left the network sees too little to say who wrote it: pages needed review for that."""
    asked = []

    class Reader:
        def read(self, image, wanted=None):
            asked.append(wanted)
            return np.zeros((*image.shape[:2], 2), np.uint8)

    monkeypatch.setattr("workflows.pages.tools.make_reader", lambda *_: Reader())
    monkeypatch.setattr("workflows.pages.tools.make_remover", lambda *_: None)
    tools = verification_tools(PageRef("page.png", 0), RunSettings(remove=kind))
    near = bars()
    tools.read_ink(paper(), near)
    tools.find_staying(paper(), near)
    assert all((wanted is None) == (kind != "all") for wanted in asked) and asked
