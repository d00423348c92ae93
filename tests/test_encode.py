"""What a cleaned page becomes in each format: exact where it can be, no larger than it was, of its own sort."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pikepdf
import pymupdf
import pytest
from PIL import Image, JpegImagePlugin
from sheets import (
    DEFAULT,
    JPEG,
    LOSSLESS,
    PDF,
    PNG,
    TIFF,
    WEBP,
    drawing,
    ink,
    jpeg_page,
    make_page,
    only_image,
    photograph,
    read,
    write,
)

from pipeline.assemble import WriteSettings, encode_page
from pipeline.documents import DocumentKind
from pipeline.errors import StageError, UsageError
from pipeline.types import Colour


@pytest.mark.parametrize("kind", [PDF, PNG, TIFF, WEBP])
@pytest.mark.parametrize("colour", list(Colour))
def test_lossless_is_exact_and_keeps_colour_and_size(tmp_path: Path, kind: DocumentKind, colour: Colour) -> None:
    image = {Colour.RGB: photograph(121, 90), Colour.GREY: photograph(121, 90, 1), Colour.BILEVEL: ink(121, 90)}[colour]
    page = make_page(image, colour, (45.1, 60.5))
    again = read(write(tmp_path, kind, [page], LOSSLESS))
    np.testing.assert_array_equal(again.image, page.image)
    # WebP knows neither grey nor resolution
    assert again.colour is (Colour.GREY if (kind, colour) == (WEBP, Colour.BILEVEL) else colour)
    if kind is not WEBP:
        tolerance = 0.01 if kind is PDF else 0.1
        assert (again.width_pt, again.height_pt) == pytest.approx((45.1, 60.5), abs=tolerance)


def test_bilevel_is_fax_coded(tmp_path: Path) -> None:
    page = make_page(ink(400, 300), Colour.BILEVEL)
    image, data = only_image(write(tmp_path, PDF, [page]))
    assert (image["/Filter"], image["/BitsPerComponent"], image["/ColorSpace"]) == (
        "/CCITTFaxDecode",
        "1",
        "/DeviceGray",
    )
    assert len(data) < page.width * page.height / 8
    with Image.open(write(tmp_path, TIFF, [page])) as tiff:
        assert (tiff.mode, tiff.info["compression"]) == ("1", "group4")
    with Image.open(write(tmp_path, PNG, [page])) as png:
        assert png.mode == "1"
    np.testing.assert_array_equal(read(tmp_path / "result.pdf").image, page.image)


def test_grey_left_by_a_fill_on_a_bilevel_page_is_cut(tmp_path: Path) -> None:
    again = read(write(tmp_path, PDF, [make_page(np.array([[0, 127, 128, 255]], np.uint8), Colour.BILEVEL)]))
    np.testing.assert_array_equal(again.image[0, :, 0], [0, 0, 255, 255])


@pytest.mark.parametrize("channels", [1, 3])
def test_photographs_become_jpeg_and_drawings_flate(tmp_path: Path, channels: int) -> None:
    space = "/DeviceGray" if channels == 1 else "/DeviceRGB"
    page = make_page(photograph(400, 300, channels))
    image, data = only_image(write(tmp_path, PDF, [page]))
    assert (image["/Filter"], image["/ColorSpace"]) == ("/DCTDecode", space)
    assert len(data) < page.image.size / 3
    flat = make_page(drawing(400, 300) if channels == 3 else drawing(400, 300)[..., 1])
    image, data = only_image(write(tmp_path, PDF, [flat]))
    assert image["/Filter"] == "/FlateDecode"
    assert len(data) < 4000
    np.testing.assert_array_equal(read(tmp_path / "result.pdf").image, flat.image)


def stored_jpeg(path: Path, kind: DocumentKind) -> bytes:
    """The JPEG that a file of one page is, or holds."""
    if kind is not TIFF:
        return only_image(path)[1] if kind is PDF else path.read_bytes()
    with Image.open(path) as tiff:
        assert tiff.info["compression"] == "jpeg"
        (offset,), (length,) = tiff.tag_v2[273], tiff.tag_v2[279]
    return path.read_bytes()[offset : offset + length]


def standard_tables(channels: int, quality: int) -> dict[int, list[int]]:
    """Those of libjpeg, which all programs have that write JPEG."""
    out = BytesIO()
    Image.new("L" if channels == 1 else "RGB", (16, 16)).save(out, "JPEG", quality=quality)
    with Image.open(out) as image:
        return dict(image.quantization)


@pytest.mark.parametrize("kind", [PDF, JPEG, TIFF])
@pytest.mark.parametrize(("subsampling", "channels"), [(0, 3), (2, 3), (-1, 1)])
def test_jpeg_is_written_with_standard_tables_where_its_own_could_tell(
    tmp_path: Path, kind: DocumentKind, subsampling: int, channels: int
) -> None:
    page, _ = jpeg_page(subsampling, channels)
    assert page.jpeg is not None
    path = write(tmp_path, kind, [page], WriteSettings(standard_tables=True))
    with Image.open(BytesIO(stored_jpeg(path, kind))) as again:
        assert again.quantization == standard_tables(channels, 85)
        assert list(map(tuple, again.quantization.values())) != list(page.jpeg.tables)
        if channels == 3:
            assert JpegImagePlugin.get_sampling(again) == 2
    chosen = write(tmp_path, kind, [page], WriteSettings(quality=40, standard_tables=True))
    with Image.open(BytesIO(stored_jpeg(chosen, kind))) as again:
        assert again.quantization == standard_tables(channels, 40)


@pytest.mark.parametrize("kind", [PDF, JPEG, TIFF])
@pytest.mark.parametrize(("subsampling", "channels"), [(0, 3), (1, 3), (2, 3), (-1, 1)])
def test_jpeg_is_written_with_its_own_tables(
    tmp_path: Path, kind: DocumentKind, subsampling: int, channels: int
) -> None:
    page, source = jpeg_page(subsampling, channels)
    assert page.jpeg is not None
    path = write(tmp_path, kind, [page])
    data = stored_jpeg(path, kind)
    with Image.open(BytesIO(data)) as again:
        assert [tuple(again.quantization[key]) for key in sorted(again.quantization)] == list(page.jpeg.tables)
        if channels == 3:
            assert JpegImagePlugin.get_sampling(again) == subsampling
    assert len(data) < 1.1 * len(source)
    drift = np.abs(read(path).image.astype(int) - page.image)
    assert drift.mean() < (0.2 if subsampling <= 0 else 3)  # decoders spread coarse colour differently


def test_quality_overrules_the_source(tmp_path: Path) -> None:
    page, source = jpeg_page(2)
    sizes = [write(tmp_path, JPEG, [page], WriteSettings(quality=q)).stat().st_size for q in (10, 95)]
    assert sizes[0] < len(source) / 2
    assert sizes[1] > 1.3 * len(source)
    sizes = [write(tmp_path, WEBP, [page], WriteSettings(quality=q)).stat().st_size for q in (10, 95)]
    assert sizes[0] < sizes[1] / 2


def test_lossless_jpeg_is_a_contradiction(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--format png"):
        encode_page(jpeg_page(2)[0], JPEG, LOSSLESS, tmp_path / "a.jpg")


@pytest.mark.parametrize(("kind", "side"), [(JPEG, 65_501), (WEBP, 16_384)])
def test_page_too_large_for_a_format(tmp_path: Path, kind: DocumentKind, side: int) -> None:
    page = make_page(np.full((100, side), 200, np.uint8))
    with pytest.raises(StageError, match="--format png") as caught:
        encode_page(page, kind, DEFAULT, tmp_path / "a")
    assert caught.value.page_number == 1
    assert read(write(tmp_path, PDF, [page])).width == side  # which has no such limit


@pytest.mark.parametrize("kind", [PNG, JPEG, TIFF])
def test_resolution_is_kept_along_both_axes(tmp_path: Path, kind: DocumentKind) -> None:
    page = make_page(photograph(98, 204), size_pt=(72, 72))
    with Image.open(write(tmp_path, kind, [page])) as image:
        assert [float(x) for x in image.info["dpi"]] == pytest.approx([204, 98], rel=1e-3)


def test_page_beyond_200_inches_has_a_user_unit(tmp_path: Path) -> None:
    page = make_page(ink(100, 300), Colour.BILEVEL, (30_000, 10_000))
    path = write(tmp_path, PDF, [page, make_page(ink(10, 10))])
    with pikepdf.open(path) as pdf:
        assert pdf.pages[0].UserUnit > 1
        assert max(float(x) for x in pdf.pages[0].MediaBox) <= 14_400
        assert "/UserUnit" not in pdf.pages[1]
    with pymupdf.open(path) as document:
        assert tuple(document[0].rect) == pytest.approx((0, 0, 30_000, 10_000))


def test_tiny_page_gets_the_smallest_size_that_viewers_open(tmp_path: Path) -> None:
    with pymupdf.open(write(tmp_path, PDF, [make_page(ink(2, 300), size_pt=(100, 0.7))])) as document:
        assert tuple(document[0].rect) == pytest.approx((0, 0, 100, 3))


def test_palette_keeps_every_colour(tmp_path: Path) -> None:
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels.reshape(-1, 3)[:256, 0] = np.arange(256)
    for extra in (0, 1):  # 256 colours fit, 257 do not
        pixels[-1, -1] = (0, extra, 0)
        path = write(tmp_path, PNG, [make_page(pixels)])
        with Image.open(path) as image:
            assert image.mode == ("RGB" if extra else "P")
        np.testing.assert_array_equal(read(path).image, pixels)


def test_a_page_on_its_own_holds_no_information_about_its_document(tmp_path: Path) -> None:
    """A run that is killed leaves such pages behind, and they must be as clean as documents are."""
    path = tmp_path / "page.pdf"
    encode_page(make_page(photograph(121, 90)), PDF, DEFAULT, path)
    with pikepdf.open(path) as pdf:
        assert set(pdf.trailer.keys()) == {"/Root", "/Size", "/ID"}
        assert all("/Type" in thing or isinstance(thing, pikepdf.Stream) for thing in pdf.objects)
