"""Image files as pages: upright, on white, their own pixels."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms

from pipeline.documents import RasterSettings, inspect_document, rasterize_page
from pipeline.errors import InputError, StageError
from pipeline.image_pages import ASSUMED_DPI
from pipeline.types import Colour, Page, PageRef

ORIENTATION_TAG = 0x0112
TURNS = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, 1),
}


def noise(*shape: int, seed: int = 3) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save(folder: Path, picture: Image.Image, kind: str, **options: Any) -> str:
    path = folder / f"page.{kind.lower()}"
    picture.save(path, kind, **options)
    return str(path)


def rasterize(path: str, index: int = 0, **settings: Any) -> Page:
    return rasterize_page(PageRef(path, index), RasterSettings(**settings))


@pytest.mark.parametrize("orientation", list(TURNS))
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("PNG", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_adobe_deflate"}),
        ("WEBP", {"lossless": True}),
        ("JPEG", {"quality": 95, "subsampling": 0}),
    ],
)
def test_every_orientation_is_set_upright(tmp_path: Path, kind: str, options: dict[str, Any], orientation: int) -> None:
    pixels = noise(12, 20, 3) if kind != "JPEG" else np.asarray(Image.fromarray(noise(3, 5, 3)).resize((20, 12)))
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = orientation
    dpi = {} if kind == "WEBP" else {"dpi": (100, 50)}
    page = rasterize(save(tmp_path, Image.fromarray(pixels), kind, exif=exif, **dpi, **options))
    expected = TURNS[orientation](pixels)
    assert page.image.shape == expected.shape
    assert np.abs(page.image.astype(int) - expected).mean() < (8 if kind == "JPEG" else 0.001)
    size = (20 * 72 / 100, 12 * 72 / 50) if dpi else (20 * 72 / ASSUMED_DPI, 12 * 72 / ASSUMED_DPI)
    assert (page.width_pt, page.height_pt) == pytest.approx(size if orientation < 5 else size[::-1], rel=1e-3)


def test_jpeg_tables_are_kept_and_turned(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION_TAG] = 6
    for options in ({}, {"exif": exif}):
        path = save(tmp_path, Image.fromarray(noise(40, 64, 3)), "JPEG", quality=70, subsampling=2, **options)
        with Image.open(path) as stored:
            squares = [np.reshape(stored.quantization[i], (8, 8)) for i in (0, 1)]
        jpeg = rasterize(path).jpeg
        assert jpeg is not None
        assert jpeg.subsampling == 2
        for table, square in zip(jpeg.tables, squares, strict=True):
            np.testing.assert_array_equal(np.reshape(table, (8, 8)), square.T if options else square)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_tables_of_a_jpeg_inside_a_tiff(tmp_path: Path, mode: str) -> None:
    picture = Image.fromarray(noise(40, 64, 3)).convert(mode)
    page = rasterize(save(tmp_path, picture, "TIFF", compression="jpeg", quality=60))
    with BytesIO() as out:
        picture.save(out, "JPEG", quality=60)
        with Image.open(out) as stored:
            expected = stored.quantization
    assert page.jpeg is not None
    assert page.jpeg.tables[0] == tuple(expected[0])


def test_bilevel_is_told_by_storage_and_pixels(tmp_path: Path) -> None:
    bits = noise(30, 40) > 127
    one = Image.fromarray(bits)
    expected = np.repeat(bits[..., None] * np.uint8(255), 3, axis=2)
    palette = Image.fromarray(bits.astype(np.uint8)).convert("P")
    palette.putpalette([0, 0, 0, 255, 255, 255])
    for picture, kind, options in (
        (one, "PNG", {}),
        (one, "TIFF", {"compression": "group4"}),
        (palette, "PNG", {"bits": 1}),
    ):
        page = rasterize(save(tmp_path, picture, kind, **options))
        np.testing.assert_array_equal(page.image, expected)
        assert page.colour is Colour.BILEVEL, (kind, options)
    palette.putpalette([200, 0, 0, 255, 255, 255])
    assert rasterize(save(tmp_path, palette, "PNG", bits=1)).colour is Colour.RGB
    assert rasterize(save(tmp_path, one.convert("L"), "PNG")).colour is Colour.GREY


def test_one_tinted_pixel_makes_a_page_coloured(tmp_path: Path) -> None:
    grey = np.repeat(noise(700, 20, 1), 3, axis=2)
    assert rasterize(save(tmp_path, Image.fromarray(grey), "PNG")).colour is Colour.GREY
    grey[-1, -1, 2] ^= 1
    assert rasterize(save(tmp_path, Image.fromarray(grey), "PNG")).colour is Colour.RGB


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "L", "RGB"])
def test_transparency_lies_on_white(tmp_path: Path, mode: str) -> None:
    pixels = np.zeros((6, 6, 4), np.uint8)
    pixels[:3, :, 3] = 255
    picture = Image.fromarray(pixels)
    options: dict[str, Any] = {}
    if mode == "LA":
        picture = picture.convert("LA")
    elif mode != "RGBA":
        flat = np.zeros((6, 6), np.uint8)
        flat[3:] = 1
        picture = Image.fromarray(flat, "L")
        if mode == "P":
            picture = picture.convert("P")
            picture.putpalette([0, 0, 0, 9, 9, 9])
        elif mode == "RGB":
            picture = picture.convert("RGB")
        options["transparency"] = (1, 1, 1) if mode == "RGB" else 1
    page = rasterize(save(tmp_path, picture, "PNG", **options))
    assert (page.image[:3] == 0).all()
    assert (page.image[3:] == 255).all()


def test_half_transparent_is_mixed_with_white(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (4, 4), (200, 0, 0, 128))
    assert np.abs(rasterize(save(tmp_path, picture, "PNG")).image[0, 0].astype(int) - (227, 127, 127)).max() <= 1


def test_sixteen_bits_are_cut_to_eight(tmp_path: Path) -> None:
    deep = np.array([[0, 128, 257, 32768, 65535]], np.uint16)
    for kind in ("PNG", "TIFF"):
        page = rasterize(save(tmp_path, Image.fromarray(deep), kind))
        np.testing.assert_array_equal(page.image[0, :, 0], [0, 0, 1, 128, 255])
        assert page.colour is Colour.GREY


def test_cmyk_has_the_colours_of_print(tmp_path: Path) -> None:
    picture = Image.new("CMYK", (64, 16))
    for start, ink in enumerate([(255, 0, 0, 0), (0, 255, 0, 0), (0, 0, 255, 0), (0, 0, 0, 255)]):
        picture.paste(ink, (start * 16, 0, start * 16 + 16, 16))
    for kind, options in (("TIFF", {}), ("JPEG", {"quality": 100, "subsampling": 0})):
        page = rasterize(save(tmp_path, picture, kind, **options))
        cyan, magenta, yellow, black = (page.image[8, x].astype(int) for x in (8, 24, 40, 56))
        assert cyan[0] < 80 < 150 < cyan[1] < cyan[2]
        assert magenta[1] < 80 < 100 < magenta[2] < magenta[0]
        assert yellow[2] < 80 < 200 < min(yellow[:2])
        assert black.max() < 60
        assert page.jpeg is None


def test_colour_profile_is_applied(tmp_path: Path) -> None:
    """A profile of sRGB with red and blue exchanged: what is stored as red is meant as blue."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    swapped = profile.replace(b"rXYZ", b"tXYZ").replace(b"bXYZ", b"rXYZ").replace(b"tXYZ", b"bXYZ")
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "xxxx".encode("utf-16-be"))
    picture = Image.new("RGB", (4, 4), (255, 0, 0))
    image = rasterize(save(tmp_path, picture, "PNG", icc_profile=swapped)).image
    assert image[0, 0, 2] > 240
    assert image[0, 0, 0] < 20
    # what is sRGB anyway is not touched, not even by rounding; what is no profile is left out
    exact = noise(16, 16, 3)
    for content in (profile, b"no profile"):
        path = save(tmp_path, Image.fromarray(exact), "PNG", icc_profile=content)
        np.testing.assert_array_equal(rasterize(path).image, exact)


@pytest.mark.parametrize(("dpi", "expected"), [((300, 300), 300), ((1, 1), 200), ((0, 0), 200), ((72, 72), 72)])
def test_resolution_gives_the_size(tmp_path: Path, dpi: tuple[int, int], expected: int) -> None:
    page = rasterize(save(tmp_path, Image.new("L", (300, 600)), "PNG", dpi=dpi))
    assert page.width_pt == pytest.approx(300 * 72 / expected, rel=1e-3)
    assert page.height_pt == pytest.approx(600 * 72 / expected, rel=1e-3)


def test_phone_photo_that_claims_72_dpi_is_no_poster(tmp_path: Path) -> None:
    page = rasterize(save(tmp_path, Image.new("L", (4032, 3024)), "PNG", dpi=(72, 72)))
    assert page.width_pt == pytest.approx(4032 * 72 / ASSUMED_DPI)


def test_frames_of_a_tiff_are_pages(tmp_path: Path) -> None:
    first, second, third = noise(20, 30) > 127, noise(25, 31), noise(26, 32, 3)
    pictures = [Image.fromarray(x) for x in (first, second, third)]
    path = save(tmp_path, pictures[0], "TIFF", save_all=True, append_images=pictures[1:])
    assert inspect_document(path, RasterSettings()).page_count == 3
    pages = [rasterize(path, index) for index in (0, 2, 1)]
    assert [page.colour for page in pages] == [Colour.BILEVEL, Colour.RGB, Colour.GREY]
    np.testing.assert_array_equal(pages[0].image[..., 0], first * np.uint8(255))
    np.testing.assert_array_equal(pages[1].image, third)
    np.testing.assert_array_equal(pages[2].image[..., 2], second)
    with pytest.raises(StageError, match="page 4"):
        rasterize(path, 3)


def test_damaged_frame_fails_its_page_only(tmp_path: Path) -> None:
    pictures = [Image.fromarray(noise(64, 64, seed=seed)) for seed in range(3)]
    options = {"compression": "tiff_lzw", "save_all": True}
    path = Path(save(tmp_path, pictures[0], "TIFF", append_images=pictures[1:], **options))
    with Image.open(path) as image:
        image.seek(1)
        offset, length = image.tag_v2[273][0], image.tag_v2[279][0]
    content = bytearray(path.read_bytes())
    content[offset : offset + length] = b"\xff" * length
    path.write_bytes(content)
    for index in (0, 2):
        np.testing.assert_array_equal(rasterize(str(path), index).image[..., 0], np.asarray(pictures[index]))
    with pytest.raises(StageError, match=r"page 2 of .*is damaged") as caught:
        rasterize(str(path), 1)
    assert (caught.value.stage, caught.value.page_number) == ("rasterize", 2)


def test_frames_in_a_circle_end(tmp_path: Path) -> None:
    path = Path(save(tmp_path, Image.fromarray(noise(8, 8)), "TIFF"))
    content = bytearray(path.read_bytes())
    directory = int.from_bytes(content[4:8], "little")
    count = int.from_bytes(content[directory : directory + 2], "little")
    link = directory + 2 + 12 * count
    content[link : link + 4] = directory.to_bytes(4, "little")
    path.write_bytes(content)
    assert inspect_document(str(path), RasterSettings()).page_count == 1


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_half_a_file_fails(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("PIL.ImageFile.LOAD_TRUNCATED_IMAGES", True)  # as other libraries do
    path = Path(save(tmp_path, Image.fromarray(noise(200, 200, 3)), kind))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises((InputError, StageError), match=r"is damaged.*scan it again"):
        rasterize(str(path))


def test_pixels_of_an_unknown_sort_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path, Image.fromarray(np.ones((4, 4), np.float32)), "TIFF")
    with pytest.raises(StageError, match=r"not supported \(F\)"):
        rasterize(path)
