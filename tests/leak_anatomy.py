"""What may be in a cleaned file at all: anything else is reported, whether or not a secret is known to be in it.

A canary only shows what it was planted in. This search needs no canary: it knows the few parts that a picture needs.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pikepdf
from PIL import Image

_PICTURE_KEYS = {"/Type", "/Subtype", "/Width", "/Height", "/BitsPerComponent", "/ColorSpace", "/Filter",
                 "/DecodeParms", "/Length", "/Decode", "/Interpolate"}  # fmt: skip
_KEYS = {
    "/Catalog": {"/Type", "/Pages"},
    "/Pages": {"/Type", "/Count", "/Kids"},
    "/Page": {"/Type", "/Parent", "/MediaBox", "/CropBox", "/Resources", "/Contents", "/UserUnit"},
    "/XObject": _PICTURE_KEYS,
    "/ObjStm": {"/Type", "/Filter", "/First", "/Length", "/N"},
    "/XRef": {"/Type", "/Filter", "/DecodeParms", "/ID", "/Length", "/Root", "/Size", "/W", "/Index"},
}
_TRAILER = _KEYS["/XRef"]
_DRAWS_ONE_PICTURE = re.compile(rb"q\s+[-\d.]+ 0 0 [-\d.]+ [-\d.]+ [-\d.]+ cm\s+/Im0 Do\s+Q\s*")
_JPEG_ALONE = {0xD8, 0xD9}
_JPEG_SEGMENTS = {0xDB, 0xC0, 0xC1, 0xC2, 0xC4, 0xDA, 0xDD}
_PNG_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"pHYs"}
_WEBP_CHUNKS = {b"VP8 ", b"VP8L"}
_TIFF_TAGS = {256, 257, 258, 259, 262, 273, 277, 278, 279, 282, 283, 284, 296, 317, 320, 338, 339, 530}


def search_anatomy(path: Path, words: object = ()) -> tuple[str, ...]:
    """The parts of a file that a cleaned document does not need; ``words`` do not matter."""
    del words
    content = path.read_bytes()
    parts = {
        ".pdf": lambda: _of_pdf(path, content),
        ".jpg": lambda: of_jpeg(content),
        ".png": lambda: _of_png(content),
        ".webp": lambda: _of_webp(content),
        ".tif": lambda: _of_tiff(path),
    }
    return tuple(parts[path.suffix.lower()]())


def _of_pdf(path: Path, content: bytes) -> Iterator[str]:
    if not content.startswith(b"%PDF-") or not content.endswith(b"%%EOF\n"):
        yield "bytes before the header or after the end"
    if content.count(b"%%EOF") != 1:
        yield "more than one revision"
    with pikepdf.open(path) as pdf:
        yield from _strange_keys("the trailer", pdf.trailer, _TRAILER)
        used = {id_of for page in pdf.pages for id_of in _reached_from(page)}
        for thing in pdf.objects:
            yield from _of_object(thing)
            if isinstance(thing, pikepdf.Stream) and thing.get("/Type") not in (pikepdf.Name.ObjStm, pikepdf.Name.XRef):
                yield from () if thing.objgen in used else (f"object {thing.objgen[0]} is on no page",)


def _reached_from(page: Any) -> Iterator[tuple[int, int]]:
    contents = page.obj.Contents
    for stream in contents if isinstance(contents, pikepdf.Array) else [contents]:
        yield stream.objgen
    for key, picture in page.obj.Resources.get("/XObject", {}).items():
        if key == "/Im0":
            yield picture.objgen


def _of_object(thing: Any) -> Iterator[str]:
    if not isinstance(thing, (pikepdf.Dictionary, pikepdf.Stream)):
        yield from () if isinstance(thing, int) else (f"a loose {type(thing).__name__}",)
        return
    kind = str(thing.get("/Type", ""))
    name = f"object {thing.objgen[0]} {kind}".strip()
    if kind:
        yield from _strange_keys(name, thing, _KEYS.get(kind, set()))
        filters = thing.get("/Filter")
        if kind == "/XObject" and str(filters) in ("/DCTDecode", "[/DCTDecode]"):
            yield from (f"{name}: {part}" for part in of_jpeg(thing.read_raw_bytes()))
    elif isinstance(thing, pikepdf.Stream):
        yield from _strange_keys(name, thing, {"/Filter", "/Length"})
        if not _DRAWS_ONE_PICTURE.fullmatch(thing.read_bytes()):
            yield f"{name} draws more than one picture"
    else:
        yield f"{name} has no type"
    resources = thing.get("/Resources", {})
    yield from () if set(resources.keys()) <= {"/XObject"} else (f"{name} has {sorted(resources.keys())}",)


def _strange_keys(name: str, thing: Any, known: set[str]) -> Iterator[str]:
    strange = set(thing.keys()) - known
    if strange:
        yield f"{name} has {', '.join(sorted(strange))}"


def of_jpeg(content: bytes) -> Iterator[str]:
    """The segments of a JPEG that are neither tables nor pixels nor its resolution."""
    position = 0
    while position + 1 < len(content):
        if content[position] != 0xFF:
            yield f"{len(content) - position} bytes that belong to no segment"
            return
        marker = content[position + 1]
        position += 2
        if marker == 0xD9 and position < len(content):
            yield f"{len(content) - position} bytes after the end"
            return
        if marker in _JPEG_ALONE:
            continue
        length = int.from_bytes(content[position : position + 2])
        is_resolution = marker == 0xE0 and length == 16 and content[position + 2 : position + 7] == b"JFIF\0"
        if marker not in _JPEG_SEGMENTS and not is_resolution:
            yield f"a segment {marker:02X}"
        position += length
        if marker == 0xDA:
            position = _end_of_scan(content, position)


def _end_of_scan(content: bytes, position: int) -> int:
    """Where the next marker is: within coded pixels FF is followed by 00 or is a restart."""
    while True:
        position = content.find(b"\xff", position)
        if position < 0:
            return len(content)
        if content[position + 1] != 0 and not 0xD0 <= content[position + 1] <= 0xD7:
            return position
        position += 2


def _of_png(content: bytes) -> Iterator[str]:
    position = 8
    while position < len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        if kind not in _PNG_CHUNKS:
            yield f"a chunk {kind!r}"
        position += 12 + length
        if kind == b"IEND":
            break
    if position != len(content):
        yield f"{len(content) - position} bytes after the end"


def _of_webp(content: bytes) -> Iterator[str]:
    if int.from_bytes(content[4:8], "little") + 8 != len(content):
        yield "bytes after the end"
    position = 12
    while position < len(content):
        kind, length = struct.unpack_from("<4sI", content, position)
        if kind not in _WEBP_CHUNKS:
            yield f"a chunk {kind!r}"
        position += 8 + length + length % 2


def _of_tiff(path: Path) -> Iterator[str]:
    needed = 0
    with Image.open(path) as image:
        for index in range(image.n_frames):
            image.seek(index)
            strange = set(image.tag_v2) - _TIFF_TAGS
            if strange:
                yield f"page {index + 1} has the fields {sorted(strange)}"
            needed += 8 + 2 + 12 * len(image.tag_v2) + 4 + sum(image.tag_v2[279])
            needed += sum(_bytes_outside(image.tag_v2, tag) for tag in image.tag_v2)
    # Pillow writes one entry after another and leaves at most a few bytes between them
    spare = path.stat().st_size - needed
    if spare > 64 * (index + 1):
        yield f"{spare} bytes that belong to no page"


def _bytes_outside(fields: Any, tag: int) -> int:
    """Bytes of a field's value that do not fit into its entry, at most."""
    value = fields[tag]
    each = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1, 12: 8}.get(fields.tagtype[tag], 8)
    size = each * (len(value) if isinstance(value, (tuple, bytes, str)) else 1)
    return size + 2 if size > 4 else 0
