"""From words to documents and outputs: nothing is missed, nothing is overwritten by accident."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from conftest import draw_page

from pipeline.errors import UsageError
from workflows.storage.inputs import find_sources, plan_outputs, refuse_unsafe_output


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "in"
    (root / "sub" / "deep").mkdir(parents=True)
    draw_page(root / "b.png")
    draw_page(root / "sub" / "a.pdf")
    draw_page(root / "sub" / "deep" / "c.jpg")
    (root / "notes.txt").write_text("nothing to see")
    for side_car in root.rglob("*.json"):
        side_car.unlink()
    return root


def planned(words: list[str], out: Path, **options: object) -> dict[str, str]:
    choices = {"format": "same", "lossless": False} | options
    documents = plan_outputs(find_sources(words), out, **choices)  # type: ignore[arg-type]
    return {Path(d.source.given).name: str(d.target) for d in documents}


def test_directories_are_walked_and_paths_below_them_are_kept(tree: Path, tmp_path: Path) -> None:
    assert planned([str(tree)], tmp_path / "out") == {"b.png": "b.png", "a.pdf": "sub/a.pdf", "c.jpg": "sub/deep/c.jpg"}


def test_every_regular_file_is_listed_and_what_is_no_document_says_why(tree: Path) -> None:
    sources = {Path(s.given).name: s for s in find_sources([str(tree)])}
    assert set(sources) == {"b.png", "a.pdf", "c.jpg", "notes.txt"}
    assert sources["notes.txt"].kind is None and sources["notes.txt"].reason and not sources["notes.txt"].unreadable


def test_a_broken_document_is_not_passed_over_as_something_else(tmp_path: Path) -> None:
    (tmp_path / "empty.pdf").write_bytes(b"")
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.dat").write_bytes(b"")
    unreadable = {Path(s.given).name: s.unreadable for s in find_sources([str(tmp_path)])}
    assert unreadable == {"empty.pdf": True, "text.jpg": True, "empty.dat": False}


def test_patterns_files_and_directories_mix_and_a_file_counts_once(tree: Path) -> None:
    words = [str(tree / "*.png"), str(tree / "b.png"), str(tree), str(tree / "**" / "*.pdf")]
    assert [Path(s.given).name for s in find_sources(words)] == ["b.png", "notes.txt", "a.pdf", "c.jpg"]


def test_what_is_not_there_is_listed_as_unreadable(tmp_path: Path) -> None:
    missing, pattern = find_sources([str(tmp_path / "no.pdf"), str(tmp_path / "*.pdf")])
    assert missing.unreadable and "no such file" in missing.reason
    assert pattern.unreadable and "pattern" in pattern.reason


def test_broken_links_and_sockets_are_skipped_with_a_reason(tmp_path: Path) -> None:
    (tmp_path / "link.pdf").symlink_to(tmp_path / "gone.pdf")
    os.mkfifo(tmp_path / "pipe.pdf")
    reasons = {Path(s.given).name: s.reason for s in find_sources([str(tmp_path)])}
    assert reasons["link.pdf"] == "a broken link"
    assert "pipe.pdf" not in reasons, "a pipe is no regular file, and reading it would hang"
    (pipe,) = find_sources([str(tmp_path / "pipe.pdf")])
    assert pipe.kind is None and "regular" in pipe.reason


def test_outputs_keep_names_and_a_wrong_suffix_is_mended(tmp_path: Path) -> None:
    draw_page(tmp_path / "scan.png").rename(tmp_path / "scan.pdf")
    draw_page(tmp_path / "UPPER.JPG")
    words = [str(tmp_path / "scan.pdf"), str(tmp_path / "UPPER.JPG")]
    assert planned(words, tmp_path / "out") == {"scan.pdf": "scan.png", "UPPER.JPG": "UPPER.JPG"}
    assert planned(words, tmp_path / "out", lossless=True)["UPPER.JPG"] == "UPPER.png"
    assert planned(words, tmp_path / "out", format="pdf") == {"scan.pdf": "scan.pdf", "UPPER.JPG": "UPPER.pdf"}


def test_two_inputs_for_one_output_are_refused(tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    draw_page(other / "b.png")
    with pytest.raises(UsageError, match=r"b\.png.*b\.png would both"):
        planned([str(tree), str(other)], tmp_path / "out")
    draw_page(other / "c.pdf")
    draw_page(other / "c.png")
    with pytest.raises(UsageError, match="would both"):
        planned([str(other / "c.pdf"), str(other / "c.png")], tmp_path / "out", format="png")


def test_numbered_pages_may_not_land_on_another_input(tmp_path: Path) -> None:
    draw_page(tmp_path / "a.pdf", pages=2)
    draw_page(tmp_path / "a-0002.png")
    with pytest.raises(UsageError, match="might both"):
        planned([str(tmp_path / "a.pdf"), str(tmp_path / "a-0002.png")], tmp_path / "out", format="png")


@pytest.mark.parametrize("place", [".", "cleaned", "sub/cleaned"])
def test_an_output_folder_inside_a_directory_input_is_refused(tree: Path, place: str) -> None:
    with pytest.raises(UsageError, match="inside the input folder"):
        refuse_unsafe_output([str(tree)], (), tree / place)


def test_an_output_that_would_replace_an_input_is_refused(tree: Path) -> None:
    word = str(tree / "b.png")
    documents = plan_outputs(find_sources([word]), tree, format="same", lossless=False)
    with pytest.raises(UsageError, match="replace the input"):
        refuse_unsafe_output([word], documents, tree)
    refuse_unsafe_output([word], documents, tree / "cleaned")


def test_links_do_not_hide_that_an_input_would_be_replaced(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(tree)
    word = str(tree / "b.png")
    documents = plan_outputs(find_sources([word]), tmp_path / "alias", format="same", lossless=False)
    with pytest.raises(UsageError, match="replace the input"):
        refuse_unsafe_output([word], documents, tmp_path / "alias")
    with pytest.raises(UsageError, match="inside"):
        refuse_unsafe_output([str(tree)], (), tmp_path / "alias" / "x")
