"""What earlier runs wrote into an output folder, so that finished documents are not done again. SQLite."""

from __future__ import annotations

import json
import sqlite3
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType

from pipeline.errors import OutputError
from pipeline.results import Check, Failure, FoundRegions, PageResult
from pipeline.types import PageRef

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    target TEXT PRIMARY KEY,
    input_digest TEXT NOT NULL,
    settings_digest TEXT NOT NULL,
    outputs TEXT NOT NULL,
    pages TEXT NOT NULL
)
"""


@dataclass(frozen=True, slots=True)
class Record:
    """One finished document: what it was made from, and the SHA-256 of every file written for it.

    ``outputs`` maps paths relative to the output folder to digests.
    """

    input_digest: str
    settings_digest: str
    outputs: dict[str, str]
    pages: tuple[PageResult, ...]


class Manifest:
    """The records of one output folder, by target path. Use it as a context manager."""

    def __init__(self, path: Path) -> None:
        try:
            self._db = sqlite3.connect(path)
            self._db.execute(_SCHEMA)
        except sqlite3.Error as error:
            raise OutputError(f"{path} cannot be opened: {error}", "delete it; documents are then done again") from None

    def __enter__(self) -> Manifest:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._db.close()

    def find(self, target: str) -> Record | None:
        """The record of the document whose output goes to ``target``, if an earlier run finished it."""
        row = self._db.execute(
            "SELECT input_digest, settings_digest, outputs, pages FROM documents WHERE target = ?", (target,)
        ).fetchone()
        if row is None:
            return None
        return Record(row[0], row[1], json.loads(row[2]), tuple(_page_from(entry) for entry in json.loads(row[3])))

    def previews(self, out: Path) -> set[str]:
        """Names of the previews of all documents of which something is left in the output folder."""
        rows = self._db.execute("SELECT outputs, pages FROM documents").fetchall()
        there = [
            json.loads(pages) for outputs, pages in rows if any((out / name).exists() for name in json.loads(outputs))
        ]
        return {name for pages in there for page in pages for name in page.get("previews", {}).values()}

    def store(self, target: str, record: Record) -> None:
        """Remember a finished document; an older record of the same target is replaced."""
        pages = json.dumps([asdict(page) for page in record.pages])
        row = (target, record.input_digest, record.settings_digest, json.dumps(record.outputs), pages)
        try:
            with self._db:
                self._db.execute("INSERT OR REPLACE INTO documents VALUES (?, ?, ?, ?, ?)", row)
        except sqlite3.Error as error:
            raise OutputError(f"the manifest cannot be written: {error}", "check the disk") from None


def _page_from(entry: dict[str, object]) -> PageResult:
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
