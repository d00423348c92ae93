"""The segmenters that use the stroke network, with readers whose answers are known, and the reader itself."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from detectors.strokes.classical import ClassicalSegmenter
from detectors.strokes.learned import AROUND, BLOCK, LEAST, StrokeReader
from detectors.strokes.network import StrokeConfig, StrokeNetwork
from detectors.strokes.segmenters import INK, CombinedSegmenter, LearnedSegmenter, likelihood, whole_strokes
from detectors.strokes.weights import save_network
from pipeline.errors import SetupError, UsageError
from pipeline.selection import InkSelection
from pipeline.types import TextRegion

SIDE = 200


class KnownReader:
    """Says that a page's pure blue is print and its pure red is handwriting, for certain."""

    def __init__(self):
        self.wanted = []

    def read(self, image, wanted=None):
        self.wanted.append(wanted)
        blue = (image == (0, 0, 255)).all(axis=2)
        red = (image == (255, 0, 0)).all(axis=2)
        return np.stack([blue, red], axis=2).astype(np.uint8) * 255


def page():
    """Print inside the region, handwriting across its border, a tick far away."""
    image = np.full((SIDE, SIDE, 3), 255, np.uint8)
    image[40:44, 30:90] = (0, 0, 255)
    image[35:60, 60:64] = (255, 0, 0)
    image[150:156, 150:170] = (255, 0, 0)
    return image


REGIONS = (TextRegion(np.array([[25, 35], [95, 35], [95, 50], [25, 50]], np.float32)),)


@pytest.mark.parametrize("make", [LearnedSegmenter, CombinedSegmenter])
def test_kinds_and_places_of_ink(make):
    image, segmenter = page(), make(reader=KnownReader())
    blue, red = (image == (0, 0, 255)).all(axis=2), (image == (255, 0, 0)).all(axis=2)
    everywhere = segmenter.segment(image, REGIONS, InkSelection("all", "page"))
    assert everywhere[blue | red].all()
    at_regions = segmenter.segment(image, REGIONS, InkSelection())
    assert at_regions[blue].all()
    assert not at_regions[150:156].any(), "the tick is outside the regions"
    hand = segmenter.segment(image, (), InkSelection("handwriting"))
    assert hand[red].all()
    assert not hand[blue & ~red].any()
    hand_at_regions = segmenter.segment(image, REGIONS, InkSelection("handwriting", "regions"))
    assert hand_at_regions[40:44, 60:64].all()
    assert not hand_at_regions[150:156].any(), "the tick is outside the regions"
    print_only = segmenter.segment(image, REGIONS, InkSelection("print"))
    assert print_only[blue].all()
    assert not print_only[red].any()


class BlindToBars(KnownReader):
    """Sees black letters, and is sure that bars right of the first letter are no ink."""

    def read(self, image, wanted=None):
        ink = (image < 128).all(axis=2).astype(np.uint8)
        ink[:, 50:66] = 0
        return np.stack([ink * 255, ink * 0], axis=2)


def test_the_network_takes_rules_from_the_edges_of_a_line_and_no_strokes_from_its_middle():
    image = np.full((SIDE, SIDE, 3), 255, np.uint8)
    for left in range(72, 160, 10):
        image[60:84, left : left + 4] = 0
    image[60:84, 46:50] = 0
    image[71:73, 50:66] = 0  # the bar of a letter, in the middle of its line
    image[82:84, 50:66] = 0  # a rule along the foot of it
    region = TextRegion(np.array([[40, 58], [165, 58], [165, 86], [40, 86]], np.float32))
    ink = CombinedSegmenter(reader=BlindToBars()).segment(image, (region,), InkSelection())
    assert ink[60:84, 46:50].all() and ink[71:73, 50:66].all()
    assert not ink[82:84, 54:62].any()


class BlindToTheLarge(KnownReader):
    """Sees black strokes unless they are more than 20 px wide on the page it is shown."""

    def read(self, image, wanted=None):
        self.wanted.append(wanted)
        ink = (image < 128).all(axis=2).astype(np.uint8)
        wide = cv2.dilate(cv2.erode(ink, np.ones((21, 21), np.uint8)), np.ones((21, 21), np.uint8))
        return np.stack([(ink & ~wide) * 255, ink * 0], axis=2)


def test_tall_text_is_read_from_a_smaller_page_and_other_text_is_not():
    image = np.full((400, 400, 3), 255, np.uint8)
    image[60:180, 60:100] = 0  # a stroke of a large letter
    image[300:304, 60:160] = 0
    image[320:350, 60:100] = 0  # a solid mark beside small text
    box = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    tall = TextRegion((box * (200, 140) + (40, 50)).astype(np.float32))
    small = TextRegion((box * (130, 55) + (50, 297)).astype(np.float32))
    reader = BlindToTheLarge()
    ink = LearnedSegmenter(reader=reader).segment(image, (tall, small), InkSelection())
    assert ink[62:178, 62:98].all() and not ink[:, 110:][:200].any()
    assert ink[300:304, 60:160].all() and not ink[325:345, 65:95].any()
    assert len(reader.wanted) == 2 and reader.wanted[1].shape[0] < 200
    reader = BlindToTheLarge()
    LearnedSegmenter(reader=reader).segment(image, (small,), InkSelection())
    assert len(reader.wanted) == 1


def test_handwriting_is_followed_to_the_ends_of_its_strokes():
    levels = np.zeros((60, 200, 2), np.uint8)
    levels[20:26, 20:60] = (10, 220)  # surely handwriting ...
    levels[22:24, 60:100] = (2, 18)  # ... its hairline ...
    levels[22:24, 100:104] = (30, 20)  # ... which ends at print
    levels[22:24, 104:120] = (2, 18)
    levels[45:48, 20:60] = (2, 18)  # hangs on nothing
    ink = whole_strokes(levels)
    assert ink[20:26, 20:60].all() and ink[22:24, 60:100].all()
    assert not ink[:, 100:].any() and not ink[40:].any()
    assert not whole_strokes(np.zeros((60, 200, 2), np.uint8)).any()


def test_no_regions_no_ink_and_nothing_is_read_in_vain():
    reader = KnownReader()
    assert not LearnedSegmenter(reader=reader).segment(page(), (), InkSelection()).any()
    assert not any(wanted is None or wanted.any() for wanted in reader.wanted)


@pytest.mark.parametrize("selection", [InkSelection("handwriting"), InkSelection("print"), InkSelection("all", "page")])
def test_the_classical_mask_says_what_it_cannot_tell(selection):
    with pytest.raises(UsageError, match="--mask strokes"):
        ClassicalSegmenter().segment(page(), REGIONS, selection)


@pytest.mark.parametrize("values", [("nothing", "auto"), ("all", "somewhere")])
def test_a_selection_that_means_nothing_is_refused(values):
    with pytest.raises(UsageError):
        InkSelection(*values)


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "small.safetensors"
    save_network(StrokeNetwork(StrokeConfig(4, 4, 8, 8)), path, {"made": "by a test"})
    return path


@settings(max_examples=12, deadline=None)
@given(height=st.integers(1, 90), width=st.integers(1, 90), seed=st.integers(0, 99))
def test_a_small_page_is_read_whole(weights, height, width, seed):
    image = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    levels = StrokeReader(weights, bf16=False).read(image)
    assert levels.shape == (height, width, 2)
    assert levels.dtype == np.uint8
    assert levels.sum(axis=2, dtype=int).max() <= 256


def test_blocks_agree_with_one_another_and_unwanted_ones_are_left_out(weights):
    image = np.random.default_rng(1).integers(0, 256, (BLOCK + 120, BLOCK + 40, 3), np.uint8)
    reader = StrokeReader(weights, bf16=False)
    whole = reader.read(image)
    wanted = np.zeros(image.shape[:2], bool)
    wanted[BLOCK + 5, ::7] = True
    part = reader.read(image, wanted)
    assert np.array_equal(part[BLOCK:, :BLOCK], whole[BLOCK:, :BLOCK])
    assert not part[:BLOCK].any()


@given(data=st.data())
@settings(max_examples=30)
def test_what_is_wanted_is_read_with_its_surroundings_and_no_whole_block(data):
    height, width = data.draw(st.integers(20, 2 * BLOCK)), data.draw(st.integers(20, 2 * BLOCK))
    wanted = np.zeros((height, width), bool)
    y, x = data.draw(st.integers(0, height - 1)), data.draw(st.integers(0, width - 1))
    wanted[y : y + data.draw(st.integers(1, 90)), x : x + data.draw(st.integers(1, 90))] = True
    shown = []
    reader = StrokeReader.__new__(StrokeReader)
    reader._threads = 1
    reader._read_block = lambda image, inner: shown.append(inner) or np.full((*wanted[inner].shape, 2), 9, np.uint8)
    read = reader.read(np.zeros((height, width, 3), np.uint8), wanted)[..., 0] == 9
    assert read[wanted].all()
    for part in shown:
        inside = wanted[part]
        assert inside.any()
        for axis, side in enumerate((height, width)):
            rows = np.flatnonzero(inside.any(axis=1 - axis))
            block = part[axis].start // BLOCK * BLOCK
            edge = min(block + BLOCK, side)
            assert rows[0] >= AROUND or part[axis].start == block
            assert inside.shape[axis] - 1 - rows[-1] >= AROUND or part[axis].stop == edge
            assert inside.shape[axis] >= min(LEAST, edge - block) - LEAST // 2
            assert inside.shape[axis] <= max(LEAST, len(range(rows[0], rows[-1] + 1)) + 2 * AROUND) + 1


def test_a_word_is_read_alike_alone_and_with_the_rest_of_its_block():
    sheet = Image.new("RGB", (900, 900), (240, 240, 240))
    for y in (200, 260, 700):
        ImageDraw.Draw(sheet).text((120, y), "Some words", (30, 30, 30), font=ImageFont.load_default(32))
    image = np.asarray(sheet)
    wanted = np.zeros(image.shape[:2], bool)
    wanted[255:305, 110:320] = True
    reader = StrokeReader()
    whole, part = (likelihood(reader.read(image, chosen))[wanted] >= INK for chosen in (None, wanted))
    assert (whole != part).mean() < 0.01 < 0.1 < part.mean()
    assert not reader.read(image, wanted)[600:].any()


def test_weights_that_are_not_there_are_said(tmp_path):
    with pytest.raises(SetupError, match="cannot be read"):
        StrokeReader(tmp_path / "none.safetensors")


def test_lone_letters_o_go_though_they_stand_like_bubbles():
    page = Image.new("RGB", (700, 160), (240, 240, 240))
    ImageDraw.Draw(page).text((60, 50), "O O O O O O O O", (30, 30, 30), font=ImageFont.load_default(32))
    image = np.asarray(page)
    rows, columns = np.nonzero(image[..., 0] < 128)
    x0, x1, y0, y1 = columns.min() - 6, columns.max() + 6, rows.min() - 6, rows.max() + 6
    region = TextRegion(np.float32([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]))
    ink = CombinedSegmenter().segment(image, (region,), InkSelection())
    assert ink[image[..., 0] < 128].mean() > 0.98
