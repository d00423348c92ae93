"""Working on the parts of one page side by side, so that a single page has all cores.

Each part is computed as it would be alone, on one thread: the result does not depend on how many there are.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Part = TypeVar("Part")
Made = TypeVar("Made")

MOST_THREADS = 4  # for one page: each tile that a network works on takes memory of its own


def map_in_threads(function: Callable[[Part], Made], parts: Iterable[Part], threads: int) -> list[Made]:
    """``function`` of each part, in order, up to ``threads`` (and ``MOST_THREADS``) at once.

    The function must release Python's lock to gain by it, as OpenCV, torch and nogil code do. Raises what it raises.
    """
    waiting: Sequence[Part] = list(parts)
    at_once = min(threads, MOST_THREADS, len(waiting))
    if at_once <= 1:
        return [function(part) for part in waiting]
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(function, waiting))
