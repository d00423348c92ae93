"""Text too pale for the other looks, and print of the other side that shines through, which is read in a mirror."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont
from residues import SIDE, Stand, paper, reading

from pipeline.residue import is_phrase, stretch
from pipeline.types import TextRegion
from workflows.pages.looking import Look
from workflows.pages.pale import PaleText, find_pale_text
from workflows.pages.sight import Scope
from workflows.pages.verification import verify

SECRET = "Jane Doe, 14 Elm Street"
BOX = np.float32([[30, 40], [110, 44], [110, 64], [30, 60]])
EVERYWHERE = Scope()
NOWHERE = np.zeros((SIDE, SIDE), bool)


def pale_tools(straight=0.4, mirrored=0.97, text=SECRET, **others):
    """Tools that find ``BOX``, and read it so surely as it stands, and in a mirror."""

    def read_text(image, regions):
        return [reading(text, straight if (region.polygon == BOX).all() else mirrored) for region in regions]

    return replace(Stand(1).tools, detect=lambda image: [TextRegion(BOX)], read_text=read_text, **others)


def found(tools, scope=EVERYWHERE, page=None) -> PaleText:
    page = paper() if page is None else page
    return find_pale_text(page, Look.at(page, tools, scope))


@pytest.mark.parametrize(
    ("text", "score", "told"),
    [
        ("Kitchen", 0.97, True),
        ("Kitchen", 0.93, False),  # pictures are read as seven letters, too
        ("Kitchen 12", 0.92, True),
        ("Kitchen 12", 0.87, False),
        ("Jans Dcs. 1: Elm S=33.", 0.82, True),  # removed in part
        ("Jans Dcs. 1: Elm S=33.", 0.78, False),
        ("Pages", 0.99, False),
        ("第二节公司基本情况", 0.97, True),
        ("0000000000", 0.99, False),  # bubbles
        ("- - - - - - - -", 0.99, False),
    ],
)
def test_what_is_read_surely_is_text(text, score, told):
    assert is_phrase(reading(text, score)) is told


@pytest.mark.parametrize(
    ("straight", "mirrored", "expected"),
    [(0.4, 0.97, (0, 1)), (0.97, 0.4, (1, 0)), (0.85, 0.82, (1, 0)), (0.82, 0.85, (0, 1)), (0.5, 0.5, (0, 0))],
)
def test_what_reads_better_than_its_mirror_image_is_no_print_of_the_other_side(straight, mirrored, expected):
    assert tuple(map(len, found(pale_tools(straight, mirrored)))) == expected


def test_it_is_found_where_it_stands_on_the_page():
    (polygon,) = found(pale_tools()).mirrored
    assert sorted(map(tuple, polygon.tolist())) == sorted(map(tuple, BOX.tolist()))
    assert cv2.contourArea(polygon, oriented=True) * cv2.contourArea(BOX, oriented=True) > 0


def test_the_page_is_read_as_it_stands_and_in_a_mirror_its_contrast_stretched():
    page, shown = paper(), []
    page[40:60, 20:30] -= 12

    def read_text(image, regions):
        shown.append((image, regions[0].polygon))
        return [reading(SECRET, 0.4)]

    assert found(replace(pale_tools(), read_text=read_text), page=page) == PaleText((), ())
    (here, straight), (there, turned) = shown
    pale, clean = here[44:56, 22:28].mean(), here[100:, 100:].mean()
    assert clean - pale > 36 and abs(clean - 230) < 3
    assert (there == here[:, ::-1]).all() and (straight == BOX).all()
    assert sorted(map(tuple, turned.tolist())) == sorted((SIDE - 1 - x, y) for x, y in BOX.tolist())


@pytest.mark.parametrize(("stays", "count"), [(slice(0, 100), 0), (slice(100, 200), 1)])
@pytest.mark.parametrize("scores", [(0.4, 0.97), (0.97, 0.4)])
def test_where_text_was_to_stay_it_may_be_pale(stays, count, scores):
    allowed = ~NOWHERE
    allowed[:, stays] = False
    assert sum(map(len, found(pale_tools(*scores), Scope(allowed)))) == count


def test_a_forms_print_is_painted_out():
    page, shown = paper(), []
    page[40:60, 20:30] = 40
    form = NOWHERE.copy()
    form[38:62, 18:32] = True

    def detect(image):
        shown.append(image)
        return []

    found(replace(pale_tools(), detect=detect), Scope(~form, form), page)
    assert shown[-1].min() > 180


@pytest.mark.parametrize("scores", [(0.4, 0.97), (0.97, 0.4)])
def test_where_text_goes_by_what_it_says_only_that_counts(scores):
    asked = []

    def reread(image, polygons):
        asked.extend(polygons)
        return polygons, ()

    tools = pale_tools(*scores, text="Jane", reread=reread)
    assert sum(map(len, found(tools, Scope(NOWHERE)))) == 1 == len(asked)
    # what was read at first is read again only in a mirror
    assert sum(map(len, found(tools, Scope(NOWHERE, None, (BOX,))))) == (scores[1] > scores[0])
    assert found(replace(tools, reread=lambda image, polygons: ((), polygons)), Scope(NOWHERE)) == PaleText((), ())


@pytest.mark.parametrize(("scores", "name"), [((0.4, 0.97), "mirror"), ((0.97, 0.4), "pale")])
def test_it_is_left_to_a_person_and_counted(scores, name):
    page = paper()
    page[40:60, 20:30] -= 12
    tools = pale_tools(*scores)

    def read_text(image, regions):  # what only a stretched page shows
        return tools.read_text(image, regions) if image.min() < 200 else [reading("", 0.0) for _ in regions]

    verdict = verify(page, NOWHERE, replace(tools, read_text=read_text))
    assert len(verdict.residual) == 1 and verdict.attempts == 0 and (verdict.image == page).all()
    assert {check.name: check.found for check in verdict.checks if check.found} == {name: 1}


def test_of_ink_of_one_kind_nobody_asks_for_the_other_side():
    checks = verify(paper(), NOWHERE, replace(pale_tools(), by_ink=True)).checks
    assert not {"mirror", "pale"} & {check.name for check in checks}


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 3)])
def test_pages_of_few_pixels_can_be_stretched(shape):
    page = np.full((*shape, 3), 200, np.uint8)
    assert (stretch(page) == page).all()


def letter(path: Path, depth: int, mirrored: bool = True) -> Path:
    """A letter, and print of its other side, or pale print, that is ``depth`` grey levels darker than the paper."""
    rng = np.random.default_rng(3)
    sheet = Image.new("L", (760, 420), 0)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(26)
    for line, text in enumerate((SECRET, "Account 4711 0815 2342")):
        pen.text((60, 220 + 70 * line), text, fill=255, font=font)
    back = cv2.GaussianBlur(np.array(sheet)[:, :: -1 if mirrored else 1], (0, 0), 0.8).astype(np.float32) / 255
    front = Image.new("L", (760, 420), 0)
    ImageDraw.Draw(front).text((60, 60), "Dear Sir or Madam,", fill=255, font=font)
    light = 236 - depth * back + rng.normal(0, 1.5, back.shape) - 200 * (np.array(front, np.float32) / 255)
    cv2.imwrite(str(path), light.clip(0, 255).round().astype(np.uint8))
    return path


@pytest.mark.parametrize(("depth", "options", "code"), [(0, (), 0), (12, (), 6), (12, ("--remove", "print"), 0)])
def test_such_a_page_is_for_a_person_to_look_at(tmp_path, restore_docs, depth, options, code):
    source = letter(tmp_path / "letter.png", depth)
    done = restore_docs(source, "--out", tmp_path / "out", "--jobs", "1", "--remover", "fill", *options)
    assert done.code == code, done.stderr
    (page,) = done.document("letter.png")["pages"]
    assert page["status"] == ("NEEDS_REVIEW" if code else "RESTORED")
    assert any("mirror" in doubt and "black sheet" in doubt for doubt in page["doubts"]) == bool(code)
    assert page["regions_left"] == (2 if code else 0)
    if code:
        assert all(left > 0.3 and top > 0.4 for left, top, _, _ in page["residual_boxes"])


def test_with_anonymize_such_a_document_is_not_written(tmp_path, restore_docs):
    source = letter(tmp_path / "letter.png", 12)
    done = restore_docs(source, "--out", tmp_path / "out", "--jobs", "1", "--remover", "fill", "--anonymize")
    assert done.code == 6, done.stderr
    assert not list((tmp_path / "out").glob("document-*"))
    assert "black sheet" in str(done.report["documents"]) and "Jane" not in str(done.report)


@pytest.mark.parametrize(("depth", "code"), [(9, 6), (0, 0)])
def test_a_page_of_pale_text_is_for_a_person_to_look_at(tmp_path, restore_docs, depth, code):
    source = letter(tmp_path / "letter.png", depth, mirrored=False)
    done = restore_docs(source, "--out", tmp_path / "out", "--jobs", "1", "--remover", "fill")
    assert done.code == code, done.stderr
    (page,) = done.document("letter.png")["pages"]
    assert page["regions_left"] == (2 if code else 0)


@pytest.mark.parametrize(("pattern", "code"), [("Account", 6), ("Invoice", 0)])
def test_what_is_looked_for_may_shine_through(tmp_path, restore_docs, pattern, code):
    source = letter(tmp_path / "letter.png", 12)
    words = ("--jobs", "1", "--remover", "fill", "--match", pattern)
    done = restore_docs(source, "--out", tmp_path / "out", *words)
    assert done.code == code, done.stderr
