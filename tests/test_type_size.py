"""Pages whose type is so small that some of it may be overlooked are for a person to look at."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.type_size import FEWEST, LEAST_HEIGHT, is_type_too_small


def line(y, height, length=200, x=10):
    return np.float32([[x, y], [x + length, y], [x + length, y + height], [x, y + height]])


def lines(count, height, length=200, top=0):
    return [line(top + 20 * number, height, length) for number in range(count)]


@settings(max_examples=50, deadline=None)
@given(st.integers(FEWEST, 30), st.floats(4, LEAST_HEIGHT - 0.5), st.floats(-30, 30))
def test_small_type_is_however_it_is_turned(count, height, degrees):
    turn = np.deg2rad(degrees)
    matrix = np.float32([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    assert is_type_too_small([outline @ matrix.T for outline in lines(count, height)])


def test_type_of_usual_size_is_not_nor_a_few_small_lines_or_marks_beside_it():
    usual = lines(20, 26)
    assert not is_type_too_small(usual)
    assert not is_type_too_small([*usual, *lines(5, 9)])  # a fifth
    assert is_type_too_small([*usual, *lines(7, 9)])  # more than a quarter
    assert not is_type_too_small([*usual, *lines(40, 7, 8)])  # points under Hebrew letters are regions, too
    assert not is_type_too_small([])


def test_of_a_few_regions_nothing_is_said():
    assert not is_type_too_small(lines(FEWEST - 1, 9))


def test_only_what_was_to_go_counts():
    outlines = [*lines(20, 26), *lines(20, 9, top=500)]
    allowed = np.zeros((1000, 400), bool)
    allowed[:450] = True
    assert not is_type_too_small(outlines, allowed)
    assert is_type_too_small(outlines, ~allowed)
    off = [outline + np.float32([-1000, 0]) for outline in lines(FEWEST, 9, top=500)]
    assert is_type_too_small(off, ~allowed)


@pytest.mark.parametrize(("height", "code", "status"), [(11, 6, "NEEDS_REVIEW"), (24, 0, "RESTORED")])
def test_the_program_says_so_and_asks_for_a_larger_scan(tmp_path, restore_docs, height, code, status):
    page = np.full((400, 300, 3), 245, np.uint8)
    for number in range(10):
        for x in range(20, 200, 6):
            page[20 + 30 * number : 20 + 30 * number + height - 4, x : x + 2] = 30
    cv2.imwrite(str(tmp_path / "page.png"), page)
    polygons = [line(18 + 30 * number, height, 190).tolist() for number in range(10)]
    regions = {"pages": [{"page_number": 1, "regions": [{"polygon": polygon, "score": 1.0} for polygon in polygons]}]}
    (tmp_path / "page.png.json").write_text(json.dumps(regions))
    words = ("--detector", "annotated", "--remover", "fill", "--mask", "classical", "--jobs", "1", "--verify", "on")
    done = restore_docs(tmp_path / "page.png", "--out", tmp_path / "out", *words)
    (told,) = json.loads((tmp_path / "out" / "report.json").read_text())["documents"][0]["pages"]
    assert (done.code, told["status"]) == (code, status), done.stderr
    assert [doubt for doubt in told["doubts"] if "150 dpi" in doubt] == told["doubts"]
    assert bool(told["doubts"]) == (code == 6)
