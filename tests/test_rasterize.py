"""PDF pages as pixels: the grid a page is put on, what is drawn, what is refused; by both engines."""

from __future__ import annotations

import zlib
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pikepdf
import pymupdf
import pytest
from PIL import Image

from pipeline.documents import RasterSettings, inspect_document, rasterize_page
from pipeline.errors import InputError, SetupError, StageError
from pipeline.types import Colour, Page, PageRef

ENGINES = ("pymupdf", "pdf2image")
RAW = pikepdf.StreamDecodeLevel.none


def noise(height: int, width: int, channels: int = 1, bits: int = 8, seed: int = 7) -> np.ndarray:
    random = np.random.default_rng(seed)
    if bits == 1:
        return (random.random((height, width)) < 0.5).astype(np.uint8) * 255
    return random.integers(0, 256, (height, width, channels), dtype=np.uint8).squeeze()


def image_stream(pdf: pikepdf.Pdf, data: bytes, size: tuple[int, int], space: str, bits: int, filter_name: str) -> Any:
    stream = pikepdf.Stream(pdf, data)
    stream.stream_dict = pikepdf.Dictionary(
        Type=pikepdf.Name.XObject,
        Subtype=pikepdf.Name.Image,
        Width=size[0],
        Height=size[1],
        ColorSpace=pikepdf.Name(space),
        BitsPerComponent=bits,
        Filter=pikepdf.Name(filter_name),
    )
    return stream


def flate_image(pdf: pikepdf.Pdf, pixels: np.ndarray, bits: int = 8) -> Any:
    data = np.packbits(pixels > 127, axis=1) if bits == 1 else pixels
    space = "/DeviceRGB" if pixels.ndim == 3 else "/DeviceGray"
    return image_stream(pdf, zlib.compress(data.tobytes()), pixels.shape[1::-1], space, bits, "/FlateDecode")


def jpeg_bytes(pixels: np.ndarray, **options: Any) -> bytes:
    out = BytesIO()
    Image.fromarray(pixels).save(out, "JPEG", **options)
    return out.getvalue()


class Book:
    """A PDF under construction, one call a page."""

    def __init__(self) -> None:
        self.pdf = pikepdf.new()
        self.font = self.pdf.make_indirect(
            pikepdf.Dictionary(Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica)
        )

    def page(self, size: tuple[float, float], content: bytes, images: dict[str, Any] | None = None, **keys: Any) -> Any:
        page = self.pdf.add_blank_page(page_size=size)
        page.Resources = pikepdf.Dictionary(
            XObject=pikepdf.Dictionary({f"/{name}": self.pdf.make_indirect(s) for name, s in (images or {}).items()}),
            Font=pikepdf.Dictionary(F1=self.font),
        )
        page.Contents = self.pdf.make_stream(content)
        for key, value in keys.items():
            page.obj[f"/{key}"] = value
        return page

    def save(self, path: Path) -> str:
        self.pdf.save(path, compress_streams=False, stream_decode_level=RAW)
        return str(path)


def scan_book(pixels: np.ndarray, size: tuple[float, float], bits: int = 8, extra: bytes = b"", **keys: Any) -> Book:
    book = Book()
    content = b"q %f 0 0 %f 0 0 cm /Im0 Do Q " % size + extra
    book.page(size, content, {"Im0": flate_image(book.pdf, pixels, bits)}, **keys)
    return book


def rasterize(path: str, index: int = 0, **settings: Any) -> Page:
    return rasterize_page(PageRef(path, index), RasterSettings(**settings))


def as_rgb(pixels: np.ndarray) -> np.ndarray:
    return pixels if pixels.ndim == 3 else np.repeat(pixels[..., None], 3, axis=2)


def assert_alike(first: np.ndarray, second: np.ndarray) -> None:
    """Two engines' drawings: the same to someone who stands back."""
    assert first.shape == second.shape
    small = [np.asarray(Image.fromarray(x).reduce(8), np.int16) for x in (first, second)]
    difference = np.abs(small[0] - small[1])
    assert difference.mean() < 2.0
    assert np.percentile(difference, 99) < 48


# -- a scan keeps its own grid


@pytest.mark.parametrize("rotate", [0, 90, 180, 270])
@pytest.mark.parametrize("bits", [1, 8])
def test_scan_is_exact_in_every_rotation(tmp_path: Path, rotate: int, bits: int) -> None:
    pixels = noise(180, 250, bits=bits)
    page = rasterize(scan_book(pixels, (60, 43.2), bits, Rotate=rotate).save(tmp_path / "a.pdf"))
    np.testing.assert_array_equal(page.image, as_rgb(np.rot90(pixels, -rotate // 90)))
    assert page.colour is (Colour.BILEVEL if bits == 1 else Colour.GREY)
    expected = (43.2, 60) if rotate in (90, 270) else (60, 43.2)
    assert (page.width_pt, page.height_pt) == pytest.approx(expected, abs=1e-3)
    assert page.jpeg is None


def test_odd_page_size_does_not_blur_a_scan(tmp_path: Path) -> None:
    pixels = noise(981, 801, 3)
    page = rasterize(scan_book(pixels, (384.31, 470.77)).save(tmp_path / "a.pdf"))
    np.testing.assert_array_equal(page.image, pixels)
    assert page.colour is Colour.RGB


@pytest.mark.parametrize("where", ["before", "after"])
def test_invisible_or_hidden_text_leaves_the_grid_alone(tmp_path: Path, where: str) -> None:
    pixels = noise(300, 200, bits=1)
    text = b"BT /F1 20 Tf %d Tr 10 50 Td (hidden) Tj ET " % (3 if where == "after" else 0)
    draw = b"q 96 0 0 144 0 0 cm /Im0 Do Q "
    book = Book()
    content = text + draw if where == "before" else draw + text
    book.page((96, 144), content, {"Im0": flate_image(book.pdf, pixels, 1)})
    page = rasterize(book.save(tmp_path / "a.pdf"))
    np.testing.assert_array_equal(page.image, as_rgb(pixels))
    assert page.colour is Colour.BILEVEL


@pytest.mark.parametrize("subsampling", [0, 1])
def test_jpeg_scan_keeps_its_pixels_and_tables(tmp_path: Path, subsampling: int) -> None:
    smooth = np.asarray(Image.fromarray(noise(30, 40, 3)).resize((400, 300)))
    data = jpeg_bytes(smooth, quality=61, subsampling=subsampling)
    with Image.open(BytesIO(data)) as decoded:
        expected, tables = np.asarray(decoded), decoded.quantization
    for rotate in (0, 90):
        book = Book()
        stream = image_stream(book.pdf, data, (400, 300), "/DeviceRGB", 8, "/DCTDecode")
        book.page((96, 72), b"q 96 0 0 72 0 0 cm /Im0 Do Q", {"Im0": stream}, Rotate=rotate)
        page = rasterize(book.save(tmp_path / f"{rotate}.pdf"))
        if not subsampling:  # decoders differ in rounding, and in how they spread colour that was stored coarsely
            np.testing.assert_allclose(page.image.astype(int), np.rot90(expected, -rotate // 90), atol=1)
        assert page.jpeg is not None
        squares = [np.reshape(tables[i], (8, 8)) for i in (0, 1)]
        for found, square in zip(page.jpeg.tables, squares, strict=True):
            np.testing.assert_array_equal(np.reshape(found, (8, 8)), square.T if rotate else square)
        assert page.jpeg.subsampling == (0 if rotate else subsampling)


def test_scan_with_margins_keeps_its_pixels(tmp_path: Path) -> None:
    pixels = noise(290, 390)
    book = Book()
    book.page((100, 75), b"q 97.5 0 0 72.5 1.25 1.25 cm /Im0 Do Q", {"Im0": flate_image(book.pdf, pixels)})
    page = rasterize(book.save(tmp_path / "a.pdf"))
    assert page.image.shape == (300, 400, 3)
    np.testing.assert_array_equal(page.image[5:295, 5:395], as_rgb(pixels))
    page.image[5:295, 5:395] = 255
    assert (page.image == 255).all()


def test_crop_box_cuts_a_scan_between_its_pixels(tmp_path: Path) -> None:
    pixels = noise(300, 400)
    book = scan_book(pixels, (96, 72), CropBox=[24, 0, 96, 54])
    page = rasterize(book.save(tmp_path / "a.pdf"))
    np.testing.assert_array_equal(page.image, as_rgb(pixels[75:, 100:]))
    assert (page.width_pt, page.height_pt) == pytest.approx((72, 54))


def test_strips_of_a_scan_are_put_together_exactly(tmp_path: Path) -> None:
    pixels = noise(600, 400, bits=1)
    book = Book()
    strips = {f"Im{i}": flate_image(book.pdf, pixels[i * 200 : i * 200 + 200], 1) for i in range(3)}
    content = b"".join(b"q 96 0 0 48 0 %d cm /Im%d Do Q " % (96 - 48 * i, i) for i in range(3))
    book.page((96, 144), content, strips)
    page = rasterize(book.save(tmp_path / "a.pdf"))
    np.testing.assert_array_equal(page.image, as_rgb(pixels))
    assert page.colour is Colour.BILEVEL


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    page = rasterize(scan_book(noise(100, 400), (144, 72)).save(tmp_path / "a.pdf"))
    assert page.image.shape == (200, 400, 3)


@pytest.mark.parametrize("engine", ENGINES)
def test_skewed_one_bit_scan_stays_one_bit(tmp_path: Path, engine: str) -> None:
    pixels = np.full((600, 800), 255, np.uint8)
    pixels[100:500:40, 100:700] = pixels[101:500:40, 100:700] = pixels[102:500:40, 100:700] = 0
    book = Book()
    angle = np.radians(2)
    a, b = 192 * np.cos(angle), 192 * np.sin(angle)
    content = b"q %f %f %f %f 0 0 cm /Im0 Do Q" % (a, b, -b * 0.75, a * 0.75)
    book.page((192, 144), content, {"Im0": flate_image(book.pdf, pixels, 1)})
    page = rasterize(book.save(tmp_path / "a.pdf"), rasterizer=engine)
    assert page.image.shape == (600, 800, 3)
    assert page.colour is Colour.BILEVEL
    assert set(np.unique(page.image)) == {0, 255}
    assert (page.image == 0).mean() == pytest.approx(10 * 600 * 3 / (600 * 800), rel=0.05)  # the ten rules


def test_two_greys_in_one_bit_stay_grey(tmp_path: Path) -> None:
    pixels = noise(100, 100, bits=1)
    book = Book()
    stream = flate_image(book.pdf, pixels, 1)
    stream.ColorSpace = pikepdf.Array([pikepdf.Name.Indexed, pikepdf.Name.DeviceGray, 1, pikepdf.String(b"\x64\xff")])
    book.page((36, 36), b"q 36 0 0 36 0 0 cm /Im0 Do Q", {"Im0": stream})
    page = rasterize(book.save(tmp_path / "a.pdf"))
    assert page.colour is Colour.GREY
    np.testing.assert_array_equal(np.unique(page.image), [100, 255])


# -- resolutions


def test_drawn_page_gets_200_dpi_and_keeps_its_size(tmp_path: Path) -> None:
    book = Book()
    book.page((101.5, 72), b"10 10 50 30 re f")
    page = rasterize(book.save(tmp_path / "a.pdf"))
    assert page.image.shape == (200, 282, 3)
    assert (page.width_pt, page.height_pt) == pytest.approx((101.5, 72))
    assert page.colour is Colour.GREY


@pytest.mark.parametrize(("dpi", "kept"), [(100, False), (300, True)])
def test_stamp_over_a_scan_spoils_its_grid_only_if_it_is_coarse(tmp_path: Path, dpi: int, kept: bool) -> None:
    pixels = noise(dpi, 2 * dpi)
    stamp = b"1 0 0 RG 5 w 72 0 m 144 36 l S"
    page = rasterize(scan_book(pixels, (144, 72), extra=stamp).save(tmp_path / "a.pdf"))
    assert page.image.shape == ((dpi, 2 * dpi, 3) if kept else (200, 400, 3))
    assert page.colour is Colour.RGB
    if kept:
        np.testing.assert_array_equal(page.image[:, : dpi - 20], as_rgb(pixels)[:, : dpi - 20])


def test_asked_for_resolution_is_taken_exactly_or_resampled(tmp_path: Path) -> None:
    pixels = noise(300, 600, bits=1)
    path = scan_book(pixels, (144, 72), 1).save(tmp_path / "a.pdf")
    np.testing.assert_array_equal(rasterize(path, dpi=300).image, as_rgb(pixels))
    coarse = rasterize(path, dpi=100)
    assert coarse.image.shape == (100, 200, 3)
    assert coarse.colour is Colour.GREY


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
    with pytest.raises(StageError, match=r"page 1 of .*a\.pdf .*viewer"):
        rasterize(path)
    assert capfd.readouterr() == ("", "")


def test_stream_that_lacks_only_its_checksum_is_read(tmp_path: Path) -> None:
    book = Book()
    page = book.page((72, 72), b"")
    page.Contents = pikepdf.Stream(book.pdf, zlib.compress(b"0 0 36 36 re f " * 3)[:-3])
    page.Contents.stream_dict = pikepdf.Dictionary(Filter=pikepdf.Name.FlateDecode)
    assert rasterize(book.save(tmp_path / "a.pdf"), dpi=72).image[50, 20, 0] == 0


def test_sloppy_drawing_is_drawn_and_noted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    book = Book()
    book.page((72, 72), b"0 0 36 36 re f nonsense 1 2 3 [ 4")
    page = rasterize(book.save(tmp_path / "a.pdf"), dpi=72)
    assert page.image[50, 20, 0] == 0
    assert any("nonsense" in line for line in page.complaints)
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
