"""``restore-docs evaluate``: rows, layouts, errors by name, and that figures are those of the program's own outputs."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Outcome
from small_sets import WORDS, draw_sides, pairs_set, scut_set, write

from detectors.base import DetectorSettings
from detectors.registry import DETECTORS
from pipeline.types import PageRef, TextRegion
from remover.registry import REMOVERS
from workflows.evaluation.rows import find_rows
from workflows.evaluation.samples import read_image, read_sample

Program = Callable[..., Outcome]
QUICK = ("--no-detection", "--quiet")
FILL = ("--masks", "annotated", "--remover", "fill", "--mask", "classical", *QUICK)


def figures(path: Path) -> dict[str, Any]:
    return dict(json.loads(path.read_text()))


def test_perfect_outputs_have_perfect_figures(tmp_path: Path, restore_docs: Program) -> None:
    data = pairs_set(tmp_path / "data")
    out = tmp_path / "f.json"
    done = restore_docs("evaluate", data, "--predictions", data / "gt", "--json", out, *QUICK)
    assert done.code == 0
    mean = figures(out)["mean"]
    assert mean["psnr"] == mean["tpsnr"] == mean["bgpsnr"] == 100 and mean["ink"] == mean["struct"] == 0
    assert mean["mse"] == mean["age"] == mean["peps"] == mean["pceps"] == 0
    assert mean["mssim_legacy"] == pytest.approx(100) and mean["psnr_legacy"] is None
    assert figures(out)["layout"] == "pairs", "told by its folders"
    assert figures(out)["not_measured"].keys() == {"fid", "ocr", "deteval and iou"}
    assert "fid, which needs an Inception network: --inception" in done.stdout


def test_untouched_pages_keep_all_their_ink(tmp_path: Path, restore_docs: Program) -> None:
    data = pairs_set(tmp_path / "data")
    out, table, sheet = tmp_path / "f.json", tmp_path / "f.csv", tmp_path / "f.png"
    done = restore_docs(
        "evaluate", data, "--layout", "pairs", "--predictions", data / "input", "--json", out, "--csv", table,
        "--sheet", sheet, *QUICK,
    )  # fmt: skip
    told = figures(out)
    assert done.code == 0 and "tpsnr" in done.stdout and "95 %" in done.stdout
    assert told["mean"]["ink"] == 100 and told["mean"]["bgpsnr"] == 100 and told["mean"]["tpsnr"] < 15
    assert [image["name"] for image in told["images"]] == ["a", "b"]
    assert told["groups"]["a"]["psnr"] == told["images"][0]["psnr"]
    assert told["mean"]["psnr"] == pytest.approx(np.mean([image["psnr"] for image in told["images"]]))
    low, high = told["intervals"]["psnr"]
    assert low <= told["mean"]["psnr"] <= high
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [row["name"] for row in rows] == ["a", "b", "(mean)", "(95 % low)", "(95 % high)"]
    assert float(rows[2]["psnr"]) == pytest.approx(told["mean"]["psnr"])
    drawn = read_image(sheet)
    assert drawn.shape[1] > 4 * 400 and drawn.std() > 20


def test_rows_that_fail_are_errors_by_name_and_cost_no_other_row(tmp_path: Path, restore_docs: Program) -> None:
    data = pairs_set(tmp_path / "data", ("a", "b", "c", "d", "e"))
    ready = Path(shutil.copytree(data / "gt", tmp_path / "ready"))
    (ready / "b.png").unlink()
    (ready / "c.png").write_bytes(b"no image")
    write(ready / "d.png", np.zeros((10, 20, 3), np.uint8))
    (data / "json" / "e.json").write_text("{")
    (data / "json" / "lost.json").write_text('{"words": []}')
    out = tmp_path / "f.json"
    done = restore_docs("evaluate", data, "--predictions", ready, "--json", out, *QUICK)
    told = figures(out)
    assert done.code == 6
    assert [image["name"] for image in told["images"]] == ["a"] and told["mean"]["psnr"] == 100
    assert [error["name"] for error in told["errors"]] == ["b", "c", "d", "e", "lost"]
    for name, says in (("b", "no prediction"), ("c", "no image"), ("d", "20 x 10 px"), ("e", "e.json")):
        assert any(says in error["error"] for error in told["errors"] if error["name"] == name)
        assert f"error: {name}:" in done.stdout


def test_when_no_row_can_be_scored_the_exit_code_says_so(tmp_path: Path, restore_docs: Program) -> None:
    data = pairs_set(tmp_path / "data")
    (tmp_path / "none").mkdir()
    assert restore_docs("evaluate", data, "--predictions", tmp_path / "none", *QUICK).code == 3
    assert restore_docs("evaluate", data, "--predictions", tmp_path / "nowhere", *QUICK).code == 3
    assert restore_docs("evaluate", tmp_path / "nowhere", *QUICK).code == 3
    assert restore_docs("evaluate", tmp_path, *QUICK).code == 2, "no layout"
    assert restore_docs("evaluate", data, "--layout", "scat", *QUICK).code == 2
    assert restore_docs("evaluate", data, "--mask", "stroks", *QUICK).code == 2
    assert restore_docs("evaluate", data, "--inception", tmp_path / "no.pt", *QUICK).code == 4


def test_the_program_itself_is_scored_as_users_get_it(tmp_path: Path, restore_docs: Program) -> None:
    data = pairs_set(tmp_path / "data")
    out, saved = tmp_path / "f.json", tmp_path / "saved"
    done = restore_docs("evaluate", data, "--json", out, "--save", saved, *FILL)
    told = figures(out)
    assert done.code == 0 and told["masks"] == "annotated" and told["settings"]["remover"] == "fill"
    assert told["mean"]["ink"] < 5 and told["mean"]["tpsnr"] > 25 and told["mean"]["bgpsnr"] == 100
    # a run with the same settings gives the same pixels
    words = ("--detector", "annotated", "--regions", data / "json", "--jobs", "1", "--ink", "regions")
    run = restore_docs(data / "input", "--out", tmp_path / "run", "--remover", "fill", "--mask", "classical", *words)
    assert run.code == 0
    for name in ("a", "b"):
        assert np.array_equal(read_image(saved / f"{name}.png"), read_image(tmp_path / "run" / f"{name}.png"))
        raw = read_image(saved / "raw" / f"{name}.png")
        page, _ = draw_sides(0)
        assert raw.shape == page.shape
    # what was saved, scored as ready-made, gives the same figures
    again = tmp_path / "again.json"
    assert restore_docs("evaluate", data, "--predictions", saved, "--json", again, *QUICK).code == 0
    assert figures(again)["mean"] == told["mean"]


class WordDetector:
    """Finds the words of the small sets where there is ink, and nothing on cleaned pages."""

    name = "words"

    def __init__(self, settings: DetectorSettings) -> None:
        del settings

    def detect(self, image: np.ndarray, ref: PageRef) -> tuple[TextRegion, ...]:
        found = [(x0, y0, x1, y1) for x0, y0, x1, y1 in WORDS if image[y0:y1, x0:x1, 0].min() < 60]
        polygons = [np.array([(a, b), (c, b), (c, d), (a, d)], np.float32) for a, b, c, d in found]
        return tuple(TextRegion(polygon) for polygon in polygons)


def test_text_that_a_detector_still_finds_is_counted(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(DETECTORS, "words", WordDetector)
    data = pairs_set(tmp_path / "data")
    out = tmp_path / "f.json"
    for folder, expected in (("input", 100), ("gt", 0)):
        words = ("--predictions", data / folder, "--detector", "words", "--json", out, "--quiet")
        assert restore_docs("evaluate", data, *words).code == 0
        mean = figures(out)["mean"]
        for name in ("deteval", "iou"):
            assert mean[f"{name}_recall"] == mean[f"{name}_precision"] == mean[f"{name}_f"] == expected
    words = ("--detector", "words", "--remover", "fill", "--mask", "classical", "--verify", "off")
    assert restore_docs("evaluate", data, *words, "--json", out, "--quiet").code == 0
    assert figures(out)["mean"]["iou_f"] == 0 and figures(out)["masks"] == "detected"


def test_of_handwritten_pages_only_the_handwriting_counts(tmp_path: Path, restore_docs: Program) -> None:
    data = pairs_set(tmp_path / "data", kinds=("print", "hand"))
    row = find_rows(data)[1][0]
    hand, everything = read_sample(row), read_sample(row, everything=True)
    assert hand.handwriting and len(hand.words) == 1 and len(hand.kept) == 1 and not hand.ignored
    assert not everything.handwriting and len(everything.words) == 2
    assert hand.strokes is not None and everything.strokes is not None
    assert 0 < hand.strokes.sum() < everything.strokes.sum()
    out = tmp_path / "f.json"
    words = ("--predictions", data / "gt", "--json", out, *QUICK)
    assert restore_docs("evaluate", data, *words).code == 0 and figures(out)["mean"]["tpsnr"] == 100
    assert restore_docs("evaluate", data, "--target", "all", *words).code == 0
    assert figures(out)["mean"]["tpsnr"] < 100 and figures(out)["mean"]["ink"] > 20
    wrong = restore_docs("evaluate", data, "--masks", "annotated", "--mask", "polygons", *QUICK)
    assert wrong.code == 2 and "--mask polygons" in wrong.stderr


def test_what_says_how_to_clean_is_refused_beside_ready_made_outputs(tmp_path: Path, restore_docs: Program) -> None:
    data = pairs_set(tmp_path / "data")
    words = ("--predictions", data / "gt", *QUICK)
    for more in (("--save", tmp_path / "s"), ("--masks", "detected"), ("--remover", "fill"), ("--verify", "off")):
        done = restore_docs("evaluate", data, *words, *more)
        assert done.code == 2 and more[0] in done.stderr and "--predictions" in done.stderr
    assert restore_docs("evaluate", data, *words, "--device", "cpu").code == 0, "the detector's"
    assert not (tmp_path / "s").exists()


# --- SCUT ------------------------------------------------------------------------------------------------------------


class FlatRemover:
    """Predicts grey 200 everywhere, and keeps the structure maps it is given."""

    name = "flat"
    tile_side = 512
    needs_structure = True
    needs_soft_mask = True
    structures: list[np.ndarray]

    def __init__(self, settings: Any) -> None:
        type(self).structures = []

    def remove(self, tiles: Any) -> Any:
        from pipeline.types import RestoredTile

        type(self).structures += [tile.structure for tile in tiles]
        return tuple(RestoredTile(tile.box, np.full_like(tile.image, 200)) for tile in tiles)


def test_scut_is_composited_under_polygons_with_its_own_structure_maps(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REMOVERS, "flat", FlatRemover)
    data = scut_set(tmp_path / "data")
    write(data / "structure_im" / "img_2.png", np.full((512, 512, 3), 51, np.uint8))
    out, saved = tmp_path / "f.json", tmp_path / "saved"
    words = ("--masks", "annotated", "--remover", "flat", "--save", saved, "--json", out, *QUICK)
    done = restore_docs("evaluate", data, "--layout", "scut", *words)
    assert done.code == 0 and figures(out)["settings"]["mask"] == "polygons"
    page, cleaned = read_image(data / "all_images" / "img_2.png"), read_image(saved / "img_2.png")
    inside = np.zeros((512, 512), bool)
    for x0, y0, x1, y1 in WORDS:
        inside[y0 : y1 + 1, x0 : x1 + 1] = True
    assert (cleaned[inside] == 200).all() and np.array_equal(cleaned[~inside], page[~inside])
    assert (read_image(saved / "raw" / "img_2.png") == 200).all()
    made, given = FlatRemover.structures
    assert (given == np.float32(51 / 255)).all(), "the data set's own map"
    assert made.shape == (512, 512, 3) and made.std() > 0.01, "made where it is missing"
    strokes = restore_docs("evaluate", data, "--mask", "classical", *words)
    assert strokes.code == 0 and figures(out)["settings"]["mask"] == "classical", "unless told otherwise"


def test_a_structure_map_that_does_not_fit_costs_its_own_row_only(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REMOVERS, "flat", FlatRemover)
    data = scut_set(tmp_path / "data")
    write(data / "structure_im" / "img_2.png", np.full((100, 100, 3), 51, np.uint8))
    out = tmp_path / "f.json"
    done = restore_docs("evaluate", data, "--masks", "annotated", "--remover", "flat", "--json", out, *QUICK)
    assert done.code == 6 and [image["name"] for image in figures(out)["images"]] == ["img_1"]
    (error,) = figures(out)["errors"]
    assert error["name"] == "img_2" and "structure map" in error["error"]


def test_scut_figures_come_in_both_definitions(tmp_path: Path, restore_docs: Program) -> None:
    data = scut_set(tmp_path / "data")
    out = tmp_path / "f.json"
    assert restore_docs("evaluate", data, "--predictions", data / "all_images", "--json", out, *QUICK).code == 0
    mean = figures(out)["mean"]
    for name in ("psnr", "mse", "age", "peps", "pceps"):
        assert mean[name] == pytest.approx(mean[f"{name}_legacy"]), "at 512 x 512 they are one"
    assert {"mssim_legacy", "ms_ssim", "ssim", "tpsnr", "bgpsnr", "ink"} <= mean.keys()


def test_annotations_that_cannot_be_read_are_errors_by_name(tmp_path: Path, restore_docs: Program) -> None:
    data = scut_set(tmp_path / "data", ("img_1.jpg", "img_2.png", "img_3.jpg", "img_4.jpg"))
    (data / "all_gts" / "img_1.txt").write_text("1,2,3,4\n")
    (data / "all_gts" / "img_3.txt").write_text("30,40,130,40,130,60,30,60,2026\n\n")
    (data / "all_labels" / "img_4.jpg").unlink()
    out = tmp_path / "f.json"
    done = restore_docs("evaluate", data, "--predictions", data / "all_images", "--json", out, *QUICK)
    assert done.code == 6 and [image["name"] for image in figures(out)["images"]] == ["img_2", "img_3"]
    errors = {error["name"]: error["error"] for error in figures(out)["errors"]}
    assert "img_1.txt, line 1" in errors["img_1"] and "all_labels" in errors["img_4"]


# --- lists -----------------------------------------------------------------------------------------------------------


def test_a_list_names_the_rows_and_what_is_wrong_with_them(tmp_path: Path, restore_docs: Program) -> None:
    data = scut_set(tmp_path / "data", ("img_2.png", "img_10.jpg", "img_3.JPG"))
    flist = tmp_path / "lists" / "test.flist"
    done = restore_docs("make-flist", data, "--out", flist)
    listed = flist.read_text().splitlines()
    assert done.code == 0 and "3 images" in done.stdout
    assert [Path(line).name for line in listed] == ["img_10.jpg", "img_2.png", "img_3.JPG"]
    assert all(Path(line).is_absolute() for line in listed)
    flist.write_text("\n".join([listed[1], str(data / "all_images" / "gone.jpg"), listed[1], str(flist), listed[0]]))
    out = tmp_path / "f.json"
    words = ("--layout", "scut", "--predictions", data / "all_labels", "--json", out, *QUICK)
    assert restore_docs("evaluate", flist, *words).code == 6
    told = figures(out)
    assert [image["name"] for image in told["images"]] == ["img_2", "img_10"], "no row stands in for another"
    assert [error["name"] for error in told["errors"]] == ["gone", "img_2.png", "test"]
    assert "the same name" in told["errors"][1]["error"]


def test_a_folder_without_images_makes_no_list(tmp_path: Path, restore_docs: Program) -> None:
    assert restore_docs("make-flist", tmp_path, "--out", tmp_path / "a.flist").code == 3
    assert restore_docs("make-flist", tmp_path / "none", "--out", tmp_path / "a.flist").code == 3
    assert not (tmp_path / "a.flist").exists()


# --- summaries -------------------------------------------------------------------------------------------------------
