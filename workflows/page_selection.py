"""Which pages are asked for: ``--pages 1-3,7-``."""

from __future__ import annotations

import re


def parse_page_selection(text: str) -> tuple[range, ...]:
    """``1-3,7`` -> ranges of 0-based page indices, in order; "" is the empty tuple, meaning all pages."""
    ranges = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        match = re.fullmatch(r"(\d+)(?:\s*-\s*(\d*))?", part)
        first = int(match[1]) if match else 0
        last = first if match and match[2] is None else int(match[2] or 10**9) if match else 0
        if not 1 <= first <= last:
            raise ValueError(f"{part!r} is not a page or a range of pages such as 1-3 or 7-")
        ranges.append(range(first - 1, last))
    return tuple(ranges)


def selected_pages(text: str, page_count: int) -> tuple[int, ...]:
    """The 0-based indices of the selected pages that a document of ``page_count`` pages has, each once, in order."""
    ranges = parse_page_selection(text)
    if not ranges:
        return tuple(range(page_count))
    return tuple(index for index in range(page_count) if any(index in chosen for chosen in ranges))
