"""Preloaded by the workers of a local cluster: Ctrl-C reaches all processes of a terminal, and is the client's."""

from __future__ import annotations

import signal
from typing import Any


def dask_setup(worker: Any) -> None:
    """Dask's hook for ``--preload``. The client ends its workers when it has recorded what they finished."""
    del worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)
