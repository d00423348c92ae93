"""Under a pen a page is no darker than it shows: no print is made up where there is paper."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pipeline.pens import clear_paper

SIDE = 160
PAPER, TONER = (246, 243, 236), (25, 25, 28)


def written_on(pen, noise=0.0):
    """(page with a pen stroke across printed bars, the same without it, the stroke's ink)."""
    rng = np.random.default_rng(3)
    truth = np.full((SIDE, SIDE, 3), PAPER, np.float32)
    truth[40:120, 20:140:12] = truth[40:120, 21:140:12] = truth[40:120, 22:140:12] = TONER
    ink = np.zeros((SIDE, SIDE), bool)
    ink[76:84, 10:150] = True
    page = truth.copy()
    page[ink] *= np.float32(pen) / 255
    grain = rng.normal(0, noise, (SIDE, SIDE, 1)) if noise else 0
    return *((x + grain).round().clip(0, 255).astype(np.uint8) for x in (page, truth)), ink


def error(image, truth, where):
    return float(np.abs(image.astype(int) - truth)[where].mean())


@pytest.mark.parametrize("noise", [0.0, 3.0])
@pytest.mark.parametrize("pen", [(210, 40, 50), (40, 80, 200), (150, 150, 150)])
def test_smears_go_and_print_stays(pen, noise):
    page, truth, ink = written_on(pen, noise)
    smeared = truth.copy()
    smeared[ink] = np.minimum(smeared[ink], np.uint8(90))  # a remover that went on with the bars between them
    cleared = clear_paper(page, smeared, ink)
    paper, bars = ink & (truth.min(axis=2) > 150), ink & (truth.max(axis=2) < 100)
    assert error(cleared, truth, paper) < 0.5 * error(smeared, truth, paper)
    assert error(cleared, truth, bars) < 12
    assert np.array_equal(cleared[~ink], smeared[~ink])


def test_a_good_guess_is_left_alone():
    page, truth, ink = written_on((210, 40, 50))
    assert error(clear_paper(page, truth, ink), truth, ink) < 2


def test_under_a_pen_as_dark_as_print_nothing_is_known():
    page, truth, ink = written_on((30, 30, 34))
    smeared = truth.copy()
    smeared[ink] = 90
    assert np.array_equal(clear_paper(page, smeared, ink), smeared)


@pytest.mark.parametrize("blank", ["no print", "no ink"])
def test_without_print_or_ink_nothing_changes(blank):
    page, truth, ink = written_on((210, 40, 50))
    if blank == "no print":
        page[~ink] = truth[:] = PAPER
    else:
        ink = np.zeros_like(ink)
    assert np.array_equal(clear_paper(page, truth, ink), truth)


@settings(max_examples=25, deadline=None)
@given(hnp.arrays(np.uint8, (40, 40, 3)), hnp.arrays(np.uint8, (40, 40, 3)), st.integers(0, 2**32 - 1))
def test_nothing_outside_the_ink_changes_and_nothing_gets_darker(before, after, seed):
    ink = np.random.default_rng(seed).random((40, 40)) < 0.3
    cleared = clear_paper(before, after, ink)
    assert np.array_equal(cleared[~ink], after[~ink])
    luma = np.array([0.299, 0.587, 0.114])
    assert ((cleared @ luma) >= (after @ luma) - 1.5).all()
