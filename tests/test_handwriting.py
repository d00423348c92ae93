"""``--remove handwriting`` and ``--remove print`` through the whole program, on a page whose truth is known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pymupdf
import pytest
from conftest import Outcome
from PIL import Image

Program = Callable[..., Outcome]
PENS = [(30, 50, 160), (200, 40, 45)]


def draw_print() -> np.ndarray:
    """An exam question with answer lines and a table, (H, W, 3) uint8 RGB at 150 dpi."""
    with pymupdf.open() as document:
        page = document.new_page(width=420, height=420)
        for row in range(9):
            font = ("helv", "tiro", "cour")[row % 3]
            text = f"{row + 1}. Explain why the answer to question {row + 7} is not {row * 12}."
            page.insert_text((30, 40 + 36 * row), text, fontname=font, fontsize=9 + row % 4)
            page.draw_line((30, 58 + 36 * row), (390, 58 + 36 * row), width=0.6)
        page.draw_rect((30, 370, 390, 400), width=1.2)
        pixmap = page.get_pixmap(dpi=150)
        return np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3).copy()


def write_by_hand(page: np.ndarray, seed: int) -> np.ndarray:
    """Ticks, circles and wavy lines all over the page, in ink of some colour (see ``docs/limits.md`` for others)."""
    rng, image = np.random.default_rng(seed), page.copy()
    turn = np.linspace(0, 2 * np.pi, 40)
    shapes = (
        np.array([[0.0, 0.5], [0.3, 0.9], [1.0, 0.0]]),
        np.stack([0.5 + 0.5 * np.cos(turn), 0.5 + 0.35 * np.sin(turn * 1.03)], axis=1),
        np.stack([turn / 6, 0.5 + 0.2 * np.sin(3 * turn)], axis=1),
    )
    for k in range(12):
        corner = np.array([rng.integers(20, 760), 60 + 62 * k])
        points = (shapes[k % 3] * rng.integers(40, 90) + corner + rng.normal(0, 1, (len(shapes[k % 3]), 2))) * 16
        cv2.polylines(image, [np.rint(points).astype(np.int32)], False, PENS[k % 2], 3, cv2.LINE_AA, 4)
    return image


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, np.ndarray, np.ndarray]:
    """The file, the page as printed, and the page with pen marks."""
    printed = draw_print()
    written = write_by_hand(printed, 4)
    path = tmp_path_factory.mktemp("exam") / "exam.png"
    Image.fromarray(written).save(path)
    height, width = printed.shape[:2]
    line = [[40, 30], [width - 40, 30], [width - 40, height - 130], [40, height - 130]]
    side_car = {"pages": [{"page_number": 1, "regions": [{"polygon": line}]}]}
    path.with_suffix(".json").write_text(json.dumps(side_car))
    return path, printed, written


def run(pages, tmp_path, restore_docs, kind):
    path, printed, written = pages
    done = restore_docs(
        path, "--out", tmp_path, "--detector", "annotated", "--remove", kind, "--lossless", "--jobs", "1"
    )
    assert done.code == 0, done
    after = np.asarray(Image.open(tmp_path / "exam.png").convert("RGB")).astype(int)
    by_hand = np.abs(written.astype(int) - printed).max(axis=2) > 60
    by_press = (printed.max(axis=2) < 120) & ~(np.abs(written.astype(int) - printed).max(axis=2) > 0)
    changed = np.abs(after - written).max(axis=2) > 0
    return after, by_hand, by_press, changed


def test_handwriting_goes_and_print_stays(pages, tmp_path: Path, restore_docs: Program) -> None:
    after, by_hand, by_press, changed = run(pages, tmp_path, restore_docs, "handwriting")
    left = np.abs(after - pages[1]).max(axis=2)[by_hand] > 90
    assert left.mean() < 0.2, f"{left.mean():.0%} of the pen's ink is still there"
    assert changed[by_press].mean() < 0.03, f"{changed[by_press].mean():.1%} of the print was touched"


def test_print_goes_and_handwriting_stays(pages, tmp_path: Path, restore_docs: Program) -> None:
    _, by_hand, _, changed = run(pages, tmp_path, restore_docs, "print")
    only_by_hand = by_hand & (pages[1].min(axis=2) > 250)
    assert changed[only_by_hand].mean() < 0.15, f"{changed[only_by_hand].mean():.1%} of the handwriting was touched"
    assert changed.any()


def cross_out(page: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(the page with pen strokes across its rules and words, in see-through ink; where the pen was, (H, W) bool)."""
    image, pen = page.copy(), np.zeros(page.shape[:2], bool)
    for row in range(4):
        y, x = round((36 + 36 * row) * 150 / 72), 120 + 90 * row
        words = np.array([[x - 60, y + 14], [x - 20, y - 18], [x + 25, y + 12], [x + 70, y - 16]])
        for points in (words, *(np.array([[x + d, y + 26], [x + d - 10, y + 66]]) for d in (200, 240, 280))):
            stroke = np.full_like(page, 255)
            cv2.polylines(stroke, [points.astype(np.int32) * 16], False, PENS[row % 2], 3, cv2.LINE_AA, 4)
            image, pen = np.minimum(image, stroke), pen | (stroke.min(axis=2) < 100)
    return image, pen


@pytest.mark.parametrize("remover", ["auto", "fill"])
def test_print_under_the_pen_stays_or_comes_back(tmp_path: Path, restore_docs, remover: str) -> None:
    """What is seen through the pen and what goes on as a rule stays; letters that the pen took along are made anew."""
    printed = draw_print()[:350]
    written, pen = cross_out(printed)
    Image.fromarray(written).save(tmp_path / "exam.png")
    (tmp_path / "exam.png.json").write_text('{"pages": [{"page_number": 1, "regions": []}]}')
    words = ("--detector", "annotated", "--remove", "handwriting", "--remover", remover, "--lossless", "--jobs", "1")
    restore_docs(tmp_path / "exam.png", "--out", tmp_path / "out", *words)
    after = np.asarray(Image.open(tmp_path / "out" / "exam.png").convert("RGB")).astype(int)
    off, under = np.abs(after - printed).max(axis=2), pen & (printed.max(axis=2) < 128)
    rules = np.zeros_like(pen)
    for row in range(4):
        rules[round((58 + 36 * row) * 150 / 72) - 3 :][:7] = True
    assert (under & rules).sum() > 30 and (under & ~rules).sum() > 200
    assert off[pen & (printed.min(axis=2) > 200)].mean() < 20, "the pen is gone"
    letters = under & ~rules
    assert off[letters].mean() < 130 and (off[letters] < 60).mean() > 0.4, (
        "measured: 57 and 0.67, by the fill 89 and 0.55"
    )
    assert off[under & rules].mean() < 90, "measured: 25, by the fill 61"
    if remover == "auto":
        assert off[letters].mean() < 95
