"""Text that runs into a black shadow's specks: the page is for a person to look at; photographs and frames are not."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline.shadows import runs_into_shadow
from pipeline.types import Array
from workflows.pages.polygons import corners

LINES = range(60, 660, 30)
WORDS = ("--jobs", "1", "--detector", "annotated", "--remover", "fill", "--verify", "on")


def shaded_page(shadow: float, seed: int = 0, height: int = 20) -> tuple[Array, list[Array]]:
    """A page of print under a light that falls off to the lower left, as black and white, and its readable lines.

    ``shadow`` is how deep it falls, 0 not at all; the lines are taken for readable where the paper comes out white.
    """
    rng = np.random.default_rng(seed)
    page = np.full((720, 560), 215, np.float32)
    for y in LINES:
        cv2.putText(page, "Some words in a line of print", (60, y), cv2.FONT_HERSHEY_SIMPLEX, height / 26, 70, 2)
    rows, columns = np.mgrid[:720, :560].astype(np.float32)
    light = 1 - shadow * np.clip((rows - columns - 150) / 400, 0, 1)
    seen = page * light + cv2.GaussianBlur(rng.normal(0, 40, page.shape).astype(np.float32), (0, 0), 0.8)
    readable = [int(np.argmax(light[y, 60:] > 0.7)) + 60 for y in LINES]
    outlines = [corners(x, y - height, 540 - x, height + 6) for x, y in zip(readable, LINES, strict=True) if x < 400]
    return np.repeat((seen > 120)[..., None], 3, 2).astype(np.uint8) * 255, outlines


@pytest.mark.parametrize("height", [14, 20, 28])
@pytest.mark.parametrize("shadow", [0.7, 0.9])
def test_text_that_runs_into_a_black_shadow_is_doubtful(shadow, height):
    assert runs_into_shadow(*shaded_page(shadow, height=height))


@pytest.mark.parametrize("shadow", [0.0, 0.3, 0.5])
def test_a_page_whose_shadow_came_out_white_is_not(shadow):
    assert not runs_into_shadow(*shaded_page(shadow))


def test_a_shadow_away_from_the_text_hides_none():
    page, outlines = shaded_page(0.8)
    far = [outline for outline in outlines if outline[:, 1].max() < 120]
    assert runs_into_shadow(page, outlines)
    assert far
    assert not runs_into_shadow(page, far)
    assert not runs_into_shadow(page, [])


def test_only_where_text_was_to_go_does_a_shadow_matter():
    page, outlines = shaded_page(0.8)
    allowed = np.zeros(page.shape[:2], bool)
    allowed[:240] = True
    assert not runs_into_shadow(page, outlines, allowed)
    assert runs_into_shadow(page, outlines, ~allowed)


def dotted_picture() -> Array:
    """Sky over a dark hill in black and white dots, (300, 240, 3) uint8."""
    rows, columns = np.mgrid[:300, :240].astype(np.float32)
    light = 60 + 180 * np.clip((200 - rows + 30 * np.sin(columns / 30)) / 160, -0.4, 1)
    dots = np.asarray(Image.fromarray(light.clip(0, 255).astype(np.uint8)).convert("1"))
    return np.repeat(dots[..., None], 3, 2).astype(np.uint8) * 255


def test_pictures_of_dots_and_dark_cells_beside_text_are_no_shadow():
    page = np.full((720, 560, 3), 255, np.uint8)
    page[200:500, 40:280] = dotted_picture()
    page[540:700, 40:520] = 0
    outlines = []
    for left, top, grey in ((60, 150, 0), (300, 330, 0), (60, 560, 255), (60, 620, 255)):
        cv2.putText(page, "Words of print", (left, top + 20), cv2.FONT_HERSHEY_SIMPLEX, 0.8, (grey,) * 3, 2)
        outlines.append(corners(left, top, 220, 28))
    assert (page == 0).mean() > 0.2
    assert not runs_into_shadow(page, outlines)


def saved(folder: Path, shadow: float) -> Path:
    """A page of one bit per pixel, and its side-car."""
    page, outlines = shaded_page(shadow)
    source = folder / "scan.png"
    Image.fromarray(page).convert("1", dither=Image.Dither.NONE).save(source)
    regions = [{"polygon": outline.tolist(), "score": 1.0} for outline in outlines]
    source.with_name("scan.png.json").write_text(json.dumps({"pages": [{"page_number": 1, "regions": regions}]}))
    return source


@pytest.mark.parametrize(("shadow", "code"), [(0.0, 0), (0.8, 6)])
def test_the_page_is_for_a_person_to_look_at(tmp_path, restore_docs, looks_clean, shadow, code):
    source = saved(tmp_path, shadow)
    done = restore_docs(source, "--out", tmp_path / "out", *WORDS)
    assert done.code == code, done.stderr
    (page,) = done.document("scan.png")["pages"]
    assert page["status"] == ("NEEDS_REVIEW" if code else "RESTORED")
    assert any("shadow" in doubt for doubt in page["doubts"]) == bool(code)
    assert (tmp_path / "out" / "scan.png").is_file()


@pytest.mark.parametrize("options", [("--verify", "off"), ("--remove", "handwriting")])
def test_what_is_not_looked_at_is_not_doubted(tmp_path, restore_docs, looks_clean, options):
    done = restore_docs(saved(tmp_path, 0.8), "--out", tmp_path / "out", *WORDS[:-2], "--verify", "on", *options)
    assert done.code == 0, done.stderr


def test_with_anonymize_such_a_document_is_not_written(tmp_path, restore_docs, looks_clean):
    done = restore_docs(saved(tmp_path, 0.8), "--out", tmp_path / "out", *WORDS[:-2], "--anonymize")
    assert done.code == 6, done.stderr
    assert not list((tmp_path / "out").glob("document-*"))
    assert "shadow" in str(done.report["documents"])
