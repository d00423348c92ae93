"""Looking at a cleaned page in a mirror: print of the other side that shines through can be read there.

Neither the detector nor the recognizer knows mirrored letters, and to the stroke network they are paper. They are pale,
and so the contrast is stretched first. What is found is not removed: it is a part of what shines through, and
the rest is too pale to be found.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from pipeline.residue import is_phrase, is_word, stretch
from pipeline.results import Check
from pipeline.types import Array
from workflows.pages.looking import LEAST_ALLOWED, Look
from workflows.pages.polygons import as_regions
from workflows.pages.sight import Scope, Tools
from workflows.pages.verification import Verdict

MIRROR = "mirror"


def look_in_mirror(verdict: Verdict, tools: Tools, scope: Scope) -> Verdict:
    """The verdict on a page, and what can be read on it in a mirror where text was to go."""
    found = mirrored_text(verdict.image, tools, scope)
    checks = (*verdict.checks, Check(MIRROR, len(found)))
    return replace(verdict, residual=(*verdict.residual, *found), checks=checks)


def mirrored_text(image: Array, tools: Tools, scope: Scope) -> tuple[Array, ...]:
    """Polygons of a page (H, W, 3) uint8 RGB that can be read in a mirror, and were to go, (N, 2) float32 px."""
    here = stretch(image)
    there = np.ascontiguousarray(here[:, ::-1])
    regions = tools.detect(there)
    pairs = list(zip(regions, tools.read_text(there, regions), strict=True))
    says_enough = is_phrase if tools.reread is None else is_word  # one word may be what is looked for
    pairs = [(region, reading) for region, reading in pairs if says_enough(reading)]
    # what stays on this side reads as something in a mirror, too, and better without
    straight = tools.read_text(here, as_regions([_turned(region.polygon, image) for region, _ in pairs]))
    legible = [
        region.polygon for (region, says), other in zip(pairs, straight, strict=True) if says.score > other.score
    ]
    if tools.reread is not None:
        return tuple(_turned(p, image) for p in tools.reread(there, legible)[0])
    look = Look(tools, scope, np.ones(image.shape[:2], bool) if scope.allowed is None else scope.allowed)
    return tuple(p for p in (_turned(p, image) for p in legible) if look.share_allowed(p) >= LEAST_ALLOWED)


def _turned(polygon: Array, image: Array) -> Array:
    """A polygon in a page's mirror image, as it lies on the page, in the same sense of rotation."""
    return np.ascontiguousarray((polygon * (-1, 1) + (image.shape[1] - 1, 0))[::-1].astype(np.float32))
