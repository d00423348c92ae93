"""The error family: every failure the program foresees, each with a message an operator can act on.

Every class passes all its arguments to ``super().__init__`` so that an instance survives the pickling that
brings it back from a worker process.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class RestoreError(Exception):
    """Base of all foreseen failures.

    ``what`` says what happened and to which file, ``remedy`` what the reader can do about it ("" when nothing).
    ``transient`` says that the same may go well when it is tried again: a network share or a connection failed.
    """

    transient = False

    def __init__(self, what: str, remedy: str = "") -> None:
        super().__init__(what, remedy)
        self.what = what
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.what} ({self.remedy})" if self.remedy else self.what


class UsageError(RestoreError):
    """The command line or the configuration asks for something that cannot be meant."""


def nearest_name(name: str, known: Iterable[str]) -> str:
    """The known name that looks most like ``name``, for messages. ``known`` is not empty."""
    return max(known, key=lambda other: difflib.SequenceMatcher(None, name.lower(), other.lower()).ratio())


def require_known(kind: str, name: str, known: Iterable[str]) -> None:
    """Raise UsageError, naming the nearest known name, unless ``name`` is one of ``known``."""
    names = sorted(known)
    if name not in names:
        remedy = f"did you mean {nearest_name(name, names)!r}? there are: {', '.join(names)}"
        raise UsageError(f"there is no {kind} {name!r}", remedy)


class InputError(RestoreError):
    """A document cannot be read: broken, encrypted, too large, or not there."""


class SetupError(RestoreError):
    """Weights, a device, an extra or a system program is missing or unusable."""


class OutputError(RestoreError):
    """A result cannot be written: disk full, no permission, or something is in the way."""


class ClusterError(RestoreError):
    """The Dask cluster cannot do the work or was lost."""


class TooManyFailures(RestoreError):  # noqa: N818 - says what it is
    """More pages failed than the run was allowed: going on would cost time and help nobody."""


class StageError(RestoreError):
    """One page failed in one stage; the other pages of the run are not affected.

    ``page_number`` is 1-based, as people count.
    """

    def __init__(self, what: str, remedy: str = "", stage: str = "", page_number: int | None = None) -> None:
        super().__init__(what, remedy)
        self.args = (what, remedy, stage, page_number)
        self.stage = stage
        self.page_number = page_number
