"""Writers that leak, each in one way: fakes for ``pipeline.assemble``, to show that every search can find something.

``place`` names the document of ``canaries`` they are tried on, ``finders`` the searches that must see the leak, and
``blind`` searches that cannot, which is why they are not enough.
"""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import cv2
import numpy as np
import pikepdf
from canaries import BOTH, SCALE, SECRET, picture
from PIL import Image

from pipeline.assemble import assemble
from pipeline.documents import DocumentKind


class LeakyWriter:
    """Writes the document as it should be; subclasses then spoil it."""

    place: ClassVar[str] = "text-layer"
    finders: ClassVar[frozenset[str]]
    blind: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, source: Path) -> None:
        self.source = source

    def __call__(self, paths: Sequence[Path], kind: DocumentKind, output: Path) -> None:
        assemble(paths, kind, output)
        self.spoil(output)

    def spoil(self, output: Path) -> None:
        """Leak into ``output``, or beside it."""
        raise NotImplementedError


class KeepsEarlierRevision(LeakyWriter):
    """Saves the cleaned document behind the bytes of the original."""

    finders = frozenset({"raw", "anatomy"})
    blind = frozenset({"pikepdf", "text-pymupdf", "ocr"})

    def spoil(self, output: Path) -> None:
        with pikepdf.open(output) as pdf:
            pdf.save(output.with_suffix(".tmp"), object_stream_mode=pikepdf.ObjectStreamMode.disable)
        clean = output.with_suffix(".tmp").read_bytes()
        output.with_suffix(".tmp").unlink()
        before = self.source.read_bytes()
        table = clean.rindex(b"xref\n", 0, clean.rindex(b"startxref"))
        moved = _moved_table(clean[table:], len(before))
        output.write_bytes(before + clean[:table] + moved)


def _moved_table(tail: bytes, by: int) -> bytes:
    """A cross-reference table and what follows it, for objects that lie ``by`` bytes further on."""
    lines = tail.split(b"\n")
    moved = [
        b"%010d" % (int(line[:10]) + by) + line[10:] if len(line) >= 18 and line[17:18] == b"n" else line
        for line in lines
    ]
    at = moved.index(b"startxref") + 1
    moved[at] = b"%d" % (int(moved[at]) + by)
    return b"\n".join(moved)


class CopiesMetadata(LeakyWriter):
    """Carries the information of the original over, into a file that is encrypted with an empty password."""

    place = "docinfo"
    finders = frozenset({"pikepdf", "pypdf", "pymupdf", "anatomy"})
    blind = frozenset({"raw", "text-pymupdf", "text-pdfminer", "text-pypdf", "ocr"})

    def spoil(self, output: Path) -> None:
        with pikepdf.open(self.source) as source, pikepdf.open(output, allow_overwriting_input=True) as pdf:
            for key in ("/Title", "/Author"):  # not the keys that tell it themselves: names are never encrypted
                pdf.docinfo[key] = pikepdf.String(str(source.docinfo[key]))
            pdf.save(encryption=pikepdf.Encryption(owner="x", user="", R=6), fix_metadata_version=False)


class LeavesTextLayer(LeakyWriter):
    """Puts the text back as invisible text, letter by letter, so that it stands nowhere in one piece."""

    finders = frozenset({"text-pymupdf", "text-pdfminer", "text-pypdf", "anatomy"})
    blind = frozenset({"raw", "pikepdf", "pypdf", "pymupdf", "ocr"})

    def spoil(self, output: Path) -> None:
        with pikepdf.open(output, allow_overwriting_input=True) as pdf:
            helvetica = pikepdf.Dictionary(
                Type=pikepdf.Name.Font, Subtype=pikepdf.Name.Type1, BaseFont=pikepdf.Name.Helvetica
            )
            pdf.pages[0].Resources.Font = pikepdf.Dictionary(F1=helvetica)
            letters = b" -1 ".join(b"<%02x>" % letter for letter in SECRET.encode())
            pdf.pages[0].contents_add(b"BT 3 Tr /F1 18 Tf 16 21 Td [%s] TJ ET" % letters)
            pdf.save()


class PaintsABox(LeakyWriter):
    """Writes the text again and paints a black box over it."""

    finders = frozenset({"xray", "text-pymupdf", "anatomy"})
    blind = frozenset({"ocr"})

    def spoil(self, output: Path) -> None:
        with pikepdf.open(output, allow_overwriting_input=True) as pdf, pikepdf.open(self.source) as source:
            pdf.pages[0].Resources.Font = pdf.copy_foreign(source.make_indirect(source.pages[0].Resources.Font))
            shown = source.pages[0].Contents.read_bytes()
            pdf.pages[0].Contents = pdf.make_stream(shown + b" 0 g 12 14 178 26 re f")
            pdf.save()


class KeepsSmallPicture(LeakyWriter):
    """Keeps a small copy of the original as a second frame, compressed with LZW; its pixels spell the secret."""

    place = "tiff-fields"
    finders = frozenset({"picture"})
    blind = frozenset({"raw"})

    def spoil(self, output: Path) -> None:
        with Image.open(output) as clean:
            small = Image.frombytes("L", (len(SECRET), 40), SECRET.encode() * 40)
            clean.save(output, save_all=True, append_images=[small], compression="tiff_lzw")


class CopiesExif(LeakyWriter):
    """Writes the cleaned pixels with the fields of the original, as image editors do."""

    place = "jpeg-metadata"
    finders = frozenset({"raw", "picture", "anatomy"})

    def spoil(self, output: Path) -> None:
        with Image.open(self.source) as source, Image.open(output) as clean:
            clean.save(output, exif=source.getexif(), comment=source.info["comment"])


class KeepsAKeyOfItsOwn(LeakyWriter):
    """Adds something that holds no secret that we know of: when, and by what, the file was made."""

    finders = frozenset({"anatomy"})
    blind = frozenset({"raw", "pikepdf"})

    def spoil(self, output: Path) -> None:
        with pikepdf.open(output, allow_overwriting_input=True) as pdf:
            pdf.Root.PieceInfo = pikepdf.Dictionary(LastModified=pikepdf.String("D:20240101"))
            pdf.save()


class LeavesTheInk(LeakyWriter):
    """Gives the page back as it came."""

    place = "png-pixels"
    finders = frozenset({"ocr", "ocr-stretched", "guess", "ocr-whole-page"})
    blind = frozenset({"raw", "picture", "anatomy"})

    def spoil(self, output: Path) -> None:
        self.save(output, np.asarray(picture(SECRET)))

    @staticmethod
    def save(output: Path, pixels: np.ndarray) -> None:
        Image.fromarray(pixels).save(output, dpi=(72 * SCALE, 72 * SCALE))


class LeavesPaleInk(LeavesTheInk):
    """Removes the ink from white paper all but one grey level; frame and print stay as black as they were."""

    finders = frozenset({"ocr-stretched", "guess", "ocr-whole-page"})
    blind = frozenset({"raw", "anatomy"})

    def spoil(self, output: Path) -> None:
        page, clean = np.asarray(picture(SECRET)), np.asarray(picture())
        self.save(output, np.where((page != clean) & (page < 128), np.uint8(254), clean))


class LeavesFaintInk(LeavesTheInk):
    """Removes the ink from coloured paper all but one grey level of blue, which no eye sees beside the noise."""

    finders = frozenset({"ocr-stretched", "guess"})
    blind = frozenset({"ocr", "raw", "anatomy"})

    def spoil(self, output: Path) -> None:
        ink = 255 - np.asarray(picture(SECRET)).astype(int)
        pixels = np.random.default_rng(4).normal(225, 6, (*ink.shape, 3))
        pixels[..., 2] = 226 - ink / 255
        self.save(output, np.rint(pixels).clip(0, 255).astype(np.uint8))


class LeavesSpecks(LeavesTheInk):
    """Leaves a twentieth of the outlines' pixels, one grey level off: too little to read."""

    finders = frozenset({"guess"})
    blind = frozenset({"ocr", "ocr-stretched", "anatomy"})

    def spoil(self, output: Path) -> None:
        ink = np.asarray(picture(SECRET))
        outline = np.abs(cv2.Laplacian(ink, cv2.CV_32F)) > 200
        left = outline & (np.random.default_rng(2).random(ink.shape) < 0.05)
        self.save(output, np.where(left, 254, 255).astype(np.uint8))


class LeavesASilhouette(LeavesTheInk):
    """Fills letters on grainy paper with smooth paper."""

    finders = frozenset({"guess"})
    blind = frozenset({"ocr", "anatomy"})

    def spoil(self, output: Path) -> None:
        paper = np.random.default_rng(4).normal(236, 2.5, np.asarray(picture()).shape)
        letters = cv2.erode(np.asarray(picture(SECRET)), np.ones((3, 3), np.uint8)) < 200
        self.save(output, np.where(letters, 236, np.rint(paper)).clip(0, 255).astype(np.uint8))


class SmoothsTheWholeWord(LeavesTheInk):
    """Fills the box around a word on grainy paper with smooth paper: no letter is left, but where the word ended."""

    finders = frozenset({"width"})
    blind = frozenset({"ocr", "ocr-stretched", "guess", "anatomy"})

    def spoil(self, output: Path) -> None:
        clean, ink = np.asarray(picture()), np.argwhere(np.asarray(picture()) != np.asarray(picture(SECRET)))
        (top, left), (bottom, right) = ink.min(axis=0) - 2, ink.max(axis=0) + 3
        paper = np.rint(np.random.default_rng(4).normal(236, 2.5, clean.shape))
        paper[top:bottom, left:right] = 236
        self.save(output, paper.clip(0, 255).astype(np.uint8))


class Talks(LeakyWriter):
    """Says what it removed: in its log, in a temporary file, and in the name of another."""

    finders = frozenset({"raw", "name"})

    def spoil(self, output: Path) -> None:
        logging.getLogger("restore_docs").info("removed %s", BOTH)
        with tempfile.NamedTemporaryFile(prefix=f"{SECRET}-", delete=False) as left:
            left.write(BOTH.encode("utf-16-be"))


LEAKY_WRITERS = (
    KeepsEarlierRevision, CopiesMetadata, LeavesTextLayer, PaintsABox, KeepsSmallPicture, CopiesExif,
    KeepsAKeyOfItsOwn, LeavesTheInk, LeavesPaleInk, LeavesFaintInk, LeavesSpecks, LeavesASilhouette,
    SmoothsTheWholeWord, Talks,
)  # fmt: skip
