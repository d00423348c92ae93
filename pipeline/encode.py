"""One cleaned page as the bytes of a JPEG, PNG, WebP, TIFF or one-page PDF: pixels and resolution, nothing else."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from math import ceil, log10
from typing import Any

import img2pdf
import numpy as np
import pikepdf
from PIL import Image

from pipeline.errors import StageError, UsageError
from pipeline.formats import DocumentKind, WriteSettings
from pipeline.tiff import jpeg_tiff
from pipeline.types import Array, Colour, Page

DEFAULT_QUALITY = 85

_MAX_SIDE = {DocumentKind.JPEG: 65_500, DocumentKind.WEBP: 16_383}
_MIN_SIDE_PT = 3.0
"""Viewers refuse pages below 3 x 3 points (PDF 2.0, annex C)."""

_MAX_SIDE_PT = 14_400.0

_FLAT_SHARE = 0.6
"""Share of pixels that equal their left neighbour, above which a page is worth trying as PNG: paper that went
through a scanner or a JPEG stays below .5, drawn pages are above .9."""

_PALETTE_SAMPLE = 1 << 18

# img2pdf opens what was just encoded; the page was small enough to be read
Image.MAX_IMAGE_PIXELS = None


def encode(page: Page, kind: DocumentKind, settings: WriteSettings) -> bytes:
    """The page as a file of ``kind``. Same page and settings, same bytes.

    Raises:
        UsageError: lossless JPEG. StageError: the page is larger than the format allows.
    """
    if settings.standard_tables and page.jpeg is not None:
        page = _rounded_alike(page)
    if kind is DocumentKind.JPEG:
        if settings.lossless:
            raise UsageError("JPEG cannot be lossless", "use --format png, or leave --lossless out")
        _refuse_large(page, kind)
        return _jpeg(page, settings)
    if kind is DocumentKind.WEBP:
        _refuse_large(page, kind)
        return _webp(page, settings)
    if kind is DocumentKind.PNG:
        return _png(page)
    if kind is DocumentKind.TIFF:
        return _tiff(page, settings)
    return _pdf(page, settings)


def _rounded_alike(page: Page) -> Page:
    """The page with all its pixels rounded by the source's JPEG tables, as those that stayed are already.

    Else the tables, though not those of the file any more, would still show where the source's pixels end and new ones
    begin: coefficients of the one are multiples of them, and of the other are not.
    """
    limit = _MAX_SIDE[DocumentKind.JPEG]
    if page.colour is Colour.BILEVEL or max(page.width, page.height) > limit:
        return page
    with Image.open(BytesIO(_jpeg(page, WriteSettings()))) as again:
        return replace(page, image=np.asarray(again.convert("RGB")))


def _refuse_large(page: Page, kind: DocumentKind) -> None:
    limit = _MAX_SIDE[kind]
    if max(page.width, page.height) > limit:
        raise StageError(
            f"page {page.ref.page_number} of {page.ref.document} has {page.width} x {page.height} pixels; "
            f"{kind.name} holds {limit} to a side",
            "use --format png",
            "write",
            page.ref.page_number,
        )


def _dpi(page: Page) -> tuple[float, float]:
    return page.width * 72.0 / page.width_pt, page.height * 72.0 / page.height_pt


def _picture(page: Page) -> Image.Image:
    """The page as a Pillow image of mode 1, L or RGB. A page that is no longer only black and white is cut at 128."""
    if page.colour is Colour.RGB:
        return Image.fromarray(np.ascontiguousarray(page.image))
    grey = np.ascontiguousarray(page.image[..., 0])
    if page.colour is Colour.GREY:
        return Image.fromarray(grey)
    return Image.fromarray(np.where(grey >= 128, np.uint8(255), np.uint8(0))).convert("1", dither=Image.Dither.NONE)


def _jpeg(page: Page, settings: WriteSettings) -> bytes:
    picture = _picture(page)
    if picture.mode == "1":
        picture = picture.convert("L")
    options: dict[str, Any] = {"quality": settings.quality or DEFAULT_QUALITY, "subsampling": 2}
    if settings.quality is None and page.jpeg is not None and not settings.standard_tables:
        # no quality beside them: it would scale the tables
        tables = [list(table) for table in page.jpeg.tables]
        options = {"qtables": tables, "subsampling": max(0, page.jpeg.subsampling)}
        if picture.mode == "RGB" and len(tables) == 1:
            options["qtables"] = tables * 2
    if picture.mode == "L":
        options.pop("subsampling")
        if "qtables" in options:
            options["qtables"] = options["qtables"][:1]
    dpi = tuple(min(65_535, max(1, round(value))) for value in _dpi(page))
    out = BytesIO()
    picture.save(out, "JPEG", optimize=True, dpi=dpi, **options)
    return out.getvalue()


def _png(page: Page) -> bytes:
    picture = _with_palette(_picture(page))
    out = BytesIO()
    picture.save(out, "PNG", dpi=_dpi(page), compress_level=6)
    return out.getvalue()


def _with_palette(picture: Image.Image) -> Image.Image:
    """A page of few colours with a palette: nothing is lost, and it takes a third of the room."""
    if picture.mode == "1":
        return picture
    pixels = np.asarray(picture)
    packed: Array = pixels
    if picture.mode == "RGB":
        packed = (pixels[..., 0].astype(np.uint32) << 16) | (pixels[..., 1].astype(np.uint32) << 8) | pixels[..., 2]
    # greys gain only by fewer bits to a pixel
    most = 16 if picture.mode == "L" else 256
    if len(np.unique(packed.reshape(-1)[:: max(1, packed.size // _PALETTE_SAMPLE)])) > most:
        return picture
    table = np.zeros(1 << 24, np.uint8)
    table[packed] = 1
    colours = np.flatnonzero(table)
    if len(colours) > most:
        return picture
    table[colours] = np.arange(len(colours))
    indexed = Image.fromarray(table[packed])
    parts = [colours, colours, colours] if picture.mode == "L" else [colours >> 16, (colours >> 8) & 255, colours & 255]
    indexed.putpalette(np.stack(parts, axis=1).astype(np.uint8).tobytes())
    return indexed


def _webp(page: Page, settings: WriteSettings) -> bytes:
    picture = _picture(page).convert("RGB")
    out = BytesIO()
    if settings.lossless or page.colour is Colour.BILEVEL:
        picture.save(out, "WEBP", lossless=True, quality=50, method=4)
    else:
        picture.save(out, "WEBP", quality=settings.quality or DEFAULT_QUALITY, method=4)
    return out.getvalue()


def _tiff(page: Page, settings: WriteSettings) -> bytes:
    if page.jpeg is not None and not settings.lossless and page.colour is not Colour.BILEVEL:
        return jpeg_tiff(_jpeg(page, settings), _dpi(page))
    picture = _picture(page)
    out = BytesIO()
    if picture.mode == "1":
        # in one strip, which a PDF can hold as it is
        strip = (page.width + 7) // 8 * page.height
        picture.save(out, "TIFF", compression="group4", strip_size=strip, dpi=_dpi(page))
    else:
        # predictor 2, differences along the row, is what makes deflate work on photographs
        picture.save(out, "TIFF", compression="tiff_adobe_deflate", tiffinfo={317: 2}, dpi=_dpi(page))
    return out.getvalue()


def _pdf(page: Page, settings: WriteSettings) -> bytes:
    # beyond the limit img2pdf counts in units of 10, 100, ... points, which is what the least size is then told in
    unit = 10 ** max(0, ceil(log10(max(page.width_pt, page.height_pt) / _MAX_SIDE_PT)))
    width_pt, height_pt = (max(_MIN_SIDE_PT * unit, side) for side in (page.width_pt, page.height_pt))

    def layout(*_: object) -> tuple[float, float, float, float]:
        return width_pt, height_pt, width_pt, height_pt

    content = img2pdf.convert(
        _embeddable(page, settings),
        layout_fun=layout,
        engine=img2pdf.Engine.internal,
        nodate=True,
        producer=None,
    )
    return _without_info(bytes(content))


def _without_info(content: bytes) -> bytes:
    """The same PDF without the empty /Info that img2pdf always writes: a page holds its picture and nothing else."""
    out = BytesIO()
    with pikepdf.open(BytesIO(content)) as pdf:
        del pdf.trailer["/Info"]
        pdf.save(out, deterministic_id=True, fix_metadata_version=False)
    return out.getvalue()


def _embeddable(page: Page, settings: WriteSettings) -> bytes:
    """The smaller of PNG and JPEG where both are fit; what cannot be, or need not be, a JPEG is a PNG."""
    too_large = max(page.width, page.height) > _MAX_SIDE[DocumentKind.JPEG]
    if page.colour is Colour.BILEVEL:
        return _tiff(page, settings)
    if settings.lossless or too_large:
        return _png(page)
    jpeg = _jpeg(page, settings)
    if not _is_flat(page):
        return jpeg
    png = _png(page)
    return png if len(png) <= len(jpeg) else jpeg


def _is_flat(page: Page) -> bool:
    rows = page.image[:: max(1, page.height // 256)]
    if page.width < 2:
        return True
    return bool(np.mean(np.all(rows[:, 1:] == rows[:, :-1], axis=2)) >= _FLAT_SHARE)
