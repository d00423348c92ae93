"""Pieces of a page, and how what was seen in them becomes one set of regions; when a closer look is taken."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
import shapely
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

from detectors.bands import (
    OVERLAP,
    PIECE_AREA,
    PIECE_WIDTH,
    STRIDE,
    Finding,
    cut_piece,
    drop_enclosing,
    join_looks,
    merge_findings,
    plan_pieces,
)
from detectors.looks import is_low, plan_glances, plan_looks
from pipeline.geometry import as_shape
from pipeline.types import Array, Box

sides = st.integers(1, 14_000)


def rectangle(x0: float, y0: float, x1: float, y1: float) -> Array:
    return np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], np.float32)


@given(sides, sides)
def test_pieces_cover_the_page_and_are_bounded(width: int, height: int) -> None:
    pieces = plan_pieces(width, height)
    assert len({(piece.width, piece.height) for piece in pieces}) == 1
    assert all(piece.width % STRIDE == 0 and piece.height % STRIDE == 0 for piece in pieces)
    assert all(piece.width * piece.height <= 1.1 * PIECE_AREA and piece.width <= PIECE_WIDTH for piece in pieces)
    for low, high, length in (("x0", "x1", width), ("y0", "y1", height)):
        spans = sorted({(getattr(piece, low), getattr(piece, high)) for piece in pieces})
        assert spans[0][0] == 0 and length <= spans[-1][1] < length + STRIDE * len(spans)
        for (_, end), (start, _) in itertools.pairwise(spans):
            assert end - start >= OVERLAP


@given(st.integers(1, 60), st.integers(1, 60))
def test_a_piece_past_the_edge_continues_it(width: int, height: int) -> None:
    image = np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3)
    piece = cut_piece(image, Box(0, 0, 64, 64))
    assert piece.shape == (64, 64, 3)
    assert np.array_equal(piece[:height, :width], image)
    assert (piece[:height, width:] == image[:, -1:]).all() and (piece[height:] == piece[height - 1]).all()


UPPER, LOWER = Box(0, 0, 1000, 600), Box(0, 400, 1000, 1000)
TOP, BOTTOM = as_shape(rectangle(0, 0, 1000, 600)), as_shape(rectangle(0, 400, 1000, 1000))


def seen(polygon: Array, piece: Box, score: float = 0.9) -> Finding:
    """What a piece shows of a polygon: the part inside it."""
    part = as_shape(polygon).intersection(as_shape(rectangle(piece.x0, piece.y0, piece.x1, piece.y1)))
    return Finding(np.asarray(part.exterior.coords, np.float32)[:-1], score, piece)


@given(st.integers(0, 900), st.integers(300, 900), st.integers(10, 90), st.integers(10, 600))
def test_text_cut_by_a_border_comes_out_whole(x: int, y: int, width: int, height: int) -> None:
    text = rectangle(x, y, x + width, min(1000, y + height))
    findings = [seen(text, piece) for piece in (UPPER, LOWER) if piece.y0 < text[2, 1] and text[0, 1] < piece.y1]
    ((polygon, _),) = merge_findings(findings)
    assert as_shape(polygon).symmetric_difference(as_shape(text)).area == pytest.approx(0, abs=1)


def test_a_skewed_line_that_no_piece_shows_whole_is_joined() -> None:
    line = np.array([(0, 380), (1000, 560), (1000, 620), (0, 440)], np.float32)
    ((polygon, score),) = merge_findings([seen(line, UPPER, 0.7), seen(line, LOWER, 0.8)])
    assert as_shape(line).difference(as_shape(polygon)).area == pytest.approx(0, abs=1)
    assert as_shape(polygon).area < 1.1 * as_shape(line).area and score == 0.8


def test_neighbouring_lines_stay_apart() -> None:
    # grown back, the polygons of tight lines overlap a little
    lines = [rectangle(100, y, 900, y + 34) for y in range(410, 590, 28)]
    findings = [Finding(line, 0.9, piece) for piece in (UPPER, LOWER) for line in lines]
    merged = merge_findings(findings)
    assert sorted(polygon[:, 1].min() for polygon, _ in merged) == [line[0, 1] for line in lines]


def test_two_words_in_one_piece_are_not_joined() -> None:
    words = [Finding(rectangle(0, 0, 60, 20), 0.9, UPPER), Finding(rectangle(50, 0, 120, 20), 0.9, UPPER)]
    assert len(merge_findings(words)) == 2


def test_what_was_found_nowhere_merges_to_nothing() -> None:
    assert merge_findings([]) == []
    assert join_looks([], []) == []


def test_a_farther_look_adds_only_news() -> None:
    closer = [(rectangle(100, 100, 300, 130), 0.9)]
    wider_margins = (rectangle(94, 94, 306, 136), 0.8)
    elsewhere = (rectangle(100, 500, 300, 530), 0.7)
    assert join_looks(closer, [wider_margins, elsewhere]) == [*closer, elsewhere]


def test_a_farther_look_is_believed_where_the_closer_one_saw_half_a_line() -> None:
    half, whole = (rectangle(100, 100, 400, 130), 0.9), (rectangle(97, 98, 500, 133), 0.8)
    assert join_looks([half], [whole]) == [whole]


def test_fragments_of_a_large_glyph_give_way_to_the_whole() -> None:
    fragments = [(rectangle(10, 10, 60, 40), 0.5), (rectangle(200, 300, 260, 380), 0.5)]
    beside = (rectangle(500, 10, 600, 40), 0.9)
    glyph = (rectangle(0, 0, 300, 400), 0.8)
    assert join_looks([*fragments, beside], [glyph]) == [beside, glyph]


def test_an_outline_around_labels_is_no_text_and_a_heading_is() -> None:
    labels = [(rectangle(20, 40 * row, 60, 40 * row + 18), 0.9) for row in range(1, 6)]
    chart, heading = (rectangle(0, 0, 800, 300), 0.7), (rectangle(0, 320, 400, 380), 0.8)
    specks = [(rectangle(50, 340, 90, 350), 0.6), (rectangle(150, 340, 190, 350), 0.6)]
    kept = drop_enclosing([chart, *labels, heading, *specks])
    assert [id(item) for item in kept] == [id(item) for item in [*labels, heading, *specks]]
    assert drop_enclosing([]) == []


@given(sides, sides)
def test_looks_go_from_far_to_near_and_end_at_full_size(width: int, height: int) -> None:
    looks = plan_looks(width, height)
    scales = [look.scale for look in looks]
    assert scales == sorted(set(scales)) and scales[-1] in (1.0, 2.0)
    everywhere = [look for look in looks if not look.tallest]
    assert everywhere == list(looks[: len(everywhere)]) and 1 <= len(everywhere) <= 2
    assert max(width, height) * everywhere[-1].scale <= 1800


def drawn(size: int, text: str = "", dark_on_light: bool = True) -> Array:
    image = Image.new("L", (600, 400), 235 if dark_on_light else 30)
    draw = ImageDraw.Draw(image)
    draw.rectangle((20, 20, 580, 380), outline=100)  # a frame and rules are no reason for a closer look
    for y in range(60, 380, 40):
        draw.line((20, y, 580, y), fill=100, width=1)
    draw.text((200, 205), text, font=ImageFont.load_default(size), fill=30 if dark_on_light else 235)
    return np.repeat(np.asarray(image)[:, :, None], 3, axis=2)


@pytest.mark.parametrize("dark_on_light", [True, False])
def test_small_text_is_looked_at_closer_and_little_else(dark_on_light: bool) -> None:
    image = cv2.copyMakeBorder(drawn(12, "tiny words", dark_on_light), 0, 752, 0, 936, cv2.BORDER_REPLICATE)
    (glance,) = plan_glances(image, [], 30)
    assert glance.x0 <= 160 and glance.x1 >= 310 and glance.y0 <= 165 and glance.y1 >= 262  # the text and its rim
    assert glance.width * glance.height < 0.2 * image.shape[0] * image.shape[1]
    assert not any(side % 32 for side in (glance.width, glance.height))


def test_a_piece_full_of_small_text_is_looked_at_whole() -> None:
    image = drawn(12, "tiny words")
    assert plan_glances(np.tile(image, (2, 1, 1)), [], 30) == (Box(0, 0, 600, 800),)


def test_places_far_apart_are_looked_at_apart() -> None:
    image = np.full((1184, 1696, 3), 235, np.uint8)
    text = drawn(12, "tiny words")[200:225, 190:290]
    image[40:65, 40:140] = image[1100:1125, 1500:1600] = text
    first, second = sorted(plan_glances(image, [], 30), key=lambda box: box.x0)
    assert first.x1 < 600 and first.y1 < 500 and second.x0 > 1100 and second.y0 > 700


def test_rules_flat_paper_and_known_text_need_no_closer_look() -> None:
    assert not plan_glances(drawn(12), [], 30)
    assert not plan_glances(np.full((64, 64, 3), 200, np.uint8), [], 30)
    text = drawn(12, "tiny words")
    assert not plan_glances(text, [rectangle(198, 203, 270, 222)], 30)


def test_nor_does_noise() -> None:
    noise = np.random.default_rng(5).normal(200, 6, (400, 600, 3)).clip(0, 255).astype(np.uint8)
    assert not plan_glances(noise, [], 30)


def test_what_a_glance_sees_of_a_picture_as_one_shape_is_no_small_text() -> None:
    assert is_low(rectangle(0, 0, 400, 60), 30)
    assert not is_low(rectangle(0, 0, 500, 300), 30)


def test_shapes_used_here_are_what_they_claim() -> None:
    assert shapely.intersection(TOP, BOTTOM).bounds == (0, 400, 1000, 600)
