"""Ink on paper: how coverage and colour become pixels."""

from __future__ import annotations

import numpy as np

from pipeline.types import Array

_DARK = 150  # grey levels: ink that is darker can take any colour that is


def lay_ink(image: Array, coverage: Array, corner: tuple[int, int], colour: Array) -> None:
    """Lay ink on ``image`` in place, its coverage's upper left corner at ``corner``; what falls outside is cut off."""
    x, y = corner
    left, top = max(-x, 0), max(-y, 0)
    part = image[max(y, 0) : max(y + coverage.shape[0], 0), max(x, 0) : max(x + coverage.shape[1], 0)]
    if not part.size:
        return
    share = coverage[top : top + part.shape[0], left : left + part.shape[1], None]
    part[:] = part * (1 - share) + colour * share


def recolour(text: Array, blank: Array, colour: Array) -> None:
    """Give the dark ink that ``text`` has and ``blank`` has not another ``colour``, in place.

    Both are the same piece of a sheet, (H, W, 3) float32 of 0 to 255; ``colour`` is (3,) float32. How much of a pixel
    is ink is read from how far it is from the blank towards the darkest ink there; light ink stays as it is.
    """
    away = (blank - text).max(axis=2)
    inked = away > 8
    if not inked.any() or float(text[inked].mean()) > _DARK:
        return
    full = np.maximum(np.percentile(away[inked], 90), 1.0)
    share = np.clip(away / full, 0, 1)[..., None]
    text[:] = np.where(inked[..., None], blank * (1 - share) + colour * share, text)
