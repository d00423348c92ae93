"""What a detector finds and a reader reads in an output, as figures of a page: by hand, without either."""

from __future__ import annotations

from math import isnan
from pathlib import Path

import numpy as np
import pytest
from small_sets import corners

from pipeline.judged_metrics import ReadWord
from pipeline.types import Array
from workflows.evaluation.rows import Row
from workflows.evaluation.samples import Sample
from workflows.evaluation.scoring import Readings, score_detections, score_readings

PAPER = np.full((100, 400, 3), 255, np.uint8)
ROW = Row("a", Path("a.png"), "pairs")


def polygon(x0: int, y0: int, x1: int, y1: int) -> Array:
    return np.array(corners((x0, y0, x1, y1)), np.float64)


def sample(
    words: tuple[Array, ...] = (),
    kept: tuple[Array, ...] = (),
    ignored: tuple[Array, ...] = (),
    texts: tuple[ReadWord, ...] = (),
    keeps: tuple[ReadWord, ...] = (),
) -> Sample:
    return Sample(ROW, PAPER, PAPER, words, np.zeros((100, 400), bool), ignored, texts, keeps, kept)


PRINT = (polygon(0, 0, 29, 10), polygon(35, 0, 64, 10), polygon(70, 0, 99, 10))  # 29 % each of the line
LINE = polygon(0, 0, 100, 10)
HAND = polygon(0, 50, 60, 70)


def test_a_line_over_words_that_stay_is_neither_right_nor_wrong() -> None:
    figures = score_detections(sample((HAND,), PRINT), [LINE, HAND])
    for name in ("deteval", "iou"):
        assert (figures[f"{name}_precision"].over, figures[f"{name}_precision"].under) == (100, 1)
        assert figures[f"{name}_recall"].value == 100
    alone = score_detections(sample((HAND,), PRINT[:1]), [LINE, HAND])
    assert all(alone[f"{name}_precision"].under == 2 for name in ("deteval", "iou")), "29 % of it is no excuse"


def test_by_how_much_it_may_lie_in_print_depends_on_the_protocol() -> None:
    halves = score_detections(sample((HAND,), PRINT[:2]), [polygon(0, 0, 128, 10)])  # 45 % of it
    assert halves["deteval_precision"].under == 0 and halves["iou_precision"].under == 1
    twice = score_detections(sample((HAND,), (PRINT[0], PRINT[0])), [LINE])
    assert twice["deteval_precision"].under == 1, "what two words share counts once"


def test_ignored_places_are_each_looked_at_alone() -> None:
    figures = score_detections(sample((HAND,), (), PRINT), [LINE])
    assert figures["iou_precision"].under == figures["deteval_precision"].under == 1
    figures = score_detections(sample((HAND,), (), (LINE,)), [PRINT[0]])
    assert figures["iou_precision"].under == figures["deteval_precision"].under == 0


def test_handwriting_that_is_left_is_found_whatever_print_is_there() -> None:
    figures = score_detections(sample((HAND,), (*PRINT, polygon(0, 66, 20, 90))), [HAND])
    assert figures["deteval_recall"].value == figures["iou_recall"].value == 100
    assert score_detections(sample((HAND,), PRINT), [])["iou_recall"].value == 0


# --- readings --------------------------------------------------------------------------------------------------------


def word(text: str, x: float) -> ReadWord:
    return ReadWord(text, (x, 40, x + 60, 60))


WRITTEN = (word("Smith", 0), word("Paris", 100), word("x", 200), word("1984", 300))  # of which one is too short
PRINTED = (word("Name", 1000), word("Place", 1100), word("Born", 1200))


def test_words_still_read_are_shares_of_what_could_be_read() -> None:
    before = [word("Smith", 2), word("Paris", 98)]
    figures = score_readings(sample(texts=WRITTEN), Readings(before, [word("smith", 0), word("1984", 300)], ()))
    assert figures.keys() == {"ocr_in", "ocr_out", "ocr_left"}, "nothing is to be kept"
    assert (figures["ocr_in"].over, figures["ocr_in"].under) == (200, 3)
    assert (figures["ocr_out"].over, figures["ocr_out"].under) == (200, 3)
    assert (figures["ocr_left"].over, figures["ocr_left"].under) == (100, 2), "1984 was not read before"
    clean = score_readings(sample(texts=WRITTEN), Readings(before, (), ()))
    assert clean["ocr_left"].value == clean["ocr_out"].value == 0 and clean["ocr_in"].value == pytest.approx(200 / 3)
    assert isnan(score_readings(sample(texts=WRITTEN), Readings((), (), ()))["ocr_left"].value)


def test_words_kept_are_shares_of_what_the_truth_shows() -> None:
    page = sample(texts=WRITTEN, keeps=PRINTED)
    truth, output = [word("Name", 1000), word("Place", 1100)], [word("Place", 1100), word("Born", 1200)]
    figures = score_readings(page, Readings([*PRINTED, word("Smith", 0)], output, truth))
    assert (figures["kept"].over, figures["kept"].under) == (100, 2), "Born cannot be read in the truth"
    assert (figures["kept_in"].over, figures["kept_in"].under) == (200, 2)
    assert figures["ocr_in"].over == 100 and figures["ocr_out"].over == 0, "print is none of the words to go"
    elsewhere = score_readings(page, Readings((), [word("Name", 1300)], truth))
    assert elsewhere["kept"].value == elsewhere["kept_in"].value == 0
