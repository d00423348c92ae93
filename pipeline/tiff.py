"""The two things about TIFF that Pillow does not do: hold a finished JPEG, and append frames without decoding them.

Little-endian classic TIFF (TIFF 6.0), one image file directory (IFD) per page.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from PIL import Image, JpegImagePlugin

_HEADER = b"II*\0"
_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8}
_SHORT, _LONG, _RATIONAL = 3, 4, 5
_STRIP_OFFSETS = 273
_MAX_BYTES = 2**32 - 1


def jpeg_tiff(jpeg: bytes, dpi: tuple[float, float]) -> bytes:
    """A one-page TIFF whose only strip is ``jpeg``, a baseline JPEG, byte for byte (TIFF Technical Note 2)."""
    with Image.open(BytesIO(jpeg), formats=["JPEG"]) as image:
        width, height = image.size
        grey = image.mode == "L"
        subsampling = ((1, 1), (2, 1), (2, 2))[0 if grey else max(0, JpegImagePlugin.get_sampling(image))]
    channels = 1 if grey else 3
    fields: list[tuple[int, int, tuple[int, ...]]] = [
        (256, _LONG, (width,)),
        (257, _LONG, (height,)),
        (258, _SHORT, (8,) * channels),
        (259, _SHORT, (7,)),
        (262, _SHORT, (1 if grey else 6,)),
        (_STRIP_OFFSETS, _LONG, (0,)),
        (277, _SHORT, (channels,)),
        (278, _LONG, (height,)),
        (279, _LONG, (len(jpeg),)),
        (282, _RATIONAL, (round(dpi[0] * 1000), 1000)),
        (283, _RATIONAL, (round(dpi[1] * 1000), 1000)),
        (296, _SHORT, (2,)),
    ]
    if not grey:
        fields.append((530, _SHORT, subsampling))
    return _with_fields(fields, jpeg)


def _with_fields(fields: Sequence[tuple[int, int, tuple[int, ...]]], strip: bytes) -> bytes:
    directory_at = 8
    values_at = directory_at + 2 + 12 * len(fields) + 4
    entries, values = b"", b""
    for tag, kind, numbers in fields:
        packed = struct.pack(f"<{len(numbers)}{'H' if kind == _SHORT else 'I'}", *numbers)
        count = len(numbers) // 2 if kind == _RATIONAL else len(numbers)
        if len(packed) > 4:
            place = struct.pack("<I", values_at + len(values))
            values += packed + b"\0" * (len(packed) % 2)
        else:
            place = packed.ljust(4, b"\0")
        if tag == _STRIP_OFFSETS:
            place = b"\xff\xff\xff\xff"  # known below, when all values are
        entries += struct.pack("<HHI", tag, kind, count) + place
    strip_at = struct.pack("<I", values_at + len(values))
    entries = entries.replace(b"\xff\xff\xff\xff", strip_at)
    return _HEADER + struct.pack("<IH", directory_at, len(fields)) + entries + b"\0\0\0\0" + values + strip


def join(paths: Sequence[Path], out: BinaryIO) -> None:
    """Writes the one-page TIFFs at ``paths``, made by this program, as one file; one page in memory at a time.

    Raises:
        ValueError: a work file is no such TIFF. OverflowError: the result would exceed the 4 GB a TIFF can hold.
    """
    link_at = 4
    position = 0
    for path in paths:
        content = bytearray(path.read_bytes())
        # pages start on even offsets; the header of all but the first is left out of the chain, not out of the file
        padding = position % 2
        base = position + padding
        if base + len(content) > _MAX_BYTES:
            raise OverflowError("a TIFF holds 4 GB")
        directory, next_link = _relocate(content, base)
        out.write(b"\0" * padding)
        out.write(content)
        if position:
            out.seek(link_at)
            out.write(struct.pack("<I", base + directory))
            out.seek(base + len(content))
        link_at = base + next_link
        position = base + len(content)


def _relocate(content: bytearray, base: int) -> tuple[int, int]:
    """Adds ``base`` to every offset of a one-page TIFF; says where its directory and that one's link are in it."""
    if content[:4] != _HEADER:
        raise ValueError("not a little-endian TIFF")
    (directory,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, directory)
    for place in range(directory + 2, directory + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from("<HHI", content, place)
        values_at = place + 8
        if _TYPE_BYTES[kind] * number > 4:
            (values_at,) = struct.unpack_from("<I", content, place + 8)
            struct.pack_into("<I", content, place + 8, values_at + base)
        if tag == _STRIP_OFFSETS:
            if kind != _LONG:
                raise ValueError("strip offsets are not 32 bits wide")
            offsets = struct.unpack_from(f"<{number}I", content, values_at)
            struct.pack_into(f"<{number}I", content, values_at, *(offset + base for offset in offsets))
    next_link = directory + 2 + 12 * count
    if struct.unpack_from("<I", content, next_link) != (0,):
        raise ValueError("more than one page")
    if base == 0:
        struct.pack_into("<I", content, 4, directory)
    return directory, next_link
