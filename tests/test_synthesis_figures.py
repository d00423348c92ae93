"""Stamps, figures, answers and labels: what of them is text, what stays, and where marks go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from material import write_shards

from workflows.training import synthesis
from workflows.training.answers import Answers, cut_letter, draw_boxes, mark_answers, print_label, print_letters
from workflows.training.figures import draw_chart, draw_code, draw_icons
from workflows.training.ink import lay_ink, recolour
from workflows.training.material import SIGNS
from workflows.training.pens import pen_ring
from workflows.training.shards import Shards, ShardWriter
from workflows.training.sheets import draw_sheet
from workflows.training.stamps import draw_stamp, lay_stamp, stamp_colour
from workflows.training.synthesis import HANDWRITTEN, PRINTED, Synthesizer

SEEDS = st.integers(0, 2**32)


def paper(level=230):
    return np.full((160, 160, 3), level, np.float32)


def line(height):
    """A line of three letters, each a solid block, as coverage."""
    coverage = np.zeros((height, 3 * height), np.float32)
    for letter in range(3):
        coverage[:, letter * height : letter * height + max(height // 2, 1)] = 1
    return coverage


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, count=st.integers(0, 2))
def test_stamps_are_a_frame_and_the_words_in_it(seed, count):
    lines = [line(40)] * count
    frame, words = draw_stamp(lines, np.random.default_rng(seed))
    again = draw_stamp(lines, np.random.default_rng(seed))
    assert np.array_equal(frame, again[0]) and np.array_equal(words, again[1])
    assert frame.shape == words.shape and 0 < frame.max() <= 1 and frame.min() >= 0
    assert (words.max() > 0.1) == (count > 0) and words.max() <= 1
    if count:
        down, across = np.nonzero(words > 0.1)
        rows, columns = np.nonzero(frame > 0.1)
        assert rows.min() <= down.min() and down.max() <= rows.max()
        assert columns.min() <= across.min() and across.max() <= columns.max()


def test_stamps_are_of_several_shapes_turned_and_blotchy():
    frames = [draw_stamp([], np.random.default_rng(seed))[0] for seed in range(60)]
    sides = [np.ptp(np.argwhere(frame > 0.1), axis=0) for frame in frames]
    assert sum(abs(high - wide) < 5 for high, wide in sides) > 10, "round ones"
    assert sum(high < 0.7 * wide for high, wide in sides) > 10, "flat ones"
    assert all(len(np.unique(frame[frame > 0.5])) > 20 for frame in frames if (frame > 0.5).sum() > 100), "grain"
    assert any(frame.max() < 0.8 for frame in frames), "pale ones"


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, x=st.integers(-200, 200), y=st.integers(-200, 200))
def test_a_stamp_only_darkens_and_shows_what_is_below(seed, x, y):
    rng = np.random.default_rng(seed)
    page = rng.uniform(0, 255, (160, 160, 3)).astype(np.float32)
    stamped = page.copy()
    coverage = np.full((90, 90), 0.9, np.float32)
    lay_stamp(stamped, coverage, (x, y), stamp_colour(rng))
    assert (stamped <= page + 1e-3).all()
    touched = (stamped != page).any(axis=2)
    inside = np.zeros(touched.shape, bool)
    inside[max(y, 0) : max(y + 90, 0), max(x, 0) : max(x + 90, 0)] = True
    assert not (touched & ~inside).any() and (touched == inside).mean() > 0.99
    if touched.sum() > 500:
        assert np.corrcoef(page[touched].ravel(), stamped[touched].ravel())[0, 1] > 0.3, "print shows through"


@pytest.mark.parametrize("draw", [draw_chart, draw_icons, draw_code])
@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_figures_stay_on_their_canvas_and_are_not_empty(draw, seed):
    canvas = np.full((128, 128, 3), 255, np.uint8)
    slots = draw(canvas, np.random.default_rng(seed))
    assert (canvas != 255).any()
    assert all(0 <= x0 < x1 <= 128 and 0 <= y0 < y1 <= 128 for x0, y0, x1, y1 in slots)
    again = np.full_like(canvas, 255)
    assert draw(again, np.random.default_rng(seed)) == slots and np.array_equal(again, canvas)


def test_codes_are_half_dark_and_charts_have_solid_bars():
    for seed in range(20):
        code = np.full((256, 256, 3), 255, np.uint8)
        draw_code(code, np.random.default_rng(seed))
        dark = code.max(axis=2) < 100
        rows, columns = np.nonzero(dark)
        assert 0.35 < dark[rows.min() : rows.max(), columns.min() : columns.max()].mean() < 0.65
    charts = [np.full((256, 256, 3), 255, np.uint8) for _ in range(20)]
    for seed, chart in enumerate(charts):
        draw_chart(chart, np.random.default_rng(seed))
    solid = [(chart != 255).any(axis=2) for chart in charts]
    thick = [(part[1:-1] & part[2:] & part[:-2]).sum() > 200 for part in solid]
    assert sum(thick) > 15


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS)
def test_marks_lie_in_their_boxes(seed):
    rng = np.random.default_rng(seed)
    one, other = paper(), paper()
    boxes = draw_boxes([one, other], rng)
    assert boxes and np.array_equal(one, other) and (one < 150).any(), "boxes stay: they are on both"
    for mark, (x, y) in mark_answers(Answers(boxes, []), rng):
        down, across = np.nonzero(mark > 0.3)
        middle = across.mean() + x, down.mean() + y
        nearest = min(np.hypot(middle[0] - (x0 + x1) / 2, middle[1] - (y0 + y1) / 2) for x0, y0, x1, y1 in boxes)
        assert nearest < 0.75 * (boxes[0][2] - boxes[0][0]) + 3


@settings(max_examples=30, deadline=None)
@given(seed=SEEDS, width=st.integers(8, 60), ratio=st.floats(0.5, 2))
def test_a_ring_goes_around_what_is_in_its_middle(seed, width, ratio):
    height = max(8, round(width * ratio))
    ring = pen_ring((width, height), np.random.default_rng(seed))
    assert ring.shape == (2 * height + 16, 2 * width + 16)
    rows, columns = np.nonzero(ring > 0.3)
    assert rows.min() < height + 8 - height / 3 and rows.max() > height + 8 + height / 3
    assert columns.min() < width + 8 - width / 3 and columns.max() > width + 8 + width / 3
    assert ring[height + 7 : height + 9, width + 7 : width + 9].max() < 0.3, "nothing is struck through"


def test_letters_are_printed_one_by_one_and_some_are_ringed():
    ringed = 0
    for seed in range(20):
        rng, page = np.random.default_rng(seed), paper()
        letters = print_letters(page, line, rng)
        for x0, y0, x1, y1 in letters:
            assert (page[y0:y1, x0:x1] < 200).mean() > 0.5 and x1 - x0 <= 2.5 * (y1 - y0)
        inked = np.argwhere((page < 200).any(axis=2))
        inside = np.zeros((160, 160), bool)
        for x0, y0, x1, y1 in letters:
            inside[y0:y1, x0:x1] = True
        assert inside[tuple(inked.T)].all()
        ringed += len(mark_answers(Answers([], letters), rng))
    assert 10 <= ringed <= 30


def test_a_letter_ends_at_the_gap_behind_it():
    assert cut_letter(line(10)).shape == (10, 5)
    assert cut_letter(np.ones((10, 90), np.float32)).shape == (10, 25)
    assert cut_letter(np.zeros((10, 9), np.float32)).shape == (10, 9)


def test_light_letters_fill_most_of_their_label():
    for seed in range(20):
        printed, blank = paper(), paper()
        print_label(printed, blank, line(12), np.random.default_rng(seed))
        ground = (blank < 200).any(axis=2)
        rows, columns = np.nonzero(ground)
        assert np.ptp(rows) + 1 <= 12 + 4 and np.ptp(columns) + 1 <= 36 + 4
        text = (printed != blank).any(axis=2)
        assert not (text & ~ground).any() and text.sum() > 0.3 * ground.sum()
        assert printed[text].mean() > blank[text].mean() + 80


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return Shards([write_shards(tmp_path_factory.mktemp("shards"))])


def test_samples_have_stamps_below_and_above_answers_and_labels(shards, monkeypatch):
    """Each is asked for, and what it adds is labelled as what it is."""
    monkeypatch.setattr(synthesis, "_STAMPED", 1.0)
    monkeypatch.setattr(synthesis, "_ASKING", 1.0)
    monkeypatch.setattr(synthesis, "_LABELLED", 1.0)
    synthesizer, rng = Synthesizer(shards, 160, 1), np.random.default_rng(2)
    words = 0
    for _ in range(12):
        printed, blank = synthesizer._stamp(paper(), paper(), rng)
        words += int((printed != blank).any())
        assert (blank != paper()).any(), "the frame stays"
    assert 4 <= words < 12, "some stamps have words, which are text"
    printed, blank = paper(), paper()
    answers = synthesizer._ask(printed, blank, rng)
    assert answers.boxes and answers.letters
    labels = {int(label) for index in range(6) for label in np.unique(synthesizer.sample(index).labels)}
    assert labels >= {PRINTED, HANDWRITTEN}


def test_without_lines_of_type_nothing_but_pens_is_text(tmp_path, monkeypatch):
    for name in ("_STAMPED", "_ASKING", "_LABELLED"):
        monkeypatch.setattr(synthesis, name, 1.0)
    with ShardWriter(tmp_path / "one.shard") as writer:
        writer.add_picture(np.random.default_rng(0).integers(0, 255, (90, 120, 3), np.uint8), "test")
    synthesizer = Synthesizer(Shards([tmp_path]), 96, 1)
    samples = [synthesizer.sample(index) for index in range(12)]
    assert all(np.array_equal(sample.printed, sample.blank) for sample in samples)
    assert not any((sample.labels == PRINTED).any() for sample in samples)


def test_circled_digits_are_written():
    assert {"①", "⑨"} <= set(SIGNS["circled"])


def test_ink_outside_the_page_is_cut_off():
    page = paper()
    lay_ink(page, np.ones((30, 30), np.float32), (-20, 150), np.zeros(3, np.float32))
    assert (page[150:, :10] == 0).all() and (page == 0).all(axis=2).sum() == 100


def test_ink_takes_another_colour_where_it_is_and_nowhere_else():
    blank = np.full((20, 40, 3), 250, np.float32)
    blank[10] = 90  # a rule
    text = blank.copy()
    text[4:16, 8:12] = 20
    text[4:16, 12] = 135  # half covered
    before = text.copy()
    recolour(text, blank, np.array([200, 30, 40], np.float32))
    inked = (before != blank).any(axis=2)
    assert np.array_equal(text[~inked], blank[~inked])
    assert np.abs(text[4:9, 8:12] - (200, 30, 40)).max() < 3
    assert np.abs(text[4:9, 12] - (np.array([200, 30, 40]) + 250) / 2).max() < 6


def test_light_ink_keeps_its_colour():
    blank = np.full((20, 40, 3), 40, np.float32)
    text = blank.copy()
    text[4:16, 8:12] = 240
    before = text.copy()
    recolour(text, blank, np.array([200, 30, 40], np.float32))
    assert np.array_equal(text, before)


def test_pictures_lie_on_a_sheet():
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:] = (7, 201, 99)
    shown = [draw_sheet(128, np.random.default_rng(seed), [picture] * 3).image for seed in range(12)]
    assert sum((image == (7, 201, 99)).all(axis=2).any() for image in shown) >= 10
