"""Which text operators are taken out of a page, those of all that is drawn, and whose ink it is that goes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pikepdf
import pymupdf
import pytest
from small_sets import corners
from test_pairs import put, save

from pipeline.errors import StageError
from pipeline.pairs import _take_in, near_words, render_pair


def with_form(path: Path, form: bytes, page_content: bytes) -> Path:
    """A page with a word, a form in its resources, and perhaps more content."""
    save(path, put)
    with pikepdf.open(path, allow_overwriting_input=True) as document:
        page = document.pages[0]
        made = document.make_stream(form)
        made.Type, made.Subtype, made.BBox = pikepdf.Name.XObject, pikepdf.Name.Form, pikepdf.Array([0, 0, 300, 200])
        made.Resources = pikepdf.Dictionary(Font=page.Resources.Font)
        page.Resources.XObject = pikepdf.Dictionary(F=made)
        page.contents_add(page_content)
        document.save()
    return path


CLIP = b"q BT /helv 40 Tf 7 Tr 40 40 Td (clip) Tj ET 0 0 300 200 re f Q"
TEXT = b"BT /helv 40 Tf 40 40 Td (form) Tj ET"


@pytest.mark.parametrize(
    ("form", "content", "texts"),
    [
        (CLIP, b"", []),
        (TEXT, b"", []),
        (TEXT, b"/F Do", ["form"]),
        (TEXT, b"q BT 7 Tr ET Q /F Do", ["form"]),
        (TEXT, b"BT 7 Tr ET", []),
    ],
    ids=["clip not drawn", "text not drawn", "drawn", "another mode before", "a mode without text"],
)
def test_only_what_is_drawn_counts(tmp_path: Path, form: bytes, content: bytes, texts: list[str]) -> None:
    pair = render_pair(with_form(tmp_path / "a.pdf", form, content), 0, 100)
    assert sorted(pair.texts) == sorted(["Total", "due", *texts]) and (pair.blank == 255).all()


@pytest.mark.parametrize(
    ("form", "content"),
    [
        (CLIP, b"/F Do"),
        (TEXT, b"BT 7 Tr ET /F Do"),
        (TEXT, b"/F Do BT 5 Tr ET /F Do"),
        (TEXT, b"BT 5 Tr ET /F Do 0 Tr /F Do"),
    ],
    ids=["its own mode", "the page's mode", "both, first", "both, last"],
)
def test_a_form_that_clips_by_its_text_is_refused(tmp_path: Path, form: bytes, content: bytes) -> None:
    with pytest.raises(StageError, match="clipping path"):
        render_pair(with_form(tmp_path / "a.pdf", form, content), 0, 100)


@pytest.mark.parametrize("annotations", [False, True])
def test_layers_that_are_off_stay_off(tmp_path: Path, annotations: bool) -> None:
    path = tmp_path / "a.pdf"
    with pymupdf.open() as document:
        document.new_page(width=300, height=200)
        page = document.new_page(width=300, height=200)
        on, off = document.add_ocg("on", on=True), document.add_ocg("off", on=False)
        page.insert_text((40, 60), "shown", fontsize=16, oc=on)
        page.insert_text((40, 120), "hidden", fontsize=16, oc=off)
        page.draw_rect((200, 20, 280, 60), fill=(0, 0, 1), oc=on)
        page.draw_rect((200, 100, 280, 180), fill=(1, 0, 0), oc=off)
        document.save(path)
    pair = render_pair(path, 1, 72, annotations)
    assert pair.texts == ("shown",)
    assert (pair.text[80:] == 255).all() and (pair.blank[30, 240] == (0, 0, 255)).all()


def test_annotations_of_a_layer_that_is_off_stay_off(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    with pymupdf.open() as document:
        page = document.new_page(width=300, height=200)
        page.insert_text((40, 40), "shown", fontsize=16)
        for x, on in ((40, True), (160, False)):
            annotation = page.add_freetext_annot((x, 100, x + 100, 150), "remark", fill_color=(1, 1, 0))
            annotation.set_oc(document.add_ocg(str(on), on=on))
            annotation.update()
        document.save(path)
    pair = render_pair(path, 0, 72, annotations=True)
    assert pair.texts == ("shown", "remark") and (pair.text[95:155, 155:] == 255).all()
    assert (pair.blank[140, 130] == (255, 255, 0)).all()


def ink_at(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    ink = np.zeros((220, 100), bool)
    for x0, y0, x1, y1 in boxes:
        ink[y0:y1, x0:x1] = True
    return ink


@pytest.mark.parametrize(
    ("boxes", "ink"),
    [
        ([(10, 10, 30, 40), (10, 60, 30, 90), (10, 110, 30, 140)], ink_at((18, 12, 22, 138))),
        ([(10, 10, 22, 43)], ink_at((14, 12, 18, 70))),
    ],
    ids=["a bracket put together of pieces", "a bracket whose font tells half its height"],
)
def test_tall_brackets_belong_to_their_words(boxes: list[tuple[int, int, int, int]], ink: np.ndarray) -> None:
    words = [np.array(corners(box), np.float32) for box in boxes]
    _take_in(words, ink)
    assert not (ink & ~near_words(words, *ink.shape)).any()
    assert near_words(words, *ink.shape).sum() < 2.5 * sum((x1 - x0 + 6) * (y1 - y0 + 6) for x0, y0, x1, y1 in boxes)


@pytest.mark.parametrize("stray", [(14, 90, 18, 110), (60, 12, 64, 40)], ids=["far below", "far beside"])
def test_ink_far_from_its_word_is_still_none_of_it(stray: tuple[int, int, int, int]) -> None:
    words = [np.array(corners((10, 10, 22, 43)), np.float32)]
    with pytest.raises(ValueError, match="belongs to none of its words"):
        _take_in(words, ink_at((14, 12, 18, 40), stray))
