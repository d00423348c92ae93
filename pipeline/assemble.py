"""The only writer: cleaned pages to work files, work files to documents, each of them whole or not there at all."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import pikepdf

from pipeline import tiff
from pipeline.encode import encode
from pipeline.errors import OutputError, RestoreError
from pipeline.formats import DocumentKind, WriteSettings
from pipeline.types import Page

__all__ = ["WriteSettings", "assemble", "encode_page"]

# What an output is called until it is whole; only a killed process leaves one behind.
HALF_WRITTEN = ".restore-docs-*.part"
_REMEDIES = {
    errno.ENOSPC: "the disk is full: free some space",
    errno.EDQUOT: "the disk quota is used up: free some space",
    errno.EACCES: "no permission: choose another --out, or change the folder's",
    errno.EPERM: "no permission: choose another --out, or change the folder's",
    errno.EROFS: "the file system is read-only: choose another --out",
    errno.ENOENT: "its folder is not there: create it",
    errno.ENOTDIR: "a file is where a folder should be: choose another --out",
    errno.EISDIR: "a folder is in the way: remove it, or choose another --out",
    errno.ENAMETOOLONG: "the name is too long for this file system: shorten it",
    errno.EFBIG: "the file system takes no files this large",
}


def encode_page(page: Page, kind: DocumentKind, settings: WriteSettings, path: Path) -> None:
    """Writes one cleaned page as a work file: a one-page PDF, a one-frame TIFF, a PNG, JPEG or WebP.

    Holds the page's pixels, size and resolution, and no metadata; grey stays grey and 1-bit stays 1-bit. The file is
    whole or not there, but for a machine that goes down: who uses it after that compares its digest. Same page, same
    bytes.

    Raises:
        UsageError: lossless JPEG is asked for. StageError: the page is too large for ``kind``.
        OutputError: the file cannot be written.
    """
    content = encode(page, kind, settings)
    with _replacing(path, lasting=False) as file:
        file.write(content)


def assemble(paths: Sequence[Path], kind: DocumentKind, output: Path) -> None:
    """Joins work files that :func:`encode_page` made, in order, into one document; memory does not grow with them.

    Readers of ``output`` see what was there before or the whole result, also when the machine goes down. Same work
    files, same bytes. Kinds other than PDF and TIFF take exactly one page.

    Raises:
        OutputError: it cannot be written, or a work file is gone.
    """
    if not paths or (len(paths) > 1 and not kind.has_pages):
        raise ValueError(f"{len(paths)} pages for one {kind.name}")
    write: Callable[[Sequence[Path], BinaryIO], None] = _copy
    if kind is DocumentKind.PDF:
        write = _merge_pdf
    elif kind is DocumentKind.TIFF:
        write = tiff.join
    for path in paths:
        if not path.is_file():
            raise OutputError(f"{output} cannot be put together: its work file {path} is gone", "run it again")
    with _replacing(output) as file:
        write(paths, file)


@contextmanager
def _replacing(path: Path, *, lasting: bool = True) -> Iterator[BinaryIO]:
    """A hidden new file beside ``path`` that takes its place when the block ends well, and is removed otherwise.

    ``lasting``: it is on the disk then, which takes a disk some 10 to 100 ms.
    """
    hidden = path.with_name(HALF_WRITTEN.replace("*", uuid.uuid4().hex))
    try:
        with hidden.open("x+b") as file:
            yield file
            file.flush()
            if lasting:
                os.fsync(file.fileno())
        hidden.replace(path)
    except RestoreError:
        raise
    except (OSError, pikepdf.PdfError, ValueError, OverflowError) as error:
        raise _output_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            hidden.unlink(missing_ok=True)
    if lasting:
        _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    """Makes the new name last; where folders cannot be synced (Windows, some network shares) it lasts soon after."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _output_error(path: Path, error: Exception) -> OutputError:
    if isinstance(error, OverflowError):
        return OutputError(f"{path} cannot be written: a TIFF holds 4 GB", "use --format pdf")
    if isinstance(error, OSError):
        remedy = _REMEDIES.get(error.errno or 0, "")
        return OutputError(f"{path} cannot be written: {error.strerror or type(error).__name__}", remedy)
    return OutputError(f"{path} cannot be put together: {type(error).__name__}", "a work file is damaged: run it again")


def _copy(paths: Sequence[Path], out: BinaryIO) -> None:
    with paths[0].open("rb") as file:
        shutil.copyfileobj(file, out, 1 << 20)


def _merge_pdf(paths: Sequence[Path], out: BinaryIO) -> None:
    # qpdf's job opens one work file at a time and copies streams as they are; appending to a pikepdf.Pdf would hold
    # the whole document in memory. The job does not write: it would not notice a full disk.
    sources = [word for path in paths for word in (str(path.resolve()), "1")]
    job: Any = pikepdf.Job(["pikepdf", "--empty", "--keep-files-open=n", "--pages", *sources, "--", "unwritten.pdf"])
    with job.create_pdf() as merged:
        merged.save(
            out,
            deterministic_id=True,
            fix_metadata_version=False,
            object_stream_mode=pikepdf.ObjectStreamMode.generate,
        )
