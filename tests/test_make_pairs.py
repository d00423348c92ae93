"""``restore-docs make-pairs``: exact, reproducible, checked, and refusing what holds no exact truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pymupdf
import pytest
from conftest import Outcome
from small_sets import corners, write

from pipeline.errors import InputError, StageError
from pipeline.pairs import render_pair
from workflows.evaluation.pair_making import PairSettings, check_pair, make_pair
from workflows.evaluation.samples import read_image

Program = Callable[..., Outcome]
QUICK = ("--dpi", "72", "--no-baked", "--quiet")


def document(path: Path, *, clip: bool = False, form: bool = False) -> Path:
    """Two pages with a rule through a line of text; the second perhaps with text as a clipping path, or a form."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with pymupdf.open() as pdf:
        for number in range(2):
            page = pdf.new_page(width=320, height=240)
            page.draw_rect((200, 60, 300, 200), fill=(0.8, 0.9, 0.7))
            page.draw_line((20, 58), (290, 58), color=(0.7, 0, 0))
            page.insert_text((30, 60), f"Invoice number {number}", fontsize=16)
            page.insert_text((30, 120), "Payable on receipt", fontsize=11)
            if number and clip:
                page.insert_text((30, 180), "clip", fontsize=40, render_mode=7)
            if number and form:
                field = pymupdf.Widget()
                field.rect, field.field_name = pymupdf.Rect(40, 160, 180, 180), "name"
                field.field_type, field.field_value = pymupdf.PDF_WIDGET_TYPE_TEXT, "Filled"
                field.border_color, field.border_width = (0, 0, 1), 2
                page.add_widget(field)
        pdf.save(path)
    return path


def told(out: Path, name: str) -> dict[str, Any]:
    return dict(json.loads((out / "json" / f"{name}.json").read_text()))


def every_file(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_pairs_are_exact_and_say_where_which_words_are(tmp_path: Path, restore_docs: Program) -> None:
    out = tmp_path / "out"
    done = restore_docs("make-pairs", document(tmp_path / "a.pdf"), "--out", out, *QUICK)
    assert done.code == 0 and "2 pairs with 12 words; 0 pages left out" in done.stdout
    page, truth = (read_image(out / side / "a_p2.png") for side in ("input", "gt"))
    mask = read_image(out / "mask" / "a_p2.png")[..., 0] > 0
    assert np.array_equal((page != truth).any(axis=2), mask) and mask.sum() > 300
    assert (truth[58, 25:195] != 255).any(axis=1).all(), "the rule stays whole"
    words = told(out, "a_p2")["words"]
    assert [word["text"] for word in words] == ["Invoice", "number", "1", "Payable", "on", "receipt"]
    x0, y0, x1, y1 = words[0]["box"]
    assert mask[y0:y1, x0:x1].any() and (x0, y1) == (pytest.approx(30, abs=3), pytest.approx(64, abs=6))
    assert {"id": "a_p2", "page": 2, "source": "a.pdf", "kind": "clean", "dpi": 72}.items() <= told(out, "a_p2").items()


def test_what_was_made_can_be_evaluated(tmp_path: Path, restore_docs: Program) -> None:
    out = tmp_path / "out"
    assert restore_docs("make-pairs", document(tmp_path / "a.pdf"), "--out", out, *QUICK).code == 0
    words = ("--masks", "annotated", "--remover", "fill", "--mask", "classical", "--no-detection", "--quiet")
    figures = tmp_path / "f.json"
    assert restore_docs("evaluate", out, *words, "--json", figures).code == 0
    mean = json.loads(figures.read_text())["mean"]
    assert mean["bgpsnr"] == 100 and mean["ink"] < 30


def test_the_same_seed_makes_the_same_bytes(tmp_path: Path, restore_docs: Program) -> None:
    sets = []
    for number, seed in enumerate((4, 4, 5)):
        source = document(tmp_path / f"folder-{number}" / "a.pdf")
        out = tmp_path / f"out-{number}"
        words = ("--scan", "--handwriting", "--seed", seed, "--per-pdf", "1", *QUICK)
        assert restore_docs("make-pairs", source, "--out", out, *words).code == 0
        sets.append(every_file(out))
    assert sets[0] == sets[1], "wherever the PDF lies"
    assert sets[0].keys() - {"pages.jsonl"} != sets[2].keys() or sets[0] != sets[2]


@pytest.mark.parametrize("seed", range(6))
def test_scans_are_degraded_alike_and_their_words_move_along(tmp_path: Path, seed: int) -> None:
    source = document(tmp_path / "a.pdf")
    for name, scanned in (("clean", False), ("scan", True)):
        settings = PairSettings(tmp_path / name, 100, seed, scanned)
        assert make_pair(source, 0, "a", settings, None) == 6
    page, truth = (read_image(tmp_path / "scan" / side / "a.png") for side in ("input", "gt"))
    mask = read_image(tmp_path / "scan" / "mask" / "a.png")[..., 0] > 0
    clean = read_image(tmp_path / "clean" / "input" / "a.png")
    assert page.shape == clean.shape and (page != clean).any(axis=2).mean() > 0.2, "nothing is left as rendered"
    assert 0.3 < mask.sum() / (read_image(tmp_path / "clean" / "mask" / "a.png")[..., 0] > 0).sum() < 3
    for word in told(tmp_path / "scan", "a")["words"]:
        x0, y0, x1, y1 = word["box"]
        assert mask[y0:y1, x0:x1].any(), word["text"]
    check_pair(tmp_path / "scan", "a", exact=False)
    assert np.abs(page.astype(int) - truth).max() > 60


@pytest.mark.parametrize("scanned", [False, True])
def test_handwriting_goes_and_print_stays(tmp_path: Path, scanned: bool) -> None:
    settings = PairSettings(tmp_path / "out", 100, 1, scanned, written=True)
    make_pair(document(tmp_path / "a.pdf"), 0, "a", settings, None)
    sides = {side: read_image(tmp_path / "out" / side / "a.png") for side in ("input", "gt", "gt_all")}
    mask = read_image(tmp_path / "out" / "mask" / "a.png")[..., 0] > 0
    words = told(tmp_path / "out", "a")["words"]
    kinds = [word["kind"] for word in words]
    assert kinds.count("print") == 6 and kinds.count("hand") >= 3
    assert mask.any() and (sides["input"] != sides["gt"]).any(axis=2)[mask].mean() > 0.9
    printed = next(word["box"] for word in words if word["text"] == "Payable")
    x0, y0, x1, y1 = printed
    differs = np.abs(sides["gt"].astype(int) - sides["gt_all"]).max(axis=2)[y0:y1, x0:x1]
    assert differs.max() > 60, "the truth keeps the print, gt_all does not"


def test_fonts_are_written_with(tmp_path: Path) -> None:
    (tmp_path / "a.otf").write_bytes(pymupdf.Font("tiit").buffer)
    settings = PairSettings(tmp_path / "out", 100, 3, written=True, fonts=(tmp_path / "a.otf",))
    make_pair(document(tmp_path / "a.pdf"), 0, "a", settings, None)
    assert any(word["text"] and word["kind"] == "hand" for word in told(tmp_path / "out", "a")["words"])


def test_forms_are_filled_in_and_their_text_goes(tmp_path: Path) -> None:
    source = document(tmp_path / "a.pdf", form=True)
    without, with_form = render_pair(source, 1, 72), render_pair(source, 1, 72, annotations=True)
    assert "Filled" in with_form.texts and "Filled" not in without.texts
    field = (slice(155, 186), slice(35, 186))
    assert (with_form.blank[field] != 255).any(), "its frame stays"
    assert (without.text[field] == 255).all()
    assert with_form.changed[162:178, 42:90].any() and not with_form.changed[159:162, 100:170].any()


def test_what_holds_no_exact_truth_is_left_out_with_its_reason(tmp_path: Path, restore_docs: Program) -> None:
    out = tmp_path / "out"
    done = restore_docs(
        "make-pairs", document(tmp_path / "a.pdf", clip=True), "--out", out, "--dpi", "72", "--no-baked"
    )
    assert done.code == 0 and "1 pages left out" in done.stdout and "clipping path" in done.stderr
    lines = [json.loads(line) for line in (out / "pages.jsonl").read_text().splitlines()]
    assert lines[0] == {"source": "a.pdf", "page": 1, "id": "a_p1", "words": 6}
    assert lines[1]["page"] == 2 and "clipping path" in lines[1]["left_out"]
    assert [path.name for path in (out / "input").iterdir()] == ["a_p1.png"]


def test_files_that_cannot_be_read_make_the_run_incomplete(tmp_path: Path, restore_docs: Program) -> None:
    folder = document(tmp_path / "in" / "a.pdf").parent
    document(folder / "deeper" / "a.pdf")
    (folder / "b.pdf").write_bytes(b"%PDF-1.7 nothing else")
    out = tmp_path / "out"
    done = restore_docs("make-pairs", folder, "--out", out, "--pages", "2", "--dpi", "72", "--no-baked")
    assert done.code == 6 and "b.pdf" in done.stderr
    assert sorted(path.stem for path in (out / "json").iterdir()) == ["a-2_p2", "a_p2"], "one name each"
    assert restore_docs("make-pairs", folder, "--out", out, *QUICK).code == 5, "the folder holds pairs"
    assert restore_docs("make-pairs", tmp_path / "none.pdf", "--out", tmp_path / "o", *QUICK).code == 3
    assert restore_docs("make-pairs", folder, "--out", tmp_path / "o", "--pages", "0-x", *QUICK).code == 2


def test_a_pair_that_differs_elsewhere_does_not_pass(tmp_path: Path) -> None:
    settings = PairSettings(tmp_path / "out", 72)
    make_pair(document(tmp_path / "a.pdf"), 0, "a", settings, None)
    gt = tmp_path / "out" / "gt" / "a.png"
    truth = read_image(gt)
    truth[200, 100] ^= 1
    import cv2

    cv2.imwrite(str(gt), truth[..., ::-1])
    with pytest.raises(StageError, match="differ at 100, 200 px"):
        check_pair(tmp_path / "out", "a", exact=True)
    cv2.imwrite(str(gt), read_image(tmp_path / "out" / "input" / "a.png")[..., ::-1])
    with pytest.raises(StageError, match="the same"):
        check_pair(tmp_path / "out", "a", exact=False)
    with pytest.raises(InputError):
        make_pair(tmp_path / "none.pdf", 0, "b", settings, None)


def pair_of_one_word(out: Path, astray: tuple[int, int] | None, side: str) -> Path:
    """A pair written by hand: a printed word at (40, 40), a written one at (40, 100), and perhaps ink of ``side``."""
    bare = np.full((300, 400, 3), 255, np.uint8)
    truth = bare.copy()
    truth[44:56:2, 42:98] = 0
    page = truth.copy()
    page[104:116:2, 42:98] = (0, 0, 160)
    if astray:
        x, y = astray
        {"page": page, "truth": truth}[side][y : y + 8, x : x + 20] = 90
        if side == "truth":
            page[y : y + 8, x : x + 20] = 90
    sides = {"input": page, "gt": truth, "gt_all": bare, "mask": (page != truth).any(axis=2).astype(np.uint8) * 255}
    for folder, image in sides.items():
        write(out / folder / "a.png", image)
    words = [
        {"text": "word", "kind": kind, "box": [40, y, 100, y + 20], "poly": corners((40, y, 100, y + 20))}
        for kind, y in (("print", 40), ("hand", 100))
    ]
    (out / "json").mkdir()
    (out / "json" / "a.json").write_text(json.dumps({"words": words}))
    return out


@pytest.mark.parametrize("exact", [False, True])
def test_ink_far_from_all_words_does_not_pass_though_the_mask_has_it(tmp_path: Path, exact: bool) -> None:
    check_pair(pair_of_one_word(tmp_path / "good", None, "page"), "a", exact=exact)
    with pytest.raises(StageError, match="page and truth differ at 250, 104 px, away from all words"):
        check_pair(pair_of_one_word(tmp_path / "astray", (250, 104), "page"), "a", exact=exact)
    with pytest.raises(StageError, match="gt and gt_all differ at 250, 44 px"):
        check_pair(pair_of_one_word(tmp_path / "bare", (250, 44), "truth"), "a", exact=exact)
    with pytest.raises(StageError, match="page and truth differ at 42, "):  # the printed word is no place for a pen
        check_pair(pair_of_one_word(tmp_path / "print", (42, 46), "page"), "a", exact=exact)


def test_ink_just_outside_its_word_passes_in_scans_only(tmp_path: Path) -> None:
    folder = pair_of_one_word(tmp_path / "out", (100, 106), "page")  # reaches 20 px out of it
    with pytest.raises(StageError, match="page and truth differ at 105, 106 px"):
        check_pair(folder, "a", exact=True)
    with pytest.raises(StageError, match="the mask marks pixels at 107, 106 px"):
        check_pair(folder, "a", exact=False)
    mask = read_image(folder / "mask" / "a.png")[..., 0]
    mask[:, 107:] = 0
    write(folder / "mask" / "a.png", mask)
    check_pair(folder, "a", exact=False)


def test_text_in_pictures_is_not_scored(tmp_path: Path) -> None:
    inside = np.array([(210, 70), (250, 70), (250, 90), (210, 90)], np.float32)
    settings = PairSettings(tmp_path / "out", 72, scanned=True)
    make_pair(document(tmp_path / "a.pdf"), 0, "a", settings, lambda blank: [inside])
    (ignored,) = told(tmp_path / "out", "a")["ignore"]
    assert np.abs(np.array(ignored) - inside).max() < 12 and (np.array(ignored) != inside).any(), "it moves along"
