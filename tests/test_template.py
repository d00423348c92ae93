"""Blank forms: they are found on their scans and on no others, and what was filled in is told from the form."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pymupdf
import pytest

from pipeline.documents import RasterSettings, rasterize_page
from pipeline.errors import StageError
from pipeline.template import Alignment, align_template, choose_blank
from pipeline.template_ink import expected_page, filled_in
from pipeline.types import PageRef

WORDS = ("name", "address", "date", "branch", "office", "account", "return", "insured", "employer", "postal", "total")
MOVED_PT = 14  # how far the lower half of another edition stands lower


def draw_form(path: Path, seed: int = 1, added: str = "") -> Path:
    """A page of labels, rules, boxes and a table; ``added`` is a line that another edition has in the middle."""
    rng = np.random.default_rng(seed)

    def words(count: int) -> str:
        return " ".join(rng.choice(WORDS, count)).capitalize()

    with pymupdf.open() as document:
        page = document.new_page(width=400, height=500)
        page.insert_text((30, 40), words(3), fontsize=16, fontname="hebo")
        for row in range(4):
            page.insert_text((30, 70 + 26 * row), words(2), fontsize=9)
            page.draw_line((130, 73 + 26 * row), (370, 73 + 26 * row), width=0.7)
        low = MOVED_PT if added else 0
        if added:
            page.insert_text((30, 180), added, fontsize=9, fontname="tibo")
        for row in range(8):
            page.insert_text((30, 185 + low + 12 * row), words(9), fontsize=8, fontname="tiro")
        for row in range(4):
            for column in range(3):
                left, top = 30 + 115 * column, 300 + low + 35 * row
                page.draw_rect((left, top, left + 105, top + 28), width=0.8)
                page.insert_text((left + 3, top + 8), words(1), fontsize=6)
        document.save(path)
    return path


def render(path: Path, dpi: float = 144) -> np.ndarray:
    return rasterize_page(PageRef(str(path), 0), RasterSettings(dpi=dpi)).image


def fill_in(blank: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the form with a name on each line, in some boxes, and a pen stroke across its print; the pen's ink)."""
    ink = np.zeros(blank.shape[:2], np.uint8)
    for row in range(4):
        cv2.putText(ink, "Anna Keller", (290, 140 + 52 * row), cv2.FONT_HERSHEY_SCRIPT_COMPLEX, 1, 255, 2, cv2.LINE_AA)
        cv2.putText(ink, "42", (130 + 100 * row, 652 + 70 * row), cv2.FONT_HERSHEY_DUPLEX, 1, 255, 2, cv2.LINE_AA)
    cv2.line(ink, (60, 560), (500, 330), 255, 3, cv2.LINE_AA)
    share = ink[..., None] / 255.0
    pen = np.minimum(blank, blank * (1 - share) + np.array([30, 50, 150]) * share)
    return np.rint(pen).astype(np.uint8), ink > 128


def scan(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """As a scanner gives it: turned, on darker paper under uneven light, grainy, compressed."""
    soft = cv2.GaussianBlur(image, (0, 0), 0.6)
    seen = cv2.warpPerspective(soft, matrix, size, borderValue=(255, 255, 255)).astype(np.float32)
    light = np.linspace(0.8, 1.0, size[0])[None, :, None] * np.array([0.97, 0.95, 0.88])
    seen = 25 + seen * light * 0.9 + np.random.default_rng(3).normal(0, 3, seen.shape)
    _, code = cv2.imencode(".jpg", seen.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 75])
    return cv2.imdecode(code, cv2.IMREAD_COLOR)


class Case(NamedTuple):
    blank: np.ndarray
    scan: np.ndarray
    ink: np.ndarray
    form: np.ndarray
    matrix: np.ndarray
    alignment: Alignment


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("forms")


@pytest.fixture(scope="module")
def case(folder: Path) -> Case:
    """The blank at 100 dpi, its scan at about 150 dpi, turned by 2.5 degrees."""
    path = draw_form(folder / "form.pdf")
    drawn = render(path)
    full, ink = fill_in(drawn)
    matrix = np.vstack([1.05 * cv2.getRotationMatrix2D((400, 500), 2.5, 1.0), [0, 0, 1]])
    matrix[2, :2] = 2e-5, -1e-5
    size = (850, 1060)
    blank = render(path, 100)
    shown = scan(full, matrix, size)
    lay = [cv2.warpPerspective(mask.astype(np.uint8) * 255, matrix, size) > 128 for mask in (ink, drawn[..., 0] < 110)]
    return Case(blank, shown, lay[0], lay[1], matrix, align_template(blank, shown))


def grown(mask: np.ndarray, reach: int) -> np.ndarray:
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)).astype(bool)


def test_the_blank_is_laid_on_the_scan_to_less_than_a_pixel(case: Case) -> None:
    height, width = case.blank.shape[:2]
    points = np.array([[[x * width, y * height] for x in (0.1, 0.5, 0.9) for y in (0.1, 0.5, 0.8)]])
    scale = 144 / 100
    true = cv2.perspectiveTransform((points + 0.5) * scale - 0.5, case.matrix)
    assert np.abs(cv2.perspectiveTransform(points, case.alignment.homography) - true).max() < 1.0
    assert case.alignment.quality > 0.85 and case.alignment.error_px < 0.5 and case.alignment.inliers > 50
    assert len(case.alignment.layers) == 1 and case.alignment.moved == 0


def test_what_was_filled_in_is_found_and_the_form_stays(case: Case) -> None:
    mask = filled_in(case.blank, case.scan, case.alignment)
    assert mask.shape == case.scan.shape[:2] and mask.dtype == np.bool_
    apart = case.ink & ~grown(case.form, 2)
    crossing = case.ink & grown(case.form, 3) & ~grown(case.form, 1)
    assert apart.sum() > 1000 and crossing.sum() > 100
    assert mask[apart].mean() > 0.98 and mask[crossing].mean() > 0.85
    assert mask[case.form & ~grown(case.ink, 3)].mean() < 0.001
    assert mask[~grown(case.ink, 4)].mean() < 0.0005


def test_the_expected_page_looks_like_the_scan_without_its_ink(case: Case) -> None:
    expected = expected_page(case.blank, case.scan, case.alignment)
    assert expected.shape == case.scan.shape and expected.dtype == np.uint8
    off = np.abs(expected.astype(int) - case.scan).max(axis=2)
    assert np.median(off[~grown(case.form | case.ink, 4)]) < 8
    assert np.median(off[case.form & ~grown(case.ink, 3)]) < 60 < np.median(off[case.ink & ~grown(case.form, 3)])


def test_the_same_pictures_give_the_same_bytes(case: Case) -> None:
    again = align_template(case.blank.copy(), case.scan.copy())
    assert pickle.dumps(again) == pickle.dumps(case.alignment)


def test_a_scan_that_lies_upside_down_and_is_larger_is_found(case: Case) -> None:
    turned = cv2.resize(
        np.ascontiguousarray(case.scan[::-1, ::-1]), None, fx=1.6, fy=1.6, interpolation=cv2.INTER_CUBIC
    )
    alignment = align_template(case.blank, turned)
    assert alignment.quality > 0.8
    corner = cv2.perspectiveTransform(np.zeros((1, 1, 2)), alignment.homography)[0, 0]
    assert (corner > 0.8 * np.array(turned.shape[1::-1])).all()


def test_a_form_that_was_not_filled_in_has_nothing_to_remove(case: Case, folder: Path) -> None:
    shown = scan(render(folder / "form.pdf"), case.matrix, (850, 1060))
    mask = filled_in(case.blank, shown, align_template(case.blank, shown))
    assert mask.mean() < 0.0005


@pytest.mark.parametrize("seed", [2, 3])
def test_the_blank_of_another_form_is_refused(case: Case, folder: Path, seed: int) -> None:
    """The same layout to the point, with other words: only its print can tell."""
    other = render(draw_form(folder / f"other{seed}.pdf", seed), 100)
    with pytest.raises(StageError, match=r"blank form was not found .*\d+% .* needed.*features") as caught:
        align_template(other, case.scan)
    assert "--template" in caught.value.remedy and caught.value.stage == "template"


@pytest.mark.parametrize("level", [255, 0])
def test_a_picture_without_print_is_refused(case: Case, level: int) -> None:
    empty = np.full((500, 400, 3), level, np.uint8)
    with pytest.raises(StageError, match="too little print"):
        align_template(empty, case.scan)
    with pytest.raises(StageError, match="not found"):
        align_template(case.blank, empty)


def test_print_that_moved_in_another_edition_stays_and_what_was_added_goes(case: Case, folder: Path) -> None:
    newer = render(draw_form(folder / "newer.pdf", added="Also write the last digits on every page of this form."))
    shown = scan(newer, case.matrix, (850, 1060))
    alignment = align_template(case.blank, shown)
    assert len(alignment.layers) == 2 and 0.2 < alignment.moved < 0.8 and alignment.quality > 0.8
    mask = filled_in(case.blank, shown, alignment)
    line = np.zeros(newer.shape[:2], np.uint8)
    line[340:366, 55:600] = 255
    added = cv2.warpPerspective(line, case.matrix, (850, 1060)) > 128
    dark = cv2.warpPerspective(newer, case.matrix, (850, 1060), borderValue=(255, 255, 255)).max(axis=2) < 110
    assert mask[added & dark].mean() > 0.9
    assert mask[dark & ~grown(added, 3)].mean() < 0.02


def test_of_a_blank_of_several_pages_the_right_one_is_taken(case: Case, folder: Path) -> None:
    other = render(draw_form(folder / "second.pdf", 5), 60)
    index, alignment = choose_blank([other, case.blank], case.scan, 1)
    assert index == 1 and pickle.dumps(alignment) == pickle.dumps(case.alignment)
    assert choose_blank([other, case.blank], case.scan, 0)[0] == 1
    assert choose_blank([case.blank], case.scan, 7)[0] == 0
    with pytest.raises(StageError, match="none of the 2 pages of the blank fits"):
        choose_blank([other, other], case.scan, 0)
    with pytest.raises(StageError, match=r"^the blank form was not found"):
        choose_blank([other], case.scan, 0)


def test_an_alignment_survives_the_way_to_a_worker(case: Case) -> None:
    copy = pickle.loads(pickle.dumps(case.alignment))
    assert np.array_equal(copy.homography, case.alignment.homography) and copy.quality == case.alignment.quality
