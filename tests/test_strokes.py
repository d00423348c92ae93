"""Stroke masks on pages drawn here, where the ink is known to the pixel."""

import cv2
import numpy as np
import pytest
from ink import paper, recall, spill, write

from detectors.strokes.registry import SEGMENTERS, create_segmenter
from pipeline import paper as paper_guesses
from pipeline.errors import UsageError
from pipeline.selection import InkSelection
from pipeline.strokes import stroke_mask
from pipeline.types import TextRegion


@pytest.mark.parametrize(
    ("page", "colour"),
    [
        (paper(), (0, 0, 0)),
        (paper(colour=(30, 40, 90)), (255, 255, 255)),
        (paper(colour=(250, 235, 150)), (20, 20, 160)),
        (paper(colour=(225, 220, 210), noise=5), (40, 40, 45)),
        (paper(colour=(230, 230, 230)), (150, 150, 150)),
    ],
    ids=["black on white", "white on blue", "blue on yellow", "noisy scan", "grey on grey"],
)
def test_ink_is_found_and_nothing_else(page, colour):
    page = page.copy()
    ink, polygon = write(page, "Quick brown fox 27", (30, 90), colour=colour)
    mask = stroke_mask(page, [polygon])
    assert mask.dtype == np.bool_ and mask.shape == page.shape[:2]
    assert recall(mask, ink) > 0.99
    assert spill(mask, ink) < 0.02


@pytest.mark.parametrize("scale", [0.3, 0.5, 2.0, 8.0], ids=["7 px", "11 px", "45 px", "180 px"])
def test_small_and_large_glyphs(scale):
    page = paper(round(60 * scale) + 60, round(160 * scale) + 80)
    ink, polygon = write(page, "Rage", (30, round(35 * scale) + 25), scale, bold=max(1, round(2.5 * scale)))
    mask = stroke_mask(page, [polygon])
    assert recall(mask, ink) > 0.99
    assert spill(mask, ink) < 0.02


def beside(kind, page):
    """Something that stands by the words in its region, or nothing."""
    if kind == "a square":
        page[64:92, 4:26] = 170
    if kind == "a shaded cell":
        page[40:110, :250] = (210, 215, 225)


@pytest.mark.parametrize("kind", ["nothing", "a square", "a shaded cell"])
def test_other_guesses_of_the_paper_are_made_where_text_does_not_stand_alone(kind, monkeypatch):
    asked = []
    real = paper_guesses._choose
    monkeypatch.setattr(paper_guesses, "_choose", lambda *given: asked.append(1) or real(*given))
    page = paper(colour=(240, 240, 240), noise=2)
    beside(kind, page)
    ink, polygon = write(page, "Quick brown fox", (30, 90))
    polygon[[0, 3], 0] = 2
    mask = stroke_mask(page, [polygon])
    assert recall(mask, ink) > 0.99
    assert spill(mask, ink) < 0.05
    assert bool(asked) == (kind != "nothing")


def test_the_antialiased_rim_belongs_to_the_ink():
    page = paper()
    _, polygon = write(page, "Quick brown fox", (30, 90))
    mask = stroke_mask(page, [polygon])
    assert page[~mask].min() > 240


def test_a_one_bit_page():
    page = paper()
    ink, polygon = write(page, "Quick brown fox", (30, 90))
    page = np.where(page < 128, 0, 255).astype(np.uint8)
    mask = stroke_mask(page, [polygon])
    assert mask[(page[..., 0] == 0)].all()
    assert spill(mask, ink) == 0


def test_light_letters_that_fill_a_small_dark_box_are_the_ink():
    page = paper(noise=6)
    page[72:90, 28:200] = (36, 36, 40)
    ink, polygon = write(page, "JOHN STILES", (32, 86), 0.45, (255, 255, 255), bold=2)
    mask = stroke_mask(page, [polygon])
    assert recall(mask, ink) > 0.97
    assert spill(mask, ink) < 0.05


def test_large_light_letters_on_a_rough_dark_logo_are_the_ink():
    page = paper(260, 560)
    rough = np.random.default_rng(3).normal(70, 30, (200, 500, 1)).clip(30, 130)
    page[30:230, 30:530] = rough.astype(np.uint8)
    ink, polygon = write(page, "B.I.G", (60, 190), 5.0, (255, 255, 255), bold=22)
    mask = stroke_mask(page, [polygon])
    assert recall(mask, ink) > 0.98
    assert spill(mask, ink) < 0.05


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_text_at_right_angles(turns):
    page = paper(200, 500)
    ink, polygon = write(page, "Quick brown fox", (60, 110))
    upright = stroke_mask(page, [polygon])
    x, y = polygon.T
    height, width = page.shape[:2]
    polygon = {1: (y, width - 1 - x), 2: (width - 1 - x, height - 1 - y), 3: (height - 1 - y, x)}[turns]
    turned = stroke_mask(np.ascontiguousarray(np.rot90(page, turns)), [np.stack(polygon, axis=1)])
    assert recall(np.rot90(turned, -turns), ink) > 0.99
    assert (np.rot90(turned, -turns) ^ upright).mean() < 0.002


def test_slanted_text():
    page = paper(400, 400)
    ink, polygon = write(page, "Quick brown", (60, 210))
    turn = cv2.getRotationMatrix2D((200, 200), 35, 1.0)
    page = cv2.warpAffine(page, turn, (400, 400), borderValue=(255, 255, 255))
    ink = cv2.warpAffine(ink.astype(np.uint8), turn, (400, 400)) > 0
    mask = stroke_mask(page, [cv2.transform(polygon[None], turn)[0]])
    assert recall(mask, ink) > 0.97
    assert spill(mask, ink) < 0.02


def test_text_over_a_gradient():
    page = np.repeat(np.tile(np.linspace(120, 250, 500), (160, 1))[..., None], 3, axis=2).astype(np.uint8)
    ink, polygon = write(page, "Quick brown fox", (30, 90))
    mask = stroke_mask(page, [polygon])
    assert recall(mask, ink) > 0.99
    assert spill(mask, ink) < 0.02


@pytest.mark.parametrize("noise", [0.0, 6.0])
def test_blank_paper_has_no_ink(noise):
    mask = stroke_mask(paper(noise=noise, colour=(230, 228, 220)), [[(50, 50), (300, 50), (300, 80), (50, 80)]])
    assert mask.mean() < 1e-4


def test_ink_outside_the_regions_is_left_alone():
    page = paper(260, 500)
    _, polygon = write(page, "First line", (30, 60))
    other, _ = write(page, "Second line", (30, 180))
    assert not stroke_mask(page, [polygon])[other].any()


@pytest.mark.parametrize(
    "polygon",
    [
        [(-900, -900), (-800, -900), (-800, -880)],
        [(480, 150), (900, 150), (900, 400), (480, 400)],
        [(10, 10), (10, 10), (10, 10)],
        [(10, 10), (200, 10), (100, 10)],
        [(-5, -5), (504, -5), (504, 164), (-5, 164)],
    ],
    ids=["off the page", "half off", "point", "line", "whole page"],
)
def test_odd_polygons_are_no_trouble(polygon):
    assert stroke_mask(paper(), [polygon]).sum() == 0


def test_no_regions_no_ink_and_the_page_is_left_as_it_was():
    page = paper()
    _, polygon = write(page, "Quick", (30, 90))
    before = page.copy()
    assert not stroke_mask(page, []).any()
    first = stroke_mask(page, [polygon])
    np.testing.assert_array_equal(page, before)
    np.testing.assert_array_equal(first, stroke_mask(page, [polygon]))


@pytest.mark.parametrize("name", sorted(SEGMENTERS))
def test_every_segmenter_keeps_the_contract(name):
    segmenter = create_segmenter(name)
    page = paper()
    ink, polygon = write(page, "Quick brown fox", (30, 90))
    page.setflags(write=False)
    assert segmenter.name == name
    assert not segmenter.segment(page, (), InkSelection()).any()
    mask = segmenter.segment(page, (TextRegion(polygon),), InkSelection())
    assert mask.dtype == np.bool_ and mask.shape == page.shape[:2]
    assert recall(mask, ink) > 0.9
    np.testing.assert_array_equal(mask, segmenter.segment(page, (TextRegion(polygon),), InkSelection()))


def test_an_unknown_segmenter_is_told_the_nearest():
    with pytest.raises(UsageError, match="'classical'"):
        create_segmenter("clasical")
