"""What counts as text that is left, one question at a time."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from residues import REGION, SIDE, bars, dark_box, paper, reading, with_bars

from pipeline.residue import (
    believed_share,
    dark_areas,
    has_ghost,
    ink_clusters,
    is_dark,
    is_glyph,
    is_text,
    is_word,
    light_clusters,
    lone_glyphs,
    stretch_removed,
    tiny_lines,
)


@pytest.mark.parametrize(
    ("text", "score", "believed", "expected"),
    [
        ("Name", 0.95, 0.0, True),
        ("A", 0.99, 0.0, True),
        ("eip", 0.77, 0.5, True),  # traces, where the stroke network sees ink
        ("EFR", 0.7, 0.1, False),  # a photograph
        ("□", 0.97, 0.3, False),  # an empty check box
        ("—1", 0.9, 0.1, False),  # bits of rules
        ("1", 0.9, 0.9, True),  # a lone digit
        ("", 0.0, 1.0, False),
    ],
)
def test_text_is_what_can_be_read_or_is_borne_out(text, score, believed, expected):
    assert is_text(reading(text, score), believed) is expected


def test_ink_is_believed_as_far_as_the_network_sees_it():
    image, levels = with_bars(paper()), np.where(bars(), 200, 0)
    assert believed_share(image, levels, REGION) > 0.9
    assert believed_share(image, np.zeros_like(levels), REGION) == 0
    assert believed_share(paper(), levels, REGION) == 0
    assert believed_share(image, levels, REGION + 1000) == 0


def test_a_ghost_is_seen_and_clean_paper_is_none():
    removed = cv2.dilate(bars().astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
    ghost = paper()
    ghost[removed] -= 8
    assert has_ghost(ghost, removed, REGION)
    assert not has_ghost(paper(), removed, REGION)
    assert not has_ghost(ghost, np.zeros_like(removed), REGION)


def test_a_stretched_copy_shows_ghosts_and_leaves_the_rest():
    removed = bars()
    ghost = paper()
    ghost[removed] -= 8
    stretched = stretch_removed(ghost, removed)
    inside, beside = (
        stretched[mask].astype(float).mean() for mask in (removed, np.roll(removed, 4, axis=1) & ~removed)
    )
    assert beside - inside > 12
    assert (stretched[120:] == ghost[120:]).all()
    assert (stretch_removed(ghost, np.zeros_like(removed)) == ghost).all()


def test_clusters_have_the_size_of_text():
    levels = np.zeros((SIDE, SIDE), int)
    levels[20:32, 20:28] = 220  # a letter
    levels[100, 10:190] = 255  # a rule: too long
    levels[150:153, 150:152] = 255  # a speck
    (found,) = ink_clusters(levels, np.zeros(levels.shape, bool))
    assert found.x0 <= 20 and found.x1 >= 28 and found.y0 <= 20 and found.y1 >= 32
    assert not ink_clusters(levels, np.ones(levels.shape, bool))


@pytest.mark.parametrize(
    ("text", "score", "expected"),
    [("Ber", 0.75, True), ("Bel", 0.95, True), ("EFR", 0.7, False), ("L", 0.99, False), ("100 1", 0.9, False)],
)
def test_words_are_several_characters_that_no_frame_is_read_as(text, score, expected):
    assert is_word(reading(text, score)) == expected


def test_dark_places_and_what_is_light_in_them():
    (area,) = dark_areas(dark_box())
    assert abs(area.x0 - 30) <= 4 and abs(area.y1 - 90) <= 4
    assert not dark_areas(paper()) and not dark_areas(with_bars(paper()))
    framed = with_bars(dark_box(), 240)
    framed[32:34, 32:148] = framed[86:88, 32:148] = 240  # a frame is no glyph
    boxes = light_clusters(framed, dark_areas(framed))
    assert boxes and all(box.y0 >= 40 and box.y1 <= 72 for box in boxes)
    assert not light_clusters(dark_box(), dark_areas(dark_box()))
    assert is_dark(dark_box(), REGION) and not is_dark(paper(), REGION)


def test_a_line_of_tiny_type_is_found_above_a_bubble_that_it_touches():
    levels = np.zeros((SIDE, SIDE), np.int32)
    levels[50:57, 60:100] = 220  # a label
    ring = np.zeros((SIDE, SIDE), np.uint8)
    cv2.circle(ring, (80, 66), 10, 1, 3)
    levels[ring > 0] = 200
    levels[120:122, 20:180] = 255  # a rule
    levels[150:180, 20:60] = 255  # something large
    (box,) = tiny_lines(levels)
    assert (box.x0, box.x1) == (57, 103) and 46 <= box.y0 <= 48 and 59 <= box.y1 <= 62
    assert tiny_lines(np.zeros((5, 5), np.int32)) == []


def test_lone_glyphs_are_what_the_network_is_sure_of_and_no_dash_no_speck_and_no_rule():
    levels = np.zeros((SIDE, SIDE), np.int32)
    levels[50:59, 60:65] = 240  # a digit
    levels[10:20, 190:200] = 220  # one at the edge
    levels[100:109, 60:65] = 200  # likely ink, not surely
    levels[120:124, 20:40] = 255  # a dash
    levels[140:144, 60:63] = 255  # a speck
    levels[20:190, 120:124] = 255  # a rule
    boxes = lone_glyphs(levels, np.zeros(levels.shape, bool))
    assert [(b.x0, b.y0, b.x1, b.y1) for b in boxes] == [(187, 7, 200, 23), (57, 47, 68, 62)]
    elsewhere = np.zeros(levels.shape, bool)
    elsewhere[:, 150:] = True
    assert len(lone_glyphs(levels, elsewhere)) == 1


@pytest.mark.parametrize(
    ("text", "score", "expected"),
    [("7", 0.9, True), ("1", 0.75, True), ("7", 0.6, False), ("口", 0.99, False), ("-", 0.99, False),
     ("0", 0.95, True), ("0", 0.85, False), ("", 0.9, False), ("19", 0.8, True), ("米", 0.9, True), ("7.", 0.8, True),
     ("(3)", 0.8, True), ("()", 0.99, False), ("日", 0.99, False)],
)  # fmt: skip
def test_what_reads_as_a_letter_or_a_digit_is_a_glyph_and_what_a_box_is_read_as_is_not(text, score, expected):
    assert is_glyph(reading(text, score)) == expected


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (300, 1), (3, 5)])
def test_pages_of_hardly_any_pixels_are_looked_at(shape):
    page = np.full((*shape, 3), 20, np.uint8)
    assert dark_areas(page) == []
    stretch_removed(page, np.ones(shape, bool))
    assert tiny_lines(np.full(shape, 255, np.int32)) == []
    assert lone_glyphs(np.full(shape, 255, np.int32), np.zeros(shape, bool)) == []
