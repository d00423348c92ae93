"""Regular expressions of a user's, searched for with a time limit: some take ages on an innocent line.

The engine is ``regex``, which reads what Python's own ``re`` reads, and can be stopped.
"""

from __future__ import annotations

import regex

from pipeline.errors import StageError, UsageError

LIMIT_SECONDS = 2.0
"""CPU time for one pattern on one text; sane patterns take microseconds."""


def check_pattern(pattern: str) -> None:
    """Raise UsageError when a pattern is none, or empty."""
    try:
        regex.compile(pattern)
    except regex.error as error:
        what = f"the regular expression {pattern!r} is not valid: {error}"
        raise UsageError(what, "see https://docs.python.org/3/library/re.html#regular-expression-syntax") from None
    if not pattern:
        raise UsageError("an empty regular expression matches nothing that could go", "leave it out")


def find_pattern(pattern: str, text: str, name: str) -> list[tuple[int, int]]:
    """(start, end) of all matches in a text, in order.

    ``name`` is for messages, which reach reports: the pattern itself may be somebody's name. Raises StageError when the
    search takes longer than ``LIMIT_SECONDS``.
    """
    try:
        return [match.span() for match in regex.finditer(pattern, text, timeout=LIMIT_SECONDS)]
    except TimeoutError:
        what = f"{name} takes more than {LIMIT_SECONDS:g} s on a line of {len(text)} characters"
        raise StageError(what, "write it without repeats in repeats, such as (a+)+ or (.*,)*", "strokes") from None
