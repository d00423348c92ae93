"""PDF pages as pixels, drawn by MuPDF or, as the second engine, by Poppler."""

from __future__ import annotations

import io
import logging
from typing import Any

import numpy as np
import pdf2image
import pymupdf
from PIL import Image
from pymupdf import mupdf

from pipeline.errors import InputError, RestoreError, SetupError, StageError
from pipeline.formats import RasterSettings
from pipeline.jpeg_tables import tables_of, turned
from pipeline.pdf_file import complaints, open_pdf
from pipeline.pdf_grid import Grid, PageMarks, choose_grid, even_grid, trace_marks
from pipeline.pixels import colour_of, is_bilevel
from pipeline.types import Array, Colour, JpegTables, Page, PageRef

logger = logging.getLogger(__name__)

POPPLER_TIMEOUT_SECONDS = 300
_STAGE = "rasterize"


def rasterize_pdf_page(ref: PageRef, settings: RasterSettings) -> Page:
    """One displayed page of a PDF: rotation, crop box, UserUnit, annotations, form fields and layers as in a viewer.

    Raises:
        InputError: the document cannot be opened, or has no such page.
        StageError: this page cannot be read or drawn, or is too large.
    """
    with open_pdf(ref.document, settings.password) as document:
        if ref.page_index >= document.page_count:
            raise InputError(f"{ref.document} has {document.page_count} pages, and no page {ref.page_number}")
        try:
            return _rasterize(document, ref, settings)
        except RestoreError:
            raise
        except Exception as error:  # MuPDF raises many classes, which share no base in all its releases
            cause = "; ".join(complaints()[:3]) or str(error)
            raise _failed(ref, f"cannot be read: {cause}", "look at the page in a PDF viewer") from error
        finally:
            # decoded images and fonts of the last page; a run over thousands of pages must not collect them
            pymupdf.TOOLS.store_shrink(100)


def _rasterize(document: Any, ref: PageRef, settings: RasterSettings) -> Page:
    complaints()
    page = mupdf.fz_load_page(document.this, ref.page_index)
    bounds = mupdf.fz_bound_page(page)
    width_pt, height_pt = float(bounds.x1 - bounds.x0), float(bounds.y1 - bounds.y0)
    if not (0 < width_pt < 1e7 and 0 < height_pt < 1e7):
        raise _failed(ref, f"has an impossible size, {width_pt:g} x {height_pt:g} pt", "")
    marks = trace_marks(page, width_pt, height_pt)
    if settings.dpi is None:
        grid = choose_grid(marks, width_pt, height_pt)
    else:
        grid = even_grid(settings.dpi, width_pt, height_pt)
    _refuse_large(ref, grid, marks, (width_pt, height_pt), settings.max_pixels)
    if settings.rasterizer == "pdf2image":
        image = _draw_with_poppler(ref, grid, settings)
    else:
        image = _draw_with_mupdf(page, grid, ref)
    return _page(ref, document, grid, image, (width_pt, height_pt))


def _page(ref: PageRef, document: Any, grid: Grid, image: Array, size_pt: tuple[float, float]) -> Page:
    colour = colour_of(image)
    jpeg: JpegTables | None = None
    if grid.scan is not None and grid.alone:
        if grid.scan.bits == 1 and colour is Colour.GREY and is_bilevel(image):
            colour = Colour.BILEVEL
        jpeg = _embedded_tables(document, ref.page_index, grid)
    return Page(ref, image, *size_pt, colour, jpeg)


def _refuse_large(ref: PageRef, grid: Grid, marks: PageMarks, size_pt: tuple[float, float], max_pixels: int) -> None:
    pixels = grid.box.width * grid.box.height
    if pixels > max_pixels:
        fitting = int((max_pixels * 72.0 * 72.0 / (size_pt[0] * size_pt[1])) ** 0.5)
        remedy = "raise --max-pixels" + (f", or rasterize it at --dpi {fitting} or less" if fitting >= 72 else "")
        raise _failed(
            ref,
            f"would have {grid.box.width} x {grid.box.height} pixels ({size_pt[0]:.0f} x {size_pt[1]:.0f} pt), "
            f"more than the limit of {max_pixels}",
            remedy,
        )
    for mark in marks.images:
        if mark.width * mark.height > max_pixels:
            raise _failed(
                ref,
                f"holds an image of {mark.width} x {mark.height} pixels, more than the limit of {max_pixels}",
                "raise --max-pixels",
            )


def _draw_with_mupdf(page: Any, grid: Grid, ref: PageRef) -> Array:
    box = grid.box
    frame = mupdf.FzIrect(box.x0, box.y0, box.x1, box.y1)
    pixmap = mupdf.fz_new_pixmap_with_bbox(mupdf.fz_device_rgb(), frame, mupdf.FzSeparations(), 0)
    mupdf.fz_clear_pixmap_with_value(pixmap, 255)
    device = mupdf.fz_new_draw_device(mupdf.FzMatrix(), pixmap)
    matrix = mupdf.FzMatrix(grid.scale_x, 0, 0, grid.scale_y, grid.offset_x, grid.offset_y)
    cookie = mupdf.FzCookie()
    complaints()
    mupdf.fz_run_page(page, device, matrix, cookie)
    mupdf.fz_close_device(device)
    _judge(complaints(), int(cookie.m_internal.errors), ref)
    view = pymupdf.Pixmap("raw", pixmap)
    rows = np.frombuffer(view.samples_mv, np.uint8).reshape(box.height, view.stride)
    return np.ascontiguousarray(rows[:, : box.width * 3]).reshape(box.height, box.width, 3).copy()


def _judge(lines: tuple[str, ...], errors: int, ref: PageRef) -> None:
    for line in lines:
        logger.warning("%s page %d: %s", ref.document, ref.page_number, line)


def _draw_with_poppler(ref: PageRef, grid: Grid, settings: RasterSettings) -> Array:
    size = (grid.box.width, grid.box.height)
    try:
        images = pdf2image.convert_from_path(
            ref.document,
            first_page=ref.page_number,
            last_page=ref.page_number,
            size=size,
            use_cropbox=True,
            userpw=settings.password,
            timeout=POPPLER_TIMEOUT_SECONDS,
        )
    except pdf2image.exceptions.PDFInfoNotInstalledError as error:
        remedy = "install poppler-utils, or use --rasterizer pymupdf"
        raise SetupError("pdf2image needs Poppler's pdftoppm, which is not there", remedy) from error
    except Exception as error:  # whatever Poppler's output made Pillow or pdf2image raise
        raise _failed(ref, f"could not be drawn by Poppler: {error}", "try --rasterizer pymupdf") from error
    if len(images) != 1:
        raise _failed(ref, "could not be drawn by Poppler", "try --rasterizer pymupdf")
    image = images[0].convert("RGB")
    if image.size != size:
        raise _failed(ref, f"was drawn by Poppler as {image.size}, not {size}", "try --rasterizer pymupdf")
    return np.array(image)


def _embedded_tables(document: Any, page_index: int, grid: Grid) -> JpegTables | None:
    """The quantization of the scan that a page is, if it is stored as one JPEG and nothing else."""
    scan = grid.scan
    assert scan is not None
    found = {
        int(entry[0])
        for entry in document.get_page_images(page_index, full=True)
        if entry[8] == "DCTDecode" and (int(entry[2]), int(entry[3])) == (scan.width, scan.height)
    }
    if len(found) != 1:
        return None
    try:
        with Image.open(io.BytesIO(document.xref_stream_raw(found.pop())), formats=["JPEG"]) as image:
            tables = tables_of(image)
    except OSError:
        return None
    return turned(tables) if tables is not None and abs(scan.matrix[1]) > abs(scan.matrix[0]) else tables


def _failed(ref: PageRef, what: str, remedy: str) -> StageError:
    return StageError(f"page {ref.page_number} of {ref.document} {what}", remedy, _STAGE, ref.page_number)
