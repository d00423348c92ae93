"""Timing and naming of the stages of a page, so that a failure says where it happened."""

from __future__ import annotations

import functools
import logging
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import ParamSpec, TypeVar

from pipeline.complaints import without_words
from pipeline.errors import RestoreError, StageError
from pipeline.results import Failure
from pipeline.types import PageRef
from workflows.storage.patience import may_pass

log = logging.getLogger("restore_docs")

P = ParamSpec("P")
R = TypeVar("R")


def travels(task: Callable[P, R]) -> Callable[P, R]:
    """Make a task's errors fit to be sent back from a worker: whatever they were raised from stays in the log there.

    Causes are often exceptions of C libraries that do not pickle; Dask would then replace ours by an opaque one.
    """

    @functools.wraps(task)
    def wrapped(*arguments: P.args, **options: P.kwargs) -> R:
        try:
            return task(*arguments, **options)
        except RestoreError as error:
            log.debug("%s: %s", task.__name__, where(error))
            plain = error
            plain.transient = plain.transient or may_pass(error)
        except Exception as error:
            log.debug("%s: %s", task.__name__, where(error))
            plain = StageError(f"unexpected {without_words(error)}", "please report this", task.__name__)
            plain.transient = may_pass(error)
        plain.__cause__ = plain.__context__ = None
        raise plain

    return wrapped


def where(error: BaseException) -> str:
    """What kind of error was raised where, and for what before it; not their words, which may quote a document's."""
    told: list[str] = []
    cause: BaseException | None = error
    while cause is not None and len(told) < 5:
        told.append(f"{type(cause).__name__}\n{''.join(traceback.format_tb(cause.__traceback__))}")
        cause = cause.__cause__ or cause.__context__
    return "after ".join(told)


class StageClock:
    """Records how long each stage of one page takes, and turns whatever escapes into a StageError that names it.

    Foreseen errors that concern the whole run (set-up, output, cluster) pass unchanged; so do unreadable inputs.
    """

    def __init__(self, ref: PageRef) -> None:
        self.ref = ref
        self.seconds: dict[str, float] = {}

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time what happens inside, and put this stage's name on what goes wrong there."""
        started = time.perf_counter()
        try:
            yield
        except RestoreError:
            raise
        except MemoryError as error:
            raise StageError(
                f"{self._page} needs more memory than there is", "lower --dpi or --jobs", name, self.ref.page_number
            ) from error
        except Exception as error:
            log.debug("stage %s: %s", name, where(error))
            what = f"{self._page}: unexpected {without_words(error)}"
            raise StageError(what, "please report this with the page", name, self.ref.page_number) from error
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - started

    @property
    def _page(self) -> str:
        return f"{self.ref.document}, page {self.ref.page_number}"


def failure_from(error: BaseException, stage: str = "") -> Failure:
    """The plain-words record of an error, foreseen or not."""
    if isinstance(error, StageError):
        return Failure(type(error).__name__, error.stage or stage, error.what, error.remedy)
    if isinstance(error, RestoreError):
        return Failure(type(error).__name__, stage, error.what, error.remedy)
    if type(error).__name__ == "KilledWorker":
        what = "the process that worked on it died, twice: out of memory, or a crash in a library"
        return Failure("KilledWorker", stage, what, "lower --dpi or --jobs, or leave this page out with --pages")
    return Failure(type(error).__name__, stage, f"unexpected {without_words(error)}", "please report this")
