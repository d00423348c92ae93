"""The door to documents: which kind a file is, how many pages it has, and its pages as pixels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import InputError
from pipeline.formats import DocumentKind, RasterSettings, WriteSettings, describe_unsupported, identify
from pipeline.image_pages import count_frames
from pipeline.pdf_file import open_pdf
from pipeline.rasterize import rasterize_page

__all__ = [
    "DocumentInfo",
    "DocumentKind",
    "RasterSettings",
    "WriteSettings",
    "describe_unsupported",
    "identify",
    "inspect_document",
    "rasterize_page",
]


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """What is known of a document before any page is rasterized."""

    path: str
    kind: DocumentKind
    page_count: int


def inspect_document(path: str, settings: RasterSettings) -> DocumentInfo:
    """Opens a document and counts its pages; decodes none.

    Raises:
        InputError: not there, no document, damaged, encrypted, without pages or with too many; the message names
            the file, the cause and the remedy.
    """
    if not Path(path).is_file():
        raise InputError(f"{path} is not there, or is no file", "check the path")
    kind = identify(path)
    if kind is None:
        raise InputError(f"{path}: {describe_unsupported(path)}")
    if kind is DocumentKind.PDF:
        with open_pdf(path, settings.password) as document:
            count = int(document.page_count)
    else:
        count = count_frames(path, kind, settings)
    if count > settings.max_pages:
        raise InputError(
            f"{path} has {count} pages, more than the limit of {settings.max_pages}", "raise --max-pages to allow it"
        )
    return DocumentInfo(path, kind, count)
