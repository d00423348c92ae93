"""Opening PDFs with MuPDF: one at a time, quietly, with its complaints collected."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pymupdf

from pipeline.complaints import without_names
from pipeline.errors import InputError

logger = logging.getLogger(__name__)

MUPDF_LOCK = threading.RLock()
"""MuPDF is not thread-safe, and its list of warnings is global: every use of it holds this lock."""

_REMEDY_DAMAGED = "open it in a PDF viewer and save it anew, or scan it again"

_last_opened: tuple[tuple[object, ...], Any] | None = None

# MuPDF writes its complaints to stderr, past logging; they are collected by `complaints` instead
pymupdf.TOOLS.mupdf_display_errors(False)
pymupdf.TOOLS.mupdf_display_warnings(False)


@contextmanager
def open_pdf(path: str, password: str | None) -> Iterator[Any]:
    """A readable PDF with at least one page, as a ``pymupdf.Document``; holds the MuPDF lock.

    The last document stays open, for the pages of one document are usually asked for in a row. Do not close it.

    Raises:
        InputError: it cannot be opened, needs a (different) password, or has no pages.
    """
    with MUPDF_LOCK:
        yield _cached(path, password)


def close_pdfs() -> None:
    """Closes the document that is kept open; for tests, and before a folder is removed."""
    global _last_opened
    with MUPDF_LOCK:
        if _last_opened is not None:
            _last_opened[1].close()
            _last_opened = None


def complaints() -> tuple[str, ...]:
    """MuPDF's warnings and errors since the last call, each once; forgets them.

    They may quote the document: what is told of them goes through ``without_names``.
    """
    lines = str(pymupdf.TOOLS.mupdf_warnings()).splitlines()
    return tuple(dict.fromkeys(line.strip() for line in lines if line.strip() and not line.startswith("... repeated")))


def _cached(path: str, password: str | None) -> Any:
    global _last_opened
    try:
        stat = Path(path).stat()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from None
    # the process is part of the key: a forked child must not share the file position with its parent
    key = (path, stat.st_mtime_ns, stat.st_size, stat.st_ino, password, os.getpid())
    if _last_opened is None or _last_opened[0] != key:
        close_pdfs()
        _last_opened = (key, _open(path, password))
    return _last_opened[1]


def _open(path: str, password: str | None) -> Any:
    complaints()
    if Path(path).stat().st_size == 0:
        raise InputError(f"{path} is empty (0 bytes)", "copy or scan it again")
    try:
        document = pymupdf.open(path, filetype="pdf")
    except Exception as error:  # MuPDF raises many classes, which share no base in all its releases
        raise InputError(f"{path} cannot be opened as a PDF: {_cause(error)}", _REMEDY_DAMAGED) from None
    try:
        _check(document, path, password)
    except BaseException:
        document.close()
        raise
    return document


def _check(document: Any, path: str, password: str | None) -> None:
    if document.needs_pass and not document.authenticate(password or ""):
        if password is None:
            raise InputError(f"{path} is encrypted and needs a password", "give it with --password")
        raise InputError(f"{path} is encrypted, and the password given does not open it", "check --password")
    claimed = int(document.page_count)
    if claimed < 1:
        damaged = bool(document.is_repaired)
        cause = "is damaged or cut short, and no page could be found in it" if damaged else "has no pages"
        raise InputError(f"{path} {cause}", _REMEDY_DAMAGED if damaged else "")
    _check_page_tree(document, path, claimed)
    if document.xref_get_key(document.pdf_catalog(), "NeedsRendering") == ("bool", "true"):
        # its pages hold a notice ("please wait"), and cleaning that would look like success
        raise InputError(
            f"{path} is a dynamic XFA form, whose pages only Adobe Reader can build", "print it to a PDF from there"
        )


def _check_page_tree(document: Any, path: str, claimed: int) -> None:
    """Makes MuPDF read the whole tree now: it gives pages that it cannot reach up silently otherwise."""
    earlier = complaints()
    try:
        document.page_xref(0)
        found = int(document.page_count)
    except Exception as error:  # as above
        raise InputError(f"{path} has no readable page tree: {_cause(error)}", _REMEDY_DAMAGED) from None
    lines = complaints()
    for line in (*earlier, *lines):
        logger.warning("%s: %s", path, without_names(line))
    if found != claimed:
        raise InputError(f"{path} claims to have {claimed} pages, but {found} were found", _REMEDY_DAMAGED)
    broken = [line for line in lines if "page tree" in line]
    if broken:
        raise InputError(f"{path} has a damaged page tree: {without_names(broken[0])}", _REMEDY_DAMAGED)


def _cause(error: Exception) -> str:
    lines = [without_names(line) for line in complaints() if "repair" not in line]
    return "; ".join(lines[:3]) or without_names(next(iter(str(error).splitlines()), "")) or type(error).__name__
