"""Whether what a page said can be read still where it was removed: as shapes, not as ink."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from residues import SIDE, Stand, paper, reading

from detectors.reading import TextReader
from pipeline.readings import BOX_LIKE, NOTHING_READ, part_of, says_the_same
from pipeline.residue import shapes_in
from pipeline.types import TextRegion
from workflows.pages.sight import Ink, Scope
from workflows.pages.traces import Traces
from workflows.pages.verification import verify

LINE = np.float32([[20, 60], [180, 60], [180, 100], [20, 100]])


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        ("Margaret Oldfield", "Margeret Odfieid", True),
        ("Account 4471 8830", "ACCOUNT", True),
        ("Margaret Oldfield", "", False),
        ("Margaret Oldfield", "まては文の", False),
        ("Margaret Oldfield", "m a r g a r e t", True),
        ("OOOO OOOO 0000", "OOOO OOOO 0000", False),  # bubbles, which stay
        ("stopped rolling over papers, though", "pesoved conam hdomb", False),
        ("Xy", "Xy", False),
        ("张伟民住址", "张伟民", True),
        ("张伟", "张伟", True),
        ("张伟民住址电话", "张伟", False),
        ("Weiß, Meier", "Meier", True),
        ("ßßßabc", "abc", True),
        ("hello Dolly", "HELLO DOLLY", True),
        ("OOOCOOOO", "OOCOO", False),
    ],
)
def test_readings_agree_by_runs_of_characters_that_are_no_boxes(before, after, same):
    assert says_the_same(reading(before, 1.0), reading(after, 0.5)) is same


@given(st.text(alphabet="abcefghjkmnpqrstuvwxyz2345679", min_size=3, max_size=40), st.text(max_size=20))
def test_what_is_read_in_full_is_always_the_same_and_nothing_never_is(text, other):
    assert not set(text) & BOX_LIKE
    assert says_the_same(reading(text, 1.0), reading(text.upper(), 0.3))
    assert not says_the_same(reading(other, 1.0), reading("", 0.0))


def test_a_part_of_a_reading_is_what_stands_there():
    whole = replace(reading("abcd", 1.0), spans=np.float32([[0, 0.2], [0.2, 0.4], [0.5, 0.7], [0.7, 1]]))
    assert part_of(whole, 0, 1).text == "abcd"
    assert part_of(whole, 0.25, 0.65).text == "bc" and part_of(whole, 0.25, 0.65).spans.shape == (2, 2)
    assert part_of(whole, 0.9, 1).text == ""


def drawn(text="Wexler 4471", level=30, ground=None):
    page = paper() if ground is None else ground.copy()
    cv2.putText(page, text, (22, 90), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (level,) * 3, 2, cv2.LINE_AA)
    return page


def busy(sigma=30):
    rng = np.random.default_rng(3)
    return np.clip(rng.normal(190, sigma, (SIDE, SIDE, 3)).round(), 0, 255).astype(np.uint8)


def smoothed_letters(page):
    """What a fill leaves on a busy ground: no ink, and smooth places of the letters' shape."""
    shape = (drawn(ground=np.full_like(page, 255)) < 200).any(axis=2)
    return np.where(shape[..., None], np.uint8(190), page), shape


@pytest.mark.parametrize(("level", "there"), [(230, False), (226, False), (215, True)])
def test_shapes_are_seen_from_some_grey_levels_on(level, there):
    flat = np.full((SIDE, SIDE, 3), 230, np.uint8)
    assert shapes_in(drawn(level=level, ground=flat), LINE) == (there, False)
    assert shapes_in(busy(60), LINE) == (True, True)
    assert shapes_in(flat, LINE + 500) == (False, False)


@pytest.fixture(scope="module")
def reader():
    return TextReader()


def test_letters_that_are_smooth_places_of_a_busy_ground_are_read_and_grown_together_they_are_not(reader):
    before = drawn(ground=busy())

    def upright(image, regions):
        return reader.read(image, regions, upright=True)

    traces = Traces(before, (LINE,), reader.read, upright)
    legible, _ = smoothed_letters(busy())
    (found,) = traces.legible(legible, lambda p: True)
    assert found is LINE
    assert traces.legible(legible, lambda p: False) == []
    block = busy()
    block[55:105, 15:185] = 190
    assert traces.legible(block, lambda p: True) == []
    assert traces.legible(busy(), lambda p: True) == []


def test_text_that_stood_on_its_head_is_known_again(reader):
    def over(image):
        return np.ascontiguousarray(image[::-1, ::-1])

    legible, _ = smoothed_letters(busy())
    turned = (SIDE - LINE[::-1]).astype(np.float32)
    traces = Traces(
        over(drawn()), (turned,), reader.read, lambda image, regions: reader.read(image, regions, upright=True)
    )
    assert len(traces.legible(over(legible), lambda p: True)) == 1


def test_a_word_that_is_left_in_a_long_line_on_a_busy_ground_is_read_by_itself(reader):
    said = {"all": "garbage", "word": "Wexler"}
    line = np.float32([[5, 80], [195, 80], [195, 92], [5, 92]])
    spans = np.linspace(0, 1, 19, dtype=np.float32)[:, None].repeat(2, axis=1)
    stood = replace(reading("abcdefghijkm Wexler", 1.0), spans=spans)
    asked = []

    def upright(image, regions):
        asked.extend(regions)
        return [reading(said["word" if region.polygon[:, 0].min() > 90 else "all"], 0.8) for region in regions]

    traces = Traces(busy(60), (line,), lambda image, regions: [stood] * len(regions), upright)
    assert len(traces.legible(busy(60), lambda p: True)) == 1
    assert len(asked) > 2
    asked.clear()
    speck = paper()
    speck[78:94, 40:50] = 30
    assert traces.legible(speck, lambda p: True) == []  # on paper the line is read as a whole
    assert len(asked) == 1


def stand_that_reads(reader, tries=0):
    """Tools that see no text but in what they are asked to read."""
    stand = Stand(tries)
    return replace(
        stand.tools,
        detect=lambda image: [],
        read_text=reader.read,
        read_upright=lambda image, regions: reader.read(image, regions, upright=True),
        find_ink=lambda image, regions: np.zeros(image.shape[:2], bool),
    ), stand


def test_verification_finds_what_can_be_read_and_at_last_covers_the_whole_line(reader):
    tools, _ = stand_that_reads(reader)
    before = drawn(ground=busy())
    legible, shape = smoothed_letters(busy())
    verdict = verify(legible, shape, tools, Scope(None, None, (LINE,), before))
    assert {check.name: check.found for check in verdict.checks}["traces"] == 1
    assert not verdict.residual
    assert verdict.attempts in (1, 2)
    assert not reader.read(verdict.image, [TextRegion(LINE)])[0].text.casefold().startswith("wexl")


def test_what_cannot_be_covered_is_reported(reader):
    tools, _ = stand_that_reads(reader, tries=99)
    legible, shape = smoothed_letters(busy())
    verdict = verify(legible, shape, tools, Scope(None, None, (LINE,), drawn(ground=busy())))
    assert len(verdict.residual) == 1 and verdict.attempts == 2


@pytest.mark.parametrize("share", [0.9, 1.0])
def test_a_line_of_which_a_part_stays_is_not_asked(reader, share):
    tools, _ = stand_that_reads(reader)
    legible, shape = smoothed_letters(busy())
    allowed = np.zeros((SIDE, SIDE), bool)
    allowed[:, : round(20 + 161 * share)] = True
    verdict = verify(legible, shape, tools, Scope(allowed, None, (LINE,), drawn(ground=busy())))
    assert {check.name: check.found for check in verdict.checks}["traces"] == (share == 1.0)


class Sticky:
    """A reader to whom a line is legible until most of it is one level."""

    def __init__(self):
        self.text = reading("Wexler 4471", 1.0)

    def __call__(self, image, regions):
        level = image[60:100, 20:180].reshape(-1, 3)
        flat = (np.abs(level.astype(int) - np.median(level, axis=0)) < 12).all(axis=1).mean()
        return [self.text if flat < 0.95 else NOTHING_READ for _ in regions]


def bluntly(allowed=None, regions=(LINE,)):
    """The fills made for a line that stays legible, and the verdict."""
    stand, read = Stand(0), Sticky()
    nothing = np.zeros((SIDE, SIDE), bool)
    tools = replace(stand.tools, detect=lambda image: [], read_text=read, read_upright=read,
                    read_ink=lambda image, wanted: Ink(nothing.astype(int), nothing),
                    find_ink=lambda image, regions: nothing)  # fmt: skip
    legible, shape = smoothed_letters(busy(60))
    verdict = verify(legible, shape, tools, Scope(allowed, None, regions, drawn(ground=busy(60))))
    return [mask for name, mask in stand.calls if name == "fill"], verdict


def test_what_stays_legible_is_covered_whole_after_a_fill_of_its_ink_did_not_help():
    (ink, whole), verdict = bluntly()
    assert not verdict.residual and verdict.attempts == 2
    assert whole[62:98, 22:178].all() and not ink[62:98, 22:178].all()
    assert not whole[:50].any() and not whole[110:].any()


def test_what_is_covered_is_only_what_was_to_go():
    allowed = np.ones((SIDE, SIDE), bool)
    allowed[:60] = False  # its rim is 4 px higher
    fills, _ = bluntly(allowed)
    assert len(fills) == 2 and not any((mask & ~allowed).any() for mask in fills)


def test_other_lines_are_not_covered_along():
    other = LINE + np.float32([0, 70])
    traces = Traces(drawn(ground=busy(60)), (LINE, other), Sticky(), Sticky())
    assert [p is LINE for p in traces.legible(smoothed_letters(busy(60))[0], lambda p: p is LINE)] == [True]


def test_light_letters_on_dark_ground_are_read_reversed(reader):
    shown = []

    def upright(image, regions):
        shown.append(image[5, 5].mean())
        return reader.read(image, regions, upright=True)

    before = 255 - drawn()
    faint = drawn(level=60, ground=np.full((SIDE, SIDE, 3), 25, np.uint8))
    traces = Traces(before, (LINE,), reader.read, upright)
    assert len(traces.legible(faint, lambda p: True)) == 1 and min(shown) > 200


def test_what_was_a_picture_is_not_asked_for_again():
    picture = [reading("wwwwn", 0.44)]
    traces = Traces(busy(60), (LINE,), lambda image, regions: picture, lambda image, regions: picture)
    assert traces.legible(busy(60), lambda p: True) == []


def test_no_words_of_a_document_are_in_what_is_printed_of_it(reader):
    traces = Traces(drawn(ground=busy()), (LINE,), reader.read, reader.read)
    assert traces.legible(smoothed_letters(busy())[0], lambda p: True)
    assert "exler" not in repr(traces)
