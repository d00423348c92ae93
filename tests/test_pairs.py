"""Pages with and without their text: nothing but the text may differ, and what cannot be told exactly is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pikepdf
import pymupdf
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.errors import InputError, StageError
from pipeline.masks import polygon_mask
from pipeline.pairs import MARGIN_PX, Pair, count_pages, measure_richness, render_pair

Drawing = Callable[[Any, bool], None]


def save(path: Path, draw: Drawing, write: bool = True, rotation: int = 0) -> Path:
    with pymupdf.open() as document:
        page = document.new_page(width=300, height=200)
        draw(page, write)
        page.set_rotation(rotation)
        document.save(path)
    return path


def photo() -> bytes:
    rows, columns = np.mgrid[:60, :80]
    image = np.stack([rows * 4, columns * 3, (rows * columns) % 255], axis=2).astype(np.uint8)
    return bytes(cv2.imencode(".png", image)[1])


def put(page: Any, write: bool, at: tuple[float, float] = (40, 60), text: str = "Total due", **more: Any) -> None:
    if write:
        page.insert_text(at, text, fontsize=more.pop("size", 16), **more)


def over_rules(page: Any, write: bool) -> None:
    for y in (40, 56, 62):
        page.draw_line((20, y), (280, y), color=(0, 0, 0.6), width=1.5)
    page.draw_rect((30, 30, 200, 90), color=(1, 0, 0))
    put(page, write)


def over_picture(page: Any, write: bool) -> None:
    page.insert_image((20, 20, 220, 120), stream=photo())
    put(page, write, color=(1, 1, 1))


def in_a_form(page: Any, write: bool) -> None:
    with pymupdf.open() as inner:
        leaf = inner.new_page(width=300, height=200)
        over_rules(leaf, write)
        with pymupdf.open() as outer:
            outer.new_page(width=300, height=200).show_pdf_page(pymupdf.Rect(10, 10, 250, 180), inner)
            page.show_pdf_page(page.rect, outer)


def in_three_directions(page: Any, write: bool) -> None:
    page.draw_circle((150, 100), 70, fill=(0.8, 0.9, 0.6))
    put(page, write, rotate=90, at=(150, 150))
    put(page, write, at=(200, 150))
    put(page, write, at=(60, 120), morph=(pymupdf.Point(60, 120), pymupdf.Matrix(20)))


def under_a_veil(page: Any, write: bool) -> None:
    put(page, write)
    page.draw_rect((10, 10, 100, 100), fill=(0.2, 0.8, 0.2), fill_opacity=0.5)


def in_overhanging_type(page: Any, write: bool) -> None:
    put(page, write, text="f jÅf", fontname="tiit", size=40, at=(40, 100))


DRAWINGS = [over_rules, over_picture, in_a_form, in_three_directions, under_a_veil, in_overhanging_type]


def changed_outside(pair: Pair) -> int:
    height, width = pair.text.shape[:2]
    near = polygon_mask(pair.boxes, height, width).astype(np.uint8)
    near = cv2.dilate(near, np.ones((2 * MARGIN_PX + 1,) * 2, np.uint8))
    return int(((pair.text != pair.blank).any(axis=2) & (near == 0)).sum())


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
@pytest.mark.parametrize("draw", DRAWINGS, ids=lambda draw: draw.__name__)
def test_the_blank_is_the_page_as_if_it_had_never_had_text(tmp_path: Path, draw: Drawing, rotation: int) -> None:
    pair = render_pair(save(tmp_path / "text.pdf", draw, True, rotation), 0, 100)

    bare = save(tmp_path / "bare.pdf", draw, False, rotation)
    with pymupdf.open(bare) as document:
        pixmap = document[0].get_pixmap(dpi=100, alpha=False)
    expected = np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3)
    assert np.array_equal(pair.blank, expected)
    assert (pair.text != pair.blank).any(axis=2).sum() > 50
    assert changed_outside(pair) == 0


def test_boxes_lie_on_their_words(tmp_path: Path) -> None:
    pair = render_pair(save(tmp_path / "a.pdf", over_rules), 0, 144)

    first, second = sorted((tuple(box.min(axis=0)), tuple(box.max(axis=0))) for box in pair.boxes)
    assert len(pair.boxes) == 2
    assert all(box.shape == (4, 2) and box.dtype == np.float32 for box in pair.boxes)
    assert np.allclose(first[0], (80, 97), atol=4), "16 pt type stands on y = 60 pt, drawn at 2 px a pt"
    assert np.allclose(first[1], (160, 121), atol=25)
    assert first[1][0] < second[0][0], "the words are apart"


def test_boxes_turn_with_the_page(tmp_path: Path) -> None:
    upright = render_pair(save(tmp_path / "a.pdf", over_rules), 0, 72)
    turned = render_pair(save(tmp_path / "b.pdf", over_rules, rotation=90), 0, 72)

    assert turned.text.shape == (300, 200, 3)
    box = upright.boxes[0]
    expected = np.stack([200 - box[:, 1], box[:, 0]], axis=1)
    assert np.allclose(turned.boxes[0], expected, atol=1.5)


def test_a_slanted_word_has_a_slanted_box(tmp_path: Path) -> None:
    box = max(
        render_pair(save(tmp_path / "a.pdf", in_three_directions), 0, 144).boxes,
        key=lambda box: min(abs(box[1] - box[0])),
    )
    along = box[1] - box[0]
    assert abs(abs(np.degrees(np.arctan2(along[1], along[0]))) - 20) < 1


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    at=st.tuples(st.integers(10, 150), st.integers(30, 190)),
    size=st.integers(5, 60),
    angle=st.integers(-180, 180),
    font=st.sampled_from(["helv", "tiit", "cobo", "symb"]),
    dpi=st.sampled_from([72, 150, 200]),
)
def test_nothing_changes_outside_the_boxes(
    tmp_path: Path, at: tuple[int, int], size: int, angle: int, font: str, dpi: int
) -> None:
    def draw(page: Any, write: bool) -> None:
        over_picture(page, write)
        morph = (pymupdf.Point(at), pymupdf.Matrix(angle))
        put(page, write, at=at, text="fly Ag. j", size=size, fontname=font, morph=morph)

    assert changed_outside(render_pair(save(tmp_path / "a.pdf", draw), 0, dpi)) == 0


def test_the_same_page_twice_is_the_same(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pdf", over_picture)
    before = path.read_bytes()
    first, second = render_pair(path, 0, 100), render_pair(path, 0, 100)
    assert np.array_equal(first.text, second.text) and np.array_equal(first.blank, second.blank)
    assert all(np.array_equal(one, other) for one, other in zip(first.boxes, second.boxes, strict=True))
    assert path.read_bytes() == before


def test_words_that_cannot_be_seen_are_none(tmp_path: Path) -> None:
    def draw(page: Any, write: bool) -> None:
        put(page, write, text="seen", at=(40, 60))
        put(page, write, text="invisible", at=(40, 120), render_mode=3)
        put(page, write, text="covered", at=(40, 160))
        page.draw_rect((30, 140, 200, 180), fill=(0.5, 0.5, 0.5))

    assert len(render_pair(save(tmp_path / "a.pdf", draw), 0, 100).boxes) == 1


def test_all_operators_that_show_text_are_taken_out(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pdf", put)
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        page = document.pages[0]
        name = next(iter(page.Resources.Font))
        content = (
            f"BT {name} 14 Tf 20 TL 40 150 Td (one) Tj [(two) -200 (three)] TJ (four) ' 1 1 (five) \" ET 0 0 8 8 re f"
        )
        page.Contents = document.make_stream(content.encode())
        document.save()
    pair = render_pair(path, 0, 100)
    assert len(pair.boxes) == 4, "one and two run together"
    assert (pair.text[:260] < 255).any()
    assert (pair.blank[:260] == 255).all() and (pair.blank[-6:-2, :5] == 0).all(), "the square in the corner stays"


def test_a_pattern_made_of_letters_is_no_exact_truth(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pdf", put)
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        page = document.pages[0]
        tile = document.make_stream(b"BT /helv 20 Tf 2 5 Td (W) Tj ET")
        tile.Type, tile.PatternType, tile.PaintType, tile.TilingType = pikepdf.Name.Pattern, 1, 1, 1
        tile.BBox, tile.XStep, tile.YStep = pikepdf.Array([0, 0, 30, 30]), 30, 30
        tile.Resources = pikepdf.Dictionary(Font=page.Resources.Font)
        page.Resources.Pattern = pikepdf.Dictionary(P=document.make_indirect(tile))
        page.contents_add(b"/Pattern cs /P scn 150 20 120 120 re f")
        document.save()
    with pytest.raises(StageError, match="belongs to none of its words"):
        render_pair(path, 0, 100)


@pytest.mark.parametrize("content", [b"BT /helv 12 Tf Tr (a) Tj ET", b"BT [ ( Tj", b"q q q /Nothing Do Q"])
def test_broken_content_never_crashes(tmp_path: Path, content: bytes) -> None:
    path = save(tmp_path / "a.pdf", put)
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        document.pages[0].contents_add(content)
        document.save()
    try:
        assert changed_outside(render_pair(path, 0, 100)) == 0
    except StageError as error:
        assert "a.pdf, page 1" in str(error)


def test_forms_that_are_filled_in_are_left_out_on_both(tmp_path: Path) -> None:
    def draw(page: Any, write: bool) -> None:
        put(page, write)
        page.add_freetext_annot((40, 100, 200, 150), "a remark")
        field = pymupdf.Widget()
        field.rect, field.field_name = pymupdf.Rect(40, 160, 200, 180), "name"
        field.field_type, field.field_value = pymupdf.PDF_WIDGET_TYPE_TEXT, "filled in"
        page.add_widget(field)

    pair = render_pair(save(tmp_path / "a.pdf", draw), 0, 100)
    assert (pair.text[110:] == 255).all() and (pair.blank == 255).all()


def refusals() -> list[tuple[str, Drawing]]:
    return [
        ("has no text", lambda page, write: page.draw_rect((10, 10, 90, 90))),
        ("invisible", lambda page, write: put(page, write, render_mode=3)),
        ("invisible", lambda page, write: put(page, write, color=(1, 1, 1))),
        ("clipping path", lambda page, write: put(page, write, render_mode=7)),
    ]


@pytest.mark.parametrize(("reason", "draw"), refusals(), ids=["none", "invisible", "white", "clip"])
def test_pages_that_hold_no_exact_truth_are_refused(tmp_path: Path, reason: str, draw: Drawing) -> None:
    with pytest.raises(StageError, match=rf"a\.pdf, page 1: .*{reason}.*use another page"):
        render_pair(save(tmp_path / "a.pdf", draw), 0, 100)


def test_ink_that_is_no_words_is_refused(tmp_path: Path) -> None:
    def draw(page: Any, write: bool) -> None:
        put(page, write, text="mmm")
        put(page, write, text="word", at=(40, 180), fontname="cour")

    path = save(tmp_path / "a.pdf", draw)
    cmap = b"begincmap 1 begincodespacerange <00> <ff> endcodespacerange 1 beginbfchar <6d> <0020> endbfchar endcmap"
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        document.pages[0].Resources.Font["/helv"]["/ToUnicode"] = document.make_stream(cmap)
        document.save()
    with pytest.raises(StageError, match="belongs to none of its words"):
        render_pair(path, 0, 100)


def test_fonts_made_to_draw_with_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pdf", put)
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        document.pages[0].Resources.Font["/helv"]["/BaseFont"] = pikepdf.Name("/ABCDEF+LCIRCLE10")
        document.save()
    with pytest.raises(StageError, match="draws with the glyphs of a font"):
        render_pair(path, 0, 100)


def test_a_page_that_is_not_there_or_too_large_is_refused(tmp_path: Path) -> None:
    path = save(tmp_path / "a.pdf", over_rules)
    with pytest.raises(StageError, match="1 pages only") as caught:
        render_pair(path, 3, 100)
    assert caught.value.page_number == 4
    with pytest.raises(StageError, match="larger than"):
        render_pair(path, 0, 6000)


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7 nothing else")
    locked = tmp_path / "locked.pdf"
    with pymupdf.open(save(tmp_path / "a.pdf", put)) as document:
        document.save(locked, encryption=pymupdf.PDF_ENCRYPT_AES_256, user_pw="u", owner_pw="o")
    for path in (broken, locked, tmp_path / "missing.pdf"):
        with pytest.raises(InputError, match=path.name):
            render_pair(path, 0, 100)
        with pytest.raises(InputError, match=path.name):
            count_pages(path)


def test_richness_is_drawings_and_colour(tmp_path: Path) -> None:
    plain, ruled, coloured = (
        measure_richness(save(tmp_path / f"{index}.pdf", draw), 0)
        for index, draw in enumerate((put, over_rules, over_picture))
    )
    assert 0 <= plain < ruled < coloured <= 1
    assert count_pages(tmp_path / "0.pdf") == 1
