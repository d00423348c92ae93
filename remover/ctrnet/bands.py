"""Working on the bands of one image side by side, on as many threads as torch has for it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import torch

_pools: dict[int, ThreadPoolExecutor] = {}
_making = threading.Lock()


def for_each_band(work: Callable[[int], None], firsts: Iterable[int]) -> None:
    """Call ``work`` with each of ``firsts``, side by side where torch has several threads here.

    What ``work`` does must not depend on the order. Threads are kept, for what is kept in them: torch has one thread in
    each. Raises what ``work`` raises.
    """
    threads = torch.get_num_threads()
    if threads == 1:
        for first in firsts:
            work(first)
        return
    with _making:
        if threads not in _pools:
            _pools[threads] = ThreadPoolExecutor(threads, "bands", _use_one_thread)
    for _ in _pools[threads].map(work, firsts):
        pass


def _use_one_thread() -> None:
    torch.set_num_threads(1)  # of OpenMP, in this thread: the bands are what is side by side
