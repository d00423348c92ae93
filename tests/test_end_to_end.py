"""The real program on the documents in examples/, with the real detector."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pymupdf
import pytest
from conftest import Outcome
from PIL import Image

from detectors.base import DetectorSettings
from detectors.models import model_directory
from detectors.registry import create_detector
from pipeline.masks import polygon_mask
from pipeline.types import PageRef
from workflows.config import RunSettings
from workflows.pages import tasks, tools

Program = Callable[..., Outcome]
EXAMPLES = Path(__file__).parents[1] / "examples"


def pixels(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.parametrize("name", ["form.png", pytest.param("exam.jpg", marks=pytest.mark.slow), "letter.png"])
def test_text_goes_and_the_page_stays(name: str, tmp_path: Path, restore_docs: Program) -> None:
    done = restore_docs(EXAMPLES / name, "--out", tmp_path, "--jobs", "1", "--format", "png", "--lossless")
    entry = done.document(name)
    assert entry["status"] in ("RESTORED", "NEEDS_REVIEW") and done.code in (0, 6)
    before, after = pixels(EXAMPLES / name), pixels(Path(entry["output"]))
    detector = create_detector("paddleocr", DetectorSettings())
    found = detector.detect(before, PageRef(name, 0))
    assert len(found) == entry["pages"][0]["regions"] > 10
    allowed = polygon_mask([region.polygon for region in found], *before.shape[:2]).astype(np.uint8)
    grown = cv2.dilate(allowed, np.ones((41, 41), np.uint8)).astype(bool)
    beyond = (before[~grown] != after[~grown]).any(axis=-1).sum()
    assert beyond <= entry["pages"][0]["reasons"].get("second look", 0), "away from text every pixel is what it was"
    changed = (before != after).any(axis=2)
    assert 0.002 < changed.mean() < 0.25, "ink is replaced, not boxes"
    left = detector.detect(after, PageRef(name, 0))
    again = polygon_mask([region.polygon for region in left], *before.shape[:2]) & allowed.astype(bool)
    assert again.sum() < 0.06 * allowed.sum(), f"text is still seen on {again.sum() / allowed.sum():.1%} of its place"


@pytest.mark.parametrize("name", ["form.png", "letter.png"])
def test_without_a_second_look_nothing_changes_outside_the_mask(
    name: str, tmp_path: Path, restore_docs: Program
) -> None:
    words = ("--jobs", "1", "--format", "png", "--lossless", "--verify", "off")
    done = restore_docs(EXAMPLES / name, "--out", tmp_path, *words)
    (page,) = done.document(name)["pages"]
    assert done.code in (0, 6) and list(page["reasons"]) == ["all"] and page["checks"] == []
    settings = RunSettings(lossless=True, format="png", verify="off")
    prepared = tasks.prepare_page(PageRef(str(EXAMPLES / name), 0), settings)
    before, after = pixels(EXAMPLES / name), pixels(Path(done.document(name)["output"]))
    assert (before[~prepared.text_mask] == after[~prepared.text_mask]).all()
    assert page["reasons"]["all"] == page["changed_pixels"] == prepared.text_mask.sum() > 1000
    allowed = polygon_mask([region.polygon for region in prepared.regions], *before.shape[:2]).astype(np.uint8)
    assert not prepared.text_mask[~cv2.dilate(allowed, np.ones((41, 41), np.uint8)).astype(bool)].any()


def test_a_cleaned_pdf_is_pixels_only_with_the_same_pages(tmp_path: Path, restore_docs: Program) -> None:
    source = EXAMPLES / "two-pages.pdf"
    done = restore_docs(source, "--out", tmp_path, "--jobs", "1")
    assert done.document("two-pages.pdf")["status"] in ("RESTORED", "NEEDS_REVIEW")
    with pymupdf.open(source) as before, pymupdf.open(tmp_path / "two-pages.pdf") as after:
        assert before.page_count == after.page_count == 2
        assert any(page.get_text().strip() for page in before), "the example must have something to lose"
        for old, new in zip(before, after, strict=True):
            assert new.get_text() == "" and len(new.get_images()) == 1 and not list(new.annots())
            assert new.rect.width == pytest.approx(old.rect.width, abs=0.5)
            assert new.rect.height == pytest.approx(old.rect.height, abs=0.5)
        assert not after.get_toc() and not any(
            v for k, v in after.metadata.items() if k not in ("format", "encryption")
        )


def test_a_local_model_folder_under_another_name_is_used(tmp_path: Path, restore_docs: Program) -> None:
    folder = tmp_path / "my model"
    with model_directory(DetectorSettings()) as shipped:
        assert shipped is not None
        shutil.copytree(shipped, folder)
    words = (EXAMPLES / "letter.png", "--out", tmp_path / "out", "--jobs", "1", "--detector-model", folder)
    assert restore_docs(*words).code == 0
    (folder / "inference.yml").write_text("Global: {}")
    tools.make_detector.cache_clear()
    broken = restore_docs(*words)
    assert broken.code == 4 and "inference.yml" in broken.stderr


@pytest.mark.slow
def test_examples_in_one_run_on_two_workers_match_the_serial_bytes(tmp_path: Path) -> None:
    names = ["exam.jpg", "letter.png", "two-pages.pdf"]  # the form is cleaned by two tests above
    for jobs in (1, 2):
        words = [*(str(EXAMPLES / name) for name in names), "--out", str(tmp_path / str(jobs)), "--jobs", str(jobs)]
        program = "from workflows.cli import main; main()"
        done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
        assert done.returncode in (0, 6), done.stderr
    for name in names:
        assert (tmp_path / "1" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name


@pytest.mark.nasty
def test_dense_type_on_a_real_1_bit_scan_goes_whole(tmp_path: Path, restore_docs: Program) -> None:
    scan = Path(__file__).parents[2] / "shared" / "samples" / "scans" / "phototest.tif"
    if not scan.exists():
        pytest.skip("the sample scans are not here")
    assert restore_docs(scan, "--out", tmp_path, "--jobs", "1").code == 0
    assert (pixels(tmp_path / "phototest.tif") < 128).mean() < 0.0005, (
        "a line of bold type used to pass for its own paper"
    )


# What must be refused; the other files of the folder must come out as documents, or be skipped as none.
REFUSED = {
    "bomb_giant.pdf", "empty.pdf", "gen_cyclic_pages.pdf", "gen_empty.png", "gen_huge_mediabox.pdf", "gen_png_bomb.png",
    "gen_truncated.jpg", "gen_truncated.pdf", "gen_user_password.pdf", "gen_zero_pages.pdf", "graph-encrypted.pdf",
    "health_protected.pdf", "hugemono.pdf", "invalid.pdf", "livecycle.pdf", "password-example.pdf",
    "poppler-395-0-fuzzed.pdf", "xfa_issue14315.pdf",
}  # fmt: skip


@pytest.mark.nasty
@pytest.mark.timeout(1500)
def test_every_hostile_file_ends_as_a_document_or_as_a_clear_refusal(tmp_path: Path) -> None:
    folder = Path(__file__).parents[2] / "shared" / "samples" / "nasty"
    if not folder.is_dir():
        pytest.skip("the hostile files are not here")
    program = "from workflows.cli import main; main()"
    # what becomes of a document is asked, not of its pixels: at 200 dpi their pages take eight minutes
    words = [str(folder), "--out", str(tmp_path), "--jobs", "2", "--dpi", "100"]
    done = subprocess.run([sys.executable, "-c", program, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 6 and "Traceback" not in done.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    entries = {Path(entry["source"]).name: entry for entry in report["documents"]}
    assert len(entries) == len(report["documents"]) == len(list(folder.iterdir()))
    assert {name for name, entry in entries.items() if entry["status"] == "FAILED"} == REFUSED
    assert {name for name, e in entries.items() if e["status"] == "SKIPPED"} == {"gen_animated.gif", "gen_text.txt"}
    for name, entry in entries.items():
        if name in REFUSED:
            assert name in entry["failure"]["what"] and entry["output"] is None
        elif entry["status"] != "SKIPPED":
            assert Path(entry["output"]).stat().st_size > 0
