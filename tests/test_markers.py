"""Text markers on training samples: where they lie, that print shows through, and that the truth keeps them."""

from __future__ import annotations

import colorsys

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from workflows.training.colours import draw_vivid
from workflows.training.markers import draw_markers, find_lines

SIDE = 128
TOPS, HEIGHT = (20, 50, 80), 12


def text_lines():
    ink = np.zeros((SIDE, SIDE), bool)
    for top in TOPS:
        ink[top : top + HEIGHT, 10:110:4] = ink[top : top + HEIGHT, 11:110:4] = True
    return ink


def marked(seed):
    return draw_markers(text_lines(), np.random.default_rng(seed))


@given(st.integers(0, 2**32 - 1))
def test_lines_are_found_where_they_stand(seed):
    boxes = find_lines(text_lines(), np.random.default_rng(seed))
    assert [(box[1], box[3]) for box in boxes] == [(top, top + HEIGHT) for top in TOPS]
    assert {(x0, x1) for x0, _, x1, _ in boxes} == {(10, 108)}


@given(st.integers(0, 2**32 - 1))
def test_print_shows_through(seed):
    through = marked(seed)
    assert through.dtype == np.float32 and through.min() >= 0 and through.max() <= 1
    paper, ink = 240 * through, 30 * through
    lit = through.max(2) > 0.1
    assert (paper[lit].max(1) - ink[lit].max(1) > 20).all()  # of letters on a marker something is to be seen


def test_markers_lie_on_the_text():
    rows = np.zeros(SIDE)
    for seed in range(200):
        rows += (marked(seed).min(2) < 0.95).mean(1)
    on_text = np.mean([rows[top : top + HEIGHT].mean() for top in TOPS])
    assert on_text > 20 and on_text > 3 * rows[:10].mean() and on_text > 1.5 * rows[42:44].mean()


def test_markers_are_coloured():
    spread = []
    for seed in range(50):
        through = marked(seed)
        covered = through.min(2) < 0.9
        spread.append(np.ptp(through[covered], axis=1).mean() if covered.any() else 0)
    assert np.mean(np.array(spread) > 0.2) > 0.6


def test_the_same_seed_draws_the_same():
    assert all((marked(seed) == marked(seed)).all() for seed in range(10))
    assert any((marked(seed) != marked(seed + 1)).any() for seed in range(10))


def test_where_nothing_is_written_there_are_rings_only():
    clear = [draw_markers(np.zeros((SIDE, SIDE), bool), np.random.default_rng(seed)).min() for seed in range(100)]
    assert 0.7 < np.mean(np.array(clear) == 1) < 1


@given(st.integers(0, 2**32 - 1))
def test_vivid_colours_are_saturated(seed):
    _, saturation, value = colorsys.rgb_to_hsv(*(draw_vivid(np.random.default_rng(seed)) / 255).tolist())
    assert saturation >= 0.2 and value >= 0.45
