"""A page of a PDF without the operators that show its text: in its content, and in all that it draws."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pikepdf

from pipeline.errors import InputError

SHOWING = frozenset({"Tj", "TJ", "'", '"'})
CLIPPING = 4  # text render modes from here on add the glyphs to the clip path: without them the drawing changes


def split_page(path: str | Path, page_index: int, annotations: bool) -> tuple[bytes, bytes]:
    """The page as a document of its own, as it is and without text. ``page_index`` is 0-based.

    Annotations and form fields are left out of both, or with ``annotations`` made part of the page. Layers that are off
    stay off. Raises InputError when the file cannot be read, ValueError when the page is not there or its text is a
    clipping path, and what pikepdf raises on a broken page.
    """
    try:
        source = pikepdf.open(path)
    except (OSError, pikepdf.PdfError, pikepdf.PasswordError) as error:
        raise InputError(f"{path} cannot be opened as a PDF: {error}", "leave it out or save it anew") from error
    with source, pikepdf.new() as single:
        if page_index >= len(source.pages):
            raise ValueError(f"there are {len(source.pages)} pages only")
        if annotations:
            _draw_annotations(source, page_index)
        page = source.pages[0 if annotations else page_index]
        if "/Annots" in page:
            del page["/Annots"]  # they are not drawn, and form fields do not like to leave their document
        single.pages.append(page)
        if "/OCProperties" in source.Root:  # which layers are off; after the page, whose layers are then the same ones
            single.Root.OCProperties = single.copy_foreign(source.make_indirect(source.Root.OCProperties))
        whole = _save(single)
        _remove_text(single)
        return whole, _save(single)


def _draw_annotations(source: pikepdf.Pdf, page_index: int) -> None:
    """Make what annotations and form fields look like part of the page, which stays as the document's only one."""
    del source.pages[page_index + 1 :]
    del source.pages[:page_index]
    form = source.Root.get("/AcroForm")
    if form is not None and form.get("/NeedAppearances", False):
        source.generate_appearance_streams()
    for annotation in source.pages[0].get("/Annots", []):
        look = annotation.get("/AP", pikepdf.Dictionary()).get("/N")
        if "/OC" in annotation and isinstance(look, pikepdf.Stream):
            look["/OC"] = annotation["/OC"]  # flattened, it would leave its layer
    source.flatten_annotations("screen")


def _save(document: pikepdf.Pdf) -> bytes:
    buffer = io.BytesIO()
    document.save(buffer)
    return buffer.getvalue()


def _remove_text(document: pikepdf.Pdf) -> None:
    """Take the text out of the page and of everything it draws: forms, masks and patterns, however nested.

    What merely lies in the resources is never drawn, and is left alone.
    """
    page = document.pages[0]
    resources = page.obj.get("/Resources", pikepdf.Dictionary())
    waiting: list[tuple[Any, Any, int]] = [(page, resources, 0)]
    seen: set[tuple[tuple[int, int], bool]] = set()
    changed: list[tuple[Any, bytes]] = []  # written last: what is drawn in two modes is read twice
    while waiting:
        content, resources, mode = waiting.pop()
        commands = list(pikepdf.parse_content_stream(content))
        for drawn, at_mode in _drawn(commands, resources, mode):
            key = (drawn.objgen, at_mode >= CLIPPING)
            if key not in seen:
                seen.add(key)
                waiting.append((drawn, drawn.get("/Resources", resources), at_mode))
        kept = [command for command in commands if str(command.operator) not in SHOWING]
        if len(kept) < len(commands):
            changed.append((content, pikepdf.unparse_content_stream(kept)))
    for content, data in changed:
        if content is page:
            page.obj["/Contents"] = document.make_stream(data)
        else:
            content.write(data)


def _drawn(commands: list[Any], resources: Any, mode: int) -> Iterator[tuple[Any, int]]:
    """The streams with content of their own that these commands draw or paint with, each with its text render mode.

    ``mode`` is that in which they begin. Raises ValueError when text is shown as a clipping path.
    """
    saved: list[int] = []
    for command in commands:
        operator, operands = str(command.operator), command.operands
        if operator == "q":
            saved.append(mode)
        elif operator == "Q" and saved:
            mode = saved.pop()
        elif operator == "Tr":
            mode = int(operands[0])
        elif operator in SHOWING and mode >= CLIPPING:
            raise ValueError("text is used as a clipping path")
        elif operator in _NAMING and len(operands) and isinstance(operands[-1], pikepdf.Name):
            kind, inner = _NAMING[operator]
            named = resources.get(kind, {}).get(operands[-1])
            for name in inner:
                named = named.get(name) if isinstance(named, pikepdf.Dictionary) else None
            if isinstance(named, pikepdf.Stream) and (operator != "Do" or named.get("/Subtype") == "/Form"):
                yield named, mode if operator == "Do" else 0


# operators that draw or paint with something by its name: where it is found, and what in it has content
_NAMING: dict[str, tuple[str, tuple[str, ...]]] = {
    "Do": ("/XObject", ()),
    "scn": ("/Pattern", ()),
    "SCN": ("/Pattern", ()),
    "gs": ("/ExtGState", ("/SMask", "/G")),
}
