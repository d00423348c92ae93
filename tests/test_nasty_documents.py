"""The hostile and odd files of ../shared/samples: each is read in full, or refused for a reason a person can act on."""

from __future__ import annotations

import resource
from pathlib import Path

import numpy as np
import pytest
from books import ENGINES

from pipeline.documents import DocumentKind, RasterSettings, inspect_document, rasterize_page
from pipeline.errors import InputError, StageError
from pipeline.types import Colour, PageRef

SAMPLES = Path(__file__).parents[2] / "shared" / "samples"

pytestmark = [pytest.mark.nasty, pytest.mark.skipif(not SAMPLES.is_dir(), reason="../shared is not there")]

REFUSED = {
    "empty.pdf": "0 bytes",
    "gen_animated.gif": "GIF",
    "gen_cyclic_pages.pdf": "page tree",
    "gen_empty.png": "0 bytes",
    "gen_png_bomb.png": "30000 x 30000 pixels.*--max-pixels",
    "gen_text.txt": "no kind of document",
    "gen_truncated.pdf": "cut short",
    "gen_zero_pages.pdf": "no pages",
    "graph-encrypted.pdf": "--password",
    "health_protected.pdf": "--password",
    "gen_user_password.pdf": "--password",
    "invalid.pdf": "cannot be opened",
    "livecycle.pdf": "XFA",
    "password-example.pdf": "--password",
    "poppler-395-0-fuzzed.pdf": "no page could be found",
    "xfa_issue14315.pdf": "XFA",
}
FIRST_PAGE_FAILS = {
    "bomb_giant.pdf": "image only stream",
    "gen_huge_mediabox.pdf": "--max-pixels",
    "gen_truncated.jpg": "truncated",
    "hugemono.pdf": "35000 x 35000 pixels.*--max-pixels",
}
PAGES = {
    "content-stream-errors.pdf": 4,
    "evaljs.pdf": 2,
    "gen näme with space & ünïcode 試験.pdf": 6,
    "gen_flate_bomb.pdf": 6,
    "gen_garbage_head.pdf": 6,
    "gen_huge_mediabox.pdf": 6,
    "gen_multipage.tif": 3,
    "gen_owner_password.pdf": 6,
    "gen_pdf_named.jpg": 6,
    "gen_upper.PDF": 6,
    "rotation.pdf": 2,
    "sizes.pdf": 3,
}
"""All others have one."""

BLANK = {
    "empty_protected.pdf",
    "gen_flate_bomb.pdf",
    "no_contents.pdf",
    "sample_bad_max_width.pdf",
}
"""Files whose first page really is: nothing is drawn in them, or white only."""

NAMES = sorted(path.name for path in (SAMPLES / "nasty").glob("*")) if SAMPLES.is_dir() else []


@pytest.mark.parametrize("name", NAMES)
def test_nasty_file_is_read_or_refused(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    path, settings = str(SAMPLES / "nasty" / name), RasterSettings()
    if name in REFUSED:
        with pytest.raises(InputError, match=REFUSED[name]) as refused:
            inspect_document(path, settings)
        assert path in str(refused.value)
        return
    assert inspect_document(path, settings).page_count == PAGES.get(name, 1)
    if name in FIRST_PAGE_FAILS:
        with pytest.raises((InputError, StageError), match=FIRST_PAGE_FAILS[name]):
            rasterize_page(PageRef(path, 0), settings)
        return
    for index in range(PAGES.get(name, 1)):
        page = rasterize_page(PageRef(path, index), settings)
        assert bool((page.image == 255).all()) is (name in BLANK and index == 0)
    assert capfd.readouterr() == ("", "")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 3 * 2**20  # kB


def test_password_opens_what_was_refused() -> None:
    path = str(SAMPLES / "nasty" / "gen_user_password.pdf")
    assert inspect_document(path, RasterSettings(password="u")).page_count == 6


@pytest.mark.parametrize("name", ["aspect.pdf", "rotation.pdf", "inks.pdf", "annotation-text-widget.pdf", "sizes.pdf"])
def test_engines_agree(name: str) -> None:
    path = str(SAMPLES / "nasty" / name)
    for index in range(PAGES.get(name, 1)):
        pages = [rasterize_page(PageRef(path, index), RasterSettings(rasterizer=engine)) for engine in ENGINES]
        assert pages[0].image.shape == pages[1].image.shape
        inked = [(page.image.min(axis=2) < 128).mean() for page in pages]
        assert inked[0] == pytest.approx(inked[1], rel=0.25, abs=1e-4)


@pytest.mark.parametrize(
    ("name", "shape", "colour", "stored_as_jpeg"),
    [
        ("scans/ccitt.pdf", (3300, 2550), Colour.BILEVEL, False),
        ("scans/jbig2.pdf", (3300, 2550), Colour.BILEVEL, False),
        ("scans/rotated_skew.pdf", (3300, 2550), Colour.BILEVEL, False),
        ("scans/newspaper.pdf", (4056, 2497), Colour.GREY, True),
        ("scans/lincoln_letter.pdf", (3023, 2449), Colour.RGB, True),
        ("scans/ocr_test_rotated_90.pdf", (4960, 7016), Colour.GREY, False),
        ("scans/linn.png", (3300, 2550), Colour.BILEVEL, False),
        ("scans/input.jpg", (2184, 1456), Colour.RGB, True),
        ("nasty/gen_g4_204x98.tif", (1294, 1000), Colour.BILEVEL, False),
        ("nasty/gen_exif_rotated.jpg", (1294, 1000), Colour.GREY, True),
    ],
)
def test_scans_keep_their_pixels_and_sort(
    name: str, shape: tuple[int, int], colour: Colour, stored_as_jpeg: bool
) -> None:
    page = rasterize_page(PageRef(str(SAMPLES / name), 0), RasterSettings())
    assert page.image.shape[:2] == shape
    assert page.colour is colour
    assert (page.jpeg is not None) is stored_as_jpeg


def test_the_four_turns_of_one_scan_are_the_same_pixels() -> None:
    path = str(SAMPLES / "scans" / "cardinal.pdf")
    assert inspect_document(path, RasterSettings()).kind is DocumentKind.PDF
    first, *others = (rasterize_page(PageRef(path, index), RasterSettings()).image for index in range(4))
    for image in others:
        assert any(np.array_equal(np.rot90(image, k), first) for k in (1, 2, 3))
