"""Previews in the state folder go when no document needs them any more, and not before."""

from __future__ import annotations

from pathlib import Path

import pytest
from conftest import draw_page


@pytest.fixture
def run(tmp_path, restore_docs):
    """Clean documents quickly; the names of the previews that are there afterwards, by document and page."""
    seen: dict[str, set[str]] = {}

    def call(*words: object) -> set[str]:
        quick = ("--detector", "annotated", "--remover", "fill", "--mask", "classical", "--jobs", "1")
        done = restore_docs(*words, "--out", tmp_path / "out", *quick)
        assert done.code in (0, 6), done.stderr
        for entry in done.report["documents"]:
            shown = {name for page in entry["pages"] for name in page["previews"].values()}
            seen.setdefault(Path(entry["source"]).name, set()).update(shown)
            assert shown <= files(), "what the report shows is there"
        return files()

    def files() -> set[str]:
        return {path.name for path in (tmp_path / "out" / ".restore-docs" / "previews").glob("*")}

    call.of = seen
    return call


def test_previews_of_another_run_s_documents_stay(tmp_path, run):
    one, two = draw_page(tmp_path / "one.png"), draw_page(tmp_path / "two.png")
    run(one)
    both = run(two)
    assert run.of["one.png"] and both == run.of["one.png"] | run.of["two.png"]
    assert run(one) == both  # nothing to do


def test_previews_go_with_the_outputs(tmp_path, run):
    one, two = draw_page(tmp_path / "one.png"), draw_page(tmp_path / "two.png")
    run(one, two)
    (tmp_path / "out" / "one.png").unlink()
    assert run(two) == run.of["two.png"]


def test_previews_of_pages_that_are_gone_go(tmp_path, run):
    source = draw_page(tmp_path / "one.pdf", pages=3)
    before = run(source)
    draw_page(source, pages=2)
    after = run(source)
    pages_before, pages_after = ({name.split("-", 2)[2] for name in names} for names in (before, after))
    assert len(before) == 9 and len(after) == 6 and pages_after < pages_before
    assert not after & before, "they are of another input"


def test_previews_of_a_failed_document_are_there_for_its_report_only(tmp_path, run):
    source, other = draw_page(tmp_path / "one.pdf", pages=2), draw_page(tmp_path / "other.png")
    side_car = tmp_path / "one.pdf.json"
    side_car.write_text(side_car.read_text().replace('"page_number": 2', '"page_number": 3'))
    assert len(run(source)) == 3  # of the page that did not fail
    assert run(other) == run.of["other.png"]


def test_files_of_others_stay(tmp_path, run):
    source = draw_page(tmp_path / "one.png")
    run(source)
    mine = tmp_path / "out" / ".restore-docs" / "previews" / "holiday.jpg"
    mine.write_bytes(b"")
    assert "holiday.jpg" in run(source)
