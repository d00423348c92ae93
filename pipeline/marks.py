"""Reasons why ink goes, and how each is shown: the one legend of the report and of a dry run.

Colours are chosen for all kinds of colour vision: any two of them differ by at least 12 (CIEDE2000) as seen with
normal sight, protanopia, deuteranopia and tritanopia (Machado et al., 2009), and each has a contrast of at least 3:1
both to white and to black, so that one legend serves paper and dark pages. There are fewer colours than reasons:
related reasons share one, and the code, which a picture shows too, tells them apart.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from dataclasses import dataclass

_BLUE, _VERMILION, _LILAC = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0xA5, 0x78, 0xFF)
_WINE, _GREEN, _RED, _SLATE = (0xA5, 0x2D, 0x5A), (0x00, 0xA5, 0x87), (0xC3, 0x00, 0x1E), (0x6B, 0x72, 0x80)
_SPARE = (_LILAC, _WINE, _GREEN, _VERMILION, _BLUE)


@dataclass(frozen=True, slots=True)
class Mark:
    """How a reason is shown: words for a person, a code of one to three characters, and an RGB colour."""

    label: str
    code: str
    colour: tuple[int, int, int]

    @property
    def hex(self) -> str:
        """The colour as HTML writes it, such as ``#0072b2``."""
        return "#{:02x}{:02x}{:02x}".format(*self.colour)


STAYS = Mark("stays", "", _SLATE)
UNSURE = Mark("unsure", "?", _RED)

# In the order of legends, and of painting: where several reasons hold for a pixel, the later one shows.
_FAMILIES = {
    "all": Mark("text", "T", _BLUE),
    "text": Mark("text", "T", _BLUE),
    "print": Mark("print", "P", _BLUE),
    "handwriting": Mark("handwriting", "H", _VERMILION),
    "regions": Mark("marked by hand", "R", _GREEN),
    "zone": Mark("zone", "Z", _GREEN),
    "zones": Mark("zone", "Z", _GREEN),
    "template": Mark("not on the blank form", "F", _GREEN),
    "word": Mark("word list", "W", _LILAC),
    "words": Mark("word list", "W", _LILAC),
    "match": Mark("pattern", "M", _LILAC),
    "entity": Mark("personal data", "E", _WINE),
    "entities": Mark("personal data", "E", _WINE),
    "code": Mark("QR or bar code", "C", _WINE),
    "unsure": UNSURE,
}
_ENTITIES = frozenset(
    ["address", "credit-card", "date", "email", "iban", "id", "location", "name", "person", "phone", "ssn", "url"]
)


def legend(reasons: Iterable[str]) -> dict[str, Mark]:
    """Each reason with its mark, in the order of legends. The same reason has the same colour in every legend.

    A reason is a word such as ``handwriting``, or a family and a kind such as ``entity:email``; any other text is
    taken, too. Codes differ within a legend.
    """
    order = list(_FAMILIES)
    named = sorted(set(reasons), key=lambda r: (order.index(_family(r)) if _family(r) else len(order), r))
    marks: dict[str, Mark] = {}
    taken = {STAYS.code}
    for reason in named:
        mark = _mark(reason)
        code, count = mark.code, 1
        while code in taken:
            count += 1
            code = f"{mark.code[:2]}{count}"
        taken.add(code)
        marks[reason] = Mark(mark.label, code, mark.colour)
    return marks


def _family(reason: str) -> str:
    family = "entity" if reason in _ENTITIES else reason.partition(":")[0]
    return family if family in _FAMILIES else ""


def _mark(reason: str) -> Mark:
    if reason in _FAMILIES:
        return _FAMILIES[reason]
    family, kind = _family(reason), reason.rpartition(":")[2]
    letters = "".join(letter for letter in kind if letter.isascii() and letter.isalnum())[:2].capitalize()
    if family:
        return Mark(f"{kind.replace('-', ' ')} ({_FAMILIES[family].label})", letters or "X", _FAMILIES[family].colour)
    return Mark(reason, letters or "X", _SPARE[zlib.crc32(reason.encode("utf-8", "replace")) % len(_SPARE)])
