"""The table of docs/leaks.md: every place in which a secret was planted, times every search.

``python tests/leak_table.py`` prints what is claimed; the slow test of the anonymizing run prints it with what was
found, and compares the two.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from canaries import Place, all_places
from leak_search import PDF_SEARCHES
from leak_sweep import PDF, PIXEL_SEARCHES, SLOW_SEARCHES, STRICT_SEARCHES, searches_for

COLUMNS = ("raw", *PDF_SEARCHES, "picture", "anatomy", "xray", *PIXEL_SEARCHES, *SLOW_SEARCHES, *STRICT_SEARCHES)
SEEN, LOOKED, FOUND = "●", "○", "**FOUND**"


def claimed(place: Place) -> dict[str, str]:
    """The searches that a place's output is put to, each with whether it must see the secret in what went in."""
    if place.fails:
        return {}
    looks = {*searches_for(Path(f"a{place.suffix}"), STRICT_SEARCHES)}
    looks |= {"xray"} if place.suffix in PDF else set()
    looks |= {*SLOW_SEARCHES} if place.visible else set()
    return {search: SEEN if search in place.seen_by else LOOKED for search in looks}


def table(found: Collection[tuple[str, str]] = ()) -> str:
    """The table as Markdown; ``found`` are pairs of place and search that should have found nothing."""
    lines = [f"| place | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, place in sorted(all_places().items()):
        cells: Mapping[str, str] = claimed(place)
        marks = [FOUND if (name, search) in found else cells.get(search, "") for search in COLUMNS]
        lines.append(f"| {name} | {' | '.join(marks)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table())
