"""Pages to write in the tests, and ways to look at what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pikepdf
from PIL import Image

from pipeline.assemble import WriteSettings, assemble, encode_page
from pipeline.documents import DocumentKind, RasterSettings, rasterize_page
from pipeline.types import Colour, JpegTables, Page, PageRef

DEFAULT, LOSSLESS = WriteSettings(), WriteSettings(lossless=True)
PDF, PNG, JPEG, TIFF, WEBP = (DocumentKind[name] for name in ("PDF", "PNG", "JPEG", "TIFF", "WEBP"))


def make_page(
    image: np.ndarray,
    colour: Colour | None = None,
    size_pt: tuple[float, float] | None = None,
    jpeg: JpegTables | None = None,
) -> Page:
    if image.ndim == 2:
        image, colour = np.repeat(image[..., None], 3, axis=2), colour or Colour.GREY
    width_pt, height_pt = size_pt or (image.shape[1] * 0.36, image.shape[0] * 0.36)  # 200 dpi
    return Page(PageRef("source", 0), image, width_pt, height_pt, colour or Colour.RGB, jpeg)


def photograph(height: int, width: int, channels: int = 3, seed: int = 5) -> np.ndarray:
    random = np.random.default_rng(seed)
    small = random.integers(60, 256, (height // 8 + 1, width // 8 + 1, channels), dtype=np.uint8).squeeze()
    smooth = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC), int)
    return np.clip(smooth + random.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8)


def ink(height: int, width: int) -> np.ndarray:
    pixels = np.full((height, width), 255, np.uint8)
    pixels[height // 4 : height // 2, width // 4 : width // 2] = 0
    pixels[::7, ::3] = 0
    return pixels


def drawing(height: int, width: int) -> np.ndarray:
    pixels = np.full((height, width, 3), 255, np.uint8)
    for i in range(12):
        pixels[5 + i * height // 14 :, i * width // 14 : i * width // 14 + 9] = (20 * i, 255 - 20 * i, 90)
    return pixels


def write(folder: Path, kind: DocumentKind, pages: Sequence[Page], settings: WriteSettings = DEFAULT) -> Path:
    parts = []
    for index, page in enumerate(pages):
        parts.append(folder / f"part-{index}{kind.suffix}")
        encode_page(page, kind, settings, parts[-1])
    output = folder / f"result{kind.suffix}"
    assemble(parts, kind, output)
    return output


def read(path: Path, index: int = 0) -> Page:
    return rasterize_page(PageRef(str(path), index), RasterSettings())


def only_image(path: Path) -> Any:
    with pikepdf.open(path) as pdf:
        (stream,) = pdf.pages[0].Resources.XObject.values()
        data = stream.read_raw_bytes()
        stream["/Filter"] = stream.Filter[0] if isinstance(stream.Filter, pikepdf.Array) else stream.Filter
        return {str(key): str(value) for key, value in stream.items() if not isinstance(value, pikepdf.Array)}, data


def jpeg_page(subsampling: int, channels: int = 3) -> tuple[Page, bytes]:
    source = BytesIO()
    Image.fromarray(photograph(240, 320, channels)).save(source, "JPEG", quality=57, subsampling=subsampling)
    with Image.open(source) as image:
        tables = tuple(tuple(image.quantization[key]) for key in sorted(image.quantization))
        pixels = np.asarray(image)
    jpeg = JpegTables(tables, subsampling if channels == 3 else -1)
    return make_page(pixels, jpeg=jpeg), source.getvalue()


def numbered(count: int) -> list[Page]:
    return [make_page(ink(20 + i, 30), Colour.BILEVEL) for i in range(count)]
