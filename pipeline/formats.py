"""What kinds of documents there are, told by their content and never by their name, and how they are to be read."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal

Rasterizer = Literal["pymupdf", "pdf2image"]

DEFAULT_MAX_PIXELS = 100_000_000
"""Pixels of one page; A3 at 600 dpi has 70 million, A2 at 500 dpi 96 million."""

DEFAULT_MAX_PAGES = 10_000

_PDF_HEADER_WITHIN_BYTES = 1024
"""A PDF's header may be preceded by this many bytes of garbage (PDF 1.7, implementation note 13)."""


class DocumentKind(StrEnum):
    """The kinds of documents that are read and written."""

    PDF = "pdf"
    PNG = "png"
    JPEG = "jpeg"
    TIFF = "tiff"
    WEBP = "webp"

    @property
    def suffix(self) -> str:
        """The suffix, with its dot, that a file of this kind is given."""
        return self.suffixes[0]

    @property
    def suffixes(self) -> tuple[str, ...]:
        """All suffixes, lower case and with their dot, that files of this kind commonly have."""
        return _SUFFIXES[self]

    @property
    def has_pages(self) -> bool:
        """Whether one file of this kind can hold more than one page."""
        return self in (DocumentKind.PDF, DocumentKind.TIFF)


_SUFFIXES = {
    DocumentKind.PDF: (".pdf",),
    DocumentKind.PNG: (".png",),
    DocumentKind.JPEG: (".jpg", ".jpeg", ".jpe", ".jfif"),
    DocumentKind.TIFF: (".tif", ".tiff"),
    DocumentKind.WEBP: (".webp",),
}

_TIFF_MAGICS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_OTHER_MAGICS = (
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 image"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 image"),
    (b"\xff\x0a", "a JPEG XL image"),
    (b"AT&TFORM", "a DjVu document"),
    (b"%!PS", "a PostScript file"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\xd0\xcf\x11\xe0", "an old office document"),
    (b"{\\rtf", "a rich text document"),
    (b"\x1f\x8b", "a gzip archive"),
)


@dataclass(frozen=True, slots=True)
class RasterSettings:
    """How documents are read.

    ``dpi`` None keeps a full-page scan on its own pixel grid and takes 200 dpi for other PDF pages; a number holds
    for every PDF page. Images always keep their own pixels. ``max_pixels`` limits one page (its raster, and any
    image embedded in it), ``max_pages`` one document. ``password`` opens encrypted PDFs.
    """

    dpi: float | None = None
    rasterizer: Rasterizer = "pymupdf"
    max_pixels: int = DEFAULT_MAX_PIXELS
    max_pages: int = DEFAULT_MAX_PAGES
    password: str | None = None


@dataclass(frozen=True, slots=True)
class WriteSettings:
    """How pages are written.

    ``quality`` is for JPEG and WebP, 1..100; None means like the source: with its own quantization tables where it
    was a JPEG, else 85. ``lossless`` keeps every pixel, whatever the size. ``standard_tables``: what was a JPEG is
    written as any other page, at ``quality`` or 85, for a scanner or camera may be known by its tables.
    """

    quality: int | None = None
    lossless: bool = False
    standard_tables: bool = False


def identify(path: str | Path) -> DocumentKind | None:
    """The kind of document a file is by its content; None when it is none of ours, or cannot be read."""
    try:
        head = _head(path)
    except OSError:
        return None
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return DocumentKind.PNG
    if head.startswith(b"\xff\xd8\xff"):
        return DocumentKind.JPEG
    if head.startswith(_TIFF_MAGICS):
        return DocumentKind.TIFF
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return DocumentKind.WEBP
    return DocumentKind.PDF if b"%PDF-" in head else None


def describe_unsupported(path: str | Path) -> str:
    """Why a file for which :func:`identify` says None is no document of ours, in words for a report."""
    try:
        head = _head(path)
    except OSError as error:
        return f"cannot be read: {error.strerror or error}"
    if not head:
        return "the file is empty (0 bytes)"
    if head[4:8] == b"ftyp":
        found = "a HEIC, AVIF or video file"
    else:
        found = next((words for magic, words in _OTHER_MAGICS if head.startswith(magic)), "no kind of document we know")
    return f"{found}; PDF, PNG, JPEG, TIFF and WebP are read"


def _head(path: str | Path) -> bytes:
    with Path(path).open("rb") as file:
        return file.read(_PDF_HEADER_WITHIN_BYTES)
