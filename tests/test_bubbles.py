"""Answer bubbles stay, whatever is in them goes, and no letter is taken for one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as given_settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from detectors.strokes.bubbles import FEWEST, answer_bubbles
from pipeline.masks import polygon_mask


def sheet(letters: str = "", filled: str = "", count: int = 10, size: int = 28, pitch: int = 36, noise: float = 0.0):
    """A row of circles with letters in them, one perhaps filled in, and what a mask by contrast makes of it."""
    image = Image.new("L", (pitch * count + 60, 100), 235)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(size // 2)
    for k in range(count):
        x, y = 30 + pitch * k, 40
        draw.ellipse((x, y, x + size - 1, y + size - 1), outline=40, width=2)
        if letters:
            draw.text((x + size / 2, y + size / 2), letters[k % len(letters)], 90, font=font, anchor="mm")
    if filled:
        draw.ellipse((30, 40, 29 + size, 39 + size), fill=20)
        if filled == "with a letter":
            draw.text((30 + size / 2, 40 + size / 2), "8", 200, font=font, anchor="mm")
    page = np.asarray(image).astype(float) + np.random.default_rng(3).normal(0, noise, (100, pitch * count + 60))
    return with_ink(page)


def with_ink(page: np.ndarray):
    """(image, ink, outlines) of a page (H, W) with one line of text."""
    image = np.repeat(np.clip(page, 0, 255).astype(np.uint8)[..., None], 3, axis=2)
    ink = cv2.dilate((image[..., 0] < 170).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    y0, y1, x0, x1 = rows[0] - 4, rows[-1] + 4, columns[0] - 4, columns[-1] + 4
    return image, ink, [np.float32([(x0, y0), (x1, y0), (x1, y1), (x0, y1)])]


@pytest.mark.parametrize("noise", [0.0, 8.0])
def test_circles_stay_and_their_letters_go(noise: float) -> None:
    image, ink, outlines = sheet("abcde", noise=noise)
    empty = sheet(noise=0.0)[0][..., 0] < 100
    stay = answer_bubbles(image, ink, outlines)
    assert (stay & empty).sum() > 0.95 * empty.sum()
    letters = (image[..., 0] < 170) & ~cv2.dilate(empty.astype(np.uint8), np.ones((7, 7), np.uint8)).astype(bool)
    assert letters.sum() > 200 and not (stay & letters).any()


def test_a_filled_circle_stays_where_nothing_can_be_read_in_it() -> None:
    image, ink, outlines = sheet("abcde", filled="black")
    assert answer_bubbles(image, ink, outlines)[45:63, 36:52].all()
    image, ink, outlines = sheet("abcde", filled="with a letter")
    assert not answer_bubbles(image, ink, outlines)[47:61, 38:50].any()


def test_a_few_circles_may_be_letters() -> None:
    assert answer_bubbles(*sheet(count=FEWEST)).any()
    assert not answer_bubbles(*sheet(count=FEWEST - 1)).any()


def test_nothing_of_an_empty_mask() -> None:
    image, ink, outlines = sheet()
    assert not answer_bubbles(image, np.zeros_like(ink), outlines).any()
    assert not answer_bubbles(np.full((60, 60, 3), 255, np.uint8), np.ones((60, 60), bool), []).any()


@pytest.mark.parametrize("size", [12, 18, 26, 40])
@pytest.mark.parametrize(
    "text",
    [
        "o sol e o mar o rio o vento o",
        "DOOR POOL ROOM WOOD MOON",
        "0 00 0 000 100 20 o O 00",
        "DD OO DD OO DD OO DD OO",
    ],
)
def test_letters_are_no_bubbles(text: str, size: int) -> None:
    image = Image.new("L", (size * 18, 4 * size), 235)
    ImageDraw.Draw(image).text((20, size), text, 30, font=ImageFont.load_default(size))
    image, ink, outlines = with_ink(np.asarray(image).astype(float))
    # words in a line with ascenders: the detector's line is as high as they are
    assert not answer_bubbles(image, ink, outlines).any()


@given_settings(max_examples=40, deadline=None)
@given(st.integers(14, 60), st.floats(1.15, 1.4), st.integers(FEWEST, 14))
def test_only_ink_stays_and_only_at_circles(size: int, pitch: float, count: int) -> None:
    image, ink, outlines = sheet("xyz" if size > 24 else "", count=count, size=size, pitch=int(size * pitch) + 3)
    stay = answer_bubbles(image[:100], ink, outlines)
    assert not (stay & ~ink).any()
    assert not (stay & ~polygon_mask(outlines, *ink.shape)).any()
