"""JPEG, PNG, TIFF and WebP pages with the secret in their pixels and beside them: see ``canaries``."""

from __future__ import annotations

import struct
import zlib
from io import BytesIO
from pathlib import Path

import numpy as np
from canaries import BOTH, SCALE, SECRET, picture, place
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin

RAW = "raw"
PICTURE = "raw picture"
OCR = "ocr ocr-stretched"
DPI = {"dpi": (72 * SCALE, 72 * SCALE)}
XMP = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:creator>{BOTH}</dc:creator></x:xmpmeta>'.encode()


def profile() -> bytes:
    """An sRGB profile that is described by the secret (ICC v2 `desc` text)."""
    content = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    count = struct.unpack_from(">I", content, 128)[0]
    for n in range(count):
        tag, offset, size = struct.unpack_from(">4sII", content, 132 + 12 * n)
        if tag in (b"desc", b"cprt"):
            words = BOTH.encode("utf-16-be")[: (size - 28) // 2 * 2]
            said = struct.pack(">4sIII2s2sII", b"mluc", 0, 1, 12, b"en", b"US", len(words), 28) + words
            content[offset : offset + size] = said.ljust(size, b"\0")
    return bytes(content)


def exif(thumbnail: bytes = b"") -> bytes:
    """EXIF that tells the secret as description, artist, comment and GPS area; perhaps with a thumbnail."""
    held = Image.Exif()
    held[0x010E] = held[0x013B] = held[0x8298] = SECRET
    held.get_ifd(0x8769)[0x9286] = b"UNICODE\0" + BOTH.encode("utf-16-le")
    held.get_ifd(0x8825)[0x001C] = b"ASCII\0\0\0" + SECRET.encode()
    content = held.tobytes()
    if not thumbnail:
        return content
    # Pillow writes no second directory: link one to the end, as cameras do
    body = bytearray(content[6:])
    order = "<" if body.startswith(b"II") else ">"
    (first,) = struct.unpack_from(f"{order}I", body, 4)
    (count,) = struct.unpack_from(f"{order}H", body, first)
    struct.pack_into(f"{order}I", body, first + 2 + 12 * count, len(body))
    fields = {0x0103: (3, 6), 0x0201: (4, len(body) + 2 + 3 * 12 + 4), 0x0202: (4, len(thumbnail))}
    body += struct.pack(f"{order}H", len(fields))
    for tag, (kind, value) in fields.items():
        held_value = struct.pack(f"{order}H2x" if kind == 3 else f"{order}I", value)
        body += struct.pack(f"{order}HHI", tag, kind, 1) + held_value
    return content[:6] + bytes(body) + b"\0\0\0\0" + thumbnail


def with_jpeg_metadata(image: Image.Image, out: BytesIO) -> None:
    """``image`` as a JPEG with EXIF and its thumbnail, a comment, XMP, a profile and IPTC fields."""
    small = BytesIO()
    image.resize((32, 16)).save(small, "JPEG", comment=BOTH.encode())
    held = {"exif": exif(small.getvalue()), "comment": BOTH.encode(), "xmp": XMP, "icc_profile": profile()}
    image.save(out, "JPEG", quality=80, **held, **DPI)
    content = out.getvalue()
    iptc = b"\x1c\x02\x50" + struct.pack(">H", len(SECRET)) + SECRET.encode()
    photoshop = b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc + b"\0" * (len(iptc) % 2)
    segment = b"\xff\xed" + struct.pack(">H", len(photoshop) + 2) + photoshop
    out.seek(0)
    out.write(content[:2] + segment + content[2:])


@place(".jpg", PICTURE)
def jpeg_metadata(path: Path) -> None:
    out = BytesIO()
    with_jpeg_metadata(picture().convert("RGB"), out)
    path.write_bytes(out.getvalue())


@place(".jpg", RAW)
def jpeg_after_the_end(path: Path) -> None:
    """A second, larger picture behind the first, as phones put it there (MPF), with the secret in a comment."""
    first, second = BytesIO(), BytesIO()
    picture().save(first, "JPEG", **DPI)
    picture(SECRET).save(second, "JPEG", comment=BOTH.encode())
    path.write_bytes(first.getvalue() + second.getvalue())


@place(".jpg", OCR, visible=1)
def jpeg_pixels(path: Path) -> None:
    """A scan: grain, and the traces that JPEG leaves around letters."""
    picture(SECRET, paper=236, grain=2.5).save(path, "JPEG", quality=60, **DPI)


@place(".png", PICTURE)
def png_chunks(path: Path) -> None:
    """tEXt, zTXt, iTXt (plain and deflated), eXIf, iCCP, XMP, and a chunk of nobody's."""
    said = PngImagePlugin.PngInfo()
    said.add_text("Comment", SECRET)
    said.add_text("Author", SECRET, zip=True)
    said.add_itxt("Title", BOTH)
    said.add_itxt(SECRET, BOTH, zip=True)
    said.add_itxt("XML:com.adobe.xmp", XMP.decode())
    said.add(b"scRt", BOTH.encode())
    picture().convert("RGB").save(path, pnginfo=said, exif=exif(), icc_profile=profile(), **DPI)


@place(".png", "picture")
def png_under_transparency(path: Path) -> None:
    """Pixels that are fully transparent and spell the secret, by shape and by value."""
    seen, hidden = picture().convert("RGBA"), np.asarray(picture(SECRET))
    pixels = np.asarray(seen).copy()
    transparent = hidden != np.asarray(picture())
    pixels[transparent] = np.stack([hidden[transparent]] * 3 + [np.zeros(transparent.sum())], axis=1)
    word = np.frombuffer(SECRET.encode(), np.uint8).reshape(-1, 3)
    pixels[20, 10 : 10 + len(word)] = np.concatenate([word, np.zeros((len(word), 1))], axis=1)
    Image.fromarray(pixels.astype(np.uint8)).save(path, **DPI)


@place(".png", RAW)
def png_after_the_end(path: Path) -> None:
    picture().save(path, **DPI)
    with path.open("ab") as file:
        file.write(BOTH.encode("utf-16-le") + zlib.compress(BOTH.encode()))


@place(".png", OCR, visible=1)
def png_pixels(path: Path) -> None:
    picture(SECRET).save(path, **DPI)


def tags(**more: int) -> TiffImagePlugin.ImageFileDirectory_v2:
    """TIFF fields that tell the secret: description, artist, page name, XMP, IPTC, and one of nobody's."""
    held = TiffImagePlugin.ImageFileDirectory_v2()
    for tag in (269, 270, 285, 315, 33432):
        held[tag] = SECRET
    held[700], held[33723], held[65000] = XMP, SECRET.encode(), SECRET
    held.tagtype[65000] = 2
    for tag, value in more.items():
        held[int(tag.removeprefix("tag"))] = value
    return held


@place(".tif", PICTURE)
def tiff_fields(path: Path) -> None:
    picture().convert("RGB").save(path, tiffinfo=tags(), icc_profile=profile(), exif=exif(), **DPI)
    with path.open("ab") as file:
        file.write(BOTH.encode("utf-32-le"))


@place(".tif", OCR, visible=2, pages=2)
def tiff_reduced_copy(path: Path) -> None:
    """A second frame that is marked as a smaller copy of the page (NewSubfileType 1), and shows the secret."""
    page, copy = picture(SECRET), picture(SECRET, scale=1)
    page.save(path, save_all=True, append_images=[_marked(copy)], **DPI)


def _marked(image: Image.Image) -> Image.Image:
    fields = TiffImagePlugin.ImageFileDirectory_v2()
    fields[254] = 1
    image.encoderinfo = {"tiffinfo": fields}
    return image


@place(".tif", RAW)
def tiff_hidden_frame(path: Path) -> None:
    """A directory that only a SubIFDs field (330) leads to, whose strip spells the secret."""
    out = BytesIO()
    picture().save(out, "TIFF", tiffinfo=tags(tag330=0), **DPI)
    content = bytearray(out.getvalue())
    content += b"\0" * (len(content) % 2)
    (first,) = struct.unpack_from("<I", content, 4)
    (count,) = struct.unpack_from("<H", content, first)
    places = range(first + 2, first + 2 + 12 * count, 12)
    (link,) = (at for at in places if struct.unpack_from("<H", content, at)[0] == 330)
    struct.pack_into("<HHII", content, link, 330, 4, 1, len(content))
    side = len(SECRET)
    fields = {254: 1, 256: side, 257: side, 258: 8, 259: 1, 262: 1, 277: 1, 278: side, 279: side * side}
    fields[273] = len(content) + 2 + 12 * (len(fields) + 1) + 4
    content += struct.pack("<H", len(fields))
    content += b"".join(struct.pack("<HHII", tag, 4, 1, fields[tag]) for tag in sorted(fields))
    path.write_bytes(bytes(content) + b"\0\0\0\0" + SECRET.encode() * side)


@place(".webp", PICTURE)
def webp_metadata(path: Path) -> None:
    shown = picture().convert("RGB")
    shown.save(path, "WEBP", lossless=True, exif=exif(), xmp=XMP, icc_profile=profile())


@place(".webp", OCR, visible=1)
def webp_pixels(path: Path) -> None:
    picture(SECRET).convert("RGB").save(path, "WEBP", quality=80)
