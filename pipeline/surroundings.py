"""What may be behind ink that goes: no shade that is nowhere around it."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.highlights import behind_on_highlights
from pipeline.types import Array

AROUND = 15  # px: so near a stroke shows what runs under it; of 9 px frames around letters are lost
RIM = 1  # px next to the strokes that are left out: they carry some ink


def keep_to_surroundings(image: Array, after: Array, mask: Array, threads: int = 1) -> Array:
    """``after`` no darker and no lighter under ``mask`` than what is known around each pixel, (H, W, 3) uint8 RGB.

    A rule that runs under a letter shows beside it. A shade that is nowhere around is some of the letter itself, which
    a network may leave so that it can be read still, on highlights and coloured paper most of all. Not for ink that
    hides other ink, as a pen's does.

    ``image`` and ``after`` (H, W, 3) uint8 RGB are the page with and without the ink, ``mask`` (H, W) bool is the ink.
    Pixels outside the mask are not changed, nor those with nothing known around them. ``threads`` says how many parts
    are looked at side by side.
    """
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    window = np.s_[max(y - AROUND, 0) : y + height + AROUND, max(x - AROUND, 0) : x + width + AROUND]
    known = cv2.erode((~mask[window]).view(np.uint8), _square(RIM))
    if not width or not known.any():
        return after
    seen = image[window].copy()
    behind, told = behind_on_highlights(seen, mask[window], mask[window], threads)
    cv2.copyTo(behind, told.view(np.uint8), seen)
    known |= told.view(np.uint8)
    hidden = cv2.cvtColor(255 * (1 - known), cv2.COLOR_GRAY2RGB)
    darkest = cv2.erode(cv2.max(seen, hidden), _square(AROUND))
    lightest = cv2.dilate(cv2.min(seen, cv2.bitwise_not(hidden)), _square(AROUND))
    near = cv2.dilate(known, _square(AROUND)).view(bool)
    result = after.copy()
    bounded = cv2.min(cv2.max(after[window], darkest), lightest)
    cv2.copyTo(bounded, (mask[window] & near).view(np.uint8), result[window])
    return result


def _square(reach: int) -> Array:
    return np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
