"""What detectors find, readers read and networks feel, as arithmetic: against values worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.linalg

from pipeline.metrics import DetectionScore, ReadWord, detection_deteval, detection_iou, frechet_distance, words_read
from pipeline.types import Array


def box(x0: float, y0: float, x1: float, y1: float) -> Array:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float64)


LINE = [box(0, 0, 40, 10), box(50, 0, 90, 10), box(100, 0, 140, 10)]


def test_what_is_found_as_it_is_counts_one() -> None:
    for protocol in (detection_deteval, detection_iou):
        score = protocol(LINE, [box(0, 0, 40, 10), box(300, 0, 340, 10)])
        assert (score.recalled, score.truths, score.precise, score.found) == (1, 3, 1, 2)
        assert score.recall == pytest.approx(100 / 3) and score.precision == 50 and score.f == pytest.approx(40)


def test_one_word_found_in_two_pieces() -> None:
    pieces = [box(0, 0, 20, 10), box(20, 0, 40, 10)]
    score = detection_deteval(LINE[:1], pieces)
    assert (score.recalled, score.precise) == (pytest.approx(0.8), pytest.approx(1.6))
    assert detection_iou(LINE[:1], pieces).recalled == 0, "each is half of it, and more is asked for"


def test_a_line_found_as_one() -> None:
    score = detection_deteval(LINE, [box(0, 0, 140, 10)])
    assert (score.recalled, score.precise) == (3, 1)
    assert score.recall == score.precision == 100
    assert detection_iou(LINE, [box(0, 0, 140, 10)]).recalled == 0


def test_areas_must_fit_well_enough() -> None:
    # DetEval: 0.8 of the word and 0.4 of what is found; IoU: more than 0.5
    assert detection_deteval(LINE[:1], [box(0, 0, 32, 10)]).recalled == 1
    assert detection_deteval(LINE[:1], [box(0, 0, 31, 10)]).recalled == 0
    assert detection_deteval(LINE[:1], [box(0, 0, 100, 10)]).recalled == 1
    assert detection_deteval(LINE[:1], [box(0, 0, 101, 10)]).recalled == 0
    assert detection_iou(LINE[:1], [box(0, 0, 20, 10)]).recalled == 0
    assert detection_iou(LINE[:1], [box(0, 0, 21, 10)]).recalled == 1


def test_each_region_is_matched_once() -> None:
    twice = [box(0, 0, 40, 10), box(0, 0, 40, 10)]
    assert detection_iou(LINE[:1], twice) == DetectionScore(1, 1, 1, 2)
    # two that cover the word are no one-to-one match; together they are pieces of it
    assert detection_deteval(LINE[:1], twice).recalled == pytest.approx(0.8)


def test_what_lies_in_ignored_places_is_left_out() -> None:
    for protocol in (detection_deteval, detection_iou):
        score = protocol(LINE[:1], [box(200, 0, 240, 10)], [box(195, 0, 245, 20)])
        assert (score.truths, score.found) == (1, 0)


def test_nothing_to_find_or_nothing_found() -> None:
    assert detection_deteval([], []) == detection_iou([], []) == DetectionScore()
    assert detection_iou(LINE, []).f == 0 and detection_deteval([], LINE).precision == 0
    assert detection_iou([], LINE).found == 3


def test_scores_of_images_add_up() -> None:
    total = detection_iou(LINE, LINE) + detection_iou(LINE[:1], [])
    assert total.recall == 75 and total.precision == 100


def word(text: str, x: float = 100, y: float = 50) -> ReadWord:
    return ReadWord(text, (x, y, x + 60, y + 20))


def test_words_are_read_at_their_place_and_almost_right() -> None:
    words = [word("Invoice"), word("Total:", y=200), word("x", y=300), word("café", y=400)]
    seen = [word("lnvoice", x=103), word("Total", y=290), word("CAFE.", y=400)]
    found, countable = words_read(words, seen)
    assert countable == 3, "a single letter is not counted"
    assert found == {0}, "the total is elsewhere; cafe is like café by 0.75"
    assert words_read(words, []) == (frozenset(), 3)


def test_a_word_is_read_in_pieces_too() -> None:
    assert words_read([word("2026-11-23")], [word("2026", x=95), word("11", x=115), word("23", x=135)])[0] == {0}


def test_of_chinese_half_the_signs_suffice() -> None:
    assert words_read([word("请写姓名")], [word("写名")])[0] == {0}
    assert words_read([word("请写姓名")], [word("名")])[0] == frozenset()


def test_frechet_distance_by_hand() -> None:
    # along one axis: means 0 and 3, variances 2 and 8: 9 + 2 + 8 - 2 sqrt(16)
    one, other = np.array([[-1.0], [1.0]]), np.array([[1.0], [5.0]])
    assert frechet_distance(one, other) == pytest.approx(9 + 2 + 8 - 8)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-12)
    with pytest.raises(ValueError, match="two images"):
        frechet_distance(one[:1], other)


def test_frechet_distance_is_that_of_the_matrix_root() -> None:
    rng = np.random.default_rng(0)
    one, other = rng.normal(0, 1, (60, 12)), rng.normal(0.3, 2, (45, 12)) @ rng.normal(0, 1, (12, 12))
    first, second = np.cov(one, rowvar=False), np.cov(other, rowvar=False)
    root = scipy.linalg.sqrtm(first @ second).real
    apart = one.mean(axis=0) - other.mean(axis=0)
    expected = apart @ apart + np.trace(first + second - 2 * root)
    assert frechet_distance(one, other) == pytest.approx(expected)
