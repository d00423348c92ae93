"""Tools that a process makes once and keeps, for as long as the files that they are made of are the same."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
Stamp = tuple[int, int]


def stamp_of(path: Path) -> Stamp:
    """When a file was changed, and its size: a worker outlives a run, and the file may be another in the next."""
    try:
        found = path.stat()
    except OSError:  # whoever reads it says so
        return 0, 0
    return found.st_mtime_ns, found.st_size


class Kept(Generic[P, T]):
    """A function whose last results are kept, by its arguments and the stamps of the files that they name."""

    def __init__(self, make: Callable[P, T], files_of: Callable[P, Iterable[Path]], size: int) -> None:
        self._files_of = files_of

        @lru_cache(maxsize=size)
        def made(stamps: tuple[Stamp, ...], *arguments: P.args, **named: P.kwargs) -> T:
            return make(*arguments, **named)

        self._made: Any = made

    def __call__(self, *arguments: P.args, **named: P.kwargs) -> T:
        """What the function gives, made now if it was not, or if a file is another since."""
        stamps = tuple(stamp_of(path) for path in self._files_of(*arguments, **named))
        result: T = self._made(stamps, *arguments, **named)
        return result

    def cache_clear(self) -> None:
        """Keep nothing."""
        self._made.cache_clear()


def kept(files_of: Callable[P, Iterable[Path]], size: int) -> Callable[[Callable[P, T]], Kept[P, T]]:
    """Keep a function's last ``size`` results. ``files_of`` takes its arguments and tells the files they name."""
    return lambda make: Kept(make, files_of, size)
