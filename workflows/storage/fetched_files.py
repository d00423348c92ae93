"""Files that a process fetched from URLs: the last few stay for whoever reads them next.

Threads share them. A file is fetched once however many ask for it, and goes only when nobody reads it.
"""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

KEPT = 4  # the pages of a document are worked on one after the other


@dataclass(slots=True)
class _File:
    path: Path
    fetching: threading.Lock = field(default_factory=threading.Lock)
    readers: int = 0
    stays: bool = False


class FetchedFiles:
    """Files here by the place they came from and the state it was in, which is any text that changes with it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._files: OrderedDict[tuple[str, str], _File] = OrderedDict()

    @contextmanager
    def reading(self, place: str, state: str, fetch: Callable[[Path], None]) -> Iterator[Path]:
        """The path of a file for as long as the block lasts; ``fetch`` writes it, if it is not here."""
        file = self._taken(place, state, fetch)
        try:
            yield file.path
        finally:
            self._leave(file)

    def keep(self, place: str, state: str, fetch: Callable[[Path], None]) -> Path:
        """The path of a file that stays until the process ends."""
        file = self._taken(place, state, fetch)
        file.stays = True
        self._leave(file)
        return file.path

    def _taken(self, place: str, state: str, fetch: Callable[[Path], None]) -> _File:
        with self._lock:
            file = self._files.get((place, state))
            if file is None:
                file = _File(Path(tempfile.mkdtemp(dir=_cache()), place.rsplit("/", 1)[-1]))
                self._files[place, state] = file
            self._files.move_to_end((place, state))
            file.readers += 1
        try:
            with file.fetching:
                if not file.path.is_file():
                    half = file.path.with_name(f"{file.path.name}.part")
                    fetch(half)
                    half.replace(file.path)
        except BaseException:
            self._leave(file)
            raise
        return file

    def _leave(self, file: _File) -> None:
        with self._lock:
            file.readers -= 1
            idle = [key for key, known in self._files.items() if not known.readers and not known.stays]
            for key in idle[: max(0, len(idle) - KEPT)]:
                shutil.rmtree(self._files.pop(key).path.parent, ignore_errors=True)


@lru_cache(maxsize=1)
def _cache() -> str:
    folder = tempfile.mkdtemp(prefix="restore-docs-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
