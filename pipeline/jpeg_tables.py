"""The quantization of a source JPEG, so that a cleaned page can be written with the same loss and no more."""

from __future__ import annotations

from PIL import Image, JpegImagePlugin

from pipeline.types import JpegTables


def tables_of(image: Image.Image) -> JpegTables | None:
    """Quantization tables (natural order) and subsampling of an opened JPEG; None for CMYK and the like."""
    if not isinstance(image, JpegImagePlugin.JpegImageFile) or image.mode not in ("L", "RGB"):
        return None
    tables = tuple(tuple(int(value) for value in image.quantization[key]) for key in sorted(image.quantization))
    wanted = 1 if image.mode == "L" else 2
    if not tables or any(len(table) != 64 for table in tables):
        return None
    return JpegTables(tables[:wanted], -1 if image.mode == "L" else JpegImagePlugin.get_sampling(image))


def turned(tables: JpegTables) -> JpegTables:
    """The same for the image turned by 90 degrees: frequencies along x become those along y.

    4:2:2 halves x only; turned it would halve y only, which encoders do not offer, so colour keeps full resolution.
    """
    swapped = tuple(tuple(table[(i % 8) * 8 + i // 8] for i in range(64)) for table in tables.tables)
    return JpegTables(swapped, 0 if tables.subsampling == 1 else tables.subsampling)
