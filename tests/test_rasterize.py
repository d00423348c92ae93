"""PDF pages as pixels: what is drawn, by both engines, and what is refused."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pikepdf
import pymupdf
import pytest
from books import ENGINES, Book, as_rgb, flate_image, image_stream, jpeg_bytes, noise, rasterize
from PIL import Image

from pipeline.documents import RasterSettings, inspect_document
from pipeline.errors import InputError, SetupError, StageError


def assert_alike(first: np.ndarray, second: np.ndarray) -> None:
    """Two engines' drawings: the same to someone who stands back."""
    assert first.shape == second.shape
    small = [np.asarray(Image.fromarray(x).reduce(8), np.int16) for x in (first, second)]
    difference = np.abs(small[0] - small[1])
    assert difference.mean() < 2.0
    assert np.percentile(difference, 99) < 48


# -- what a viewer shows, by both engines


@pytest.fixture
def shown(tmp_path: Path) -> str:
    """Pages that are displayed otherwise than they are stored, each with a black box in its upper left corner."""
    book = Book()
    text = b" BT 0 g /F1 12 Tf 60 40 Td (Sample) Tj ET"
    book.page((200, 100), b"0 80 40 20 re f" + text)
    book.page((100, 200), b"80 160 20 40 re f" + text.replace(b"60 40", b"10 40"), Rotate=270)
    book.page((300, 200), b"50 130 40 20 re f" + text, CropBox=[50, 50, 250, 150])
    book.page((100, 50), b"0 40 20 10 re f" + text.replace(b"60 40", b"30 20"), UserUnit=2.0)
    book.page((200, 100), b"0 80 40 20 re f" + text, MediaBox=[-10, -20, 190, 80], CropBox=[-10, -20, 500, 500])
    return book.save(tmp_path / "shown.pdf")


def test_displayed_size_and_place(shown: str) -> None:
    for index in range(4):
        page = rasterize(shown, index, dpi=72)
        assert (page.width_pt, page.height_pt) == pytest.approx((200, 100)), index
        assert page.image.shape == (100, 200, 3)
        assert (page.image[2:18, 2:38] == 0).all(), index
        assert (page.image[24:, 44:56] == 255).all(), index


def test_engines_agree_on_rotation_crop_and_user_unit(shown: str) -> None:
    for index in range(5):
        first, second = (rasterize(shown, index, dpi=144, rasterizer=engine) for engine in ENGINES)
        assert (first.width_pt, first.height_pt) == (second.width_pt, second.height_pt)
        assert_alike(first.image, second.image)


@pytest.fixture
def interactive(tmp_path: Path) -> str:
    """A highlight, a hidden note, a filled form field, a visible and a hidden layer."""
    document = pymupdf.open()
    page = document.new_page(width=300, height=200)
    page.insert_text((20, 40), "Highlighted words", fontsize=14)
    page.add_highlight_annot(pymupdf.Rect(20, 26, 140, 44))
    hidden = page.add_rect_annot(pymupdf.Rect(200, 20, 280, 60))
    hidden.set_colors(fill=(1, 0, 0))
    hidden.update()
    hidden.set_flags(pymupdf.PDF_ANNOT_IS_HIDDEN)
    unseen = page.add_rect_annot(pymupdf.Rect(200, 80, 280, 120))
    unseen.set_colors(fill=(1, 0, 0))
    unseen.update()
    unseen.set_flags(pymupdf.PDF_ANNOT_IS_NO_VIEW)
    field = pymupdf.Widget()
    field.field_type, field.field_name, field.field_value = pymupdf.PDF_WIDGET_TYPE_TEXT, "name", "MMMMMMMM"
    field.rect, field.text_fontsize = pymupdf.Rect(20, 80, 160, 110), 16
    page.add_widget(field)
    on, off = document.add_ocg("on", on=True), document.add_ocg("off", on=False)
    page.draw_rect(pymupdf.Rect(20, 140, 80, 180), fill=(0, 0, 1), oc=on)
    page.draw_rect(pymupdf.Rect(120, 140, 180, 180), fill=(1, 0, 0), oc=off)
    document.save(tmp_path / "interactive.pdf")
    return str(tmp_path / "interactive.pdf")


@pytest.mark.parametrize("engine", ENGINES)
def test_annotations_fields_and_layers_are_drawn_as_a_viewer_shows_them(interactive: str, engine: str) -> None:
    image = rasterize(interactive, dpi=72, rasterizer=engine).image.astype(int)
    yellow = (image[..., 0] > 200) & (image[..., 1] > 200) & (image[..., 2] < 100)
    assert yellow[26:44, 20:140].mean() > 0.4
    assert (image[84:106, 22:158].sum(axis=2) < 300).sum() > 150  # the field's value
    blue = (image[..., 2] > 200) & (image[..., 0] < 60)
    assert blue[142:178, 22:78].all()
    red = (image[..., 0] > 180) & (image[..., 1] < 60)
    assert not red.any()


def test_engines_agree_on_annotations_fields_and_layers(interactive: str) -> None:
    first, second = (rasterize(interactive, dpi=144, rasterizer=engine) for engine in ENGINES)
    assert_alike(first.image, second.image)


def test_poppler_reads_encrypted_pages(tmp_path: Path, shown: str) -> None:
    path = tmp_path / "secret.pdf"
    with pikepdf.open(shown) as pdf:
        pdf.save(path, encryption=pikepdf.Encryption(user="sesame", owner="o"))
    plain = rasterize(shown, dpi=72, rasterizer="pdf2image").image
    np.testing.assert_array_equal(rasterize(str(path), dpi=72, rasterizer="pdf2image", password="sesame").image, plain)


def test_missing_poppler_is_said(shown: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SetupError, match="poppler-utils"):
        rasterize(shown, rasterizer="pdf2image")


# -- limits and damage


def test_page_larger_than_the_limit_is_refused_with_a_remedy(tmp_path: Path) -> None:
    book = Book()
    book.page((720, 720), b"")
    book.page((14400, 14400), b"")
    path = book.save(tmp_path / "a.pdf")
    with pytest.raises(StageError, match=r"page 2 .*40000 x 40000.*--max-pixels.*--dpi 50 or less") as caught:
        rasterize(path, 1)
    assert (caught.value.stage, caught.value.page_number) == ("rasterize", 2)
    with pytest.raises(StageError, match="2000 x 2000 pixels"):
        rasterize(path, max_pixels=3_999_999)
    assert rasterize(path, max_pixels=4_000_000).width == 2000


@pytest.mark.parametrize("engine", ENGINES)
def test_embedded_image_bomb_is_refused_before_it_is_decoded(tmp_path: Path, engine: str) -> None:
    book = Book()
    stream = image_stream(book.pdf, zlib.compress(b"\0" * 1000), (30_000, 30_000), "/DeviceRGB", 8, "/FlateDecode")
    book.page((72, 72), b"q 9 0 0 9 0 0 cm /Im0 Do Q 30 30 9 9 re f", {"Im0": stream})
    with pytest.raises(StageError, match=r"30000 x 30000.*--max-pixels"):
        rasterize(book.save(tmp_path / "a.pdf"), rasterizer=engine)


def damaged(kind: str) -> Book:
    book = Book()
    pixels = np.asarray(Image.fromarray(noise(40, 40)).resize((400, 400)))
    data, name = jpeg_bytes(pixels), "/DCTDecode"
    content = b"q 72 0 0 72 0 0 cm /Im0 Do Q"
    if kind == "jpeg":
        data = data[: len(data) // 2]
    elif kind == "no jpeg":
        data = b"no such thing"
    elif kind == "jpx":
        data, name = b"\0\0\0\x0cjP  \r\n\x87\n" + b"junk" * 40, "/JPXDecode"
    elif kind == "flate":
        data, name = zlib.compress(pixels.tobytes())[:9000], "/FlateDecode"
    elif kind == "jbig2":
        data, name = b"junk" * 100, "/JBIG2Decode"
    elif kind == "fax":
        data, name = b"\x55" * 400, "/CCITTFaxDecode"
    stream = image_stream(book.pdf, data, (400, 400), "/DeviceGray", 1 if kind in ("jbig2", "fax") else 8, name)
    page = book.page((72, 72), content, {"Im0": stream})
    if kind == "drawing":
        lines = b"".join(b"0 0 m %d 72 l S " % (i * i % 991) for i in range(900))
        page.Contents = pikepdf.Stream(book.pdf, zlib.compress(lines)[:800])
        page.Contents.stream_dict = pikepdf.Dictionary(Filter=pikepdf.Name.FlateDecode)
    return book


@pytest.mark.parametrize("kind", ["jpeg", "no jpeg", "jpx", "flate", "jbig2", "fax", "drawing"])
def test_page_that_cannot_be_drawn_in_full_fails(tmp_path: Path, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    path = damaged(kind).save(tmp_path / "a.pdf")
    for engine in ENGINES:
        with pytest.raises(StageError, match=r"page 1 of .*a\.pdf .*viewer"):
            rasterize(path, rasterizer=engine)
    assert capfd.readouterr() == ("", "")


def test_stream_that_lacks_only_its_checksum_is_read(tmp_path: Path) -> None:
    book = Book()
    page = book.page((72, 72), b"")
    page.Contents = pikepdf.Stream(book.pdf, zlib.compress(b"0 0 36 36 re f " * 3)[:-3])
    page.Contents.stream_dict = pikepdf.Dictionary(Filter=pikepdf.Name.FlateDecode)
    assert rasterize(book.save(tmp_path / "a.pdf"), dpi=72).image[50, 20, 0] == 0


@pytest.mark.parametrize("engine", ENGINES)
def test_sloppy_drawing_is_drawn_and_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture, engine: str) -> None:
    book = Book()
    book.page((72, 72), b"0 0 36 36 re f nonsense 1 2 3 [ 4")
    page = rasterize(book.save(tmp_path / "a.pdf"), dpi=72, rasterizer=engine)
    assert page.image[50, 20, 0] == 0
    assert any("syntax error" in line.lower() for line in page.complaints)
    assert not any("nonsense" in line for line in page.complaints), "the document's own words reach no report"
    assert "a.pdf page 1" in caplog.text


def test_page_that_is_not_there(shown: str) -> None:
    with pytest.raises(InputError, match="no page 9"):
        rasterize(shown, 8)


def test_threads_share_one_mupdf(tmp_path: Path) -> None:
    book = Book()
    scans = [noise(200, 150, seed=seed) for seed in range(6)]
    for pixels in scans:
        book.page((54, 72), b"q 54 0 0 72 0 0 cm /Im0 Do Q", {"Im0": flate_image(book.pdf, pixels)})
    paths = [book.save(tmp_path / f"{i}.pdf") for i in range(2)]
    with ThreadPoolExecutor(6) as pool:
        wanted = [(path, index) for index in range(6) for path in paths] * 3
        for (_, index), page in zip(wanted, pool.map(lambda item: rasterize(*item), wanted), strict=True):
            np.testing.assert_array_equal(page.image, as_rgb(scans[index]))


def test_file_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "a.pdf"
    for count in (1, 2):
        book = Book()
        for _ in range(count):
            book.page((72, 72), b"")
        book.save(tmp_path / "new.pdf")
        (tmp_path / "new.pdf").replace(path)
        assert inspect_document(str(path), RasterSettings()).page_count == count
