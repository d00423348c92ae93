"""Text chosen by what it says, the whole way: drawn, removed by the program, and read again where it stood."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pymupdf
import pytest
from fakes import FarsightedDetector

from detectors.base import DetectorSettings
from detectors.reading import TextReader
from detectors.registry import DETECTORS, create_detector
from pipeline.marks import STAYS, UNSURE, legend
from pipeline.types import PageRef

SIZE_PT = 350, 150  # 700 x 300 px
DPI = 144


def draw(path: Path, *texts: tuple[float, float, str], size: float = 11) -> np.ndarray:
    """Write a page with texts at (x, y) in points; its pixels."""
    with pymupdf.open() as document:
        page = document.new_page(width=SIZE_PT[0], height=SIZE_PT[1])
        for x, y, text in texts:
            page.insert_text((x, y), text, fontsize=size)
        drawn = page.get_pixmap(dpi=DPI)
        image = np.frombuffer(drawn.samples, np.uint8).reshape(drawn.height, drawn.width, 3)
    grain = np.random.default_rng(0).normal(0, 1.5, image.shape)
    image = np.clip(0.93 * image + grain, 0, 255).astype(np.uint8)
    cv2.imwrite(str(path), image[..., ::-1])
    return image


def read_page(path: Path) -> str:
    """All that detector and recognizer read on a page, from top to bottom."""
    image = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
    regions = create_detector("paddleocr", DetectorSettings()).detect(image, PageRef("after", 0))
    lines, readings = TextReader().read_lines(image, regions)
    order = sorted(range(len(lines)), key=lambda k: (round(lines[k].polygon[:, 1].mean() / 20), lines[k].polygon[0, 0]))
    return " ".join(readings[k].text for k in order)


@pytest.fixture
def clean(tmp_path: Path, restore_docs):
    """Clean ``page.png``; the outcome, the report's entry of its page, and where the cleaned one is."""

    def call(*words: object):
        done = restore_docs(tmp_path / "page.png", "--out", tmp_path / "out", "--jobs", "1", "--lossless", *words)
        (page,) = done.document("page.png")["pages"]
        return done, page, tmp_path / "out" / "page.png"

    return call


def test_an_address_that_the_first_detection_missed_is_found(clean, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setitem(DETECTORS, "fake", FarsightedDetector)
    before = draw(tmp_path / "page.png", (40, 60, "Mail: jane@example.org"), (40, 110, "Order 42 of May"), size=9)
    done, page, path = clean("--detector", "fake", "--entities", "email", "--remover", "fill")
    assert (done.code, page["status"], page["regions"]) == (0, "RESTORED", 0)
    assert {check["name"]: check["found"] for check in page["checks"]}["reader"] == 1, page["checks"]
    assert "jane" in read_page(tmp_path / "page.png") and "jane" not in read_page(path)
    after = cv2.imread(str(path))[..., ::-1]
    assert (after[150:] == before[150:]).all() and (after[:, :120] == before[:, :120]).all()


PAGE = (
    (20, 30, "Mail: jane@example.org Order 42"),
    (20, 62, "Call Jane"),  # a match over two regions ...
    (92, 62, "Doe about the parcel"),
    (20, 94, "The number of the customer is K-12-"),
    (20, 110, "3456 and stays the same for life"),  # ... and one over two lines
    (20, 138, "Nothing of this has to go away"),
)
GONE = ("jane@", "example", "Jane", "Doe", "K-12", "3456")
KEPT = ("Mail", "Order 42", "Call", "about the parcel", "The number of the customer is", "and stays the same for life",
        "Nothing of this has to go away")  # fmt: skip


@pytest.mark.parametrize("least", [(), pytest.param(("--least-score", 0), marks=pytest.mark.slow)])
def test_what_matches_goes_and_the_rest_of_its_line_stays(clean, tmp_path: Path, least: tuple[object, ...]) -> None:
    before = draw(tmp_path / "page.png", *PAGE)
    assert all(word in read_page(tmp_path / "page.png") for word in (*GONE, *KEPT))
    (tmp_path / "words.txt").write_text("jane doe\n")
    words = ("--entities", "email", "--match", r"K-\d\d-\s*\d{4}", "--words", tmp_path / "words.txt", *least)
    done, page, path = clean(*words, "--remover", "fill")
    said = read_page(path)
    assert (done.code, page["status"], page["regions"]) == (0, "RESTORED", 6), page
    assert not [word for word in GONE if word in said], said
    assert not [word for word in KEPT if word not in said], said
    assert {"entity:email", "match", "word"} <= set(page["reasons"])
    after = cv2.imread(str(path))[..., ::-1]
    assert (after[252:] == before[252:]).all(), "a line that holds no match is what it was, bit for bit"


def test_a_dry_run_shows_what_goes_what_stays_and_what_is_unsure(clean, tmp_path: Path) -> None:
    before = draw(tmp_path / "page.png", (20, 30, "Jane Doe"), (20, 70, "Order 42"), (20, 110, "Kept line"))
    (tmp_path / "words.txt").write_text("jane doe\n")
    sure = ("--words", tmp_path / "words.txt", "--keep", "Kept line", "--least-score", 1)
    done, page, path = clean(*sure, "--dry-run")
    assert done.code == 0 and not path.exists() and set(page["reasons"]) == {"word", "unsure"}
    shown = cv2.imread(str(path.with_name("page.would-go.png")))[..., ::-1]
    picture, strip = shown[: len(before)], shown[len(before) :]
    marks = (legend(["word"])["word"], UNSURE, STAYS)
    for mark, top in zip(marks, (30, 110, 190), strict=True):
        dark = before[top : top + 40].min(axis=2) < 60
        painted = (picture[top : top + 40] == mark.colour).all(axis=2)
        assert painted[dark].mean() > 0.9, mark
        assert (strip == mark.colour).all(axis=2).any(), f"the legend has no {mark.label}"
        framed = painted.sum(axis=1).max() > np.ptp(np.flatnonzero(dark.any(axis=0)))
        assert framed == (mark is UNSURE), mark
