"""What libraries say of a document, without the document's own words.

MuPDF quotes names and operators that it does not know, fonts and resources: words of the document, which must reach
no report and no log. Only what MuPDF itself says is kept. Of an error that nobody foresaw nothing is.
"""

from __future__ import annotations

import os
import re
import traceback
from pathlib import Path

# How MuPDF begins a message; what follows the next colon may be quoted from the document
_KIND = re.compile(r"^(?:(?:MuPDF|syntax|format|library|limit|argument|system|unsupported|code) ?(?:error)?: )*", re.I)
_QUOTED = re.compile(r"""(?<![A-Za-z])'|["`‘’“”(\[{<:/\\]|\b0x|\d""")
# Words with capitals that are MuPDF's, Poppler's or the PDF format's own
_OWN = frozenset(
    re.findall(
        r"\S+",
        """
    ASCII85Decode ASCIIHexDecode Bad Can Can't Cannot CCITT CCITTFaxDecode CFF CMYK CMap CMaps CalGray CalRGB
    CharProcs ColorSpace Contents Could Couldn't DCTDecode DeviceN DeviceRGB Dictionary EOF EXIF
    Embedded Encoding End Error Expected ExtGState Failed FlateDecode Font FreeType Function ICC
    IDAT IHDR Illegal Image Incorrect Indexed Internal Invalid JBIG2 JBIG2Decode JPEG JPX JPXDecode
    LZW LZWDecode Leftover Length Loop May MediaBox Missing MuPDF No ObjStm OpenType Overly PDF PNG Page
    Pages Pattern Properties RGB Resources Root Separation Shading Size Subtype Syntax TIFF
    ToUnicode Too Top-level Trailer TrueType Type Type1 Type3 Unable Unexpected Unicode Unknown
    Unterminated Warning Wrong XMP XObject XRef
    """,
    )
)


def without_names(message: str) -> str:
    """A library's message up to where it begins to quote, and with "..." for words that may be the document's own."""
    line = message.strip()
    kind = _KIND.match(line)
    begin = kind.end() if kind else 0
    said = line[begin:]
    quoted = _QUOTED.search(said)
    words = said[: quoted.start() if quoted else len(said)].split()
    kept = [word if word.islower() or word.strip(".,;") in _OWN or not word.isalpha() else "..." for word in words]
    plain = [word if word.isascii() else "..." for word in kept]
    return (line[:begin] + " ".join(plain)).strip(" :")


def without_words(error: BaseException) -> str:
    """What an error is and where it was raised: ``KeyError in decode (fields.py, line 7)``.

    Its own words may quote the document: a KeyError says the key that it did not find. Only the operating system's
    are known, by their number.
    """
    told = type(error).__name__
    if isinstance(error, OSError) and isinstance(error.errno, int):
        told += f", {os.strerror(error.errno)},"
    frames = traceback.extract_tb(error.__traceback__)
    return (
        f"{told} in {frames[-1].name} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else told
    )
