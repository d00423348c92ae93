"""Finding what says who somebody is or what they own: e-mail addresses, numbers of accounts, cards and phones, dates.

The text comes from reading scans, so it is searched as it was read and as it may have been meant (``lookalikes``).
Where that leaves a doubt, it is found: a number in the unmistakable layout of its kind counts even when its checksum
fails, for one misread digit breaks the sum. A number without such a layout counts when its checksum holds, or when a
label ("Card no.:") stands before it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from pipeline import entity_numbers as numbers
from pipeline import entity_words as words
from pipeline.errors import require_known
from pipeline.lookalikes import plain_marks, read_as_digits

Span = tuple[int, int]


class Found(NamedTuple):
    """An entity: ``text[start:end]`` is one of ``kind``."""

    start: int
    end: int
    kind: str


# Each takes (the text, the text with digits for what looks like digits) and yields (start, end)
_FINDERS: dict[str, Callable[[str, str], Iterable[Span]]] = {
    "iban": numbers.find_ibans,
    "credit-card": numbers.find_cards,
    "vat-id": numbers.find_vat_ids,
    "national-id": numbers.find_national_ids,
    "ssn": numbers.find_ssns,
    "email": words.find_emails,
    "url": words.find_urls,
    "ip-address": words.find_ip_addresses,
    "date": words.find_dates,
    "amount": numbers.find_amounts,
    "phone": numbers.find_phones,
    "postcode": words.find_postcodes,
}
# Found by a language model that is installed apart
NAMED_KINDS = ("location", "person")
# All kinds; what is of several is best called by the first
BY_STRENGTH = (*_FINDERS, *NAMED_KINDS)
KINDS = tuple(sorted(BY_STRENGTH))
_TRIM = " \t\n\r,;:"
_BROKEN_END = re.compile(r"[-./_@=?&+(]$")
_WITH_YEAR = re.compile(r"\d{4}|\d\D+\d\d?\D+\d\d")
_BROKEN_START = re.compile(r"[./_@=?&)][A-Za-z0-9]")
_MAIL_END = re.compile(r"\.[A-Za-z]{2,}$")


def find_entities(text: str, kinds: Iterable[str]) -> list[Found]:
    """Return the entities of the given kinds in a text, by their start; those of different kinds may overlap.

    ``kinds`` are of ``KINDS``. Raises UsageError for another kind, SetupError when one needs an extra that is not
    installed.
    """
    wanted = sorted(set(kinds))
    for kind in wanted:
        require_known("entity", kind, KINDS)
    plain = plain_marks(text)
    digits = read_as_digits(plain)
    found = [
        Found(start, end, kind)
        for kind in wanted
        if kind in _FINDERS
        for start, end in _merge(_trimmed(text, span) for span in _FINDERS[kind](plain, digits))
    ]
    named = [kind for kind in wanted if kind in NAMED_KINDS]
    if named:
        from pipeline.names import find_names

        found += [Found(start, end, kind) for start, end, kind in find_names(text, named)]
    return sorted(found)


def looks_whole(text: str, kind: str) -> bool:
    """Whether an entity, standing at the end of a line, looks as if nothing of it could follow on the next."""
    ending = {"email": _MAIL_END, "date": _WITH_YEAR}.get(kind)
    return not _BROKEN_END.search(text) and (ending is None or bool(ending.search(text)))


def looks_broken(text: str, border: int) -> bool:
    """Whether the text before and after a border are visibly one word: "info@exam-" and "ple.org"."""
    return bool(_BROKEN_END.search(text[:border].rstrip()) or _BROKEN_START.match(text[border:].lstrip()))


def _trimmed(text: str, span: Span) -> Span:
    start, end = span
    while start < end and text[start] in _TRIM:
        start += 1
    while end > start and text[end - 1] in _TRIM:
        end -= 1
    return start, end


def _merge(spans: Iterable[Span]) -> Iterator[Span]:
    """The spans in order, overlapping ones joined."""
    current: Span | None = None
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if current is not None and start < current[1]:
            current = current[0], max(end, current[1])
        else:
            if current is not None:
                yield current
            current = start, end
    if current is not None:
        yield current
