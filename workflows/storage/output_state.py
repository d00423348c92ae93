"""Where a run writes, and where it remembers what it wrote: an output folder and its state, or URLs."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import OutputError, UsageError
from workflows.config import RunSettings
from workflows.storage.folder_lock import FolderLock
from workflows.storage.inputs import STATE_FOLDER
from workflows.storage.manifest import NAME, Manifest
from workflows.storage.places import is_url, join
from workflows.storage.url_memory import UrlLock, UrlMemory

SCRATCH = "dask"  # in the state folder: what Dask keeps on disk, gone at the end


@dataclass(frozen=True, slots=True)
class OutputState:
    """What a run is given: its memory, the place of its state, where reports are made, and a folder for scratch.

    ``check`` raises OutputError when the lock was lost.
    """

    memory: Manifest | UrlMemory
    place: str
    reports: Path
    scratch: Path
    check: Callable[[], None]


def state_place(out: str, settings: RunSettings) -> str:
    """Where a run remembers what it did: in the output folder, but for what may be told to nobody.

    Raises UsageError.
    """
    if is_url(out) and (settings.anonymize or settings.state is not None or settings.dry_run):
        raise UsageError("an --out behind a URL goes with none of --anonymize, --state, --dry-run", "use a folder")
    if settings.anonymize:
        _refuse_inside(Path(out), settings)
    if settings.state is not None:
        return str(settings.state)
    return str(state_beside(Path(out))) if settings.anonymize else join(out, STATE_FOLDER)


def _refuse_inside(out: Path, settings: RunSettings) -> None:
    """Raise UsageError where what tells of the sources would lie among the documents that are given away."""
    for name in ("state", "log_file", "metrics"):
        place = getattr(settings, name)
        if place is not None and (place.resolve() == out.resolve() or out.resolve() in place.resolve().parents):
            flag = f"--{name.replace('_', '-')}"
            raise UsageError(f"{flag} {place} lies in the output folder, which --anonymize makes to be given away",
                             f"choose a {flag} outside of {out}")  # fmt: skip


@contextmanager
def open_output(out: str, settings: RunSettings) -> Iterator[OutputState]:
    """Make the output folder and our state folder, and keep other runs out. Raises OutputError."""
    place = state_place(out, settings)
    if is_url(out):
        with tempfile.TemporaryDirectory(prefix="restore-docs-") as folder, UrlLock(place, out) as lease:
            yield OutputState(UrlMemory(place), place, Path(folder), Path(folder, SCRATCH), lease.check)
        return
    folder_out, state = Path(out), Path(place)
    try:
        folder_out.mkdir(parents=True, exist_ok=True)
        state.parent.mkdir(parents=True, exist_ok=True)
        # names and pages are in it; one that is there is somebody's, and stays as it is
        state.mkdir(mode=0o700 if settings.anonymize else 0o777, exist_ok=True)
        probe = folder_out / f".probe-{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise OutputError(f"cannot write to {out}: {error.strerror}", "check space and permissions") from None
    with FolderLock(state, out) as lock, Manifest(state / NAME) as manifest:
        yield OutputState(manifest, place, folder_out, state / SCRATCH, lock.check)


def state_beside(out: Path) -> Path:
    """Where the state of an anonymizing run is kept if nothing else is said: beside the output folder."""
    return out.resolve().with_name(f"{out.resolve().name}-state")
