"""Regions written by a run are the regions that the annotated detector reads."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.annotated import AnnotatedDetector
from detectors.base import DetectorSettings
from pipeline.errors import OutputError
from pipeline.geometry import clip_polygon, reading_order
from pipeline.regions_file import PageRegions, regions_path, write_regions
from pipeline.types import PageRef, TextRegion

SQUARE = np.array([[10, 10], [30, 10], [30, 30], [10, 30]], np.float32)


def page(index: int, *regions: TextRegion, width: int = 200, height: int = 100) -> PageRegions:
    return PageRegions(index, width, height, tuple(regions))


def read_back(path: Path, document: str, shown: PageRegions, scale: int = 1) -> tuple[TextRegion, ...]:
    image = np.zeros((shown.height * scale, shown.width * scale, 3), np.uint8)
    return AnnotatedDetector(DetectorSettings(regions=str(path))).detect(image, PageRef(document, shown.page_index))


def alike(first: tuple[TextRegion, ...], second: tuple[TextRegion, ...]) -> bool:
    return len(first) == len(second) and all(
        a.score == b.score and a.polygon.tobytes() == b.polygon.tobytes() for a, b in zip(first, second, strict=True)
    )


@st.composite
def drawn_pages(draw: st.DrawFn) -> list[PageRegions]:
    pages = []
    for index in draw(st.lists(st.integers(0, 300), min_size=1, max_size=3, unique=True)):
        width, height = draw(st.integers(1, 5000)), draw(st.integers(1, 5000))
        x, y = (st.floats(0, side, width=32) for side in (width, height))
        polygons = st.lists(st.tuples(x, y), min_size=3, max_size=8).map(lambda points: np.array(points, np.float32))
        whole = polygons.filter(lambda polygon, w=width, h=height: clip_polygon(polygon, w, h) is not None)
        regions = draw(st.lists(st.builds(TextRegion, whole, st.floats(0, 1)), max_size=4))
        pages.append(PageRegions(index, width, height, reading_order(regions)))
    return pages


@settings(max_examples=60, deadline=None)
@given(drawn_pages())
def test_what_is_written_is_read_bit_for_bit(pages: list[PageRegions]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write_regions(Path(folder), "somewhere/a.pdf", pages)
        for shown in pages:
            # polygons that cross themselves may come back cut to the page; those inside it do not
            assert alike(read_back(Path(folder), "elsewhere/a.pdf", shown), shown.regions)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-50, 250, width=32), st.floats(-50, 150, width=32)), min_size=3, max_size=5))
def test_whatever_a_detector_gives_can_be_read_again(points: list[tuple[float, float]]) -> None:
    """Lines, dots and what reaches off the page: it may be text, so it must not be lost, nor stop the next run."""
    given_page = page(0, TextRegion(np.array(points, np.float32)))
    with tempfile.TemporaryDirectory() as folder:
        write_regions(Path(folder), "a.pdf", [given_page])
        (region,) = read_back(Path(folder), "a.pdf", given_page)
    inside = clip_polygon(np.array(points, np.float32), 200, 100)
    if inside is not None:
        assert np.array_equal(region.polygon, inside)


def test_a_region_without_area_covers_where_it_was(tmp_path: Path) -> None:
    line = TextRegion(np.array([[20, 40], [60, 40], [60, 40]], np.float32))
    write_regions(tmp_path, "a.pdf", [page(0, line)])
    (region,) = read_back(tmp_path, "a.pdf", page(0))
    assert region.polygon.min(axis=0).tolist() == [20, 40] and region.polygon.max(axis=0).tolist() == [60, 41]


def test_it_fits_the_page_at_another_resolution(tmp_path: Path) -> None:
    write_regions(tmp_path, "a.pdf", [page(0, TextRegion(SQUARE, 0.25))])
    (region,) = read_back(tmp_path, "a.pdf", page(0), scale=3)
    assert np.array_equal(region.polygon, SQUARE * 3) and region.score == 0.25


def test_it_is_laid_out_for_a_person(tmp_path: Path) -> None:
    path = write_regions(tmp_path, "a.pdf", [page(1), page(0, TextRegion(SQUARE), TextRegion(SQUARE + 40))])
    lines = path.read_text().splitlines()
    assert sum('"polygon"' in line for line in lines) == 2 and all(line.count('"polygon"') < 2 for line in lines)
    content = json.loads(path.read_text())
    assert [entry["page_number"] for entry in content["pages"]] == [1, 2]
    assert content["pages"][1]["regions"] == []


def test_what_was_corrected_by_hand_is_not_overwritten(tmp_path: Path) -> None:
    path = write_regions(tmp_path, "a.pdf", [page(0, TextRegion(SQUARE))])
    before = path.read_bytes()
    with pytest.raises(OutputError, match="corrected by hand"):
        write_regions(tmp_path, "other/a.pdf", [page(0)])
    assert path.read_bytes() == before
    write_regions(tmp_path, "a.pdf", [page(0)], overwrite=True)
    assert path.read_bytes() != before
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.pdf.json"]


def test_a_file_may_be_named_instead_of_a_folder(tmp_path: Path) -> None:
    assert write_regions(tmp_path / "mine.json", "a.pdf", [page(0)]) == tmp_path / "mine.json"
    assert regions_path(tmp_path, "in/a.pdf") == tmp_path / "a.pdf.json"


def test_a_failed_write_says_so_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(OutputError, match="cannot be written"):
        write_regions(tmp_path / "nowhere" / "a.json", "a.pdf", [page(0)])

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OutputError, match="No space left"):
        write_regions(tmp_path, "a.pdf", [page(0)])
    assert list(tmp_path.iterdir()) == []


def test_pages_are_listed_once() -> None:
    for pages in ([], [page(0), page(0)]):
        with pytest.raises(ValueError, match="each page once"):
            write_regions(Path("a.json"), "a.pdf", pages)
