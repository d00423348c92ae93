"""Choosing what goes by what it says: which characters, which part of the polygon, across regions and lines."""

from __future__ import annotations

import math

import numpy as np
import pytest
import shapely
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.choosing import Part, TextPolicy, choose_text
from pipeline.errors import UsageError
from pipeline.geometry import as_shape
from pipeline.lines import form_lines, passages
from pipeline.readings import NOTHING_READ, Reading, cut_run, run_corners
from pipeline.types import Array, TextRegion

WIDE, HIGH = 10, 20  # of one character


def say(text: str, score: float = 0.99, scores: list[float] | None = None, falls: bool = False) -> Reading:
    """A reading of evenly spaced characters."""
    edges = np.linspace(0, 1, len(text) + 1, dtype=np.float32)
    spans = np.stack([edges[:-1], edges[1:]], axis=1)
    each = np.array(scores if scores is not None else [score] * len(text), np.float32)
    mean = float(each.mean()) if text else 0.0
    return Reading(text, mean, np.ascontiguousarray(spans[::-1]) if falls else spans, each)


def at(x: float, y: float, text: str) -> TextRegion:
    width = WIDE * max(1, len(text))
    return TextRegion(np.array([(x, y), (x + width, y), (x + width, y + HIGH), (x, y + HIGH)], np.float32))


def page(*texts: tuple[float, float, str], **policy: tuple[str, ...]) -> list[tuple[int, int, str]]:
    """(first and last character column that go, of the page's 10-px columns, reason) for texts at (x, y)."""
    regions = [at(*text) for text in texts]
    choice = choose_text(regions, [say(text[2]) for text in texts], TextPolicy(**policy))
    return [columns(part) for part in choice.goes]


def columns(part: Part) -> tuple[int, int, str]:
    """The first character that is inside but for a rim, and the one after the last."""
    low, high = part.polygon[:, 0].min() / WIDE, part.polygon[:, 0].max() / WIDE
    return math.ceil(low - 0.3), math.floor(high + 0.3), part.reason


def test_only_the_matching_part_of_a_line_goes() -> None:
    assert page((0, 0, "Mail: a@b.org ok"), entities=("email",)) == [(6, 13, "entity:email")]


def test_the_part_holds_its_characters_and_none_of_the_next() -> None:
    choice = choose_text([at(0, 0, "No. 123456x")], [say("No. 123456x")], TextPolicy(patterns=(r"\d{6}",)))
    (part,) = choice.goes
    low, high = part.polygon[:, 0].min(), part.polygon[:, 0].max()
    assert 30 < low < 40 and 100 <= high < 105  # most of the space before goes, a rim of the x after
    assert part.polygon[:, 1].min() < 0 and part.polygon[:, 1].max() > HIGH
    assert [p.reason for p in choice.stays] == ["no match", "no match"]


def test_a_match_of_the_first_character_goes_from_the_regions_beginning() -> None:
    reading = Reading("ab", 0.9, np.array([(0.2, 0.4), (0.4, 0.8)], np.float32), np.full(2, 0.9, np.float32))
    choice = choose_text([at(0, 0, "x" * 10)], [reading], TextPolicy(patterns=("a",)))
    assert choice.goes[0].polygon[:, 0].min() <= 0
    assert choice.stays[0].polygon[:, 0].max() == pytest.approx(100)


def test_matches_span_neighbouring_regions_with_and_without_a_space() -> None:
    beside = [(0, 0, "K-12"), (50, 0, "3456 x")]
    assert page(*beside, patterns=(r"K-\d{6}",)) == [(0, 4, "match"), (5, 9, "match")]
    assert page((0, 0, "Anna"), (50, 1, "Rossi"), words=("Anna Rossi",)) == [(0, 4, "word"), (5, 10, "word")]
    assert page((0, 0, "CHF"), (60, 0, "394.75"), entities=("amount",)) == [
        (0, 3, "entity:amount"),
        (6, 12, "entity:amount"),
    ]


def test_columns_far_apart_are_no_neighbours() -> None:
    assert page((0, 0, "K-12"), (300, 0, "3456 x"), patterns=(r"K-\d{6}",)) == []


def test_matches_run_from_a_line_to_the_next() -> None:
    texts = [(0, 0, "see K-12"), (0, 26, "3456 for"), (400, 26, "3456")]
    assert page(*texts, patterns=(r"K-\d{6}",)) == [(4, 8, "match"), (0, 4, "match")]
    assert page((0, 0, "to info@exam-"), (0, 26, "ple.org now"), entities=("email",)) == [
        (3, 13, "entity:email"),
        (0, 7, "entity:email"),
    ]
    assert page((0, 0, "by Anna Kowal-"), (0, 26, "ski, Rome"), words=("Kowalski",)) == [
        (8, 14, "word"),
        (0, 3, "word"),
    ]
    assert page((0, 0, "on 24 April"), (0, 26, "1973."), entities=("date",)) == [
        (3, 11, "entity:date"),
        (0, 4, "entity:date"),
    ]
    assert page((0, 0, "DE89 3704 0044"), (0, 26, "0532 0130 00"), entities=("iban",)) == [
        (0, 14, "entity:iban"),
        (0, 12, "entity:iban"),
    ]


def test_text_runs_on_within_its_column() -> None:
    texts = [(0, 0, "Ratio 16:9"), (120, 0, "K-12"), (190, 0, "x"), (0, 26, "Room 7"), (120, 26, "3456 for")]
    assert page(*texts, patterns=(r"K-\d{6}",)) == [(12, 16, "match"), (12, 16, "match")]


def test_what_stands_under_a_whole_entity_is_not_drawn_into_it() -> None:
    assert page((0, 0, "a@b.org"), (0, 26, "Phone"), entities=("email",)) == [(0, 7, "entity:email")]
    assert page((0, 0, "030 12345678"), (0, 26, "67 years"), entities=("phone",)) == [(0, 12, "entity:phone")]


def test_characters_in_cells_are_one_number() -> None:
    assert page((0, 0, "2 0 2 3 - 0 5 - 1 2"), entities=("date",)) == [(0, 19, "entity:date")]
    assert page((0, 0, "K- 1 2 34 5 6"), patterns=(r"K-\d{6}",)) == [(0, 13, "match")]
    assert page((0, 0, "r ossi @ex a mpl e. com"), entities=("email",)) == [(0, 23, "entity:email")]
    assert page((0, 0, "Room 12 34 56"), patterns=(r"\d{6}",)) == []  # spaces count when there is more than the value


def test_a_pattern_also_matches_digits_read_as_letters() -> None:
    assert page((0, 0, "ID 1234567O"), patterns=(r"\d{8}",)) == [(3, 11, "match")]
    assert page((0, 0, "ID SOLO"), patterns=(r"\d",)) == []


def test_keep_wins_over_everything() -> None:
    texts = ((0, 0, "a@b.org c@d.org"),)
    assert page(*texts, entities=("email",), keep=(r"c@d\.org",)) == [(0, 7, "entity:email")]
    assert page(*texts, patterns=(".+",), words=("org",), keep=(".+",)) == []
    doubtful = choose_text([at(0, 0, "Seal")], [say("Seal", 0.2)], TextPolicy(patterns=("x",), keep=("Seal",)))
    assert doubtful.goes == () and [p.reason for p in doubtful.stays] == ["keep"]


def test_reasons_are_the_strongest() -> None:
    assert page((0, 0, "123-45-6789"), entities=("phone", "ssn")) == [(0, 11, "entity:ssn")]
    assert page((0, 0, "123-45-6789"), entities=("ssn",), patterns=(r"\d+-\d+-\d+",)) == [(0, 11, "match")]


def unsure(text: str, scores: list[float], **policy: tuple[str, ...]) -> list[tuple[int, int, str]]:
    choice = choose_text([at(0, 0, text)], [say(text, scores=scores)], TextPolicy(**policy))
    return [columns(part) for part in choice.goes]


def test_a_word_read_unsurely_goes_when_it_could_be_what_is_looked_for() -> None:
    scores = [0.99] * 6 + [0.4] * 5
    assert unsure("Name: Rsxv1", scores, words=("Anna",)) == [(6, 11, "unsure")]
    assert unsure("Name: Rsxv1", scores, entities=("date",)) == [(6, 11, "unsure")]
    assert unsure("Name: Raxvu", scores, entities=("date",)) == []  # nothing in it is like a digit
    assert unsure("Name: _____", scores, words=("Anna",)) == []
    assert unsure("Name: Rsxv1", scores) == []  # nothing is looked for
    assert unsure("Name: Rsxv1", scores, keep=("Name",)) == []


def test_the_least_score_is_the_threshold() -> None:
    region, reading = [at(0, 0, "Rsxv")], [say("Rsxv", 0.5)]
    assert choose_text(region, reading, TextPolicy(words=("Anna",), least_score=0.51)).goes
    assert not choose_text(region, reading, TextPolicy(words=("Anna",), least_score=0.5)).goes


def test_a_region_in_which_nothing_was_read_goes() -> None:
    region = [at(0, 0, "????")]
    assert [p.reason for p in choose_text(region, [NOTHING_READ], TextPolicy(words=("a",))).goes] == ["unsure"]
    assert not choose_text(region, [NOTHING_READ], TextPolicy(words=("a",), least_score=0.0)).goes
    assert not choose_text(region, [NOTHING_READ], TextPolicy()).goes


@pytest.mark.parametrize("falls", [False, True])
def test_a_long_part_in_which_nothing_was_read_goes(falls: bool) -> None:
    spans = np.array([(0.0, 0.2), (0.2, 0.4)], np.float32)
    reading = Reading("ab", 0.9, (1 - spans[:, ::-1]) if falls else spans, np.full(2, 0.9, np.float32))
    choice = choose_text([at(0, 0, "x" * 10)], [reading], TextPolicy(words=("q",)))
    assert [columns(part) for part in choice.goes] == [(0, 6, "unsure") if falls else (4, 10, "unsure")]
    assert not choose_text([at(0, 0, "x" * 10)], [reading], TextPolicy(words=("q",), least_score=0.0)).goes


@pytest.mark.parametrize(
    "settings_",
    [{"patterns": ("(",)}, {"keep": ("[a",)}, {"patterns": ("",)}, {"entities": ("emial",)}, {"least_score": 1.5}],
)
def test_a_policy_that_cannot_be_meant_is_a_usage_error(settings_: dict[str, tuple[str, ...]]) -> None:
    with pytest.raises(UsageError):
        TextPolicy(**settings_)  # type: ignore[arg-type]


def test_the_message_names_the_pattern() -> None:
    with pytest.raises(UsageError, match=r"'K-\(' is not valid"):
        TextPolicy(patterns=("ok", "K-("))


def turned(polygon: Array, degrees: float) -> Array:
    angle = np.radians(degrees)
    matrix = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    return ((polygon - 300) @ matrix.T + 300).astype(np.float32)


@pytest.mark.parametrize("degrees", [-12, 3, 90, -90])
@pytest.mark.parametrize("start", [0, 2])
def test_lines_are_formed_whatever_way_the_page_is_turned(degrees: float, start: int) -> None:
    texts = [(0, 0, "see K-12"), (0, 26, "3456"), (60, 26, "for")]
    regions = [at(*text) for text in texts]
    skewed = [
        TextRegion(np.roll(turned(region.polygon, degrees), start, axis=0)) for region in regions
    ]  # the order of corners says nothing
    falls = degrees == -90
    readings = [say(text[2], falls=falls) for text in texts]
    assert form_lines(skewed, readings) == [(0,), (1, 2)]
    choice = choose_text(skewed, readings, TextPolicy(patterns=(r"K-\d{6}",)))
    straight = choose_text(regions, [say(text[2]) for text in texts], TextPolicy(patterns=(r"K-\d{6}",)))
    for part, wanted in zip(choice.goes, straight.goes, strict=True):
        overlap = as_shape(part.polygon).intersection(as_shape(turned(wanted.polygon, degrees)))
        assert overlap.area > 0.97 * as_shape(part.polygon).area


def test_a_border_is_in_no_characters() -> None:
    texts = passages([at(0, 0, "ab"), at(30, 0, "cd")], [say("ab"), say("cd")])
    assert [(p.text, p.borders) for p in texts] == [("ab", ()), ("cd", ()), ("ab cd", (3,)), ("abcd", (2,))]
    assert texts[2].signs[2] is None and len(texts[2].signs) == 5


def test_corners_follow_the_text() -> None:
    tall = np.array([(0, 0), (20, 0), (20, 90), (0, 90)], np.float32)
    assert run_corners(tall)[0].tolist() == [20, 0]  # text turned clockwise begins at the top, its top at the right
    five = np.array([(0, 0), (50, 0), (60, 10), (50, 20), (0, 20)], np.float32)
    assert np.ptp(run_corners(five), axis=0).tolist() == pytest.approx([60, 20])
    wedge = np.array([(0, 0), (100, 20), (100, 60), (0, 80)], np.float32)
    middle = cut_run(run_corners(wedge), 0.0, 0.5)
    assert middle[1, 0] != pytest.approx(50, abs=5)  # perspective: what is farther away takes fewer pixels
    assert cut_run(run_corners(wedge), 0.0, 1.0) == pytest.approx(wedge, abs=0.01)


TEXTS = st.lists(st.text("ab1 @.K-", max_size=12), max_size=4)


@settings(max_examples=40, deadline=None)
@given(TEXTS, st.sampled_from(["a", r"\d", "b.*@", "zz"]), st.sampled_from(["1", "K", "zz"]), st.booleans())
def test_parts_cover_their_regions_and_nothing_kept_goes(texts: list[str], pattern: str, keep: str, up: bool) -> None:
    regions = [at(0, 100 * index, text) for index, text in enumerate(texts)]
    readings = [say(text, falls=up) for text in texts]
    choice = choose_text(regions, readings, TextPolicy(patterns=(pattern,), entities=("email",), keep=(keep,)))
    parts = [as_shape(part.polygon) for part in (*choice.goes, *choice.stays)]
    for region in regions:
        assert as_shape(region.polygon).difference(shapely.union_all(parts).buffer(0.01)).area < 0.1
    gone = shapely.union_all([as_shape(part.polygon) for part in choice.goes])
    for region, reading in zip(regions, readings, strict=True):
        for place, character in enumerate(reading.text):
            low, high = reading.spans[place]
            middle = cut_run(run_corners(region.polygon), low + 0.3 * (high - low), high - 0.3 * (high - low))
            inside = gone.intersection(as_shape(middle)).area
            if character == keep:
                assert inside == pytest.approx(0, abs=0.01)
            elif character == pattern:
                assert inside == pytest.approx(as_shape(middle).area, rel=0.01)
