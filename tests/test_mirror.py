"""Print of the other side that shines through: who turns the page over in a mirror reads it, and no detector does."""

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
from workflows.pages.mirror import look_in_mirror, mirrored_text
from workflows.pages.sight import Scope
from workflows.pages.verification import Verdict

SECRET = "Jane Doe, 14 Elm Street"
BOX = np.float32([[30, 40], [110, 44], [110, 64], [30, 60]])  # in the mirror
EVERYWHERE = Scope()


def mirror_tools(text=SECRET, score=0.97, straight=0.4, reread=None):
    """Tools that read ``text`` at ``BOX``, and something else elsewhere, ``straight`` so surely."""

    def read_text(image, regions):
        return [reading(text, score) if (r.polygon == BOX).all() else reading("Jsn9 Dos", straight) for r in regions]

    return replace(Stand(1).tools, detect=lambda image: [TextRegion(BOX)], read_text=read_text, reread=reread)


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


def test_it_is_found_where_it_stands_on_the_page():
    (found,) = mirrored_text(paper(), mirror_tools(), EVERYWHERE)
    assert sorted(map(tuple, found.tolist())) == sorted((SIDE - 1 - x, y) for x, y in BOX.tolist())
    assert cv2.contourArea(found, oriented=True) * cv2.contourArea(BOX, oriented=True) > 0


def test_the_detector_is_shown_the_page_in_a_mirror_its_contrast_stretched():
    page, shown = paper(), []
    page[40:60, 20:30] -= 12

    def detect(image):
        shown.append(image)
        return []

    assert mirrored_text(page, replace(mirror_tools(), detect=detect), EVERYWHERE) == ()
    (image,) = shown
    pale, clean = image[44:56, SIDE - 28 : SIDE - 22].mean(), image[100:, 100:].mean()
    assert clean - pale > 36 and abs(clean - 230) < 3


@pytest.mark.parametrize(("stays", "found"), [(slice(0, 100), 0), (slice(100, 200), 1)])
def test_where_text_was_to_stay_it_may_shine_through(stays, found):
    allowed = np.ones((SIDE, SIDE), bool)
    allowed[stays] = False
    assert len(mirrored_text(paper(), mirror_tools(), Scope(allowed))) == found


@pytest.mark.parametrize(("straight", "found"), [(0.98, 0), (0.96, 1)])
def test_what_reads_better_on_this_side_is_no_print_of_the_other(straight, found):
    assert len(mirrored_text(paper(), mirror_tools(straight=straight), EVERYWHERE)) == found


def test_where_text_goes_by_what_it_says_only_that_counts():
    asked = []

    def reread(image, polygons):
        asked.append([p.tolist() for p in polygons])
        return polygons, ()

    nowhere = np.zeros((SIDE, SIDE), bool)
    tools = mirror_tools("Jane", reread=reread)
    assert len(mirrored_text(paper(), tools, Scope(nowhere))) == 1
    assert asked == [[BOX.tolist()]]
    assert mirrored_text(paper(), mirror_tools("Jane", straight=0.98, reread=reread), Scope(nowhere)) == ()
    nothing = replace(tools, reread=lambda image, polygons: ((), polygons))
    assert mirrored_text(paper(), nothing, Scope(nowhere)) == ()


def test_the_verdict_keeps_what_was_left_besides():
    verdict = Verdict(paper(), np.zeros((SIDE, SIDE), bool), (BOX + 90,), 2, (), ("a note",))
    seen = look_in_mirror(verdict, mirror_tools(), EVERYWHERE)
    assert len(seen.residual) == 2 and seen.residual[0] is verdict.residual[0]
    assert [(check.name, check.found) for check in seen.checks] == [("mirror", 1)]
    assert (seen.attempts, seen.notes) == (2, ("a note",))
    assert look_in_mirror(verdict, mirror_tools(score=0.5), EVERYWHERE).residual == verdict.residual


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (3, 3)])
def test_pages_of_few_pixels_can_be_stretched(shape):
    page = np.full((*shape, 3), 200, np.uint8)
    assert (stretch(page) == page).all()


def letter(path: Path, depth: int) -> Path:
    """A letter, and print of its other side that is ``depth`` grey levels darker than the paper."""
    rng = np.random.default_rng(3)
    sheet = Image.new("L", (760, 420), 0)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(26)
    for line, text in enumerate((SECRET, "Account 4711 0815 2342")):
        pen.text((60, 220 + 70 * line), text, fill=255, font=font)
    back = cv2.GaussianBlur(np.array(sheet)[:, ::-1], (0, 0), 0.8).astype(np.float32) / 255
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


@pytest.mark.parametrize(("pattern", "code"), [("Account", 6), ("Invoice", 0)])
def test_what_is_looked_for_may_shine_through(tmp_path, restore_docs, pattern, code):
    source = letter(tmp_path / "letter.png", 12)
    words = ("--jobs", "1", "--remover", "fill", "--match", pattern)
    done = restore_docs(source, "--out", tmp_path / "out", *words)
    assert done.code == code, done.stderr
