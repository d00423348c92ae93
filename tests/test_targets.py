"""Targets, circles around circles, stay; a letter O, two letters and a letter in a circle do not."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from detectors.strokes.blanks import blanks
from detectors.strokes.round_marks import find_marks
from detectors.strokes.segmenters import CombinedSegmenter
from detectors.strokes.targets import targets
from pipeline.selection import InkSelection
from pipeline.types import TextRegion

SIDE = 120


def circles(*radii, thickness=3, middle=(60, 60)):
    """(H, W) bool: circles around one middle; a negative thickness fills them."""
    ink = np.zeros((SIDE, SIDE), np.uint8)
    for radius in radii:
        cv2.circle(ink, middle, radius, 1, thickness)
    return ink.view(bool)


def found(ink):
    return targets(find_marks(ink), ink)


@pytest.mark.parametrize(
    "target",
    [
        pytest.param(circles(26, 14, thickness=4) | circles(5, thickness=-1), id="two circles and a dot"),
        pytest.param(circles(26) | circles(10, thickness=-1), id="a circle and a dot"),
        pytest.param(circles(40, 28, 16), id="three circles"),
    ],
)
def test_all_of_a_target_stays(target):
    kept = found(target)
    assert (kept & target).sum() == target.sum() and kept[60, 60]
    assert kept.sum() < np.pi * 46**2  # and nothing around it


def glyph_in_a_circle(sign, radius=26):
    image = Image.fromarray(circles(radius).view(np.uint8) * 255)
    draw = ImageDraw.Draw(image)
    draw.text((60, 60), sign, 255, font=ImageFont.load_default(round(1.2 * radius)), anchor="mm")
    return np.asarray(image) > 128


def stamp(text):
    """Two circles with words between them and in the inner one, as a round stamp has."""
    image = Image.fromarray((circles(56, thickness=2) | circles(30, thickness=2)).view(np.uint8) * 255)
    draw = ImageDraw.Draw(image)
    draw.text((60, 60), text, 255, font=ImageFont.load_default(14), anchor="mm")
    for x, y, sign in ((60, 17, "P"), (100, 50, "A"), (90, 92, "I"), (30, 92, "D")):
        draw.text((x, y), sign, 255, font=ImageFont.load_default(14), anchor="mm")
    return np.asarray(image) > 128


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(circles(26), id="an O"),
        pytest.param(circles(20, middle=(30, 60)) | circles(8, middle=(90, 60)), id="an O and an o"),
        pytest.param(circles(26) | circles(8, middle=(70, 60), thickness=-1), id="a dot off the middle"),
        *(pytest.param(glyph_in_a_circle(sign), id=f"{sign} in a circle") for sign in "AOQ08Dode"),
        *(pytest.param(glyph_in_a_circle(sign, 14), id=f"{sign} in a small circle") for sign in "O08Q"),
        pytest.param(stamp("12 MAY"), id="a stamp"),
        pytest.param(stamp(""), id="a stamp with an empty middle"),
        pytest.param(circles(20, 9), id="two circles: an O in one"),
        pytest.param(circles(26) | circles(2, thickness=-1), id="a speck"),
        pytest.param(circles(26) & False, id="nothing"),
    ],
)
def test_other_circles_are_none(other):
    assert not found(other).any()


def test_a_target_on_the_edge_of_a_page_is_cut_off_there():
    target = (circles(26, 14, thickness=4) | circles(5, thickness=-1))[:, 34:]
    assert (found(target) & target).sum() == target.sum()


class SureOfAll:
    def read(self, image, wanted=None):
        levels = np.zeros((*image.shape[:2], 2), np.uint8)
        levels[image[..., 0] < 128, 0] = 255
        return levels


@pytest.mark.parametrize("selection", [InkSelection("all", "page"), InkSelection("print", "regions"),
                                       InkSelection("print", "page")])  # fmt: skip
def test_it_stays_whatever_goes_and_wherever(selection):
    target = circles(26, 14, thickness=4) | circles(5, thickness=-1)
    word = np.zeros_like(target)
    word[100:104, 20:100] = True
    image = np.where((target | word)[..., None], 20, 240).astype(np.uint8).repeat(3, axis=2)
    regions = tuple(
        TextRegion(np.float32([[15, top], [105, top], [105, bottom], [15, bottom]]), 0.9)
        for top, bottom in ((30, 90), (95, 110))
    )
    ink = CombinedSegmenter(reader=SureOfAll()).segment(image, regions, selection)
    assert ink[word].all() and not (ink & target).any()


def test_it_stays_though_the_network_is_sure_and_so_it_does_when_the_page_is_looked_at_again():
    target = circles(26, 14, thickness=4) | circles(5, thickness=-1)
    image = np.where(target[..., None], 20, 240).astype(np.uint8).repeat(3, axis=2)
    region = TextRegion(np.float32([[30, 30], [90, 30], [90, 90], [30, 90]]), 0.9)
    segmenter = CombinedSegmenter(reader=SureOfAll())
    assert not segmenter.segment(image, (region,), InkSelection("all", "regions")).any()
    assert segmenter.segment(np.where(circles(26)[..., None], 20, 240).astype(np.uint8).repeat(3, axis=2),
                             (region,), InkSelection("all", "regions")).any()  # fmt: skip
    wanted = np.ones(target.shape, bool)
    assert (blanks(image, wanted, lambda part: np.where(part, 255, 0).astype(np.uint8)) & target).sum() == target.sum()
