"""PageRef -> Page: the one place where documents become pixels."""

from __future__ import annotations

from pipeline.errors import InputError
from pipeline.formats import DocumentKind, RasterSettings, describe_unsupported, identify
from pipeline.image_pages import rasterize_frame
from pipeline.pdf_pages import rasterize_pdf_page
from pipeline.types import Page, PageRef


def rasterize_page(ref: PageRef, settings: RasterSettings) -> Page:
    """One page of a document as (H, W, 3) uint8 RGB, upright as a viewer shows it, on white.

    Bit for bit the source's own pixels where the source is an image, or (``settings.dpi`` None) a PDF page that is
    one upright scan; see :class:`RasterSettings`.

    Raises:
        InputError: the document cannot be read.
        StageError: this page cannot, or is larger than ``settings.max_pixels``.
    """
    kind = identify(ref.document)
    if kind is None:
        raise InputError(f"{ref.document}: {describe_unsupported(ref.document)}")
    if kind is DocumentKind.PDF:
        return rasterize_pdf_page(ref, settings)
    return rasterize_frame(ref, kind, settings)
