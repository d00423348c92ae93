"""What a blank form is worth: how much of what was filled in goes with it, how much of the form, and which blanks fit.

    python benchmarks/bench_template.py [--forms 24] [--seed 0] [--scans FOLDER] [--verify]

Each form is drawn, filled in by pen or typewriter, turned by up to 3 degrees, scaled to 55 to 130 %, degraded as scans
are, and compared with its blank as drawn at 100, 150, 200 or 300 dpi (`blank_forms.py`). Ink is what darkens the page
by more than 30 grey levels, before noise and compression. Printed: the share of filled-in ink that is marked, in all,
clear of the form's print, and within 3 px of it; the share of the form's own print that is; what else is, per 10,000
pixels. Each blank is tried on its own scan, and on those of the two forms before. With `--scans`, a folder with
sample_roll_01.jpg and its blank reference.png, those two as well, and the blank with other scans there.

With `--verify`, what was filled in is removed by the classical fill, and the form is verified; then once more as if
nothing had been removed. Printed: what was found, what is left for a person, the pixels that went in addition, of them
those of the form, and the share of the filled-in ink that went when verification alone removed it.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from blank_forms import Case, make_case

from pipeline.errors import StageError
from pipeline.template import Alignment, align_template
from pipeline.template_ink import filled_in, form_print
from pipeline.types import Array, PageRef
from workflows.config import RunSettings
from workflows.pages.selecting import GOOD_FIT
from workflows.pages.sight import Scope
from workflows.pages.tools import verification_tools
from workflows.pages.verification import verify

OTHERS = ("employmentapp.png", "paystub.jpg", "sheet1.jpg", "typewriter.png", "linn.png", "060.jpg")
COLUMNS = ("ink", "clear of print", "near print", "form", "stray")


def near(mask: Array, reach: int) -> Array:
    """The mask (H, W) bool, grown."""
    return cv2.dilate(mask.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)).astype(bool)


def score(case: Case, marked: Array) -> tuple[float, ...]:
    """The figures of one form, in the order of ``COLUMNS``."""
    filled, form = case.filled, case.form
    clear, crossing = filled & ~near(form, 1), filled & near(form, 3)
    stray = marked & ~near(case.traces, 3) & ~form
    shares = (marked[part].mean() if part.any() else np.nan for part in (filled, clear, crossing, form & ~filled))
    return (*map(float, shares), float(stray.mean()) * 1e4)


def quality(blank: Array, scan: Array) -> float:
    """How well a blank fits, 0 when it is refused."""
    try:
        return align_template(blank, scan).quality
    except StageError:
        return 0.0


def verified(case: Case, filled: Array, alignment: Alignment) -> str:
    """What verification finds on the cleaned form, and on one that was not cleaned."""
    settings = RunSettings(remover="fill")
    tools = verification_tools(PageRef("form", 0), settings)
    form = form_print(case.blank, case.scan.shape, alignment) & ~filled
    told = []
    for gone in (filled, np.zeros_like(filled)):
        verdict = verify(tools.fill(case.scan, gone), gone, tools, Scope(~form, form))
        more = verdict.mask & ~gone
        found = sum(check.found for check in verdict.checks)
        left, form_too = len(verdict.residual), int((more & case.form).sum())
        told.append(f"found {found}, left {left}, {int(more.sum())} px more, {form_too} of the form")
    return f"     cleaned: {told[0]}; untouched: {told[1]}, {verdict.mask[case.filled].mean():.3f} of the ink"


def read(path: Path) -> Array:
    """An image file, (H, W, 3) uint8 RGB."""
    return np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])


def show_pairings(right: Sequence[float], wrong: Sequence[float]) -> None:
    """Print how many pairings of each sort were taken, and which need review."""
    review = sum(0 < q < GOOD_FIT for q in right)
    print(f"right: {sum(q > 0 for q in right)} of {len(right)} taken, {review} of them to be reviewed")
    print(f"least quality {min(right):.2f}; wrong: {sum(q == 0 for q in wrong)} of {len(wrong)} refused")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--forms", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0, help="of the first form; the others follow")
    parser.add_argument("--scans", type=Path)
    parser.add_argument("--verify", action="store_true", help="verify the forms as well")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    rows, right, wrong, before = [], [], [], []
    for seed in range(asked.seed, asked.seed + asked.forms):
        case = make_case(seed)
        alignment = align_template(case.blank, case.scan)
        marked = filled_in(case.blank, case.scan, alignment)
        rows.append(score(case, marked))
        right.append(alignment.quality)
        wrong += [quality(case.blank, scan) for scan in before]
        before = [*before, case.scan][-2:]
        told = "  ".join(f"{name} {value:.4f}" for name, value in zip(COLUMNS, rows[-1], strict=True))
        print(f"{seed:3}  {told}  fit {right[-1]:.2f}, wrong ones {wrong[-2:]}", flush=True)
        if asked.verify:
            print(verified(case, marked, alignment), flush=True)
    for name, values in zip(COLUMNS, np.array(rows).T, strict=True):
        print(f"{name}: mean {np.nanmean(values):.4f}, least {np.nanmin(values):.4f}, most {np.nanmax(values):.4f}")
    if asked.scans:
        blank = read(asked.scans / "reference.png")
        right.append(quality(blank, read(asked.scans / "sample_roll_01.jpg")))
        print(f"sample_roll_01.jpg with reference.png: quality {right[-1]:.2f}")
        wrong += [quality(blank, read(asked.scans / name)) for name in OTHERS]
    show_pairings(right, wrong)


if __name__ == "__main__":
    main()
