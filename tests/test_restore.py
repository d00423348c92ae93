"""Whole runs on small pages: what becomes of outputs, report and exit code when all is well and when it is not."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path

import fakes
import numpy as np
import pytest
from conftest import Outcome, bars_left, digests, draw_page
from PIL import Image

from detectors.registry import DETECTORS
from pipeline import assemble as assemble_module
from pipeline.errors import OutputError
from remover.registry import REMOVERS
from workflows.pages import tools
from workflows.storage.folder_lock import FolderLock

Program = Callable[..., Outcome]
ANNOTATED = ("--detector", "annotated", "--jobs", "1")


def use_detector(monkeypatch: pytest.MonkeyPatch, fake: type) -> tuple[str, ...]:
    monkeypatch.setitem(DETECTORS, "fake", fake)
    return ("--detector", "fake", "--jobs", "1")


def test_a_page_comes_out_without_its_text_and_otherwise_untouched(tmp_path: Path, restore_docs: Program) -> None:
    source = draw_page(tmp_path / "a.png")
    done = restore_docs(source, "--out", tmp_path / "out", *ANNOTATED)
    assert done.code == 0
    before, after = np.asarray(Image.open(source)), np.asarray(Image.open(tmp_path / "out" / "a.png").convert("RGB"))
    assert bars_left(before) == 2 and bars_left(after) == 0
    far = np.ones(before.shape[:2], bool)
    far[20:140, 10:120] = False
    assert (before[far] == after[far]).all()
    entry = done.document("a.png")
    assert entry["status"] == "RESTORED" and entry["pages"][0]["regions"] == 2
    assert set(entry["pages"][0]["seconds"]) == {
        "rasterize",
        "detect",
        "strokes",
        "tile",
        "remove",
        "stitch",
        "write",
        "preview",
    }
    assert "1 document: 1 restored; 1 page: 1 restored" in done.stdout


def test_outside_the_mask_pixels_are_exact_for_a_remover_that_predicts_noise(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REMOVERS, "noise", fakes.NoiseRemover)
    source = draw_page(tmp_path / "a.png", size=(900, 700))
    restore_docs(source, "--out", tmp_path / "out", "--remover", "noise", "--mask", "polygons", *ANNOTATED)
    before, after = np.asarray(Image.open(source)), np.asarray(Image.open(tmp_path / "out" / "a.png").convert("RGB"))
    inside = np.zeros(before.shape[:2], bool)
    for top in (30, 80):
        inside[top : top + 21, 20:111] = True
    assert (before[~inside] == after[~inside]).all()
    assert (before[inside] != after[inside]).mean() > 0.9


@pytest.mark.parametrize("name", ["a.png", "a.jpg", "a.tiff", "a.webp", "a.pdf"])
def test_the_same_kind_comes_out_and_twice_the_same_bytes(tmp_path: Path, restore_docs: Program, name: str) -> None:
    pages = 3 if name in ("a.pdf", "a.tiff") else 1
    source = draw_page(tmp_path / name, pages=pages)
    assert restore_docs(source, "--out", tmp_path / "one", *ANNOTATED).code == 0
    assert restore_docs(source, "--out", tmp_path / "two", *ANNOTATED).code == 0
    assert digests(tmp_path / "one") == digests(tmp_path / "two") and list(digests(tmp_path / "one")) == [name]


def test_one_page_per_file_is_numbered_and_selected_pages_keep_their_numbers(
    tmp_path: Path, restore_docs: Program
) -> None:
    source = draw_page(tmp_path / "a.pdf", pages=4)
    done = restore_docs(source, "--out", tmp_path / "out", "--format", "png", "--pages", "2,4-", *ANNOTATED)
    assert sorted(digests(tmp_path / "out")) == ["a-0002.png", "a-0004.png"]
    assert [page["page_number"] for page in done.document("a.pdf")["pages"]] == [2, 4]
    one = restore_docs(source, "--out", tmp_path / "one", "--format", "png", "--pages", "3", *ANNOTATED)
    assert sorted(digests(tmp_path / "one")) == ["a.png"] and one.code == 0
    none = restore_docs(source, "--out", tmp_path / "none", "--pages", "9", *ANNOTATED)
    assert none.code == 3 and "none of those asked for" in none.document("a.pdf")["failure"]["what"]


def test_a_page_without_text_is_unchanged(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = draw_page(tmp_path / "a.png")
    done = restore_docs(source, "--out", tmp_path / "out", *use_detector(monkeypatch, fakes.BlindDetector))
    assert done.code == 0 and done.document("a.png")["status"] == "UNCHANGED"
    assert (np.asarray(Image.open(source)) == np.asarray(Image.open(tmp_path / "out/a.png").convert("RGB"))).all()


def test_a_region_in_which_no_ink_was_found_asks_for_review(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = draw_page(tmp_path / "a.png")
    fake = use_detector(monkeypatch, fakes.PhantomDetector)
    done = restore_docs(source, "--out", tmp_path / "out", "--verify", "off", *fake)
    assert done.code == 6 and done.document("a.png")["status"] == "NEEDS_REVIEW"


def test_a_failed_page_fails_its_document_alone(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, good = draw_page(tmp_path / "bad.pdf", pages=3), draw_page(tmp_path / "good.png")
    out = tmp_path / "out"
    done = restore_docs(bad, good, "--out", out, *use_detector(monkeypatch, fakes.RaisingDetector))
    assert done.code == 6 and list(digests(out)) == ["good.png"]
    entry = done.document("bad.pdf")
    assert entry["status"] == "FAILED" and entry["output"] is None
    assert [page["status"] for page in entry["pages"]] == ["UNCHANGED", "FAILED", "UNCHANGED"]
    failure = entry["pages"][1]["failure"]
    assert failure["stage"] == "detect" and "page 2" in failure["what"] and "bad.pdf" in failure["what"]
    assert "page 2" in done.stderr and "ZeroDivisionError" in done.stderr and "Traceback" not in done.stderr


def test_keep_original_must_be_asked_for_and_says_so(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad, out = draw_page(tmp_path / "bad.pdf", pages=3), tmp_path / "out"
    fake = use_detector(monkeypatch, fakes.RaisingDetector)
    done = restore_docs(bad, "--out", out, "--on-page-error", "keep-original", *fake)
    assert done.code == 6 and list(digests(out)) == ["bad.pdf"]
    entry = done.document("bad.pdf")
    assert entry["status"] == "KEPT_ORIGINAL" and entry["pages"][1]["status"] == "KEPT_ORIGINAL"
    again = restore_docs(bad, "--out", out, "--on-page-error", "keep-original", *fake)
    assert again.code == 6 and again.document("bad.pdf")["reused"], "a rerun does not make it a success"


def test_too_little_memory_for_a_page_is_that_pages_failure(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = draw_page(tmp_path / "a.png")
    done = restore_docs(source, "--out", tmp_path / "out", *use_detector(monkeypatch, fakes.HungryDetector))
    failure = done.document("a.png")["failure"]
    assert done.code == 6 and "memory" in failure["what"] and "--dpi" in failure["remedy"]


def test_missing_weights_end_the_run_with_every_input_listed(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [draw_page(tmp_path / name) for name in ("a.png", "b.png")]
    done = restore_docs(*sources, "--out", tmp_path / "out", *use_detector(monkeypatch, fakes.UnequippedDetector))
    assert done.code == 4 and digests(tmp_path / "out") == {}
    assert [d["status"] for d in done.report["documents"]] == ["FAILED", "FAILED"]
    assert done.report["ended_early"]["kind"] == "SetupError" and "install them" in done.stderr


def test_an_interruption_keeps_what_is_finished_and_a_rerun_completes(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = draw_page(tmp_path / "a.png"), draw_page(tmp_path / "b.pdf", pages=3)
    out = tmp_path / "out"
    done = restore_docs(first, second, "--out", out, *use_detector(monkeypatch, fakes.InterruptedDetector))
    assert done.code == 130 and list(digests(out)) == ["a.png"]
    assert done.document("b.pdf")["status"] == "FAILED"
    tools.make_detector.cache_clear()
    again = restore_docs(first, second, "--out", out, *use_detector(monkeypatch, fakes.BlindDetector))
    assert again.code == 0 and again.document("a.png")["reused"] and sorted(digests(out)) == ["a.png", "b.pdf"]
    assert not (out / ".restore-docs" / "work").exists(), "no work files are left"


def test_a_remover_that_loses_a_tile_leaves_no_output_with_text(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REMOVERS, "losing", fakes.LosingRemover)
    source = draw_page(tmp_path / "a.png")
    done = restore_docs(source, "--out", tmp_path / "out", "--remover", "losing", *ANNOTATED)
    assert done.code == 6 and done.document("a.png")["failure"]["stage"] == "stitch" and digests(tmp_path / "out") == {}


def test_a_full_disk_ends_the_run_and_leaves_no_partial_output(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [draw_page(tmp_path / name) for name in ("a.png", "b.png")]

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(assemble_module.os, "fsync", full)
    done = restore_docs(*sources, "--out", tmp_path / "out", *ANNOTATED)
    assert done.code == 5 and digests(tmp_path / "out") == {}
    assert "space" in done.stderr.lower()
    assert all(d["status"] == "FAILED" for d in done.report["documents"])


def test_an_unwritable_folder_is_refused_before_any_work(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = draw_page(tmp_path / "a.png")
    (tmp_path / "file").write_text("in the way")
    assert restore_docs(source, "--out", tmp_path / "file", *ANNOTATED).code == 2
    done = restore_docs(source, "--out", tmp_path / "file" / "out", *ANNOTATED)
    assert done.code == 5 and "cannot write" in done.stderr


def test_a_second_run_on_the_same_folder_says_so_and_leaves(tmp_path: Path, restore_docs: Program) -> None:
    source, out = draw_page(tmp_path / "a.png"), tmp_path / "out"
    (out / ".restore-docs").mkdir(parents=True)
    with FolderLock(out / ".restore-docs", out):
        done = restore_docs(source, "--out", out, *ANNOTATED)
    assert done.code == 5 and "another run" in done.stderr


def test_nothing_in_the_input_folder_changes(tmp_path: Path, restore_docs: Program) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    for name in ("a.png", "b.pdf", "c.jpg"):
        draw_page(folder / name)
    before = {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.iterdir()}
    done = restore_docs(folder, "--out", tmp_path / "out", *ANNOTATED)
    assert done.code == 0 and {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.iterdir()} == before
    assert sorted(d["status"] for d in done.report["documents"]) == ["RESTORED"] * 3 + ["SKIPPED"] * 3
    assert all(d["reason"] for d in done.report["documents"] if d["status"] == "SKIPPED")


def test_output_error_survives_a_target_that_is_a_folder(tmp_path: Path, restore_docs: Program) -> None:
    source, out = draw_page(tmp_path / "a.png"), tmp_path / "out"
    (out / "a.png").mkdir(parents=True)
    done = restore_docs(source, "--out", out, "--on-existing", "overwrite", *ANNOTATED)
    assert done.code == 5 and done.report["ended_early"]["kind"] == OutputError.__name__
