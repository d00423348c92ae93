"""PDFs with the secret in their pages, their pictures and fonts, and around the document: see ``canaries``."""

from __future__ import annotations

import zlib
from io import BytesIO
from pathlib import Path
from typing import Any

import pikepdf
import pymupdf
from canaries import BOTH, HEIGHT_PT, PASSWORD, SECRET, WIDTH_PT, picture, place
from pikepdf import Array, Dictionary, Name, Pdf, String
from PIL import Image

STREAMS = "pikepdf pypdf pymupdf"
TEXT = f"{STREAMS} text-pymupdf text-pdfminer text-pypdf"
BASE = b"0.2 G 1 w 4 4 192 72 re S BT /F1 13 Tf 16 57 Td (FORM) Tj ET "
LINE_TEXT = b"BT /F1 18 Tf 16 21 Td (%s) Tj ET " % SECRET.encode()
HELVETICA = {"/Type": Name.Font, "/Subtype": Name.Type1, "/BaseFont": Name.Helvetica}


def blank(content: bytes = b"", **resources: Any) -> Pdf:
    """A PDF with the page that all have, and ``content`` on top."""
    pdf = Pdf.new()
    page = pdf.add_blank_page(page_size=(WIDTH_PT, HEIGHT_PT))
    fonts = Dictionary(F1=pdf.make_indirect(Dictionary(HELVETICA)), **resources.pop("Font", {}))
    page.Resources = Dictionary(Font=fonts, **resources)
    page.Contents = pdf.make_stream(BASE + content)
    return pdf


def image_stream(pdf: Pdf, image: Image.Image, **more: Any) -> Any:
    """``image``, grey, as an image XObject."""
    return pdf.make_stream(
        image.tobytes(), Type=Name.XObject, Subtype=Name.Image, Width=image.width, Height=image.height,
        ColorSpace=Name.DeviceGray, BitsPerComponent=8, **more,
    )  # fmt: skip


def spelt(pdf: Pdf) -> Any:
    """An image whose grey values spell the secret."""
    return image_stream(pdf, Image.frombytes("L", (len(SECRET), 8), SECRET.encode() * 8))


@place(".pdf", TEXT, visible=1)
def text_layer(path: Path) -> None:
    blank(LINE_TEXT).save(path)


@place(".pdf", TEXT)
def invisible_text(path: Path) -> None:
    blank(b"3 Tr " + LINE_TEXT).save(path)


@place(".pdf", TEXT)
def white_text(path: Path) -> None:
    blank(b"1 g " + LINE_TEXT).save(path)


@place(".pdf", TEXT)
def transparent_text(path: Path) -> None:
    blank(b"/G1 gs " + LINE_TEXT, ExtGState=Dictionary(G1=Dictionary(ca=0, CA=0))).save(path)


@place(".pdf", "pikepdf pypdf pymupdf text-pymupdf text-pypdf")
def off_page_text(path: Path) -> None:
    blank(b"1 0 0 1 900 900 cm " + LINE_TEXT).save(path)


@place(".pdf", f"{STREAMS} text-pdfminer text-pypdf")
def clipped_text(path: Path) -> None:
    blank(b"0 0 3 3 re W n " + LINE_TEXT).save(path)


@place(".pdf", f"{TEXT} xray")
def covered_text(path: Path) -> None:
    blank(LINE_TEXT + b"0 g 12 14 178 26 re f ").save(path)


@place(".pdf", f"{STREAMS} text-pypdf")
def cropped_away(path: Path) -> None:
    pdf = blank(b"1 0 0 1 0 80 cm " + LINE_TEXT)
    pdf.pages[0].MediaBox = Array([0, 0, WIDTH_PT, 2 * HEIGHT_PT])
    pdf.pages[0].CropBox = Array([0, 0, WIDTH_PT, HEIGHT_PT])
    pdf.save(path)


@place(".pdf", f"{TEXT} ocr ocr-stretched", visible=1)
def ocr_layer(path: Path) -> None:
    pdf = blank(b"q 200 0 0 80 0 0 cm /Im0 Do Q 3 Tr " + LINE_TEXT)
    pdf.pages[0].Resources.XObject = Dictionary(Im0=image_stream(pdf, picture(SECRET)))
    pdf.save(path)


@place(".pdf", STREAMS)
def optional_content(path: Path) -> None:
    pdf = blank(b"/OC /L1 BDC " + LINE_TEXT + b"EMC ")
    layer = pdf.make_indirect(Dictionary(Type=Name.OCG, Name=String(BOTH)))
    pdf.pages[0].Resources.Properties = Dictionary(L1=layer)
    pdf.Root.OCProperties = Dictionary(OCGs=[layer], D=Dictionary(OFF=[layer], Order=[layer]))
    pdf.save(path)


@place(".pdf", STREAMS)
def structure_tree(path: Path) -> None:
    pdf = blank(b"/Span << /ActualText (%s) >> BDC EMC " % SECRET.encode())
    element = Dictionary(Type=Name.StructElem, S=Name.Figure, Alt=String(BOTH), ActualText=String(BOTH), E=String(BOTH))
    pdf.Root.StructTreeRoot = pdf.make_indirect(
        Dictionary(Type=Name.StructTreeRoot, K=Array([element]), RoleMap=Dictionary({f"/{SECRET}": Name.P}))
    )
    pdf.Root.MarkInfo, pdf.Root.Lang = Dictionary(Marked=True), String(BOTH)
    pdf.save(path)


@place(".pdf", STREAMS)
def thumbnail(path: Path) -> None:
    pdf = blank()
    pdf.pages[0].Thumb = spelt(pdf)
    pdf.save(path)


@place(".pdf", STREAMS)
def alternate_images(path: Path) -> None:
    pdf = blank(b"q 20 0 0 8 170 60 cm /Im0 Do Q ")
    alternates = Array([Dictionary(Image=spelt(pdf), DefaultForPrinting=True)])
    shown = image_stream(pdf, Image.new("L", (20, 8), 200), Alternates=alternates)
    pdf.pages[0].Resources.XObject = Dictionary(Im0=shown, NeverDrawn=spelt(pdf))
    pdf.save(path)


@place(".pdf", STREAMS)
def font_names_and_data(path: Path) -> None:
    """The name of a subset, the names in the font program, glyph names, and the table of characters."""
    font = pymupdf.Font("helv").buffer
    old = b"NimbusSans-Regular"
    assert old in font
    pdf = blank(b"BT /F2 8 Tf 100 57 Td (o) Tj ET ")
    program = pdf.make_stream(font.replace(old, SECRET.encode().ljust(len(old), b"x")), Subtype=Name.Type1C)
    name = Name(f"/ABCDEF+{SECRET}")
    described = Dictionary(
        Type=Name.FontDescriptor, FontName=name, FontFamily=String(BOTH), Flags=4, FontBBox=[0, 0, 900, 900],
        ItalicAngle=0, Ascent=800, Descent=-200, CapHeight=700, StemV=80, FontFile3=program, CharSet=String(BOTH),
    )  # fmt: skip
    cmap = f"1 beginbfchar <61> <{SECRET.encode('utf-16-be').hex()}> endbfchar".encode()
    pdf.pages[0].Resources.Font.F2 = Dictionary(
        Type=Name.Font, Subtype=Name.Type1, BaseFont=name, FontDescriptor=pdf.make_indirect(described),
        ToUnicode=pdf.make_stream(cmap), Encoding=Dictionary(Differences=[97, Name(f"/{SECRET}")]),
    )  # fmt: skip
    pdf.save(path)


@place(".pdf", f"{STREAMS} raw")
def picture_metadata(path: Path) -> None:
    """EXIF, a comment, XMP and a colour profile inside a JPEG inside a PDF."""
    from canary_pictures import profile, with_jpeg_metadata

    pdf = blank(b"q 40 0 0 16 150 56 cm /Im0 Do Q ")
    jpeg = BytesIO()
    with_jpeg_metadata(Image.new("RGB", (40, 16), (200, 220, 200)), jpeg)
    space = Array([Name.ICCBased, pdf.make_stream(profile(), N=3)])
    shown = pdf.make_stream(
        jpeg.getvalue(), Type=Name.XObject, Subtype=Name.Image, Width=40, Height=16, ColorSpace=space,
        BitsPerComponent=8, Filter=Name.DCTDecode, Metadata=xmp_stream(pdf),
    )  # fmt: skip
    pdf.pages[0].Resources.XObject = Dictionary(Im0=shown)
    pdf.save(path)


def xmp_stream(pdf: Pdf) -> Any:
    """An XMP packet that names the secret."""
    packet = f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><dc:creator>{BOTH}</dc:creator></x:xmpmeta>'
    return pdf.make_stream(packet.encode(), Type=Name.Metadata, Subtype=Name.XML)


@place(".pdf", STREAMS)
def docinfo(path: Path) -> None:
    pdf = blank()
    for key in ("Title", "Author", "Subject", "Keywords", "Creator", "Producer", SECRET):
        pdf.docinfo[f"/{key}"] = String(BOTH)
    pdf.save(path, fix_metadata_version=False)


@place(".pdf", STREAMS)
def xmp(path: Path) -> None:
    pdf = blank()
    pdf.Root.Metadata = xmp_stream(pdf)
    pdf.pages[0].obj.Metadata = xmp_stream(pdf)
    pdf.save(path, fix_metadata_version=False)


@place(".pdf", STREAMS)
def outlines(path: Path) -> None:
    pdf = blank()
    with pdf.open_outline() as outline:
        outline.root.append(pikepdf.OutlineItem(BOTH, 0))
    pdf.save(path)


@place(".pdf", STREAMS)
def named_destinations(path: Path) -> None:
    pdf = blank()
    target = Array([pdf.pages[0].obj, Name.Fit])
    pdf.Root.Names = Dictionary(Dests=Dictionary(Names=[String(BOTH), target]))
    pdf.Root.Dests = Dictionary({f"/{SECRET}": target})
    pdf.save(path)


@place(".pdf", STREAMS)
def page_labels(path: Path) -> None:
    pdf = blank()
    pdf.Root.PageLabels = Dictionary(Nums=[0, Dictionary(S=Name.D, P=String(BOTH))])
    pdf.save(path)


@place(".pdf", STREAMS)
def private_keys(path: Path) -> None:
    """What programs keep for themselves: piece info, output intents, article threads, identifiers, own keys."""
    pdf = blank()
    kept = Dictionary(App=Dictionary(LastModified=String("D:2024"), Private=Dictionary(Note=String(BOTH))))
    pdf.Root.PieceInfo = pdf.pages[0].obj.PieceInfo = kept
    pdf.Root.OutputIntents = Array([Dictionary(S=Name.GTS_PDFX, OutputConditionIdentifier=String(BOTH))])
    pdf.Root.Threads = Array([pdf.make_indirect(Dictionary(I=Dictionary(Title=String(BOTH))))])
    pdf.Root[f"/{SECRET}"] = pdf.pages[0].obj[f"/{SECRET}"] = String(BOTH)
    pdf.save(path)


@place(".pdf", "raw")
def earlier_revision(path: Path) -> None:
    """The text was there, and the file was saved again without it, at its end."""
    blank(LINE_TEXT).save(path, stream_decode_level=pikepdf.StreamDecodeLevel.none, compress_streams=False)
    with pymupdf.open(path) as document:
        document.update_stream(document[0].get_contents()[0], BASE)
        document.saveIncr()


@place(".pdf", "raw")
def around_the_document(path: Path) -> None:
    """Bytes before the header, comments between objects, bytes after %%EOF, one of them a deflated stream."""
    out = BytesIO()
    blank(b"%% %s\n" % SECRET.encode()).save(out)
    head, tail = (f"%{mark} {BOTH}\n".encode() for mark in ("before", "after"))
    path.write_bytes(head + out.getvalue() + tail + zlib.compress(BOTH.encode()))


@place(".pdf", STREAMS)
def malformed_content(path: Path) -> None:
    """What PDF libraries quote when they complain: unknown operators, resources, fonts and tables of characters."""
    word = SECRET.encode()
    pdf = blank(b"%s 1 0 0 rg /%s gs /%s cs /%s sh 1 1 1 (%s) %s\n" % ((word,) * 6))
    bare = Dictionary(Type=Name.Font, Subtype=Name.TrueType, BaseFont=Name(f"/{SECRET}"), Encoding=Name(f"/{SECRET}"))
    described = Dictionary(Type=Name.FontDescriptor, FontName=Name(f"/{SECRET}"), Flags=4)
    system = Dictionary(Registry=String("Adobe"), Ordering=String("Identity"), Supplement=0)
    child = Dictionary(
        Type=Name.Font, Subtype=Name.CIDFontType2, BaseFont=Name(f"/{SECRET}"), FontDescriptor=described,
        CIDSystemInfo=system,
    )  # fmt: skip
    for name, encoding in (("F4", "Identity-H"), ("F5", SECRET)):
        pdf.pages[0].Resources.Font[f"/{name}"] = Dictionary(
            Type=Name.Font, Subtype=Name.Type0, BaseFont=Name(f"/{SECRET}"), Encoding=Name(f"/{encoding}"),
            DescendantFonts=[child],
        )  # fmt: skip
    pdf.pages[0].Resources.Font.F3 = bare
    shown = b"".join(b"BT /F%d 8 Tf 150 57 Td <0041> Tj ET " % n for n in (3, 4, 5))
    pdf.pages[0].Contents = pdf.make_stream(pdf.pages[0].Contents.read_bytes() + shown)
    pdf.save(path)


@place(".pdf", STREAMS, fails=True)
def undecodable_picture(path: Path) -> None:
    """A page that cannot be cleaned, and is refused: the reason must not quote the document."""
    pdf = blank(b"q 20 0 0 8 170 60 cm /Im0 Do Q ")
    shown = image_stream(pdf, Image.new("L", (20, 8), 200), Filter=Name(f"/{SECRET}"))
    pdf.pages[0].Resources.XObject = Dictionary({f"/{SECRET}": shown, "/Im0": shown})
    pdf.save(path)


@place(".pdf", "password", visible=1)
def encrypted(path: Path) -> None:
    keys = pikepdf.Encryption(user=PASSWORD, owner=PASSWORD + "2", R=6)
    blank(LINE_TEXT).save(path, encryption=keys)
