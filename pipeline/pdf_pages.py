"""PDF pages as pixels, drawn by MuPDF or, as the second engine, by Poppler."""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import pdf2image
import pymupdf
from PIL import Image
from pymupdf import mupdf

from pipeline.complaints import without_names
from pipeline.errors import InputError, RestoreError, SetupError, StageError
from pipeline.formats import RasterSettings
from pipeline.jpeg_tables import tables_of, turned
from pipeline.pdf_damage import lost_part
from pipeline.pdf_file import complaints, open_pdf
from pipeline.pdf_grid import Grid, PageMarks, choose_grid, trace_marks
from pipeline.pixels import bilevel_again, colour_of, is_bilevel
from pipeline.types import Array, Colour, JpegTables, Page, PageRef

logger = logging.getLogger(__name__)

POPPLER_TIMEOUT_SECONDS = 120
_MAX_SIDE_PT = 1e7
_REMEDY_BROKEN = "look at it in a PDF viewer; printing it to a new PDF may help"


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
            plan, image, noted = _draw(document, ref, settings)
        except RestoreError:
            raise
        except Exception as error:  # MuPDF raises many classes, which share no base in all its releases
            cause = "; ".join(without_names(line) for line in complaints()[:3]) or without_names(str(error))
            raise _failed(ref, f"cannot be read: {cause}", _REMEDY_BROKEN) from error
        finally:
            # decoded images and fonts of the last page; a run over thousands of pages must not collect them
            pymupdf.TOOLS.store_shrink(100)
    if settings.rasterizer == "pdf2image":
        # MuPDF's picture told whether the page can be drawn in full; Poppler would keep that to itself
        image, more = _draw_with_poppler(ref, plan, settings)
        noted += more
    for line in noted:
        logger.warning("%s page %d: %s", ref.document, ref.page_number, line)
    return _page(ref, plan, image, noted)


@dataclass(frozen=True, slots=True)
class _Plan:
    width_pt: float
    height_pt: float
    rotated: bool
    grid: Grid
    jpeg: JpegTables | None


def _draw(document: Any, ref: PageRef, settings: RasterSettings) -> tuple[_Plan, Array, tuple[str, ...]]:
    complaints()
    page = mupdf.fz_load_page(document.this, ref.page_index)
    bounds = mupdf.fz_bound_page(page)
    width_pt, height_pt = float(bounds.x1 - bounds.x0), float(bounds.y1 - bounds.y0)
    if not (0 < width_pt < _MAX_SIDE_PT and 0 < height_pt < _MAX_SIDE_PT):
        raise _failed(ref, f"has an impossible size, {width_pt:g} x {height_pt:g} pt", "")
    marks = trace_marks(page, width_pt, height_pt)
    grid = choose_grid(marks, width_pt, height_pt, settings.dpi)
    _refuse_large(ref, grid, marks, (width_pt, height_pt), settings.max_pixels)
    rotated = document[ref.page_index].rotation in (90, 270)
    plan = _Plan(width_pt, height_pt, rotated, grid, _embedded_tables(document, ref.page_index, grid))
    image = _draw_with_mupdf(page, grid)
    noted = complaints()
    lost = lost_part(noted, document, ref.page_index)
    if lost:
        raise _failed(ref, f"is damaged, and part of it cannot be drawn: {without_names(lost)}", _REMEDY_BROKEN)
    return plan, image, tuple(dict.fromkeys(filter(None, map(without_names, noted))))


def _page(ref: PageRef, plan: _Plan, image: Array, noted: tuple[str, ...]) -> Page:
    colour = colour_of(image)
    if colour is Colour.GREY and plan.grid.one_bit and plan.grid.opaque:
        # resampled, by a skew or by Poppler, it has grey edges; it is ink on paper all the same
        image = bilevel_again(image)
    if colour is Colour.GREY and plan.grid.one_bit and is_bilevel(image):
        colour = Colour.BILEVEL
    return Page(ref, image, plan.width_pt, plan.height_pt, colour, plan.jpeg, noted)


def _refuse_large(ref: PageRef, grid: Grid, marks: PageMarks, size_pt: tuple[float, float], max_pixels: int) -> None:
    for mark in marks.images:
        if mark.width * mark.height > max_pixels:
            raise _failed(
                ref,
                f"holds an image of {mark.width} x {mark.height} pixels, more than the limit of {max_pixels}",
                "raise --max-pixels",
            )
    if grid.box.width * grid.box.height > max_pixels:
        fitting = int((max_pixels * 72.0 * 72.0 / (size_pt[0] * size_pt[1])) ** 0.5)
        raise _failed(
            ref,
            f"would have {grid.box.width} x {grid.box.height} pixels ({size_pt[0]:.0f} x {size_pt[1]:.0f} pt), "
            f"more than the limit of {max_pixels}",
            "raise --max-pixels" + (f", or rasterize it at --dpi {fitting} or less" if fitting >= 50 else ""),
        )


def _draw_with_mupdf(page: Any, grid: Grid) -> Array:
    box = grid.box
    frame = mupdf.FzIrect(box.x0, box.y0, box.x1, box.y1)
    pixmap = mupdf.fz_new_pixmap_with_bbox(mupdf.fz_device_rgb(), frame, mupdf.FzSeparations(), 0)
    mupdf.fz_clear_pixmap_with_value(pixmap, 255)
    device = mupdf.fz_new_draw_device(mupdf.FzMatrix(), pixmap)
    matrix = mupdf.FzMatrix(grid.scale_x, 0, 0, grid.scale_y, grid.offset_x, grid.offset_y)
    mupdf.fz_run_page(page, device, matrix, mupdf.FzCookie())
    mupdf.fz_close_device(device)
    view = pymupdf.Pixmap("raw", pixmap)
    rows = np.frombuffer(view.samples_mv, np.uint8).reshape(box.height, view.stride)
    return np.ascontiguousarray(rows[:, : box.width * 3]).reshape(box.height, box.width, 3).copy()


def _draw_with_poppler(ref: PageRef, plan: _Plan, settings: RasterSettings) -> tuple[Array, tuple[str, ...]]:
    size = (plan.grid.box.width, plan.grid.box.height)
    noted: tuple[str, ...] = ()
    try:
        try:
            drawn = _run_poppler(ref, plan, settings, strict=True)
        except pdf2image.exceptions.PDFSyntaxError as error:
            noted = tuple(dict.fromkeys(without_names(line) for line in str(error).splitlines()))
            drawn = _run_poppler(ref, plan, settings, strict=False)
    except pdf2image.exceptions.PDFInfoNotInstalledError as error:
        remedy = "install poppler-utils, or use --rasterizer pymupdf"
        raise SetupError("pdf2image needs Poppler's pdftoppm, which is not there", remedy) from error
    except Exception as error:  # whatever Poppler's output made Pillow or pdf2image raise
        raise _failed(
            ref, f"could not be drawn by Poppler: {without_names(str(error))}", "try --rasterizer pymupdf"
        ) from error
    if len(drawn) != 1 or drawn[0].size != size:
        raise _failed(ref, "could not be drawn by Poppler in the right size", "try --rasterizer pymupdf")
    return np.array(drawn[0].convert("RGB")), noted


def _run_poppler(ref: PageRef, plan: _Plan, settings: RasterSettings, strict: bool) -> list[Image.Image]:
    size = (plan.grid.box.width, plan.grid.box.height)
    images = pdf2image.convert_from_path(
        ref.document,
        first_page=ref.page_number,
        last_page=ref.page_number,
        # pdftoppm scales first and rotates then
        size=size[::-1] if plan.rotated else size,
        use_cropbox=True,
        userpw=settings.password,
        timeout=POPPLER_TIMEOUT_SECONDS,
        strict=strict,
    )
    return list(images)


def _embedded_tables(document: Any, page_index: int, grid: Grid) -> JpegTables | None:
    """The quantization of the scan that a page is, if it is stored as one JPEG and nothing else."""
    scan = grid.scan
    if scan is None:
        return None
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
    return turned(tables) if tables is not None and scan.turned else tables


def _failed(ref: PageRef, what: str, remedy: str) -> StageError:
    return StageError(f"page {ref.page_number} of {ref.document} {what}", remedy, "rasterize", ref.page_number)
