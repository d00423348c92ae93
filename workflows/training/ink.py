"""Ink on paper: how coverage and colour become pixels."""

from __future__ import annotations

from pipeline.types import Array


def lay_ink(image: Array, coverage: Array, corner: tuple[int, int], colour: Array) -> None:
    """Lay ink on ``image`` in place, its coverage's upper left corner at ``corner``; what falls outside is cut off."""
    x, y = corner
    left, top = max(-x, 0), max(-y, 0)
    part = image[max(y, 0) : max(y + coverage.shape[0], 0), max(x, 0) : max(x + coverage.shape[1], 0)]
    if not part.size:
        return
    share = coverage[top : top + part.shape[0], left : left + part.shape[1], None]
    part[:] = part * (1 - share) + colour * share
