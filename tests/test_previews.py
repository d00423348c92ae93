from __future__ import annotations

from itertools import combinations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from previews import drawn_page
from skimage.color import deltaE_ciede2000, rgb2lab

from pipeline.marks import STAYS, UNSURE, Mark, legend
from pipeline.previews import (
    PageViews,
    conceal_shapes,
    draw_overlay,
    encode_preview,
    make_previews,
    make_thumbnail,
    with_legend,
)

REASONS = ["text", "print", "handwriting", "match", "words", "entity:email", "zone", "template", "regions"]

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.01182, 0.04294, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.3039]],
}


def linear(colour: tuple[int, int, int]) -> np.ndarray:
    value = np.array(colour) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def seen(colour: tuple[int, int, int], sight: str) -> np.ndarray:
    value = np.clip(np.asarray(SIGHTS[sight]) @ linear(colour), 0, 1)
    return rgb2lab(np.where(value <= 0.0031308, value * 12.92, 1.055 * value ** (1 / 2.4) - 0.055))


def all_colours() -> set[tuple[int, int, int]]:
    return {mark.colour for mark in [*legend(REASONS).values(), STAYS, UNSURE]}


@pytest.mark.parametrize("sight", SIGHTS)
def test_any_two_colours_can_be_told_apart(sight: str) -> None:
    for one, other in combinations(sorted(all_colours()), 2):
        assert deltaE_ciede2000(seen(one, sight), seen(other, sight)) >= 12, (one, other)


def test_every_colour_stands_out_from_white_and_from_black() -> None:
    for colour in all_colours():
        luminance = float(linear(colour) @ [0.2126, 0.7152, 0.0722])
        assert 1.05 / (luminance + 0.05) >= 3 and (luminance + 0.05) / 0.05 >= 3, colour


@given(st.lists(st.text("abE:é-7", max_size=6) | st.sampled_from(REASONS), max_size=12))
def test_codes_differ_within_a_legend_and_a_colour_belongs_to_its_reason(reasons: list[str]) -> None:
    marks = legend(reasons)
    assert set(marks) == set(reasons)
    codes = [mark.code for mark in marks.values()]
    assert len(set(codes)) == len(codes) and "" not in codes
    for reason, mark in marks.items():
        assert legend([reason])[reason].colour == mark.colour


def test_an_entity_is_one_of_a_family() -> None:
    marks = legend(["entity:credit-card", "email"])
    assert marks["entity:credit-card"].label == "credit card (personal data)"
    assert marks["email"].colour == marks["entity:credit-card"].colour
    assert Mark("x", "X", (0, 114, 178)).hex == "#0072b2"


@pytest.mark.parametrize("dark", [False, True])
def test_an_overlay_paints_each_reason_in_its_colour_and_changes_no_argument(dark: bool) -> None:
    image, ink = drawn_page()
    image = 255 - image if dark else image
    upper, lower = ink.copy(), ink.copy()
    upper[200:], lower[:200] = False, False
    before = image.copy(), ink.copy()
    overlay = draw_overlay(image, {"handwriting": upper}, stays=lower)
    assert overlay.shape == image.shape and overlay.dtype == np.uint8
    assert (overlay[upper] == legend(["handwriting"])["handwriting"].colour).all()
    assert (overlay[lower] == STAYS.colour).all()
    paper = overlay[-1, -1].astype(int)
    assert paper.max() < 40 if dark else paper.min() > 200
    assert np.array_equal(image, before[0]) and np.array_equal(ink, before[1])


def test_codes_stand_beside_the_ink_only_where_there_is_more_than_one_kind() -> None:
    image, ink = drawn_page()
    upper, lower = ink.copy(), ink.copy()
    upper[200:], lower[:200] = False, False
    alone = draw_overlay(image, {"text": ink, "zone": np.zeros_like(ink)})
    both = draw_overlay(image, {"text": upper, "zone": lower})
    plates = [(picture == 255).all(axis=2).sum() for picture in (alone, both)]
    assert plates[0] == 0 and plates[1] > 100
    assert (both[upper] == legend(["text"])["text"].colour).all(axis=1).mean() > 0.99


def test_unsure_ink_is_marked_even_when_it_is_alone() -> None:
    image, ink = drawn_page()
    overlay = draw_overlay(image, {"unsure": ink})
    assert (overlay[ink] == UNSURE.colour).all(axis=1).mean() > 0.99
    assert (overlay == 255).all(axis=2).any()


def test_an_overlay_of_nothing_is_the_faded_page() -> None:
    image, ink = drawn_page()
    nothing = np.zeros_like(ink)
    overlay = draw_overlay(image, {"text": nothing, "unsure": nothing}, nothing)
    assert (overlay[..., 0] == overlay[..., 1]).all()
    assert np.array_equal(overlay, draw_overlay(image, {}))


@given(st.integers(1, 40), st.integers(1, 40))
def test_the_smallest_pages_have_previews(height: int, width: int) -> None:
    image = np.full((height, width, 3), 200, np.uint8)
    every = np.ones((height, width), bool)
    made = make_previews(PageViews(image, image, {"text": every, "zone": every, "unsure": every}))
    for data in made.values():
        assert cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR).shape == (height, width, 3)


def test_a_thumbnail_keeps_proportions_and_thin_strokes_and_never_enlarges() -> None:
    image, _ = drawn_page(1200, 800)
    assert make_thumbnail(image, 300).shape == (300, 200, 3)
    assert make_thumbnail(image, 5000) is image
    stroke = np.zeros((1200, 800), bool)
    stroke[600:602] = True
    assert make_thumbnail(stroke, 300).any(axis=0).all()


def test_what_may_not_be_shown_is_neither_in_the_previews_nor_in_the_shape_of_a_mask() -> None:
    image, ink = drawn_page()
    other = np.zeros_like(ink)
    for top in (100, 200, 400):  # the same lines, other words
        other[top : top + 14, 55:215] = ink[top : top + 14, 55:215] | ink[top : top + 14, 57:217]
        other[top : top + 14, 55] = True
    cleaned = np.full_like(image, 235)
    one, two = (make_previews(PageViews(cleaned, None, {"text": mask}, stays=ink)) for mask in (ink, other))
    assert sorted(one) == ["after", "overlay"]
    assert one["overlay"] == two["overlay"]


@given(st.integers(1, 90), st.integers(1, 90), st.integers(0, 2**31))
def test_concealing_covers_all_of_a_mask(height: int, width: int, seed: int) -> None:
    mask = np.random.default_rng(seed).random((height, width)) < 0.02
    concealed = conceal_shapes(mask)
    assert concealed.shape == mask.shape and concealed.dtype == bool
    assert not (mask & ~concealed).any()
    assert concealed.any() == mask.any()


def test_previews_are_the_same_bytes_every_time_and_hold_no_metadata() -> None:
    image, ink = drawn_page()
    views = PageViews(image, image, {"text": ink})
    made = make_previews(views)
    assert made == make_previews(views) and sorted(made) == ["after", "before", "overlay"]
    assert all(b"Exif" not in data and data[:3] == b"\xff\xd8\xff" for data in made.values())


def test_a_preview_is_rgb() -> None:
    red = np.zeros((32, 32, 3), np.uint8)
    red[..., 0] = 255
    blue_green_red = cv2.imdecode(np.frombuffer(encode_preview(red), np.uint8), cv2.IMREAD_COLOR)
    assert blue_green_red[16, 16, 2] > 240 and blue_green_red[16, 16, 0] < 15


def test_a_legend_below_a_picture_shows_every_colour() -> None:
    image, _ = drawn_page()
    marks = [*legend(REASONS).values(), STAYS, UNSURE]
    picture = with_legend(image, marks)
    assert picture.shape[1] == image.shape[1] and picture.shape[0] > image.shape[0]
    assert np.array_equal(picture[: image.shape[0]], image)
    strip = {tuple(colour) for colour in picture[image.shape[0] :].reshape(-1, 3).tolist()}
    assert all_colours() <= strip
