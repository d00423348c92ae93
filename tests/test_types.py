"""The vocabulary checks itself, and statuses follow from their parts."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from pipeline import errors
from pipeline.results import DocumentResult, DocumentStatus, Failure, PageResult, PageStatus
from pipeline.types import Box, Colour, Page, PageRef, PreparedPage, RestoredTile, TextRegion, Tile

REF = PageRef("a.pdf", 0)
FAILURE = Failure("StageError", "detect", "it broke")


@pytest.mark.parametrize(
    "make",
    [
        lambda: Box(3, 0, 3, 5),
        lambda: PageRef("a.pdf", -1),
        lambda: Page(REF, np.zeros((4, 4), np.uint8), 10, 10, Colour.GREY),
        lambda: Page(REF, np.zeros((4, 4, 3), np.float32), 10, 10, Colour.GREY),
        lambda: Page(REF, np.zeros((4, 4, 3), np.uint8), 0, 10, Colour.GREY),
        lambda: TextRegion(np.zeros((2, 2), np.float32)),
        lambda: TextRegion(np.zeros((4, 2), np.float64)),
        lambda: TextRegion(np.full((4, 2), np.nan, np.float32)),
        lambda: TextRegion(np.zeros((4, 2), np.float32), score=1.5),
        lambda: Tile(Box(0, 0, 4, 4), np.zeros((4, 5, 3), np.uint8), np.zeros((4, 4), bool), np.zeros((4, 4), bool)),
        lambda: Tile(Box(0, 0, 4, 4), np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4)), np.zeros((4, 4), bool)),
        lambda: RestoredTile(Box(0, 0, 4, 4), np.zeros((5, 4, 3), np.uint8)),
        lambda: PageResult(REF),
        lambda: PageResult(REF, failure=FAILURE, path="x"),
        lambda: PageResult(REF, kept_original=True, path="x"),
        lambda: DocumentResult("a.pdf"),
        lambda: DocumentResult("a.pdf", ("b.pdf",), failure=FAILURE),
        lambda: DocumentResult("a.pdf", ("b.pdf",), (PageResult(REF, failure=FAILURE),)),
    ],
)
def test_what_contradicts_itself_cannot_be_made(make) -> None:
    with pytest.raises(ValueError):
        make()


def test_a_prepared_page_has_tiles_exactly_where_it_has_ink() -> None:
    page = Page(REF, np.zeros((8, 8, 3), np.uint8), 10, 10, Colour.RGB)
    with pytest.raises(ValueError, match="tiles"):
        PreparedPage(page, (), np.ones((8, 8), bool), (), {})
    with pytest.raises(ValueError, match="fit"):
        PreparedPage(page, (), np.zeros((8, 9), bool), (), {})


def test_page_statuses_follow_from_what_happened() -> None:
    assert PageResult(REF, path="x").status is PageStatus.UNCHANGED
    assert PageResult(REF, changed_pixels=5, path="x").status is PageStatus.RESTORED
    assert PageResult(REF, changed_pixels=5, residual_count=1, path="x").status is PageStatus.NEEDS_REVIEW
    assert PageResult(REF, failure=FAILURE).status is PageStatus.FAILED
    assert PageResult(REF, failure=FAILURE, kept_original=True, path="x").status is PageStatus.KEPT_ORIGINAL


def test_a_document_is_as_grave_as_its_gravest_page() -> None:
    restored, blank = PageResult(REF, changed_pixels=5, path="x"), PageResult(REF, path="x")
    review = PageResult(REF, changed_pixels=5, residual_count=2, path="x")
    kept = PageResult(REF, failure=FAILURE, kept_original=True, path="x")
    for pages, status in [
        ((blank, blank), DocumentStatus.UNCHANGED),
        ((blank, restored), DocumentStatus.RESTORED),
        ((restored, review), DocumentStatus.NEEDS_REVIEW),
        ((kept, review), DocumentStatus.KEPT_ORIGINAL),
    ]:
        assert DocumentResult("a.pdf", ("b.pdf",), pages).status is status
    assert DocumentResult("a.pdf", failure=FAILURE).status is DocumentStatus.FAILED
    assert DocumentResult("a.txt", skipped="not a document").status is DocumentStatus.SKIPPED


@pytest.mark.parametrize(
    "error",
    [
        errors.UsageError("what", "remedy"),
        errors.InputError("what"),
        errors.SetupError("what", "remedy"),
        errors.OutputError("what", "remedy"),
        errors.ClusterError("what", "remedy"),
        errors.StageError("what", "remedy", "detect", 7),
    ],
)
def test_errors_survive_the_way_back_from_a_worker(error: errors.RestoreError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error) and str(back) == str(error) and vars(back) == vars(error)
