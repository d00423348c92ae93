"""What was removed from a page that was a JPEG cannot be told from its paper by how coefficients were rounded."""

from __future__ import annotations

from io import BytesIO

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline.documents import DocumentKind
from pipeline.encode import encode
from pipeline.formats import WriteSettings
from pipeline.grain import renew_grain
from pipeline.jpeg_tables import tables_of
from pipeline.types import Colour, Page, PageRef, PreparedPage
from workflows.pages.anonymity import hide_seams
from workflows.pages.verification import Verdict

SIDE = 256
REMOVED = (slice(96, 160), slice(48, 208))


def stored(image: np.ndarray, **options: object) -> bytes:
    out = BytesIO()
    Image.fromarray(image).save(out, "JPEG", **options)
    return out.getvalue()


def scan(quality: int, colour: bool, subsampling: int = 2) -> Page:
    """A grainy page that was stored as a JPEG, and then laid anew where something was removed."""
    rng = np.random.default_rng(3)
    paper = (np.array([236, 228, 214]) if colour else 236) + rng.normal(0, 4, (SIDE, SIDE, 3 if colour else 1))
    paper = np.rint(paper + np.zeros(3)).clip(0, 255).astype(np.uint8)
    options = {"quality": quality} | ({"subsampling": subsampling} if colour else {})
    with Image.open(BytesIO(stored(paper if colour else paper[..., 0], **options))) as first:
        image, tables = np.asarray(first.convert("RGB")), tables_of(first)
    area = np.zeros((SIDE, SIDE), bool)
    area[REMOVED] = True
    image = renew_grain(image, area, seed=1)
    return Page(PageRef("a.jpg", 0), image, 200, 200, Colour.RGB if colour else Colour.GREY, tables)


def misfit(image: np.ndarray, table: np.ndarray) -> np.ndarray:
    """(H/8, W/8): how far coefficients of each block of (H, W) are from multiples of the table's, on average.

    Only of those that are not rounded to nothing: how many these are is the grain's doing. NaN without any.
    """
    blocks = image.reshape(SIDE // 8, 8, SIDE // 8, 8).swapaxes(1, 2) - 128.0
    found = np.empty(blocks.shape[:2])
    for row, column in np.ndindex(found.shape):
        shares = cv2.dct(blocks[row, column]) / table
        multiples = np.rint(shares)
        multiples[0, 0] = 0  # the paper's level
        found[row, column] = np.abs(shares - multiples)[multiples != 0].mean() if multiples.any() else np.nan
    return found


def seam(page: Page, kind: DocumentKind) -> float:
    """By how many standard deviations the removed area's blocks fit the source's table worse than the paper's."""
    assert page.jpeg is not None
    with Image.open(BytesIO(encode(page, kind, WriteSettings(standard_tables=True)))) as written:
        grey = np.asarray(written.convert("YCbCr"))[..., 0].astype(np.float64)
    fits = misfit(grey, np.array(page.jpeg.tables[0]).reshape(8, 8))
    inside = np.zeros_like(fits, bool)
    inside[tuple(slice(part.start // 8 + 1, part.stop // 8 - 1) for part in REMOVED)] = True
    outside = ~cv2.dilate(inside.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)
    new, old = (fits[part & ~np.isnan(fits)] for part in (inside, outside))
    assert min(len(new), len(old)) > 20
    spread = np.hypot(new.std() / len(new) ** 0.5, old.std() / len(old) ** 0.5)
    return float((new.mean() - old.mean()) / spread)


@pytest.mark.parametrize("kind", [DocumentKind.JPEG, DocumentKind.PNG], ids=lambda kind: kind.name)
@pytest.mark.parametrize(
    ("colour", "subsampling"), [(False, 0), (True, 2), (True, 0)], ids=["grey", "colour", "colour, 4:4:4"]
)
@pytest.mark.parametrize("quality", [60, 75, 85, 90, 95, 98])
def test_no_seam_shows_in_how_coefficients_were_rounded(
    quality: int, colour: bool, subsampling: int, kind: DocumentKind
) -> None:
    page = scan(quality, colour, subsampling)
    assert abs(seam(page, kind)) < 4  # paper that nothing was done to comes to 3.7; without the rounding, 8 to 36


@pytest.mark.parametrize("colour", [False, True], ids=["grey", "colour"])
def test_coarse_grain_is_as_strong_as_around_it(colour: bool) -> None:
    image = scan(90, colour).image.astype(np.float32)
    inside = np.zeros((SIDE, SIDE), np.uint8)
    inside[REMOVED] = 1
    outside = cv2.dilate(inside, np.ones((9, 9), np.uint8)) == 0
    inside = cv2.erode(inside, np.ones((9, 9), np.uint8))
    for coarse, least in ((image, 0.9), (cv2.GaussianBlur(image, (0, 0), 3), 0.7)):
        ratio = coarse[inside > 0].std(axis=0) / coarse[outside].std(axis=0)
        assert (ratio > least).all() and (ratio < 1 / least).all()


def test_grain_does_not_depend_on_what_was_written():
    """Otherwise whoever has the page could lay the grain for each guess at the text, and see which one fits."""
    rng = np.random.default_rng(3)
    paper = (225 + rng.normal(0, 4, (SIDE, SIDE, 1))).clip(0, 255).astype(np.uint8).repeat(3, axis=2)
    mask = np.zeros((SIDE, SIDE), bool)
    mask[REMOVED] = True
    renewed = []
    for word in ("4711", "0815"):
        page = cv2.putText(paper.copy(), word, (60, 150), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (20, 20, 20), 4)
        assert not np.array_equal(page, paper) and np.array_equal(page[~mask], paper[~mask])
        written = Page(PageRef("written", 0), page, 100, 100, Colour.GREY)
        prepared = PreparedPage(written, (), np.zeros(mask.shape, bool), (), {})
        filled = np.where(mask[..., None], 225, page).astype(np.uint8)
        renewed.append(hide_seams(prepared, Verdict(filled, mask, (), 0, ())))
    assert renewed[0][mask].std() > 2, "no grain was laid"
    assert np.array_equal(renewed[0], renewed[1])
