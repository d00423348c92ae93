"""PDFs with the secret in what is laid over their pages or hangs on them: fields, notes, files, scripts, links."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pikepdf
from canaries import BOTH, NAME_SECRET, SECRET, place
from canary_pdfs import LINE_TEXT, STREAMS, TEXT, blank
from pikepdf import Array, Dictionary, Name, Pdf, String

RECT = [14, 16, 188, 40]
HIDDEN = 2


def appearance(pdf: Pdf) -> Any:
    """An appearance stream that draws the secret where the line is."""
    content = b"BT /F1 18 Tf 2 5 Td (%s) Tj ET" % SECRET.encode()
    fonts = Dictionary(F1=pdf.pages[0].Resources.Font.F1)
    stream = pdf.make_stream(content, Type=Name.XObject, Subtype=Name.Form, BBox=[0, 0, 174, 24])
    stream.Resources = Dictionary(Font=fonts)
    return stream


def note(pdf: Pdf, kind: str, **keys: Any) -> Any:
    """Add an annotation to the page."""
    made = pdf.make_indirect(Dictionary(Type=Name.Annot, Subtype=Name(f"/{kind}"), Rect=RECT, **keys))
    page = pdf.pages[0].obj
    page.Annots = Array([*page.get("/Annots", []), made])
    return made


def form(pdf: Pdf, fields: list[Any], **keys: Any) -> None:
    """Make ``fields`` a form."""
    fonts = Dictionary(Font=Dictionary(F1=pdf.pages[0].Resources.Font.F1))
    pdf.Root.AcroForm = Dictionary(Fields=fields, DR=fonts, DA=String("/F1 12 Tf 0 g"), **keys)


@place(".pdf", f"{STREAMS} ocr ocr-stretched", visible=1)
def form_field(path: Path) -> None:
    pdf = blank()
    shown = note(
        pdf, "Widget", FT=Name.Tx, T=String("name"), V=String(SECRET), F=4, AP=Dictionary(N=appearance(pdf))
    )  # fmt: skip
    form(pdf, [shown])
    pdf.save(path)


@place(".pdf", STREAMS)
def hidden_fields(path: Path) -> None:
    """A hidden field with value, default, tool tip, name and appearance; choices; a rich text; a signature's words."""
    pdf = blank()
    said = {key: String(BOTH) for key in ("T", "TU", "TM")}
    text = note(
        pdf, "Widget", FT=Name.Tx, V=String(BOTH), DV=String(BOTH), RV=String(BOTH), F=HIDDEN,
        AP=Dictionary(N=appearance(pdf)), MK=Dictionary(CA=String(BOTH)), **said,
    )  # fmt: skip
    choice = note(pdf, "Widget", FT=Name.Ch, T=String("c"), Opt=[String(BOTH), String("x")], V=String(BOTH), F=HIDDEN)
    signed = Dictionary(Type=Name.Sig, Filter=Name("/Adobe.PPKLite"), Name=String(BOTH), Reason=String(BOTH))
    signature = note(pdf, "Widget", FT=Name.Sig, T=String("s"), V=signed, F=HIDDEN)
    form(pdf, [text, choice, signature])
    pdf.save(path)


@place(".pdf", STREAMS)
def xfa(path: Path) -> None:
    pdf = blank()
    data = f"<xdp:xdp xmlns:xdp='http://ns.adobe.com/xdp/'><name>{BOTH}</name></xdp:xdp>".encode()
    form(pdf, [], XFA=Array([String("datasets"), pdf.make_stream(data)]))
    pdf.save(path)


@place(".pdf", STREAMS)
def annotations(path: Path) -> None:
    """Notes, their authors and pop-ups, a hidden one's appearance, a redaction that was marked and never applied."""
    pdf = blank()
    said = {key: String(BOTH) for key in ("Contents", "T", "Subj", "RC", "NM")}
    parent = note(pdf, "Text", F=HIDDEN, **said)
    note(pdf, "Popup", Parent=parent, F=HIDDEN, Contents=String(BOTH))
    note(pdf, "FreeText", F=HIDDEN, AP=Dictionary(N=appearance(pdf)), DA=String("/F1 9 Tf"), **said)
    note(pdf, "Redact", F=HIDDEN, OverlayText=String(BOTH), QuadPoints=[14, 40, 188, 40, 14, 16, 188, 16])
    pdf.save(path)


@place(".pdf", f"{STREAMS} ocr ocr-stretched", visible=1)
def annotation_appearance(path: Path) -> None:
    pdf = blank()
    note(pdf, "FreeText", F=4, AP=Dictionary(N=appearance(pdf)), DA=String("/F1 9 Tf"), Contents=String(SECRET))
    pdf.save(path)


@place(".pdf", STREAMS)
def attachments(path: Path) -> None:
    """A file of the document's, one of a note's, their names and descriptions, and an associated file."""
    pdf = blank()
    pdf.attachments["plan.txt"] = pikepdf.AttachedFileSpec(
        pdf, BOTH.encode(), description=BOTH, filename=f"{BOTH}.txt", mime_type="text/plain"
    )
    spec = pdf.attachments["plan.txt"].obj
    pdf.Root.AF = Array([spec])
    note(pdf, "FileAttachment", F=HIDDEN, FS=spec, Contents=String(BOTH))
    pdf.save(path)


@place(".pdf", STREAMS)
def javascript(path: Path) -> None:
    pdf = blank()
    script = Dictionary(S=Name.JavaScript, JS=String(f"app.alert('{BOTH}')"))
    stream = Dictionary(S=Name.JavaScript, JS=pdf.make_stream(f"var who = '{BOTH}'".encode()))
    pdf.Root.OpenAction = script
    pdf.Root.Names = Dictionary(JavaScript=Dictionary(Names=[String(BOTH), stream]))
    pdf.pages[0].obj.AA = Dictionary(O=script)
    pdf.save(path)


@place(".pdf", STREAMS)
def uris(path: Path) -> None:
    """Links to pages, to other files, to programs, and the base that links are relative to."""
    pdf = blank()
    where = String(f"https://example.org/{SECRET}?q=%56")
    note(pdf, "Link", A=Dictionary(S=Name.URI, URI=where))
    note(pdf, "Link", A=Dictionary(S=Name.GoToR, F=String(f"{BOTH}.pdf"), D=[0, Name.Fit]))
    note(pdf, "Link", A=Dictionary(S=Name.Launch, F=String(f"/home/{SECRET}/a.sh")))
    pdf.Root.URI = Dictionary(Base=where)
    pdf.save(path)


@place(".pdf", TEXT, visible=1, file_name=f"{NAME_SECRET} folder/{NAME_SECRET} résumé.pdf")
def file_name(path: Path) -> None:
    blank(LINE_TEXT).save(path)
