"""A form that was cleaned by its blank is looked at again: beside the form's print nothing may be left to read."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pymupdf
import pytest
from fakes import IdleRemover

from pipeline import template_ink
from pipeline.template import align_template
from pipeline.template_ink import form_print
from remover.registry import REMOVERS
from workflows.pages import selecting

VALUES = ("Anna Keller", "Main Street 45", "12.03.1984")
FORM_PT = 420, 230


def rows() -> range:
    return range(75, 75 + 46 * len(VALUES), 46)


def draw_form(values: bool) -> np.ndarray:
    """A form with labels, frames, a shaded head and small print, at 144 dpi, (H, W, 3) uint8 RGB."""
    with pymupdf.open() as document:
        page = document.new_page(width=FORM_PT[0], height=FORM_PT[1])
        page.draw_rect((30, 20, 390, 44), fill=(0.1, 0.1, 0.1))
        page.insert_text((40, 37), "Application for membership", fontsize=13, fontname="hebo", color=(1, 1, 1))
        labels = ("Full name", "Home address", "Date of birth")
        for y, label, value in zip(rows(), labels, VALUES, strict=True):
            page.insert_text((30, y), label, fontsize=10)
            page.insert_text((30, y + 12), "Please write with black ink and in capital letters", fontsize=5)
            page.draw_rect((170, y - 16, 390, y + 8), width=0.8, fill=(0.93, 0.93, 0.93))
            page.insert_text((340, y - 8), "office use", fontsize=6)
            if values:
                page.insert_text((176, y + 2), value, fontsize=12, fontname="cour", color=(0.1, 0.1, 0.4))
        page.insert_text((30, 210), "I declare that all of these statements are true.", fontsize=9, fontname="tiro")
        drawn = page.get_pixmap(dpi=144)
        return np.frombuffer(drawn.samples, np.uint8).reshape(drawn.height, drawn.width, 3).copy()


def scanned(page: np.ndarray) -> np.ndarray:
    """As from a scanner: a little turned, blurred, grainy."""
    height, width = page.shape[:2]
    turned = cv2.warpAffine(
        page, cv2.getRotationMatrix2D((400, 400), 0.7, 1.0), (width, height), borderValue=(255, 255, 255)
    )
    soft = cv2.GaussianBlur(turned, (0, 0), 0.6).astype(float)
    return np.clip(12 + 0.93 * soft + np.random.default_rng(0).normal(0, 2, soft.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def clean(tmp_path: Path, restore_docs):
    """Clean the filled-in form by its blank."""
    for name, page in (("blank", draw_form(False)), ("sheet", scanned(draw_form(True)))):
        cv2.imwrite(str(tmp_path / f"{name}.png"), page[..., ::-1])
    (tmp_path / "sheet.png.json").write_text('{"pages": [{"page_number": 1, "regions": []}]}')

    def call(*words: object):
        fixed = ("--detector", "annotated", "--verify", "on", "--jobs", "1", "--lossless")
        way = ("--template", tmp_path / "blank.png", *fixed, *words)
        done = restore_docs(tmp_path / "sheet.png", "--out", tmp_path / "out", *way)
        (page,) = done.document("sheet.png")["pages"]
        return done, page, tmp_path / "out" / "sheet.png"

    return call


def values_left(path: Path) -> int:
    """In how many of the fields the ink of the values still shows."""
    page = cv2.imread(str(path))
    back = cv2.getRotationMatrix2D((400, 400), -0.7, 1.0)
    straight = cv2.warpAffine(page, back, page.shape[1::-1], borderValue=(255, 255, 255))
    fields = [straight[2 * y - 22 : 2 * y + 8, 350:560].min(axis=2) for y in rows()]
    return sum(bool((field < 120).sum() > 40) for field in fields)


@pytest.mark.slow
def test_a_form_cleaned_by_its_blank_passes(clean) -> None:
    done, page, path = clean("--remover", "fill")
    assert (done.code, page["status"], page["removed_again"]) == (0, "RESTORED", 0), page
    assert values_left(path) == 0 and page["checks"]
    before, after = scanned(draw_form(False)), cv2.imread(str(path))[..., ::-1]
    form = scanned(draw_form(False)).min(axis=2) < 120
    assert (np.abs(after.astype(int) - before).max(axis=2)[form] > 60).mean() < 0.02


def test_values_that_were_not_removed_are_found(clean, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(REMOVERS, "idle", IdleRemover)
    monkeypatch.setattr("workflows.pages.tools.create_remover", lambda name, settings: IdleRemover(settings))
    monkeypatch.setattr("workflows.pages.tools.keep_to_surroundings", lambda image, after, *others: after)
    done, page, path = clean("--remover", "idle")
    assert (done.code, page["status"]) == (6, "NEEDS_REVIEW")
    assert values_left(path) == page["regions_left"] == len(VALUES)


@pytest.mark.slow
def test_a_value_that_the_blank_did_not_tell_is_removed_all_the_same(clean, monkeypatch: pytest.MonkeyPatch) -> None:
    def blind_to_the_second(blank, scan, alignment):
        mask = template_ink.filled_in(blank, scan, alignment)
        mask[2 * rows()[1] - 40 : 2 * rows()[1] + 20] = False
        return mask

    monkeypatch.setattr(selecting, "filled_in", blind_to_the_second)
    done, page, path = clean("--remover", "fill")
    assert (done.code, page["status"]) == (0, "RESTORED") and page["removed_again"] >= 1
    assert sum(check["found"] for check in page["checks"]) == 1 and values_left(path) == 0
    monkeypatch.setattr("workflows.pages.tools.create_remover", lambda name, settings: IdleRemover(settings))
    monkeypatch.setattr("workflows.pages.tools.keep_to_surroundings", lambda image, after, *others: after)
    monkeypatch.setitem(REMOVERS, "idle", IdleRemover)
    done, page, path = clean("--remover", "idle", "--on-existing", "overwrite")
    assert (done.code, page["status"]) == (6, "NEEDS_REVIEW")


def test_the_forms_print_is_known_and_shaded_boxes_are_paper() -> None:
    blank, scan = draw_form(False), scanned(draw_form(True))
    form = form_print(blank, scan.shape, align_template(blank, scan))
    bare = scanned(blank)
    assert form[bare.min(axis=2) < 150].mean() > 0.995
    y = rows()[0]
    assert not form[2 * y - 18 : 2 * y + 2, 380:640].any()
