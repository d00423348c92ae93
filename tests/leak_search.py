"""Searches for a secret in whatever a run left: bytes, decoded objects, extracted text, and fields of pictures.

Each search takes a file and gives the ways in which it found one of the words, as an empty tuple when it did not.
What is drawn is looked at in ``leak_ocr``; what may be in a file at all, in ``leak_anatomy``.
"""

from __future__ import annotations

import base64
import codecs
import unicodedata
import urllib.parse
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from io import StringIO
from pathlib import Path
from typing import Any

import pikepdf
import pymupdf
import pypdf
from PIL import ExifTags, Image

Search = Callable[[Path, Sequence[str]], tuple[str, ...]]
_CODECS = ("utf-8", "latin-1", "cp1252", "mac-roman", "cp500", "pdfdoc", "utf-7",
           "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")  # fmt: skip
_INFLATED_MOST = 1 << 24
_ZLIB_HEADS = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"\x48\x89")


def every_file(*folders: Path) -> list[Path]:
    """All regular files below the folders, hidden ones too."""
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


# -- bytes ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=8)
def encodings_of(word: str) -> dict[bytes, str]:
    """The word as bytes in every way we look for, and what each is called; those marked with ^ ignore case."""
    found: dict[bytes, str] = {}
    spellings = {word, word.lower(), word.upper(), word.title()}
    spellings |= {unicodedata.normalize("NFD", spelling) for spelling in spellings}
    for spelling in spellings:
        for codec in _CODECS:
            with suppress(UnicodeEncodeError):
                plain = spelling.encode(codec)
                found.setdefault(plain.lower(), f"{codec}^")
                for name, changed in _disguises(plain):
                    found.setdefault(changed, f"{codec}, {name}")
        for name, text in _escapes(spelling):
            found.setdefault(text.lower().encode(), f"{name}^")
    return found


def _disguises(plain: bytes) -> Iterator[tuple[str, bytes]]:
    yield "reversed^", plain[::-1].lower()
    yield "hex^", plain.hex().encode()
    yield "hex with spaces^", plain.hex(" ").encode()
    yield "octal", b"".join(b"\\%03o" % byte for byte in plain)
    yield "every byte URL-encoded^", b"".join(b"%%%02x" % byte for byte in plain)
    yield "PDF name escapes^", b"".join(b"#%02x" % byte for byte in plain)
    for shift in range(3):  # wherever in a longer text the word begins; the ends depend on what is beside it
        coded = base64.b64encode(b"\0" * shift + plain)
        yield "base64", coded[4 if shift else 0 : len(coded) - 4]
    for shift in range(4):
        start, end = 4 if shift else 0, (shift + len(plain)) // 4 * 4
        if end - start >= 8:
            yield "ASCII85", base64.a85encode((b"\0" * shift + plain)[start:end])


def _escapes(spelling: str) -> Iterator[tuple[str, str]]:
    yield "JSON escapes", "".join(f"\\u{ord(letter):04x}" for letter in spelling)
    yield "JSON", spelling.encode("ascii", "backslashreplace").decode()
    yield "HTML, decimal", "".join(f"&#{ord(letter)};" for letter in spelling)
    yield "HTML, hexadecimal", "".join(f"&#x{ord(letter):x};" for letter in spelling)
    yield "HTML", spelling.encode("ascii", "xmlcharrefreplace").decode()
    yield "URL", urllib.parse.quote(spelling)
    yield "letters apart", " ".join(spelling)
    yield "rot13", codecs.encode(spelling, "rot13")


def words_in_bytes(content: bytes, words: Sequence[str]) -> tuple[str, ...]:
    """In which encodings the words stand in ``content``."""
    folded = content.lower()
    found = []
    for word in words:
        for needle, name in encodings_of(word).items():
            if needle in (folded if name.endswith("^") else content):
                found.append(f"{word} as {name.rstrip('^')}")
    return tuple(found)


def search_raw(path: Path, words: Sequence[str]) -> tuple[str, ...]:
    """The bytes of a file, and all that can be inflated in it, wherever a deflated stream may begin."""
    content = path.read_bytes()
    found = words_in_bytes(content, words)
    for start, inflated in _inflated(content):
        found += tuple(f"deflated at byte {start}: {how}" for how in _words_in_known(inflated, tuple(words)))
    return found


def _inflated(content: bytes) -> Iterator[tuple[int, bytes]]:
    for head in _ZLIB_HEADS:
        start = content.find(head)
        while start >= 0:
            with suppress(zlib.error):
                yield start, zlib.decompressobj().decompress(content[start:], _INFLATED_MOST)
            start = content.find(head, start + 1)


@lru_cache(maxsize=4096)
def _words_in_known(content: bytes, words: tuple[str, ...]) -> tuple[str, ...]:
    """The same streams come out of several libraries: each is searched once."""
    return words_in_bytes(content, words)


# -- objects and streams --------------------------------------------------------------------------------------------


def search_pikepdf(path: Path, words: Sequence[str], password: str = "") -> tuple[str, ...]:
    """Every name, string and stream of every object, as qpdf decodes them."""
    with pikepdf.open(path, password=password) as pdf:
        objects = [*pdf.objects, pdf.trailer]
        return _words_in_all((piece for thing in objects for piece in _pieces_of_pikepdf(thing)), words)


def _pieces_of_pikepdf(thing: Any, depth: int = 0) -> Iterator[bytes]:
    if depth > 20:
        return
    if isinstance(thing, pikepdf.Stream):
        yield _decoded_by_pikepdf(thing)
    if isinstance(thing, (pikepdf.Dictionary, pikepdf.Stream)):
        for key in list(thing.keys()):
            yield key.encode()
            yield from _pieces_of_pikepdf(thing[key], depth + 1) if not _is_reference(thing[key]) else ()
    elif isinstance(thing, pikepdf.Array):
        for item in list(thing):
            yield from _pieces_of_pikepdf(item, depth + 1) if not _is_reference(item) else ()
    elif isinstance(thing, pikepdf.String):
        yield from (bytes(thing), str(thing).encode())
    elif isinstance(thing, pikepdf.Name):
        yield str(thing).encode()


def _is_reference(thing: Any) -> bool:
    return isinstance(thing, pikepdf.Object) and thing.is_indirect  # it is among pdf.objects itself


def _decoded_by_pikepdf(stream: Any) -> bytes:
    try:
        return bytes(stream.read_bytes(pikepdf.StreamDecodeLevel.all))
    except pikepdf.PdfError:
        return bytes(stream.read_raw_bytes())


def search_pypdf(path: Path, words: Sequence[str], password: str = "") -> tuple[str, ...]:
    """Every name, string and stream of every object, as pypdf decodes them."""
    reader = pypdf.PdfReader(path, password=password or None)
    return _words_in_all(_pieces_of_reader(reader), words)


def _pieces_of_reader(reader: pypdf.PdfReader) -> Iterator[bytes]:
    yield from _pieces_of_pypdf(reader.trailer)
    for number in range(1, int(reader.trailer["/Size"])):  # type: ignore[call-overload]
        with suppress(pypdf.errors.PdfReadError, KeyError):
            yield from _pieces_of_pypdf(reader.get_object(number))


def _pieces_of_pypdf(thing: Any, depth: int = 0) -> Iterator[bytes]:
    kinds = pypdf.generic
    if depth > 20 or isinstance(thing, kinds.IndirectObject):
        return
    if isinstance(thing, kinds.StreamObject):
        try:
            yield bytes(thing.get_data())
        except (pypdf.errors.PyPdfError, NotImplementedError, AssertionError, ValueError):
            yield bytes(thing._data)
    if isinstance(thing, kinds.DictionaryObject):
        for key, value in thing.items():
            yield str(key).encode()
            yield from _pieces_of_pypdf(value, depth + 1)
    elif isinstance(thing, kinds.ArrayObject):
        for item in thing:
            yield from _pieces_of_pypdf(item, depth + 1)
    elif isinstance(thing, (kinds.TextStringObject, kinds.NameObject)):
        yield str(thing).encode("utf-8", "replace")
    elif isinstance(thing, kinds.ByteStringObject):
        yield bytes(thing)


def search_pymupdf(path: Path, words: Sequence[str], password: str = "") -> tuple[str, ...]:
    """Every object as text, and every stream, as MuPDF decodes them."""
    with pymupdf.open(path) as document:
        document.authenticate(password)
        pieces = [document.xref_object(-1).encode()]
        for number in range(1, document.xref_length()):
            pieces.append(document.xref_object(number).encode("utf-8", "replace"))
            with suppress(Exception):  # MuPDF raises many classes; an undecodable stream still has raw bytes
                pieces.append(document.xref_stream_raw(number) or b"")
                pieces.append(document.xref_stream(number) or b"")
        return _words_in_all(pieces, words)


def _words_in_all(pieces: Any, words: Sequence[str]) -> tuple[str, ...]:
    found = dict.fromkeys(how for piece in pieces if piece for how in _words_in_known(piece, tuple(words)))
    return tuple(found)


# -- text -----------------------------------------------------------------------------------------------------------


def text_by_pymupdf(path: Path) -> str:
    """All text MuPDF sees, on the page and off it."""
    with pymupdf.open(path) as document:
        return "".join(page.get_text(clip=pymupdf.INFINITE_RECT()) for page in document)


def text_by_pdfminer(path: Path) -> str:
    """All text pdfminer.six sees, inside figures too."""
    from pdfminer.high_level import extract_text_to_fp
    from pdfminer.layout import LAParams

    out = StringIO()
    with path.open("rb") as file:
        extract_text_to_fp(file, out, laparams=LAParams(all_texts=True))
    return out.getvalue()


def text_by_pypdf(path: Path) -> str:
    """All text pypdf sees."""
    return "".join(page.extract_text() for page in pypdf.PdfReader(path).pages)


def search_text(extract: Callable[[Path], str]) -> Search:
    """A search in what ``extract`` gives, whatever stands between the letters."""

    def search(path: Path, words: Sequence[str]) -> tuple[str, ...]:
        letters = "".join(filter(str.isalnum, extract(path))).casefold()
        return tuple(f"{word} as text" for word in words if word.casefold() in letters)

    return search


# -- pictures -------------------------------------------------------------------------------------------------------


def search_picture(path: Path, words: Sequence[str]) -> tuple[str, ...]:
    """Fields, texts, profiles and pixel values of every frame of a picture, as Pillow reads them."""
    pieces: list[bytes] = []
    with Image.open(path) as image:
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            image.load()
            pieces += [*_bytes_in(image.info), *_bytes_in(getattr(image, "text", {})), image.tobytes()]
            pieces += _bytes_in(dict(getattr(image, "tag_v2", {})))
            pieces += [image.convert("RGB").tobytes(), *(band.tobytes() for band in image.split())]
            held = image.getexif()
            pieces += [piece for tag in ExifTags.IFD for piece in _bytes_in(held.get_ifd(tag))]
            pieces += _bytes_in(dict(held))
    return _words_in_all(pieces, words)


def _bytes_in(thing: Any) -> list[bytes]:
    if isinstance(thing, dict):
        return [piece for pair in thing.items() for item in pair for piece in _bytes_in(item)]
    if isinstance(thing, (list, tuple)):
        return [piece for item in thing for piece in _bytes_in(item)]
    return [thing] if isinstance(thing, bytes) else [str(thing).encode()]


PDF_SEARCHES: dict[str, Search] = {
    "pikepdf": search_pikepdf,
    "pypdf": search_pypdf,
    "pymupdf": search_pymupdf,
    "text-pymupdf": search_text(text_by_pymupdf),
    "text-pdfminer": search_text(text_by_pdfminer),
    "text-pypdf": search_text(text_by_pypdf),
}
"""What only a PDF can be searched with, by name."""
