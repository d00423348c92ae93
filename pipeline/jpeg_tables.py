"""The quantization of a source JPEG, so that a cleaned page can be written with the same loss and no more."""

from __future__ import annotations

from collections.abc import Iterator

from PIL import Image, JpegImagePlugin, TiffImagePlugin

from pipeline.types import JpegTables

_JPEG_TABLES_TAG, _SUBSAMPLING_TAG = 347, 530
_PILLOW_CODES = {(1, 1): 0, (2, 1): 1, (2, 2): 2}
_ZIGZAG = sorted(range(64), key=lambda i: (i // 8 + i % 8, i // 8 if (i // 8 + i % 8) % 2 else i % 8))
"""Natural index of the entries of a table as a JPEG stores them: along the diagonals, up and down in turn."""


def tables_of(image: Image.Image) -> JpegTables | None:
    """Quantization tables (natural order) and subsampling of an opened JPEG, or TIFF frame that is stored as one.

    None for all others, for CMYK, and for TIFFs that keep their tables elsewhere.
    """
    if image.mode not in ("L", "RGB", "YCbCr"):
        return None
    if isinstance(image, JpegImagePlugin.JpegImageFile):
        tables = [tuple(int(value) for value in image.quantization[key]) for key in sorted(image.quantization)]
        subsampling = JpegImagePlugin.get_sampling(image)
    elif isinstance(image, TiffImagePlugin.TiffImageFile) and image.info.get("compression") == "jpeg":
        tables = list(_stored_tables(bytes(image.tag_v2.get(_JPEG_TABLES_TAG, b""))))
        subsampling = _PILLOW_CODES.get(tuple(image.tag_v2.get(_SUBSAMPLING_TAG, (2, 2))), 0)
    else:
        return None
    if not tables or any(len(table) != 64 for table in tables):
        return None
    grey = image.mode == "L"
    return JpegTables(tuple(tables[: 1 if grey else 2]), -1 if grey else subsampling)


def _stored_tables(stream: bytes) -> Iterator[tuple[int, ...]]:
    """The 8-bit quantization tables of a JPEG stream that holds tables only, in the order stored."""
    position = 2
    while position + 4 <= len(stream):
        marker, length = stream[position + 1], int.from_bytes(stream[position + 2 : position + 4])
        segment = stream[position + 4 : position + 2 + length]
        if marker == 0xDB:
            for start in range(0, len(segment) - 64, 65):
                if segment[start] >> 4:
                    return
                table = [0] * 64
                for entry, natural in zip(segment[start + 1 : start + 65], _ZIGZAG, strict=True):
                    table[natural] = entry
                yield tuple(table)
        position += 2 + max(2, length)


def turned(tables: JpegTables) -> JpegTables:
    """The same for the image turned by 90 degrees: frequencies along x become those along y.

    4:2:2 halves x only; turned it would halve y only, which encoders do not offer, so colour keeps full resolution.
    """
    swapped = tuple(tuple(table[(i % 8) * 8 + i // 8] for i in range(64)) for table in tables.tables)
    return JpegTables(swapped, 0 if tables.subsampling == 1 else tables.subsampling)
