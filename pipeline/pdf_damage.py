"""Whether what MuPDF complained of means that part of a page is missing from its picture.

MuPDF draws what it can and goes on. Much of what it complains of is mere sloppiness, which every viewer puts up with;
but a picture that could not be decoded must not come out as a clean, empty page.
"""

from __future__ import annotations

import re
import zlib
from typing import Any

_LOST = re.compile(
    r"padding truncated image|jpeg error|premature end of file in jpeg|not enough data to determine image format"
    r"|openjpeg error|JPX (header|image)|jbig2dec error|jbig2 image|in \dd faxd|unknown filter|image only stream"
    r"|cannot (draw|decode|load|read) (image|page|content)|Overly large image|unknown colorspace"
    r"|(?<!ignoring )zlib error|treating as end of file|too many syntax errors",
    re.IGNORECASE,
)
"""Data that are damaged or cannot be decoded, as against drawing instructions that are merely malformed."""

_CUT_SHORT = "premature end of data in flate filter"
"""Said both when half a stream is missing and when only its checksum is."""

_CHUNK_BYTES = 1 << 20


def lost_part(complaints: tuple[str, ...], document: Any, page_index: int) -> str:
    """The complaint that says that something of the page (0-based) was not drawn; "" if none does."""
    for line in complaints:
        if _LOST.search(line) or (line == _CUT_SHORT and _drawing_is_cut_short(document, page_index)):
            return line
    return ""


def _drawing_is_cut_short(document: Any, page_index: int) -> bool:
    """Whether deflated drawing instructions of the page stop before their end; its images are judged by their rows."""
    forms = [entry[0] for entry in document.get_page_xobjects(page_index)]
    return any(_stops_early(document, xref) for xref in [*document[page_index].get_contents(), *forms])


def _stops_early(document: Any, xref: int) -> bool:
    if document.xref_get_key(xref, "Filter")[1] not in ("/FlateDecode", "[/FlateDecode]"):
        return False
    # without zlib's header and checksum: what counts is whether the last block of data is there
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    left = document.xref_stream_raw(xref)[2:]
    try:
        while left and not inflater.eof:
            inflater.decompress(left, _CHUNK_BYTES)
            left = inflater.unconsumed_tail
    except zlib.error:
        return True
    return not inflater.eof
