"""All searches under their names, and a sweep of everything a run left behind."""

from __future__ import annotations

import base64
import re
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from leak_anatomy import search_anatomy
from leak_guess import search_guess, search_width
from leak_ocr import search_ocr, search_stretched, whole_page
from leak_search import PDF_SEARCHES, Search, search_picture, search_raw, words_in_bytes

PIXEL_SEARCHES: dict[str, Search] = {"ocr": search_ocr, "ocr-stretched": search_stretched}
SLOW_SEARCHES: dict[str, Search] = {"ocr-whole-page": whole_page}
STRICT_SEARCHES: dict[str, Search] = {"guess": search_guess, "width": search_width}
"""What only ``--anonymize`` promises: see docs/leaks.md."""

PREVIEWS = "previews"
_FROM_PAGE = "pictures-of-"
_DATA = re.compile(r"data:image/(jpeg|png|webp);base64,([A-Za-z0-9+/=]+)")
PDF, PICTURES = {".pdf"}, {".jpg", ".png", ".tif", ".webp"}


@dataclass(frozen=True)
class Finding:
    """One secret found: in which file, by which search, and how."""

    path: str
    search: str
    how: str


def searches_for(path: Path, *more: dict[str, Search], cleaned: bool = True) -> dict[str, Search]:
    """Every search that a file can be searched with; ``cleaned``: it was written by the program."""
    kind = path.suffix.lower()
    found: dict[str, Search] = {"raw": search_raw}
    if kind in PDF:
        found |= PDF_SEARCHES
    if kind in PICTURES:
        found["picture"] = search_picture
    if kind in PDF | PICTURES:
        found |= PIXEL_SEARCHES
        # previews are pictures for a report, not documents: they may say how they were compressed
        found |= {"anatomy": search_anatomy} if cleaned and PREVIEWS not in path.parts else {}
        for group in more:
            found |= group
        # a report's picture of what went shows where lines ended, to a block, and says so
        if PREVIEWS in path.parts or path.parent.name.startswith(_FROM_PAGE):
            found.pop("width", None)
    return found


def sweep(files: Iterable[Path], root: Path, words: Sequence[str], *more: dict[str, Search]) -> list[Finding]:
    """Every finding in any of the files, their paths below ``root`` and pictures within web pages included."""
    findings = []
    for path in files:
        name = str(path.relative_to(root))
        findings += [Finding(name, "name", how) for how in words_in_bytes(name.encode(), words)]
        for search, look in searches_for(path, *more).items():
            findings += [Finding(name, search, how) for how in look(path, words)]
        if path.suffix == ".html":
            findings += [finding for part in _pictures_in(path) for finding in sweep([part], part.parent, words, *more)]
    return findings


def _pictures_in(page: Path) -> list[Path]:
    """The pictures that a web page holds as data, as files in a folder of their own."""
    folder = Path(tempfile.mkdtemp(prefix=_FROM_PAGE))
    parts = []
    for number, (kind, coded) in enumerate(_DATA.findall(page.read_text(encoding="utf-8"))):
        parts.append(folder / f"{page.name}-{number:04d}.{kind.replace('jpeg', 'jpg')}")
        parts[-1].write_bytes(base64.b64decode(coded))
    return parts


def told(findings: Sequence[Finding]) -> str:
    """Findings as lines to read."""
    return "\n" + "\n".join(f"{finding.path}: {finding.search}: {finding.how}" for finding in findings)
