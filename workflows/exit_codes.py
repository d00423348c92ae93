"""Exit codes, in one table, and the rule that picks one."""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum

from pipeline.errors import ClusterError, InputError, OutputError, RestoreError, SetupError, TooManyFailures, UsageError
from pipeline.results import DocumentResult, DocumentStatus


class ExitCode(IntEnum):
    """What the program's exit status says; README and docs print this table."""

    OK = 0
    BUG = 1
    USAGE = 2
    NO_INPUT = 3
    SETUP = 4
    OUTPUT = 5
    INCOMPLETE = 6
    CLUSTER = 7
    INTERRUPTED = 130


MEANINGS: dict[ExitCode, str] = {
    ExitCode.OK: "everything was done",
    ExitCode.BUG: "a bug in this program",
    ExitCode.USAGE: "the command line or the configuration makes no sense",
    ExitCode.NO_INPUT: "no document could be read",
    ExitCode.SETUP: "weights, a device or a system program is missing",
    ExitCode.OUTPUT: "the results could not be written",
    ExitCode.INCOMPLETE: "finished, but some pages or documents failed or need review",
    ExitCode.CLUSTER: "the Dask cluster was lost",
    ExitCode.INTERRUPTED: "interrupted",
}

_BY_ERROR: tuple[tuple[type[RestoreError], ExitCode], ...] = (
    (UsageError, ExitCode.USAGE),
    (InputError, ExitCode.NO_INPUT),
    (SetupError, ExitCode.SETUP),
    (OutputError, ExitCode.OUTPUT),
    (ClusterError, ExitCode.CLUSTER),
    (TooManyFailures, ExitCode.INCOMPLETE),
)


def code_for_error(error: RestoreError) -> ExitCode:
    """The exit code of an error that ended the whole run."""
    for kind, code in _BY_ERROR:
        if isinstance(error, kind):
            return code
    return ExitCode.BUG


def code_for_documents(documents: Sequence[DocumentResult]) -> ExitCode:
    """The exit code of a run that went to its end: never OK when anything failed or needs a person."""
    readable, fine = False, True
    for document in documents:  # each is made as it is asked for: they are not to be held together
        if document.status is not DocumentStatus.SKIPPED:
            readable = readable or _was_readable(document)
            fine = fine and document.status in (DocumentStatus.RESTORED, DocumentStatus.UNCHANGED)
    if not readable:
        return ExitCode.NO_INPUT
    return ExitCode.OK if fine else ExitCode.INCOMPLETE


def _was_readable(document: DocumentResult) -> bool:
    """Whether the document could at least be opened: its failure, if any, was not that it is unreadable."""
    return document.failure is None or bool(document.pages) or document.failure.kind != InputError.__name__
