"""Zones: what a file may say, where they lie on a page, and what is said of mistakes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pymupdf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.documents import RasterSettings, rasterize_page
from pipeline.errors import InputError, StageError, UsageError
from pipeline.types import Colour, Page, PageRef
from pipeline.zones import Zone, place_zones, read_zones, zone_masks, zones_on_page

RECTANGLE = {"action": "remove", "rectangle": [10, 20, 30, 40]}


def read(folder: Path, *entries: object, **top: object) -> tuple[Zone, ...]:
    path = folder / "zones.json"
    path.write_text(json.dumps({"zones": entries, **top}))
    return read_zones(path)


def test_a_rectangle_in_points_becomes_pixels(tmp_path: Path) -> None:
    (zone,) = read(tmp_path, RECTANGLE)
    (placed,) = zones_on_page([zone], 0, 200, 300, 0.5)
    assert placed.polygon.tolist() == [[20, 40], [60, 40], [60, 80], [20, 80]]
    assert placed.polygon.dtype == np.float32 and (placed.action, placed.name) == ("remove", "zone 1")


def test_fractions_need_no_resolution(tmp_path: Path) -> None:
    entry = {"action": "keep", "name": "logo", "polygon": [[0, 0], [0.5, 0], [0.5, 1]]}
    zones = read(tmp_path, entry, {**entry, "name": "own", "unit": "pt"}, unit="fraction")
    first, second = zones_on_page(zones, 4, 200, 300, 1.0)
    assert first.polygon.tolist() == [[0, 0], [100, 0], [100, 300]] and first.name == "logo"
    assert second.polygon.tolist() == [[0, 0], [0.5, 0], [0.5, 1]]


def test_pixels_need_not_be_square(tmp_path: Path) -> None:
    (placed,) = zones_on_page(read(tmp_path, RECTANGLE), 0, 200, 300, (0.5, 1.0))
    assert placed.polygon[2].tolist() == [60, 40]


@pytest.mark.parametrize(
    ("pages", "on"),
    [
        (2, {2}),
        ("2", {2}),
        ([1, 3], {1, 3}),
        ("2-3", {2, 3}),
        ("3-", {3, 4, 5}),
        (["1", "4-"], {1, 4, 5}),
        ("all", {1, 2, 3, 4, 5}),
    ],
)
def test_pages_count_from_one(tmp_path: Path, pages: object, on: set[int]) -> None:
    (zone,) = read(tmp_path, {**RECTANGLE, "pages": pages})
    assert {number for number in range(1, 6) if zone.is_on(number - 1)} == on
    assert {number for number in range(1, 6) if zones_on_page([zone], number - 1, 99, 99, 1.0)} == on


def test_a_zone_may_be_for_some_documents(tmp_path: Path) -> None:
    one, two, every = read(
        tmp_path,
        {**RECTANGLE, "documents": "intake-*.pdf"},
        {**RECTANGLE, "documents": ["a.png", "[bc].png"]},
        RECTANGLE,
    )
    assert one.is_for("in/intake-7.pdf") and not one.is_for("intake-1/x.pdf")
    assert two.is_for("b.png") and not two.is_for("d.png") and every.is_for("d.png")
    page = Page(PageRef("in/a.png", 0), np.zeros((99, 99, 3), np.uint8), 99, 99, Colour.GREY)
    assert [zone.name for zone in place_zones((one, two, every), page)] == ["zone 2", "zone 3"]


def test_zones_are_cut_to_the_page(tmp_path: Path) -> None:
    (placed,) = zones_on_page(read(tmp_path, {**RECTANGLE, "rectangle": [-50, 5, 1000, 10]}), 0, 40, 30, 1.0)
    assert placed.polygon.min(axis=0).tolist() == [0, 5] and placed.polygon.max(axis=0).tolist() == [40, 10]


def test_a_zone_to_be_removed_that_misses_its_page_is_no_success(tmp_path: Path) -> None:
    off = {"name": "signature", "action": "remove", "rectangle": [100, 600, 300, 660]}
    with pytest.raises(StageError, match=r"'signature' lies outside page 3, which is 595 x 421 pt") as caught:
        zones_on_page(read(tmp_path, off), 2, 1190, 842, 0.5)
    assert caught.value.page_number == 3 and caught.value.remedy
    assert zones_on_page(read(tmp_path, {**off, "action": "keep"}), 2, 1190, 842, 0.5) == ()


def test_where_zones_overlap_the_later_wins(tmp_path: Path) -> None:
    small = {"action": "keep", "rectangle": [2, 2, 4, 4]}
    large = {"action": "remove", "rectangle": [0, 0, 9, 9]}
    remove, keep = zone_masks(zones_on_page(read(tmp_path, large, small), 0, 10, 10, 1.0), 10, 10)
    assert keep[3, 3] and not remove[3, 3] and remove[8, 8] and not (remove & keep).any()
    remove, keep = zone_masks(zones_on_page(read(tmp_path, small, large), 0, 10, 10, 1.0), 10, 10)
    assert remove.all() and not keep.any()


def marked_pdf(path: Path, rotation: int, crop: bool) -> Path:
    """A page with one black square; returns where a viewer shows it by its pixels."""
    with pymupdf.open() as document:
        page = document.new_page(width=300, height=200)
        page.draw_rect((60, 50, 90, 70), color=None, fill=(0, 0, 0))
        if crop:
            page.set_cropbox(pymupdf.Rect(40, 30, 260, 180))
        page.set_rotation(rotation)
        document.save(path)
    return path


SHOWN = {  # where the square is shown, in points from the top left of what a viewer shows
    (0, False): [60, 50, 90, 70],
    (90, False): [130, 60, 150, 90],
    (180, False): [210, 130, 240, 150],
    (270, False): [50, 210, 70, 240],
    (0, True): [20, 20, 50, 40],
    (90, True): [110, 20, 130, 50],
}


@pytest.mark.parametrize(("rotation", "crop"), SHOWN)
def test_points_are_those_of_the_page_as_a_viewer_shows_it(tmp_path: Path, rotation: int, crop: bool) -> None:
    path = marked_pdf(tmp_path / "a.pdf", rotation, crop)
    page = rasterize_page(PageRef(str(path), 0), RasterSettings(dpi=100))
    zones = read(tmp_path, {"action": "remove", "rectangle": SHOWN[rotation, crop]})
    remove, _ = zone_masks(place_zones(zones, page), page.height, page.width)
    black = page.image.max(axis=2) < 128
    assert black.any() and remove[black].all()
    assert remove.sum() < 1.15 * black.sum()


@settings(max_examples=50, deadline=None)
@given(
    st.tuples(*[st.floats(0, 1, width=16)] * 4).filter(lambda r: r[0] < r[2] and r[1] < r[3]),
    st.integers(1, 4000),
    st.integers(1, 4000),
    st.floats(0.02, 3.0),
)
def test_points_and_fractions_say_the_same(sides: tuple[float, ...], width: int, height: int, scale: float) -> None:
    left, top, right, bottom = sides
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    points = tuple((x * width * scale, y * height * scale) for x, y in corners)
    zones = [Zone("f", "keep", "fraction", corners), Zone("p", "keep", "pt", points)]
    placed = zones_on_page(zones, 0, width, height, scale)
    if len(placed) < 2:  # a sliver of no area
        assert min((right - left) * width, (bottom - top) * height) < 0.01
        return
    first, second = placed
    assert np.allclose(first.polygon, second.polygon, atol=0.01)
    assert (first.polygon >= 0).all() and (first.polygon <= (width, height)).all()


BAD: list[tuple[Any, str, str]] = [
    ({**RECTANGLE, "surplus": 1}, "zone 1", "no 'surplus'"),
    ({**RECTANGLE, "page": 1}, "zone 1", "did you mean 'pages'"),
    ("first", "zone 1", "no object"),
    ({"rectangle": [1, 2, 3, 4]}, "zone 1", '"action": "remove" or "keep"'),
    ({**RECTANGLE, "action": "delete"}, "zone 1", '"action": "remove" or "keep"'),
    ({"action": "keep"}, "zone 1", "no place"),
    ({**RECTANGLE, "polygon": [[0, 0], [1, 0], [1, 1]]}, "zone 1", "no place, or two"),
    ({**RECTANGLE, "rectangle": [1, 2, 3]}, "zone 1", "four numbers"),
    ({**RECTANGLE, "rectangle": [30, 20, 10, 40], "name": "sum"}, r"zone 1 \(sum\)", "rectangle is empty"),
    ({**RECTANGLE, "rectangle": [1, 2, 3, "4"]}, "zone 1", "without quotes"),
    ({**RECTANGLE, "rectangle": [1, 2, 3, True]}, "zone 1", "no number"),
    ({**RECTANGLE, "rectangle": [1, 2, 3, float("nan")]}, "zone 1", "no number"),
    ({**RECTANGLE, "rectangle": [1, 2, 3, 1e300]}, "zone 1", "beyond any page"),
    ({**RECTANGLE, "rectangle": [0, 0, 0.5, 2], "unit": "fraction"}, "zone 1", '"unit": "pt"'),
    ({**RECTANGLE, "unit": "mm"}, "zone 1", '"pt" for 1/72 inch'),
    ({"action": "keep", "polygon": [[0, 0], [1, 1]]}, "zone 1", "3 to 10000 points"),
    ({"action": "keep", "polygon": [[0, 0], [1, 1], [2]]}, "zone 1", "no pair"),
    ({"action": "keep", "polygon": [[0, 0], [1, 1], [2, 2]]}, "zone 1", "no area"),
    ({**RECTANGLE, "pages": 0}, "zone 1", "numbers from 1"),
    ({**RECTANGLE, "pages": [1, "2-x"]}, "zone 1", "numbers from 1"),
    ({**RECTANGLE, "pages": "5-3"}, "zone 1", "backwards"),
    ({**RECTANGLE, "pages": []}, "zone 1", "empty"),
    ({**RECTANGLE, "pages": True}, "zone 1", "numbers from 1"),
    ({**RECTANGLE, "documents": 3}, "zone 1", "no pattern"),
    ({**RECTANGLE, "documents": []}, "zone 1", "leave it out"),
    ({**RECTANGLE, "documents": "in/a.pdf"}, "zone 1", "folder"),
    ({**RECTANGLE, "name": ""}, "zone 1", "1 to 100"),
    ({**RECTANGLE, "name": "a\nb"}, "zone 1", "1 to 100"),
]


@pytest.mark.parametrize(("entry", "place", "complaint"), BAD)
def test_a_mistake_is_named_with_file_entry_and_remedy(tmp_path: Path, entry: Any, place: str, complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        read(tmp_path, entry)
    with pytest.raises(UsageError, match=place):
        read(tmp_path, entry)
    assert str(tmp_path / "zones.json") in caught.value.what and caught.value.remedy


def test_two_zones_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"zone 2 \(a\): the name is used twice"):
        read(tmp_path, {**RECTANGLE, "name": "a"}, {**RECTANGLE, "name": "a"})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ('{"zones": [{"name": "a", "name": "b"}]}', "stands twice"),
        ("[]", 'no list "zones"'),
        ('{"zones": {}}', 'no list "zones"'),
        ('{"zones": []}', "is empty"),
        ('{"zones": [], "units": "pt"}', "did you mean 'unit'"),
        ('{"zones": [], "unit": 1}', "unit is not known"),
    ],
)
def test_a_file_that_holds_no_zones_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "zones.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=complaint) as caught:
        read_zones(path)
    assert str(path) in caught.value.what


def test_a_file_that_cannot_be_read_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_zones(tmp_path / "nowhere.json")
    (tmp_path / "a.json").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        read_zones(tmp_path / "a.json")


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    path = tmp_path / "zones.json"
    path.write_text(json.dumps({"zones": [RECTANGLE]}), "utf-8-sig")
    assert len(read_zones(path)) == 1
