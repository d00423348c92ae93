"""What this process may use of the machine: a container, a systemd unit or a batch job may have a part of it only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

CGROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


def count_cores() -> int:
    """The cores this process may use: by its affinity, and by the quota of its control group, rounded up."""
    from dask.system import cpu_count  # here, for it loads Dask

    return int(cpu_count())


def memory_limit() -> int:
    """Bytes that this process and those it starts may use together: over it, the kernel kills one of them.

    Dask looks at the limit of the whole container only; a systemd unit's, as in our examples, is further down.
    """
    return min([psutil.virtual_memory().total, *_group_limits()])


def memory_free() -> int:
    """Bytes that may still be used, as far as the machine knows."""
    return min(psutil.virtual_memory().available, memory_limit())


def _group_limits() -> Iterator[int]:
    """The limits of this process's control groups and of those around them, of both versions; those that are set."""
    with suppress(OSError):
        for line in OWN_GROUPS.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers and "memory" not in controllers.split(","):
                continue
            root, names = CGROUPS, ["memory.max", "memory.high"]
            if controllers:  # the first version has a tree for each
                root, names = CGROUPS / "memory", ["memory.limit_in_bytes"]
            group = Path(path.lstrip("/"))
            for folder in (group, *group.parents):  # outside a container its path may be another, and is not there
                for name in names:
                    with suppress(OSError, ValueError):  # "max" is none
                        yield int((root / folder / name).read_text())
