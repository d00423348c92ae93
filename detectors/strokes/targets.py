"""Targets: circles around circles, by which whoever reads answer sheets finds their corners. They stay.

A detector reads them as letters O, and the stroke network is sure that they are ink; but no letter is several circles
around one middle.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from detectors.strokes.bubbles import RIM, Mark, outside
from pipeline.types import Array

INNER = 0.2, 0.85  # of the outer circle's diameter is the inner one's
OFF_MIDDLE = 0.08  # of the outer circle's diameter, at most


def targets(marks: Sequence[Mark], shape: tuple[int, ...]) -> Array:
    """Pixels of targets and of what they enclose, on a page of this shape, (H, W) bool."""
    found = np.zeros(shape[:2], bool)
    round_ = [mark for mark in marks if mark.ellipse is not None]
    middles, sizes = np.array([mark.middle for mark in round_]).reshape(-1, 2), np.array([m.size for m in round_])
    for mark in round_:
        ellipse = mark.ellipse
        if mark.ring and ellipse is not None:
            near = np.hypot(*(middles - mark.middle).T) <= OFF_MIDDLE * mark.size
            if (near & (sizes >= INNER[0] * mark.size) & (sizes <= INNER[1] * mark.size)).any():
                x, y, width, height = mark.box
                rows = np.arange(max(y - 2, 0), min(y + height + 2, shape[0]))
                columns = np.arange(max(x - 2, 0), min(x + width + 2, shape[1]))
                away = outside(ellipse, columns[None].astype(np.float32), rows[:, None].astype(np.float32))
                found[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] |= away <= RIM
    return found
