"""The grid that a PDF page is put on: a scan's own, bit for bit, or a resolution."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pikepdf
import pytest
from books import ENGINES, Book, as_rgb, flate_image, image_stream, jpeg_bytes, noise, rasterize, scan_book
from PIL import Image

from pipeline.types import Colour

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


@pytest.mark.parametrize("mirrored", ["x", "y"])
def test_mirrored_scan_is_exact(tmp_path: Path, mirrored: str) -> None:
    pixels = noise(180, 250, bits=1)
    book = Book()
    content = b"q -60 0 0 43.2 60 0 cm /Im0 Do Q" if mirrored == "x" else b"q 60 0 0 -43.2 0 43.2 cm /Im0 Do Q"
    book.page((60, 43.2), content, {"Im0": flate_image(book.pdf, pixels, 1)})
    page = rasterize(book.save(tmp_path / "a.pdf"))
    np.testing.assert_array_equal(page.image, as_rgb(pixels[:, ::-1] if mirrored == "x" else pixels[::-1]))


def test_scan_on_a_stamp_sized_page_keeps_its_pixels(tmp_path: Path) -> None:
    pixels = noise(600, 500)
    page = rasterize(scan_book(pixels, (10, 12)).save(tmp_path / "a.pdf"))
    np.testing.assert_array_equal(page.image, as_rgb(pixels))


def test_stretched_background_is_no_scan(tmp_path: Path) -> None:
    page = rasterize(scan_book(noise(2000, 2), (360, 360), extra=b"0 0 99 99 re f").save(tmp_path / "a.pdf"))
    assert page.image.shape == (1000, 1000, 3)


@pytest.mark.parametrize(("lines", "kept"), [(1_000, True), (4_000, False)])
def test_page_of_very_many_lines_is_not_followed_to_its_end(tmp_path: Path, lines: int, kept: bool) -> None:
    """What is drawn beneath a scan does not matter, but finding that out must not take long."""
    book = Book()
    content = b"".join(b"%d 0 m 0 %d l S " % (i % 70, i % 71) for i in range(lines)) + b"q 72 0 0 72 0 0 cm /Im0 Do Q"
    book.page((72, 72), content, {"Im0": flate_image(book.pdf, noise(150, 150))})
    assert rasterize(book.save(tmp_path / "a.pdf")).image.shape == ((150, 150, 3) if kept else (200, 200, 3))


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
