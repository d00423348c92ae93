"""What disks, network shares and stores of objects say, as errors of ours; and a few seconds' patience with them.

Tasks are started again by the run (``workflows.workers.flights``). What the client itself reads and writes is tried
again here: a share that is out for a moment must not end a run of days.
"""

from __future__ import annotations

import errno
import functools
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from pipeline.errors import RestoreError

log = logging.getLogger("restore_docs")

P = ParamSpec("P")
R = TypeVar("R")

PAUSES_SECONDS = (1.0, 2.0, 4.0)  # before each further try


# What network shares and connections say when they are out for a moment
_PASSING = {
    errno.EIO, errno.EAGAIN, errno.EBUSY, errno.ESTALE, errno.ETIMEDOUT, errno.ENETDOWN, errno.ENETUNREACH,
    errno.EHOSTUNREACH, errno.EREMOTEIO, errno.ENFILE, errno.EMFILE, errno.EINTR,
}  # fmt: skip


def may_pass(error: BaseException) -> bool:
    """Whether an error, or what it was raised from, is one that trying again may help with."""
    cause: BaseException | None = error
    for _ in range(10):
        if isinstance(cause, ConnectionError | TimeoutError):
            return True
        if isinstance(cause, OSError) and cause.errno in _PASSING:
            return True
        cause = cause and (cause.__cause__ or cause.__context__)
    return False


def patiently(call: Callable[P, R]) -> Callable[P, R]:
    """Make a function that may be called twice try again after errors of ours that may pass. Raises what is left."""

    @functools.wraps(call)
    def wrapped(*arguments: P.args, **options: P.kwargs) -> R:
        for pause in PAUSES_SECONDS:
            try:
                return call(*arguments, **options)
            except RestoreError as error:
                if not error.transient:
                    raise
                log.warning("%s; once more in %g s", error.what, pause)
            time.sleep(pause)
        return call(*arguments, **options)

    return wrapped


@contextmanager
def told(place: str, kind: type[RestoreError]) -> Iterator[None]:
    """What is said of a place, as an error of ours. Of a store, all that is no refusal may pass."""
    behind_url = "://" in place
    try:
        yield
    except RestoreError:
        raise
    except FileNotFoundError as error:
        raise kind(f"{place} is not there", f"check the {'URL' if behind_url else 'path'}") from error
    except PermissionError as error:
        remedy = "check the credentials of this machine" if behind_url else "check its permissions"
        raise kind(f"{place}: no permission", remedy) from error
    except Exception as error:
        if not (behind_url or isinstance(error, OSError)):
            raise
        why = getattr(error, "strerror", None) or type(error).__name__
        remedy = "check the connection and the store" if behind_url else "check the disk, or the network share"
        trouble = kind(f"{place}: {why}", remedy)
        trouble.transient = behind_url or may_pass(error)
        raise trouble from error
