"""``restore-docs train preview``: a look at the samples, with whatever material there is."""

from __future__ import annotations

import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from material import write_shards

from workflows.training import machine_material, preview
from workflows.training.machine_material import write_machine_shards
from workflows.training.preview import preview_samples
from workflows.training.shards import Shards


@pytest.fixture
def no_fonts(monkeypatch):
    monkeypatch.setattr(machine_material, "find_fonts", lambda folders: [])


def write_font(path: Path) -> Path:
    pymupdf = pytest.importorskip("pymupdf")
    path.write_bytes(pymupdf.Font("helv").buffer)
    return path


def test_preview_writes_a_sheet_and_says_how_fast(tmp_path):
    folder = write_shards(tmp_path)
    rates = preview_samples([folder], tmp_path / "sheet.png", count=3, side=96, seed=1)
    assert 0 < rates.batches < rates.samples
    assert cv2.imread(str(tmp_path / "sheet.png")).shape == (2 * 96, 8 * 96, 3)


def test_without_shards_it_shows_what_the_machine_has(tmp_path, monkeypatch, restore_docs, no_fonts):
    monkeypatch.chdir(tmp_path)
    done = restore_docs("train", "preview", "--out", "sheet.png")
    assert done.code == 0, done.stderr
    assert cv2.imread("sheet.png").shape == (12 * 256, 8 * 256, 3)
    assert "no shards are named" in done.stderr and "drawn letters" in done.stderr
    assert re.search(r"sheet\.png: 24 samples, [\d.]+ a second from one process, [\d.]+ as batches", done.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["sheet.png"]


def test_without_shards_named_those_at_hand_are_shown(tmp_path, monkeypatch, restore_docs):
    monkeypatch.chdir(tmp_path)
    write_shards(tmp_path / "shards")
    done = restore_docs("train", "preview", "--out", "sheet.png", "--count", 2, "--side", 64)
    assert done.code == 0 and "shards from shards/" in done.stderr
    named = restore_docs("train", "preview", "shards", "--out", "named.png", "--count", 2, "--side", 64)
    assert named.code == 0 and named.stderr == ""
    assert Path("named.png").read_bytes() == Path("sheet.png").read_bytes()


@pytest.mark.parametrize(
    ("name", "code", "told"),
    [
        ("sheet", 2, "sheet is no name of a picture (name a file that ends in .png)"),
        ("sheet.xyz", 2, "sheet.xyz is no name of a picture"),
        ("none/sheet.png", 5, "none/sheet.png cannot be written (name a .png in a folder that is there)"),
        ("folder.png", 5, "folder.png cannot be written"),
    ],
)
def test_a_sheet_that_cannot_be_written_is_said_before_drawing(tmp_path, monkeypatch, restore_docs, name, code, told):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.png").mkdir()
    monkeypatch.setattr(preview, "find_material", lambda *_: pytest.fail("it was drawn"))
    done = restore_docs("train", "preview", "--out", name)
    assert done.code == code and told in done.stderr


def test_lines_are_of_the_machine_s_fonts_where_it_has_any(tmp_path):
    font = write_font(tmp_path / "a.otf")
    (tmp_path / "broken.ttf").write_bytes(b"no font")
    assert write_machine_shards(tmp_path / "one", 3, (tmp_path,)) == "1 of this machine's fonts"
    write_machine_shards(tmp_path / "two", 3, (font, tmp_path))
    shards, again = (Shards([tmp_path / name]) for name in ("one", "two"))
    assert shards.count("print") > 40
    assert all(np.array_equal(shards.line("print", n), again.line("print", n)) for n in range(shards.count("print")))


def test_lines_are_drawn_where_there_are_no_fonts(tmp_path):
    assert "no fonts" in write_machine_shards(tmp_path, 3, (tmp_path / "none",))
    shards = Shards([tmp_path])
    assert all(min(shards.line("print", n).shape) > 10 for n in range(shards.count("print")))
