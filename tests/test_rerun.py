"""What a second run on the same folder keeps, makes again and clears away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from conftest import Outcome, bars_left, digests, draw_page
from PIL import Image

Program = Callable[..., Outcome]
ANNOTATED = ("--detector", "annotated", "--jobs", "1")


def test_what_is_up_to_date_stays_and_what_is_stale_is_redone(tmp_path: Path, restore_docs: Program) -> None:
    source, out = draw_page(tmp_path / "a.png"), tmp_path / "out"
    first = restore_docs(source, "--out", out, *ANNOTATED)
    assert not first.document("a.png")["reused"]
    again = restore_docs(source, "--out", out, *ANNOTATED)
    assert again.document("a.png")["reused"] and again.document("a.png")["pages"] == first.document("a.png")["pages"]
    changes: list[Callable[[], tuple[str, ...]]] = [
        lambda: ("--mask", "polygons"),
        lambda: (draw_page(source, words=1), ())[1],
        lambda: ((out / "a.png").unlink(), ())[1],
        lambda: ((out / "a.png").write_bytes(b"damaged"), ())[1],
        lambda: ("--on-existing", "overwrite"),
    ]
    for change in changes:
        redone = restore_docs(source, "--out", out, *ANNOTATED, *change())
        assert redone.code == 0 and not redone.document("a.png")["reused"]
        assert bars_left(np.asarray(Image.open(out / "a.png").convert("RGB"))) == 0


def test_files_that_are_not_ours_are_never_overwritten_unasked(tmp_path: Path, restore_docs: Program) -> None:
    source, out = draw_page(tmp_path / "a.png"), tmp_path / "out"
    out.mkdir()
    (out / "a.png").write_bytes(b"precious")
    done = restore_docs(source, "--out", out, *ANNOTATED)
    assert done.code == 6 and "--on-existing overwrite" in done.document("a.png")["failure"]["remedy"]
    assert (out / "a.png").read_bytes() == b"precious"
    refused = restore_docs(source, "--out", out, *ANNOTATED, "--on-existing", "fail")
    assert refused.code == 5 and (out / "a.png").read_bytes() == b"precious"
    assert restore_docs(source, "--out", out, *ANNOTATED, "--on-existing", "overwrite").code == 0
    assert (out / "a.png").read_bytes() != b"precious"


def test_what_a_killed_run_left_half_written_is_cleared_by_the_next(tmp_path: Path, restore_docs: Program) -> None:
    source, out = draw_page(tmp_path / "a.png"), tmp_path / "out"
    out.mkdir()
    (out / ".restore-docs-0123.part").write_bytes(b"half of a page")
    (out / "thesis.part").write_bytes(b"somebody's")
    assert restore_docs(source, "--out", out, *ANNOTATED).code == 0
    assert sorted(p.name for p in out.iterdir()) == [
        ".restore-docs",
        "a.png",
        "report.html",
        "report.json",
        "thesis.part",
    ]


def test_pages_that_are_gone_leave_no_stale_files_behind(tmp_path: Path, restore_docs: Program) -> None:
    source, out = draw_page(tmp_path / "a.pdf", pages=3), tmp_path / "out"
    restore_docs(source, "--out", out, "--format", "png", *ANNOTATED)
    draw_page(source, pages=2)
    restore_docs(source, "--out", out, "--format", "png", *ANNOTATED)
    assert sorted(digests(out)) == ["a-0001.png", "a-0002.png"]


def test_a_side_car_is_part_of_the_input(tmp_path: Path, restore_docs: Program) -> None:
    source, out = draw_page(tmp_path / "a.png"), tmp_path / "out"
    restore_docs(source, "--out", out, *ANNOTATED)
    side_car = tmp_path / "a.png.json"
    side_car.write_text('{"pages": [{"page_number": 1, "regions": []}]}')
    redone = restore_docs(source, "--out", out, *ANNOTATED)
    assert redone.document("a.png")["status"] == "UNCHANGED" and not redone.document("a.png")["reused"]
    side_car.unlink()
    assert restore_docs(source, "--out", out, *ANNOTATED).code == 3
