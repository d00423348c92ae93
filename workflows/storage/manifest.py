"""What earlier runs, and this one so far, wrote into an output folder, so that it is not done again. SQLite.

On a local disk every record is there as soon as it was stored (write-ahead log, which readers do not block). On a
network share, where that log is not safe, records wait for at most a second for their journal.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import psutil

from pipeline.errors import OutputError
from pipeline.results import Check, Failure, FoundRegions, PageResult
from pipeline.types import PageRef
from workflows.storage.patience import patiently

NAME = "manifest.sqlite"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    target TEXT PRIMARY KEY,
    input_digest TEXT NOT NULL,
    settings_digest TEXT NOT NULL,
    outputs TEXT NOT NULL,
    pages TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS pages (
    target TEXT NOT NULL,
    page_index INTEGER NOT NULL,
    input_digest TEXT NOT NULL,
    settings_digest TEXT NOT NULL,
    page TEXT NOT NULL,
    PRIMARY KEY (target, page_index)
);
CREATE TABLE IF NOT EXISTS runs (run INTEGER PRIMARY KEY, state TEXT NOT NULL);
"""
# File systems that other hosts may have open, too, under names that start like these
_SHARED = ("nfs", "cifs", "smb", "9p", "afs", "lustre", "gpfs", "ceph", "beegfs", "gluster", "fuse.", "ocfs", "gfs")
_COMMIT_SECONDS = 1.0
_PASSING = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR)  # as a share has them for a moment


@dataclass(frozen=True, slots=True)
class Record:
    """One finished document: what it was made from, and the SHA-256 of every file written for it.

    ``outputs`` maps paths relative to the output folder to digests.
    """

    input_digest: str
    settings_digest: str
    outputs: dict[str, str]
    pages: tuple[PageResult, ...]


class Memory(Protocol):
    """What a run remembers of documents, by target path, and of pages of documents that are not finished."""

    def find(self, target: str) -> Record | None:
        """The record of the document whose output goes to ``target``, if an earlier run finished it."""
        ...

    def claim(self, target: str, names: Collection[str], record: Record) -> Any:
        """Say that files are ours before they are written: a run that dies in between must not disown them.

        ``record`` is what the document's will be, but for the digests of its outputs. What is given back goes with
        the task that writes them (see ``page_tasks.assemble_document``).
        """
        ...

    def store(self, target: str, record: Record) -> None:
        """Remember a finished document; an older record of the same target is replaced."""
        ...

    def find_pages(self, target: str, input_digest: str, settings_digest: str) -> list[PageResult]:
        """Pages of an unfinished document that were made from the same input with the same settings."""
        ...

    def store_page(self, target: str, input_digest: str, settings_digest: str, page: PageResult) -> None:
        """Remember a finished page of a document that is not finished."""
        ...

    def forget_pages(self, target: str) -> None:
        """Its document is finished, or its pages are of no use any more."""
        ...

    def targets_with_pages(self) -> set[str]:
        """The documents of which pages are remembered."""
        ...


class Manifest:
    """The memory of one output folder, in one file. Use it as a context manager. Raises OutputError."""

    def __init__(self, path: Path) -> None:
        self._shared = is_shared(path.parent)
        self._committed = time.monotonic()
        try:
            self._db = sqlite3.connect(path, timeout=30)
            wanted = "delete" if self._shared else "wal"
            self.journal = str(self._db.execute(f"PRAGMA journal_mode={wanted}").fetchone()[0])
            self._db.execute("PRAGMA synchronous=" + ("NORMAL" if self.journal == "wal" else "FULL"))
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            raise OutputError(f"{path} cannot be opened: {error}", "delete it; documents are then done again") from None

    def __enter__(self) -> Manifest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _telling():
            self._db.commit()
        self._db.close()

    def find(self, target: str) -> Record | None:
        """See ``Memory.find``."""
        rows = self._read(
            "SELECT input_digest, settings_digest, outputs, pages FROM documents WHERE target = ?", (target,)
        )
        if not rows:
            return None
        row = rows[0]
        return Record(row[0], row[1], json.loads(row[2]), tuple(page_from(entry) for entry in json.loads(row[3])))

    def previews(self, out: Path) -> set[str]:
        """Names of the previews of all documents of which something is left in the output folder."""
        names: set[str] = set()
        with _telling():
            for outputs, pages in self._db.execute("SELECT outputs, pages FROM documents"):
                if any((out / name).exists() for name in json.loads(outputs)):
                    names.update(name for page in json.loads(pages) for name in page.get("previews", {}).values())
        return names

    def claim(self, target: str, names: Collection[str], record: Record) -> None:
        """See ``Memory.claim``."""
        self.store(target, Record("", "", dict.fromkeys(names, ""), ()))

    def store(self, target: str, record: Record) -> None:
        """See ``Memory.store``; at once, also on a share."""
        row = (
            target,
            record.input_digest,
            record.settings_digest,
            json.dumps(record.outputs),
            pages_text(record.pages),
        )
        self._write("INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?)", row, at_once=True)

    def find_pages(self, target: str, input_digest: str, settings_digest: str) -> list[PageResult]:
        """See ``Memory.find_pages``."""
        rows = self._read(
            "SELECT page FROM pages WHERE target = ? AND input_digest = ? AND settings_digest = ?",
            (target, input_digest, settings_digest),
        )
        return [page_from(json.loads(row[0])) for row in rows]

    def store_page(self, target: str, input_digest: str, settings_digest: str, page: PageResult) -> None:
        """See ``Memory.store_page``."""
        row = (target, page.ref.page_index, input_digest, settings_digest, json.dumps(asdict(page)))
        self._write("INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?, ?)", row)

    def forget_pages(self, target: str) -> None:
        """See ``Memory.forget_pages``."""
        self._write("DELETE FROM pages WHERE target = ?", (target,))

    def targets_with_pages(self) -> set[str]:
        """See ``Memory.targets_with_pages``."""
        return {str(row[0]) for row in self._read("SELECT DISTINCT target FROM pages")}

    def note(self, state: dict[str, object]) -> None:
        """Where the run is, for whoever asks while it runs and after: only the latest is kept."""
        self._write("INSERT OR REPLACE INTO runs VALUES (1, ?)", (json.dumps(state),))

    @patiently
    def _read(self, statement: str, values: tuple[object, ...] = ()) -> list[tuple[str, ...]]:
        with _telling():
            return self._db.execute(statement, values).fetchall()

    @patiently
    def _write(self, statement: str, values: tuple[object, ...], at_once: bool = False) -> None:
        with _telling():
            self._db.execute(statement, values)
            now = time.monotonic()
            if at_once or not self._shared or now - self._committed > _COMMIT_SECONDS:
                self._db.commit()
                self._committed = now


def read_state(path: Path) -> dict[str, object]:
    """What ``Manifest.note`` noted last, by whichever process; empty when nothing was. Raises OutputError."""
    try:
        with sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10) as db:
            row = db.execute("SELECT state FROM runs").fetchone()
        db.close()
    except sqlite3.Error as error:
        raise OutputError(f"{path} cannot be read: {error}", "is it the folder of a run?") from None
    return dict(json.loads(row[0])) if row else {}


def is_shared(folder: Path) -> bool:
    """Whether a folder lies on a file system that other hosts may write to."""
    place = folder.resolve()
    kinds = {Path(part.mountpoint): part.fstype.lower() for part in psutil.disk_partitions(all=True)}
    mounted = next((kinds[home] for home in (place, *place.parents) if home in kinds), "")
    return mounted.startswith(_SHARED)


def pages_text(pages: Sequence[PageResult]) -> str:
    """Pages as JSON, for :func:`page_from`."""
    return json.dumps([asdict(page) for page in pages])


@contextmanager
def _telling() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        trouble = OutputError(f"the manifest cannot be used: {error}", "check the disk, or the network share")
        trouble.transient = getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING
        raise trouble from None


def page_from(entry: dict[str, object]) -> PageResult:
    """A page's result, from what ``dataclasses.asdict`` made of it."""
    ref, failure, notes = entry.pop("ref"), entry.pop("failure"), entry.pop("notes")
    found = entry.pop("found", None)
    checks, residual = entry.pop("checks", ()), entry.pop("residual", ())
    return PageResult(
        ref=PageRef(**ref),  # type: ignore[arg-type]
        found=FoundRegions(**found) if found else None,  # type: ignore[arg-type]
        notes=tuple(notes),  # type: ignore[arg-type]
        doubts=tuple(entry.pop("doubts", ())),  # type: ignore[arg-type]
        checks=tuple(Check(**check) for check in checks),  # type: ignore[attr-defined]
        residual=tuple(tuple(box) for box in residual),  # type: ignore[attr-defined]
        failure=Failure(**failure) if failure else None,  # type: ignore[arg-type]
        **entry,  # type: ignore[arg-type]
    )
