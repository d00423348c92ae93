"""Lines of type only ask a font for what it has, and pieces of pages are where the text is."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pymupdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError
from pipeline.pairs import Pair
from workflows.training.material import JOINED, SIGNS, WORDS, Typeface, draw_line, find_fonts
from workflows.training.pieces import PIECE_SIDE_PX, choose_pieces


def write_font(path: Path, name: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pymupdf.Font(name).buffer)
    return path


@pytest.fixture(scope="module")
def helvetica(tmp_path_factory: pytest.TempPathFactory) -> Typeface:
    return Typeface(write_font(tmp_path_factory.mktemp("fonts") / "a.otf", "helv"))


@pytest.mark.parametrize("name", ["helv", "cjk", "symb"])
def test_a_font_is_only_asked_for_what_it_has(tmp_path: Path, name: str) -> None:
    face, font = Typeface(write_font(tmp_path / f"{name}.otf", name)), pymupdf.Font(name)
    state = random.Random(1)
    lines = [line for line in (draw_line(face, state) for _ in range(60)) if line is not None]
    missing = {sign for _, text in lines for sign in text if not font.has_glyph(ord(sign))}
    assert missing <= {" "}
    assert lines


def test_a_font_of_few_signs_is_given_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    face = Typeface(write_font(tmp_path / "a.otf", "helv"))
    known = set("abcdefghijklmnopqrstuvwxyz !$%")
    monkeypatch.setattr(Typeface, "has", lambda self, character, after="": character in known)
    state = random.Random(2)
    written = {sign for line in (draw_line(face, state) for _ in range(150)) if line is not None for sign in line[1]}
    assert written and written <= known


def test_scripts_are_those_of_the_font(tmp_path: Path) -> None:
    latin = Typeface(write_font(tmp_path / "a.otf", "helv"))
    chinese = Typeface(write_font(tmp_path / "b.otf", "cjk"))
    assert "latin" in latin.words and "han" not in latin.signs and not set(latin.words) & {"korean", "kana", "thai"}
    assert {"han", "digits"} <= set(chinese.signs) and {"latin", "kana", "korean"} <= set(chinese.words)


def test_letters_that_would_not_join_are_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    face = Typeface(write_font(tmp_path / "a.otf", "helv"))
    monkeypatch.setattr(Typeface, "has", lambda self, character, after="": True)
    assert set(WORDS) - set(face.words) == set(JOINED)


def test_what_is_missing_is_not_had(tmp_path: Path) -> None:
    face = Typeface(write_font(tmp_path / "a.otf", "helv"))
    assert face.has("A") and face.has("é") and face.spaced
    assert not face.has("漢") and not face.has(" ") and not face.has("ि", "A")


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_lines_are_of_a_usable_size(helvetica: Typeface, seed: int) -> None:
    line = draw_line(helvetica, random.Random(seed))
    again = draw_line(helvetica, random.Random(seed))
    assert line is not None and again is not None
    assert np.array_equal(line[0], again[0]) and line[1] == again[1]
    assert line[0].shape[1] <= 1400 and 1 < line[0].shape[0] <= 200


def test_all_that_can_be_written_is_one_sign_a_character() -> None:
    assert all(len(set(signs)) >= 10 for signs in SIGNS.values())
    assert all(len(text.split()) >= 10 for text in WORDS.values())


def test_a_folder_of_fonts_is_searched_deep(tmp_path: Path) -> None:
    one, two = write_font(tmp_path / "x" / "a.OTF", "helv"), write_font(tmp_path / "x" / "y" / "b.ttf", "helv")
    (tmp_path / "x" / "readme.txt").write_text("no font")
    assert find_fonts((tmp_path,)) == [one, two] == find_fonts((one, two, one))


def test_what_is_no_font_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.ttf"
    path.write_bytes(b"no font")
    with pytest.raises(InputError, match=r"a\.ttf cannot be used as a font.*leave it out"):
        Typeface(path)


# --- pieces ----------------------------------------------------------------------------------------------------------


def page(height: int, width: int, ink: tuple[slice, slice]) -> Pair:
    blank = np.full((height, width, 3), 255, np.uint8)
    text = blank.copy()
    text[ink] = 0
    return Pair(text, blank, ())


@settings(max_examples=40, deadline=None)
@given(height=st.integers(200, 2000), width=st.integers(200, 2000), count=st.integers(0, 5), seed=st.integers(0, 99))
def test_pieces_lie_on_the_page_and_apart(height: int, width: int, count: int, seed: int) -> None:
    chosen = choose_pieces(page(height, width, (slice(None, None, 9), slice(None))), count, random.Random(seed))
    assert len(chosen) <= count
    assert bool(chosen) == (min(height, width) >= PIECE_SIDE_PX and count > 0)
    for index, (x, y) in enumerate(chosen):
        assert 0 <= x <= width - PIECE_SIDE_PX and 0 <= y <= height - PIECE_SIDE_PX
        assert all(max(abs(x - a), abs(y - b)) >= 0.7 * PIECE_SIDE_PX for a, b in chosen[:index])


def test_text_over_drawings_is_taken_first() -> None:
    sheet = page(1600, 1600, (slice(0, 1600, 7), slice(0, 1600)))
    sheet.blank[1000:1500:6, 1000:1500] = (200, 0, 0)
    sheet.text[1000:1500:6, 1000:1500] = (200, 0, 0)
    sheet.text[1000:1500:7, 1000:1500] = 0
    (x, y), *_ = choose_pieces(sheet, 1, random.Random(0))
    assert 700 < x <= 1088 and 700 < y <= 1088


def test_pages_without_text_or_drawing_give_nothing() -> None:
    assert choose_pieces(page(900, 900, (slice(0, 0), slice(0, 0))), 3, random.Random(0)) == []
