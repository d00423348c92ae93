"""Working on the bands of one image side by side, on as many threads as torch has for it."""

from __future__ import annotations

import contextlib
import ctypes
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any

import torch

_pools: dict[int, ThreadPoolExecutor] = {}
_making = threading.Lock()
_OMP_PAUSE_SOFT = 1  # OpenMP 5.0


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
    _end_waiting()
    for _ in _pools[threads].map(work, firsts):
        pass


def share(rows: int, wanted: float) -> int:
    """Rows in a band, of about so many: at least two bands, for two threads, and about the same in each.

    Whatever the number of threads, so that the same products are made.
    """
    bands = max(2, round(rows / wanted))
    return -(-rows // bands)


def _use_one_thread() -> None:
    torch.set_num_threads(1)  # of OpenMP, in this thread: the bands are what is side by side


def _end_waiting() -> None:
    """End the threads that torch's last operation here left: OpenMP makes new ones in a fraction of a millisecond.

    GNU's wait for more work by asking for it over and over, some milliseconds, on cores that the bands are to have.
    """
    openmp = _find_openmp()
    if openmp is not None:
        openmp.omp_pause_resource_all(_OMP_PAUSE_SOFT)


@cache
def _find_openmp() -> Any:
    """GNU's OpenMP library that torch uses, or None: others wait otherwise."""
    shipped = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    for name in (*map(str, shipped), "libgomp.so.1"):
        with contextlib.suppress(OSError, AttributeError):
            library = ctypes.CDLL(name)
            library.omp_pause_resource_all.argtypes = [ctypes.c_int]
            return library
    return None
