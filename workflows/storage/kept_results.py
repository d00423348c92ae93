"""The results of a run's documents, kept small: a run of very many pages must not grow with them.

A page's result takes some 2 KB as an object and 100 bytes packed with those of its document.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from typing import TypeVar

from pipeline.results import DocumentResult

T = TypeVar("T")


class KeptResults(MutableMapping[str, DocumentResult]):
    """Results by source; each is packed when it is put in and made anew when it is asked for."""

    def __init__(self) -> None:
        self._packed: dict[str, bytes] = {}

    def __setitem__(self, source: str, result: DocumentResult) -> None:
        self._packed[source] = zlib.compress(pickle.dumps(result), 1)

    def __getitem__(self, source: str) -> DocumentResult:
        result: DocumentResult = pickle.loads(zlib.decompress(self._packed[source]))
        return result

    def __contains__(self, source: object) -> bool:
        return source in self._packed

    def __delitem__(self, source: str) -> None:
        del self._packed[source]

    def __iter__(self) -> Iterator[str]:
        return iter(self._packed)

    def __len__(self) -> int:
        return len(self._packed)


class InOrder(Sequence[T]):
    """A sequence whose members are made one at a time, by a function of their place, whenever they are asked for."""

    def __init__(self, length: int, make: Callable[[int], T]) -> None:
        self._length, self._make = length, make

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: int | slice) -> T | list[T]:  # type: ignore[override]
        if isinstance(place, slice):
            return [self._make(n) for n in range(*place.indices(self._length))]
        if not -self._length <= place < self._length:
            raise IndexError(place)
        return self._make(place % self._length)
