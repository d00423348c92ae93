from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from material import write_shards

from pipeline.errors import InputError
from workflows.training.degrade import degrade
from workflows.training.pens import pen_mark
from workflows.training.shards import Shards, ShardWriter
from workflows.training.sheets import draw_sheet
from workflows.training.synthesis import HANDWRITTEN, NEITHER, PRINTED, Synthesizer


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return Shards([write_shards(tmp_path_factory.mktemp("shards"))])


def test_a_sample_depends_on_seed_and_number_alone(shards):
    one, other = Synthesizer(shards, 128, 3), Synthesizer(shards, 128, 3)
    other.sample(0)
    first, second = one.sample(7), other.sample(7)
    for name in ("image", "printed", "blank", "labels"):
        assert np.array_equal(getattr(first, name), getattr(second, name))
    assert not np.array_equal(one.sample(8).image, first.image)
    assert not np.array_equal(Synthesizer(shards, 128, 4).sample(7).image, first.image)


def test_all_kinds_of_ink_occur_and_are_where_the_images_differ(shards):
    synthesizer, seen = Synthesizer(shards, 160, 1), set()
    for index in range(24):
        sample = synthesizer.sample(index)
        assert sample.image.shape == sample.printed.shape == sample.blank.shape == (160, 160, 3)
        assert sample.image.dtype == sample.labels.dtype == np.uint8
        seen |= set(np.unique(sample.labels))
        same = (sample.image == sample.blank).all() and (sample.labels != NEITHER).any()
        assert not same, "ink is labelled where nothing differs"
        hand = sample.labels == HANDWRITTEN
        if not hand.any():
            assert np.array_equal(sample.image, sample.printed)
    assert seen == {NEITHER, PRINTED, HANDWRITTEN}


def test_ink_is_mostly_labelled(shards):
    """What differs strongly between the finished images is labelled, noise and compression notwithstanding."""
    missed = total = 0
    for index in range(24):
        sample = Synthesizer(shards, 160, 2).sample(index)
        strong = np.abs(sample.image.astype(int) - sample.blank).max(axis=2) > 60
        missed += int((strong & (sample.labels == NEITHER)).sum())
        total += int(strong.sum())
    assert missed < 0.02 * total


@pytest.mark.parametrize("kind", ["print", "hand", "pair", "picture"])
def test_shards_of_one_kind_alone_give_samples(tmp_path, kind):
    rng = np.random.default_rng(0)
    with ShardWriter(tmp_path / "one.shard") as writer:
        if kind == "pair":
            writer.add_pair(*rng.integers(0, 255, (2, 200, 200, 3), np.uint8), np.zeros((200, 200), np.float32), "test")
        elif kind == "picture":
            writer.add_picture(rng.integers(0, 255, (90, 120, 3), np.uint8), "test")
        else:
            writer.add_line(kind, np.full((20, 90), 255, np.uint8), "test")
    synthesizer = Synthesizer(Shards([tmp_path]), 96, 1)
    seen = {int(label) for index in range(30) for label in np.unique(synthesizer.sample(index).labels)}
    assert seen == {NEITHER, HANDWRITTEN} | ({PRINTED} if kind in ("print", "pair") else set())


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), level=st.integers(0, 255))
def test_degrading_is_done_to_all_alike(seed, level):
    image = np.full((64, 64, 3), level, np.float32)
    image[20:30] = 40
    (first, second), quiet = degrade([image, image.copy()], np.random.default_rng(seed))
    assert np.array_equal(first, second)
    assert np.array_equal(*quiet)
    assert first.dtype == np.uint8
    assert np.isfinite(quiet[0]).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), side=st.integers(8, 130))
def test_pen_marks_leave_ink_on_their_canvas(seed, side):
    mark = pen_mark(side, np.random.default_rng(seed))
    assert mark.shape == (2 * side, 2 * side)
    assert mark.min() >= 0
    assert 0 < mark.max() <= 1


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_sheets_have_their_slots_on_the_page(seed):
    sheet = draw_sheet(128, np.random.default_rng(seed))
    assert sheet.image.shape == (128, 128, 3)
    for x0, y0, x1, y1 in sheet.slots:
        assert 0 <= x0 < x1 <= 128
        assert 0 <= y0 < y1


def test_no_shards_is_said(tmp_path):
    with pytest.raises(InputError, match="train prepare"):
        Shards([tmp_path])
