"""How well a blank form fits decides: well, the page is done; poorly, a person looks at it; badly, it is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.results import PageResult, PageStatus
from pipeline.types import PageRef
from workflows.failures import fail_closed
from workflows.reporting.report import page_entry
from workflows.reporting.report_words import outcome, remarks

ROWS = range(80, 1360, 90)


def draw_form() -> np.ndarray:
    rng = np.random.default_rng(0)
    blank = np.full((1400, 1000, 3), 250, np.uint8)
    for y in ROWS:
        cv2.line(blank, (60, y), (940, y), (60, 60, 60), 2)
        for x in range(70, 900, 160):
            word = "".join(rng.choice(list("ABCDEFGHKLMNPRSTUVWXYZ"), 5))
            cv2.putText(blank, word, (x, y - 14), cv2.FONT_HERSHEY_DUPLEX, 0.8, (30, 30, 30), 2)
    return blank


@pytest.fixture
def clean_by_blank(tmp_path: Path, restore_docs):
    """Clean a filled-in form of which so many rows were cut away, by its whole blank."""
    blank = draw_form()
    cv2.imwrite(str(tmp_path / "blank.png"), blank)

    def call(missing: int):
        sheet = blank.copy()
        cv2.putText(sheet, "filled in", (300, 1240), cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, 1.4, (160, 40, 40), 3)
        sheet[: 90 * missing] = 250
        cv2.imwrite(str(tmp_path / "sheet.png"), sheet)
        (tmp_path / "sheet.png.json").write_text('{"pages": [{"page_number": 1, "regions": []}]}')
        words = ("--detector", "annotated", "--remover", "fill", "--jobs", "1", "--template", tmp_path / "blank.png")
        return restore_docs(tmp_path / "sheet.png", "--out", tmp_path / "out", "--on-existing", "overwrite", *words)

    return call


@pytest.mark.parametrize(("missing", "code", "status"), [(0, 0, "RESTORED"), (5, 6, "NEEDS_REVIEW"), (9, 6, "FAILED")])
def test_a_poor_fit_needs_review_and_a_bad_one_is_refused(clean_by_blank, missing, code, status):
    done = clean_by_blank(missing)
    (page,) = done.document("sheet.png")["pages"]
    assert (done.code, page["status"]) == (code, status), page
    if status == "NEEDS_REVIEW":
        assert page["doubts"] and "fits poorly: 6" in page["doubts"][0] and not page["regions_left"]
        assert any("fits poorly" in remark for remark in remarks(page))
        assert "1 page: 1 needs review" in done.stdout
    else:
        assert not page["doubts"]


def test_a_doubt_fails_a_document_that_is_to_be_given_away():
    page = PageResult(PageRef("document-0001.png", 0), path="x", doubts=("the blank fits poorly",))
    assert page.status is PageStatus.NEEDS_REVIEW
    closed = fail_closed(page)
    assert closed.status is PageStatus.FAILED and closed.failure is not None
    assert closed.failure.kind == "InDoubt" and "the blank fits poorly" in closed.failure.what


def test_a_check_is_not_blamed_for_a_doubt():
    entry = page_entry(PageResult(PageRef("a.png", 0), path="x", doubts=("a code stayed",)))
    assert outcome({"name": "strokes", "found": 2}, entry) == "removed again"
    assert outcome({"name": "strokes", "found": 2}, entry | {"regions_left": 1}) == "text may be left"
