"""The remover auto: a fill on flat paper, the network elsewhere, no seam between."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given as given_any
from hypothesis import settings
from hypothesis import strategies as st
from small_ctrnet import write_small_documents

from pipeline.errors import SetupError
from pipeline.types import Box, RestoredTile, Tile
from remover.auto import AutoRemover, measure_unevenness
from remover.base import RemoverSettings
from remover.fill import fill
from remover.windows import CONTEXT, SIDES, plan_windows

BAND = (110, 175, 240)


class FakeNetwork:
    """Paints everything in one colour and remembers what it was given."""

    needs_structure = needs_soft_mask = False

    def __init__(self, colour=(200, 10, 20), takes_any_size=False):
        self.colour, self.seen, self.fills = colour, [], []
        self.takes_any_size = takes_any_size

    def remove(self, tiles, prefills=None):
        self.seen += [tile.box for tile in tiles]
        self.fills += prefills
        return tuple(RestoredTile(t.box, np.full_like(t.image, self.colour)) for t in tiles)


def tile(seed=0, grain=3.0, rule=None, side=512):
    """Paper with type on it, and with a rule down the column ``rule``."""
    rng = np.random.default_rng(seed)
    image = np.full((side, side, 3), 225, float)
    if rule is not None:
        image[:, rule : rule + 3] = 60
    image += rng.normal(0, grain, (side, side, 1))
    mask = np.zeros((side, side), bool)
    for x in range(30, side - 30, 12):
        mask[60:90, x : x + 4] = mask[420:450, x : x + 4] = True
    image[mask] = 20
    return Tile(Box(seed, 0, seed + side, side), np.clip(image, 0, 255).astype(np.uint8), mask, mask)


@pytest.mark.parametrize("grain", [0, 3, 6])
def test_flat_paper_is_filled_and_the_network_never_asked(grain):
    network = FakeNetwork()
    asked = [tile(seed, grain) for seed in range(2)]
    answers = AutoRemover(RemoverSettings(), network).remove(asked)
    assert not network.seen
    assert all((a.image == fill(t.image, t.text_mask)).all() for a, t in zip(answers, asked, strict=True))
    assert [a.box for a in answers] == [t.box for t in asked]


def test_only_tiles_that_are_not_flat_go_to_the_network_with_their_fills_and_come_back_in_order():
    network = FakeNetwork()
    asked = [tile(0), tile(1, rule=200), tile(2), tile(3, rule=95)]
    answers = AutoRemover(RemoverSettings(), network).remove(asked)
    assert network.seen == [asked[1].box, asked[3].box]
    assert all((f == fill(t.image, t.text_mask)).all() for f, t in zip(network.fills, asked[1::2], strict=True))
    assert [a.box for a in answers] == [t.box for t in asked]


def test_the_network_answers_beside_the_rule_and_the_fill_far_from_it():
    given = tile(0, rule=200)
    network = FakeNetwork()
    (answer,) = AutoRemover(RemoverSettings(), network).remove([given])
    filled = fill(given.image, given.text_mask)
    columns = np.arange(512)
    far, beside = given.text_mask & (abs(columns - 201) > 20), given.text_mask & (abs(columns - 201) <= 3)
    assert (answer.image[far] == filled[far]).all()
    assert beside.any() and (answer.image[beside] == network.colour).all()


def test_letters_in_a_highlight_are_left_to_the_fill_and_what_reaches_out_of_it_is_not():
    image = np.full((512, 512, 3), 240, np.uint8)
    image[100:130, 60:460] = BAND
    mask = np.zeros((512, 512), bool)
    for x in range(80, 440, 14):
        mask[106:138, x : x + 4] = True  # down to below the band
    image[mask] = 30
    network = FakeNetwork()
    (answer,) = AutoRemover(RemoverSettings(), network).remove([Tile(Box(0, 0, 512, 512), image, mask, mask)])
    inside, beside = mask.copy(), mask.copy()
    inside[:100], inside[122:] = False, False
    beside[:127] = False
    assert inside.any() and (answer.image[inside] == BAND).all()
    assert beside.any() and (answer.image[beside] == network.colour).mean() > 0.9


def test_a_network_that_takes_any_size_sees_less_and_answers_the_same():
    given = tile(0, rule=200)
    whole, part = FakeNetwork(), FakeNetwork(takes_any_size=True)
    (expected,) = AutoRemover(RemoverSettings(), whole).remove([given])
    (answer,) = AutoRemover(RemoverSettings(), part).remove([given])
    assert (answer.image == expected.image).all()
    assert len(part.seen) == 2  # the two lines of type, apart
    assert sum(box.width * box.height for box in part.seen) < 512 * 512 / 4
    filled = fill(given.image, given.text_mask)
    assert all((f == filled[box.slices]).all() for f, box in zip(part.fills, part.seen, strict=True))


def test_windows_of_one_size_are_shown_one_after_another():
    """The network's library prepares for each size, and keeps few."""
    part = FakeNetwork(takes_any_size=True)
    asked = [tile(number, rule=200) for number in range(3)]
    for given in asked:
        given.text_mask[390:480, 198:200] = True
    AutoRemover(RemoverSettings(), part).remove(asked)
    sizes = [(box.height, box.width) for box in part.seen]
    assert len(sizes) == 6 and sizes == sorted(sizes) and len(set(sizes)) == 2


@settings(max_examples=200)
@given_any(st.integers(1, 8), st.integers(1, 8), st.data())
def test_every_stroke_is_whole_in_one_window_with_its_context_and_in_no_other(tall, wide, data):
    strokes = np.zeros((64 * tall, 64 * wide), bool)
    for _ in range(data.draw(st.integers(0, 6))):
        y, x = data.draw(st.integers(0, 64 * tall - 1)), data.draw(st.integers(0, 64 * wide - 1))
        strokes[y : y + data.draw(st.integers(1, 90)), x : x + data.draw(st.integers(1, 90))] = True
    windows = plan_windows(strokes)
    answered = np.zeros(strokes.shape, int)
    for window in windows:
        box = window.box
        assert min(box.x0, box.y0) >= 0 and box.x1 <= 64 * wide and box.y1 <= 64 * tall
        for side, whole in ((box.height, 64 * tall), (box.width, 64 * wide)):
            assert side == whole or side in SIDES
        answered[box.slices] += window.strokes
        rows, columns = np.nonzero(window.strokes)
        assert rows.min() + box.y0 < CONTEXT or rows.min() >= CONTEXT
        assert columns.min() + box.x0 < CONTEXT or columns.min() >= CONTEXT
        assert rows.max() + CONTEXT < box.height or box.y1 == 64 * tall
        assert columns.max() + CONTEXT < box.width or box.x1 == 64 * wide
        label = cv2.connectedComponents(strokes.view(np.uint8), connectivity=8)[1]
        inside = set(label[box.slices][window.strokes])
        assert all((label == number).sum() == (label[box.slices] == number).sum() for number in inside)
    assert (answered == strokes).all()


def test_strokes_far_apart_are_shown_apart_and_near_ones_together():
    strokes = np.zeros((512, 512), bool)
    strokes[40:60, 40:300:40] = strokes[450:470, 470:490] = True
    assert [window.box for window in plan_windows(strokes)] == [Box(0, 2, 320, 98), Box(416, 412, 512, 508)]


def test_a_stroke_is_answered_by_one_of_the_two_all_along():
    image = np.full((128, 256, 3), 225, np.uint8)
    image[:, 120:123] = 60
    mask = np.zeros((128, 256), bool)
    mask[60:66] = True  # from flat paper across the rule
    mask[20:26, :80] = True
    share = measure_unevenness(image, mask)
    assert share.dtype == np.float32 and not share[~mask].any()
    assert (share[60:66] == 1).all() and (share[20:26] == 0).all()


def test_a_stroke_beside_a_rule_but_not_on_it_is_filled():
    image = np.full((128, 128, 3), 225, np.uint8)
    image[:, 60:63] = 60
    mask = np.zeros((128, 128), bool)
    mask[30:100, 40:53] = True
    assert not measure_unevenness(image, mask).any()
    mask[30:100, 53:60] = True
    assert (measure_unevenness(image, mask)[mask] == 1).all()


@pytest.mark.parametrize(("width", "darker"), [(3, 25), (2, 35), (1, 50)])
def test_a_stroke_across_a_pale_rule_is_not_filled(width, darker):
    image = np.full((128, 128, 3), 230.0)
    image[60 : 60 + width] -= darker
    image = cv2.GaussianBlur(image, (0, 0), 0.6) + np.random.default_rng(0).normal(0, 1.5, (128, 128, 1))
    mask = np.zeros((128, 128), bool)
    mask[20:100, 60:65] = True
    assert (measure_unevenness(image.clip(0, 255).astype(np.uint8), mask)[mask] > 0.5).all()


def test_a_stroke_along_a_rule_is_not_taken_for_one_on_flat_paper():
    image = np.full((128, 128, 3), 225, np.uint8)
    image[:, 60:63] = 60
    mask = np.zeros((128, 128), bool)
    mask[30:100, 58:66] = True  # the rule is seen at its ends only
    assert (measure_unevenness(image, mask)[mask] == 1).all()


@pytest.mark.parametrize(("ink", "kept", "asked"), [(240, 130, False), (240, 52, True), (15, 30, True)])
def test_a_network_that_leaves_some_of_a_light_stroke_is_not_believed(ink, kept, asked):
    image = np.full((512, 512, 3), 50 if ink == 240 else 220, np.uint8)
    image[:, 256:] = 250 - image[0, 0, 0]  # an edge beside the stroke
    mask = np.zeros((512, 512), bool)
    mask[200:260, 248:254] = True
    image[mask] = ink
    given = Tile(Box(0, 0, 512, 512), image, mask, mask)
    (restored,) = AutoRemover(RemoverSettings(), FakeNetwork((kept, kept, kept))).remove([given])
    if asked:
        assert (restored.image[mask] == kept).all()
    else:
        assert (restored.image[mask] == fill(image, mask)[mask]).all()


@pytest.mark.parametrize("kept", [100, 130, 185])
def test_a_pen_across_bold_print_is_no_light_stroke(kept):
    image = np.full((512, 512, 3), 240, np.uint8)
    image[190:230, 100:400] = 20
    image[190:230, 100:400:50] = image[190:230, 101:400:50] = 240  # the gaps between bold letters
    image[190:230, 270:330] = 240
    mask = np.zeros((512, 512), bool)
    mask[206:214, 120:330] = True
    image[mask] = 120
    given = Tile(Box(0, 0, 512, 512), image, mask, mask)
    (restored,) = AutoRemover(RemoverSettings(), FakeNetwork((kept, kept, kept))).remove([given])
    if kept >= 120:
        assert (restored.image[mask] == kept).all()
    else:  # darker than the pen: it may be some of it
        assert (restored.image[mask] == fill(image, mask)[mask]).all()


def test_where_nothing_near_is_known_what_is_nearest_says():
    image = np.full((256, 256, 3), 225, np.uint8)
    image[:, ::16] = image[::16] = 100
    mask = np.zeros((256, 256), bool)
    mask[80:180, 80:180] = True
    assert (measure_unevenness(image, mask)[mask] == 1).all()


def test_a_page_without_greys_stays_one():
    given = tile(0, grain=0, rule=200)
    fax = replace(given, image=np.where(given.image < 128, 0, 255).astype(np.uint8))
    (answer,) = AutoRemover(RemoverSettings(), FakeNetwork((90, 140, 200))).remove([fax])
    assert set(np.unique(answer.image)) <= {0, 255}


def test_a_mask_that_leaves_no_paper_is_answered_too():
    given = replace(tile(0), text_mask=np.ones((512, 512), bool))
    (answer,) = AutoRemover(RemoverSettings(), FakeNetwork()).remove([given])
    assert (answer.image == 255).all()


def test_the_network_is_loaded_when_it_is_needed_first(tmp_path, monkeypatch):
    weights = write_small_documents(tmp_path / "documents.safetensors")
    monkeypatch.setattr("remover.auto._SHIPPED", weights)
    monkeypatch.setattr("remover.ctrnet.remover.SHIPPED", weights)
    remover = AutoRemover(RemoverSettings(engine="torch"))
    assert not remover.needs_structure and not remover.needs_soft_mask
    remover.remove([tile(0)])
    assert remover._network is None
    remover.remove([tile(0, rule=200)])
    assert remover._network is not None


def test_weights_that_are_not_there_are_told_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr("remover.auto._SHIPPED", tmp_path / "none")
    with pytest.raises(SetupError, match="auto needs weights"):
        AutoRemover(RemoverSettings())
    with pytest.raises(SetupError, match=r"none\.pth"):
        AutoRemover(RemoverSettings(weights=tmp_path / "none.pth"))
