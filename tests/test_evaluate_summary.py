"""Many pages' figures: means, intervals, the contact sheet, and agreement with the samples' own scorer."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import cv2
import numpy as np
import pytest
from small_sets import write

from workflows.evaluation.rows import find_rows
from workflows.evaluation.samples import read_sample
from workflows.evaluation.scoring import Scored, Share, score_image
from workflows.evaluation.sheet import difference_map, pick_rows
from workflows.evaluation.summary import average, intervals

SHARED = Path(__file__).parents[2] / "shared" / "samples"


def test_means_leave_out_what_is_nan_and_pool_what_is_shares() -> None:
    pages = [
        Scored("a", "", {"struct": Share(0, 0), "iou_precision": Share(100, 1), "iou_recall": Share(100, 4)}),
        Scored("b", "", {"struct": Share(3.0), "iou_precision": Share(100, 3), "iou_recall": Share(100, 4)}),
    ]
    found = average(pages)
    assert found["struct"] == 3 and found["iou_precision"] == 50 and found["iou_recall"] == 25
    assert found["iou_f"] == pytest.approx(100 / 3)


def test_intervals_are_those_of_the_bootstrap_and_reproducible() -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(30, 4, 100)
    pages = [Scored(str(k), "", {"psnr": Share(float(value))}) for k, value in enumerate(values)]
    low, high = intervals(pages, 0)["psnr"]
    half = 1.96 * values.std() / 10
    assert low == pytest.approx(values.mean() - half, abs=0.15) and high == pytest.approx(
        values.mean() + half, abs=0.15
    )
    assert intervals(pages, 0) == intervals(pages, 0) != intervals(pages, 1)
    assert intervals(pages[:1], 0) == {}


def test_the_sheet_shows_best_median_and_worst() -> None:
    assert pick_rows([3.0, 9.0, 5.0, 1.0, 7.0]) == {"best": 1, "median": 2, "worst": 3}
    assert pick_rows([4.0]) == {"best": 0} and pick_rows([4.0, 6.0]) == {"best": 1, "worst": 0}
    truth = np.full((2, 3, 3), 100, np.uint8)
    output = truth.copy()
    output[0, 0, 1], output[1, 2] = 130, 200
    drawn = difference_map(output, truth)
    assert (drawn[0, 1] == 255).all() and (drawn[1, 2] < 20).all() and drawn[0, 0, 0] > drawn[0, 0, 2]


# --- agreement -------------------------------------------------------------------------------------------------------

THEIRS = {
    "PSNR": "psnr", "MSSIM": "mssim", "SSIM": "ssim", "MSE": "mse", "AGE": "age", "pEPs": "peps", "pCEPs": "pceps",
    "tPSNR": "tpsnr", "bgPSNR": "bgpsnr", "bg>0": "bg_changed", "bg>20": "bg_wrong", "ink": "ink", "struct": "struct",
}  # fmt: skip


@pytest.mark.skipif(not (SHARED / "score.py").is_file(), reason="the samples are not here")
@pytest.mark.parametrize(
    ("name", "page", "target"),
    [
        ("scan", "table_eu-002_p1", "print"),
        pytest.param("hand", "form_invoice_p1", "hand", marks=pytest.mark.slow),
        pytest.param("hand", "form_invoice_p1", "all", marks=pytest.mark.slow),
    ],
)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # their script leaves files open
def test_figures_on_pairs_are_those_of_the_samples_scorer(tmp_path: Path, name: str, page: str, target: str) -> None:
    specification = importlib.util.spec_from_file_location("score", SHARED / "score.py")
    assert specification is not None and specification.loader is not None
    scorer = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(scorer)
    data = SHARED / "pairs" / name
    row = next(row for row in find_rows(data)[1] if row.name == page)
    sample = read_sample(row, everything=target == "all")
    assert sample.strokes is not None
    output = cv2.inpaint(sample.before, sample.strokes.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    output[::9, ::5] += (output[::9, ::5] < 250).astype(np.uint8) * 3
    write(tmp_path / f"{page}.png", output)
    ours = Scored(page, "", score_image(sample, output)).values
    for resize, ending in ((0, ""), (512, "_legacy")):
        theirs = scorer.page((page, str(data), str(tmp_path / f"{page}.png"), target, False, resize))
        for key, own in THEIRS.items():
            if own + ending in ours:
                assert ours[own + ending] == pytest.approx(theirs[key], abs=0.01, nan_ok=True), key
