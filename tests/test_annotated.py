"""Regions from a side-car: which file, which layout, and what is wrong with one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from detectors.annotated import AnnotatedDetector
from detectors.base import DetectorSettings
from pipeline.errors import InputError
from pipeline.types import PageRef, TextRegion

IMAGE = np.zeros((100, 200, 3), np.uint8)
SQUARE = [[10, 10], [30, 10], [30, 30], [10, 30]]


def detect(document: Path, page_number: int = 1, regions: str = "") -> tuple[TextRegion, ...]:
    return AnnotatedDetector(DetectorSettings(regions=regions)).detect(IMAGE, PageRef(str(document), page_number - 1))


def pages(*entries: object) -> str:
    return json.dumps({"pages": entries})


def page(number: int = 1, *regions: object, **more: object) -> dict[str, object]:
    return {"page_number": number, "regions": list(regions), **more}


@pytest.mark.parametrize("name", ["a.pdf.json", "a.json"])
def test_the_side_car_lies_beside_the_document(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(pages(page(1, {"polygon": SQUARE, "score": 0.5})))
    (region,) = detect(tmp_path / "a.pdf")
    assert region.score == 0.5 and region.polygon.tolist() == SQUARE


def test_the_fuller_name_comes_first(tmp_path: Path) -> None:
    (tmp_path / "a.pdf.json").write_text(pages(page(1, {"polygon": SQUARE})))
    (tmp_path / "a.json").write_text(pages(page(1)))
    assert len(detect(tmp_path / "a.pdf")) == 1


def test_regions_may_be_in_a_folder_or_a_file_of_their_own(tmp_path: Path) -> None:
    folder = tmp_path / "regions"
    folder.mkdir()
    (folder / "a.json").write_text(pages(page(1, {"polygon": SQUARE})))
    assert len(detect(tmp_path / "a.pdf", regions=str(folder))) == 1
    assert len(detect(tmp_path / "b.pdf", regions=str(folder / "a.json"))) == 1


def test_each_page_has_its_own(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(pages(page(2, {"polygon": SQUARE}), page(1)))
    assert detect(tmp_path / "a.pdf", 1) == ()
    assert len(detect(tmp_path / "a.pdf", 2)) == 1


def test_points_of_another_resolution_are_scaled(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(pages(page(1, {"polygon": SQUARE}, width=400, height=400)))
    (region,) = detect(tmp_path / "a.pdf")
    assert region.polygon.tolist() == [[5, 2.5], [15, 2.5], [15, 7.5], [5, 7.5]]


def test_words_with_boxes_or_polygons_are_page_one(tmp_path: Path) -> None:
    words = [{"text": "b", "box": [50, 50, 60, 60], "kind": "print"}, {"poly": SQUARE, "box": [0, 0, 1, 1]}]
    (tmp_path / "a.json").write_text(json.dumps({"words": words, "lang": "eng"}))
    first, second = detect(tmp_path / "a.png")
    assert first.polygon.tolist() == SQUARE and second.polygon.tolist() == [[50, 50], [60, 50], [60, 60], [50, 60]]


def test_a_region_is_clipped_to_the_page(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(pages(page(1, {"polygon": [[-50, 10], [250, 10], [250, 30], [-50, 30]]})))
    (region,) = detect(tmp_path / "a.pdf")
    assert region.polygon.min() == 0 and region.polygon[:, 0].max() == 200


def test_a_changed_side_car_is_read_again(tmp_path: Path) -> None:
    side_car = tmp_path / "a.json"
    side_car.write_text(pages(page(1)))
    detector = AnnotatedDetector(DetectorSettings())
    assert detector.detect(IMAGE, PageRef(str(tmp_path / "a.pdf"), 0)) == ()
    side_car.write_text(pages(page(1, {"polygon": SQUARE})))
    assert len(detector.detect(IMAGE, PageRef(str(tmp_path / "a.pdf"), 0))) == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is not JSON"),
        ("{", "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ("[]", "should be an object"),
        ("{}", "pages: Field required"),
        (pages(page(1, surplus=1)), "page 1: surplus: Extra inputs"),
        (pages(page(1, {"polygon": SQUARE, "colour": "red"})), r"page 1: regions\[0\].colour: Extra inputs"),
        (pages(page(1, {"polygon": SQUARE}, {"polygon": SQUARE[:2]})), r"page 1: regions\[1\].polygon: .*at least 3"),
        (pages(page(1, {"polygon": [*SQUARE[:3], [1, "x"]]})), r"page 1: regions\[0\].polygon\[3\]\[1\]: .*number"),
        (pages(page(1, {"polygon": [*SQUARE[:3], [1, 1e300]]})), r"polygon\[3\]\[1\]: .*less than"),
        (pages(page(1, {"polygon": SQUARE, "score": 1.5})), r"page 1: regions\[0\].score: .*less than"),
        (pages(page(1), page(1)), "page_number 1 is listed twice"),
        (pages(page(0)), "page 0: page_number: .*greater than 0"),
        (pages({"page_number": "1", "regions": []}), "page entry 1: page_number: .*integer"),
        (pages(page(1, width=100)), "width and height go together"),
        (pages("first"), "page entry 1"),
        (json.dumps({"words": [{"text": "secret"}]}), r"words\[0\]: .*poly or a box"),
        (pages(page(1, {"polygon": [[300, 5], [310, 5], [310, 9]]})), r"page 1: regions\[0\] has no area on the page"),
        (pages(page(1, {"polygon": [[5, 5], [5, 5], [5, 5]]})), r"page 1: regions\[0\] has no area on the page"),
    ],
)
def test_what_is_wrong_is_said_with_file_page_and_field(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(InputError, match=complaint) as caught:
        detect(tmp_path / "a.pdf")
    assert str(tmp_path / "a.json") in caught.value.what
    assert "secret" not in str(caught.value)


def test_a_page_that_is_not_listed_does_not_pass_for_one_without_text(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(pages(page(1)))
    with pytest.raises(InputError, match="lists no page 2"):
        detect(tmp_path / "a.pdf", 2)


def test_no_side_car_is_an_error_that_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.pdf\.json nor .*a\.json"):
        detect(tmp_path / "a.pdf")
    with pytest.raises(InputError, match="do not exist"):
        AnnotatedDetector(DetectorSettings(regions=str(tmp_path / "nowhere")))


def test_a_side_car_that_is_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not UTF-8"):
        detect(tmp_path / "a.pdf")
