"""The memory of an output behind a URL: a marker for each finished document, and a lease. No files but small ones.

Stores of objects have neither a lock nor an append; a marker is written whole, after the outputs it speaks of.
"""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pipeline.results import PageResult
from workflows.storage import folder_lock
from workflows.storage.folder_lock import Lease
from workflows.storage.inputs import work_key
from workflows.storage.manifest import Record, page_from
from workflows.storage.places import join, read_text, remove, write_text

STATUS = "status.json"
NOTE_SECONDS = 10.0  # a store takes its time, and may ask for money


@dataclass(frozen=True, slots=True)
class Marker:
    """What a worker says of a document in the store. To write is slow there, and there is one client only."""

    place: str
    target: str
    claimed: tuple[str, ...]
    record: Record

    def claim(self) -> None:
        """The outputs are ours. Raises OutputError."""
        self._write(Record("", "", dict.fromkeys(self.claimed, ""), ()))

    def finish(self, digests: Sequence[str]) -> None:
        """They are written. Raises OutputError."""
        self._write(replace(self.record, outputs=dict(zip(self.record.outputs, digests, strict=True))))

    def _write(self, record: Record) -> None:
        write_text(self.place, json.dumps({"target": self.target} | asdict(record)))


class UrlMemory:
    """See ``manifest.Memory``. Pages are not remembered: a document that was not finished is begun again."""

    def __init__(self, state: str) -> None:
        self._state = state
        self._noted = 0.0

    def find(self, target: str) -> Record | None:
        """See ``Memory.find``. A marker that cannot be read is none."""
        text = read_text(self._marker(target))
        try:
            entry = json.loads(text) if text else None
            pages = tuple(page_from(page) for page in entry["pages"]) if entry else ()
            return Record(entry["input_digest"], entry["settings_digest"], entry["outputs"], pages) if entry else None
        except (ValueError, KeyError, TypeError):
            return None

    def claim(self, target: str, names: Collection[str], record: Record) -> Marker:
        """See ``Memory.claim``; the worker does it."""
        return Marker(self._marker(target), target, tuple(sorted(names)), record)

    def store(self, target: str, record: Record) -> None:
        """Nothing: the worker that wrote the outputs has done it."""

    def find_pages(self, target: str, input_digest: str, settings_digest: str) -> list[PageResult]:
        """None."""
        return []

    def store_page(self, target: str, input_digest: str, settings_digest: str, page: PageResult) -> None:
        """Nothing."""

    def forget_pages(self, target: str) -> None:
        """Nothing."""

    def targets_with_pages(self) -> set[str]:
        """None."""
        return set()

    def note(self, state: dict[str, object]) -> None:
        """See ``Manifest.note``; seldom, but for the first and the last."""
        if state["ended"] is not None or time.monotonic() - self._noted > NOTE_SECONDS or not self._noted:
            self._noted = time.monotonic()
            write_text(join(self._state, STATUS), json.dumps(state))

    def _marker(self, target: str) -> str:
        return join(self._state, f"done/{work_key(target)}.json")


class UrlLock(Lease):
    """A lease on a URL. Use it as a context manager. Raises OutputError when another run holds it.

    Without exclusive writing, two runs that begin in the same second may both believe that they have it; the one that
    wrote last keeps it, and the other notices within a renewal.
    """

    def __init__(self, state: str, out: str) -> None:
        super().__init__(out)
        self._place = join(state, folder_lock.NAME)

    def __enter__(self) -> UrlLock:
        deadline = time.monotonic() + folder_lock.LEASE_SECONDS
        seen: dict[str, Any] | None = None
        while (held := self._read()) is not None and not folder_lock.is_dead_here(held):
            if (seen is not None and held != seen) or folder_lock.is_alive_here(held):
                self._refuse(held)
            if time.monotonic() > deadline:
                break
            seen = held
            time.sleep(0.5)
        self._write(0)
        written = self._read() or {}
        if written.get("token") != self._token:
            self._refuse(written)
        self._keep_renewing()
        return self

    def _read(self) -> dict[str, Any] | None:
        text = read_text(self._place)
        try:
            return dict(json.loads(text)) if text else None
        except ValueError:
            return None

    def _write(self, number: int) -> None:
        write_text(self._place, self._told(number))

    def _remove(self) -> None:
        remove(self._place)

    def _is_lost(self, held: dict[str, Any] | None) -> bool:
        return held is None or super()._is_lost(held)  # gone: another took it, and has ended
