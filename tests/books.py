"""PDFs made to measure for the tests, with pikepdf, byte for byte where it matters."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pikepdf
from PIL import Image

from pipeline.documents import RasterSettings, rasterize_page
from pipeline.types import Page, PageRef

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
