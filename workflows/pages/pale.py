"""Looking at a cleaned page for text too pale for all other looks, and in a mirror.

The contrast of the whole page is stretched. The detector finds lines of mirrored text as well as others, but the
recognizer knows no mirrored letters, and to the stroke network pale print is paper: that of the other side, which
shines through, can be read in a mirror only. What is found is not removed: no mask of ink has it, and it may be a part
of what is there, the rest being too pale to be found.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pipeline.readings import NOTHING_READ
from pipeline.residue import is_phrase, is_word, stretch
from pipeline.types import Array
from workflows.pages.looking import LEAST_ALLOWED, Look
from workflows.pages.polygons import as_regions, covered

PALE, MIRROR = "pale", "mirror"
SURELY = 0.9  # a reading's score: what reads so is no mirror image


class PaleText(NamedTuple):
    """Polygons (N, 2) float32 px of what can be read ``straight``, and in a mirror only (``mirrored``)."""

    straight: tuple[Array, ...]
    mirrored: tuple[Array, ...]


def find_pale_text(page: Array, look: Look) -> PaleText:
    """Text that was to go and can be read once a page's contrast is stretched; ``page`` is (H, W, 3) uint8 RGB."""
    tools = look.tools
    here = stretch(look.without_what_stays(page))
    there = np.ascontiguousarray(here[:, ::-1])
    by_text = tools.reread is not None  # text that stays may stand anywhere, and what shines through may lie under it
    found = [region.polygon for region in tools.detect(here)]
    polygons = [p for p in found if by_text or look.share_allowed(p) >= LEAST_ALLOWED]
    here_says = tools.read_text(here, as_regions(polygons))
    unsure = [number for number, says in enumerate(here_says) if says.score < SURELY]
    turned = [_turned(polygons[number], page) for number in unsure]
    there_says = dict(zip(unsure, tools.read_text(there, as_regions(turned)), strict=True))
    says_enough = is_word if by_text else is_phrase  # one word may be what is looked for
    straight, mirrored = [], []
    for number, (polygon, a) in enumerate(zip(polygons, here_says, strict=True)):
        b = there_says.get(number, NOTHING_READ)
        # of the two, text reads better than its mirror image, which reads as something, too
        if says_enough(b) and b.score > a.score:
            mirrored.append(_turned(polygon, page))
        elif says_enough(a) and not (by_text and covered(polygon, look.scope.read)):
            straight.append(polygon)
    if tools.reread is not None:
        straight, mirrored = (list(tools.reread(*seen)[0]) for seen in ((here, straight), (there, mirrored)))
    return PaleText(tuple(straight), tuple(_turned(p, page) for p in mirrored))


def _turned(polygon: Array, image: Array) -> Array:
    """A polygon in a page's mirror image, or back, in the same sense of rotation."""
    return np.ascontiguousarray((polygon * (-1, 1) + (image.shape[1] - 1, 0))[::-1].astype(np.float32))
