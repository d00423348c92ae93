"""Verifying a cleaned page: is the text gone? And if it is not, removing it once more, and then more bluntly.

The detector looks at the page at two sizes, where something was removed with its contrast stretched; the stroke
network reads all of it, and what it finds elsewhere is shown to the detector enlarged (``workflows.pages.looking``).
What is found goes by a grown mask, then by a plain fill of the whole region; what is found even then is for a person
to look at.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import cv2
import numpy as np

from pipeline.masks import grow, polygon_mask
from pipeline.residue import BELIEVED
from pipeline.results import Check
from pipeline.types import Array
from workflows.pages.looking import READER, Look
from workflows.pages.pale import MIRROR, PALE, find_pale_text
from workflows.pages.polygons import as_regions, covered, grown
from workflows.pages.sight import Scope, Tools

TOGETHER, SPARED = 12, 100  # px between pieces of one place, and of it that are worth a note
GROWTH = 2  # px by which the mask grows at the second removal
EVERYWHERE = Scope()


@dataclass(frozen=True, slots=True, eq=False)
class Verdict:
    """``image`` (H, W, 3) uint8 RGB as it is now, and ``mask`` (H, W) bool, all that was replaced on it.

    ``residual`` are polygons that may still hold text, ``attempts`` how often something was removed again, ``checks``
    how much text each look found at first, ``notes`` what else a person may want to know.
    """

    image: Array
    mask: Array
    residual: tuple[Array, ...]
    attempts: int
    checks: tuple[Check, ...]
    notes: tuple[str, ...] = ()


def verify(cleaned: Array, removed: Array, tools: Tools, scope: Scope = EVERYWHERE) -> Verdict:
    """Look at a cleaned page (H, W, 3) uint8 RGB of which ``removed`` (H, W) bool was replaced, and clean it further.

    ``scope`` says what is looked for, and where; everything everywhere if it is left out.
    """
    look = Look.at(cleaned, tools, scope)
    left = look.at_page(cleaned, removed)
    if missed := left.found.get(READER, []):  # text that was to go by what it says may stand anywhere
        look = replace(look, allowed=look.allowed | polygon_mask([grown(p) for p in missed], *removed.shape))
    checks = tuple(Check(name, len(polygons)) for name, polygons in left.found.items())
    first = tuple(p for polygons in left.found.values() for p in polygons)
    verdict = Verdict(cleaned, removed, first, 0, checks, _told(left.spared))
    for again in (_remove_ink, _remove_bluntly):
        if not verdict.residual:
            break
        before = verdict.residual
        verdict = again(verdict, look)
        verdict = replace(verdict, residual=tuple(look.nearby(verdict.image, before)), attempts=verdict.attempts + 1)
    if verdict.residual and tools.by_ink and not tools.whole_regions:
        return _undo(verdict, cleaned, removed, first)
    # ink of the kind that stays reads as something, pale or in a mirror
    return verdict if tools.by_ink else _with_pale_text(verdict, look)


def _with_pale_text(verdict: Verdict, look: Look) -> Verdict:
    """The verdict on a page, and text on it that is too pale for the looks before."""
    pale = find_pale_text(verdict.image, look)
    straight = [polygon for polygon in pale.straight if not covered(polygon, verdict.residual)]
    checks = (*verdict.checks, Check(PALE, len(straight)), Check(MIRROR, len(pale.mirrored)))
    return replace(verdict, residual=(*verdict.residual, *straight, *pale.mirrored), checks=checks)


def _told(spared: Array) -> tuple[str, ...]:
    """A note on what looks like handwriting and was taken for print, lines or pictures: a person may know better."""
    count, label = cv2.connectedComponents(grow(spared, TOGETHER).view(np.uint8), connectivity=8)
    places = int((np.bincount(label[spared], minlength=count) >= SPARED).sum())
    if not places:
        return ()
    looks = "1 place looks" if places == 1 else f"{places} places look"
    return (f"{looks} written by hand and stayed, as print, lines or parts of pictures: look at the page",)


def _undo(verdict: Verdict, cleaned: Array, removed: Array, first: Sequence[Array]) -> Verdict:
    """Where ink of one kind is left even so, take back the further removals: they cost the print beside it only.

    ``cleaned`` and ``removed`` are the page and its mask before them, ``first`` polygons of what they were made for.
    """
    left = polygon_mask(verdict.residual, *removed.shape)
    stuck = [p for p in first if (left & polygon_mask([p], *removed.shape)).any()]
    back = polygon_mask([grown(p) for p in stuck], *removed.shape)
    image = np.where(back[..., None], cleaned, verdict.image)
    return replace(verdict, image=image, mask=np.where(back, removed, verdict.mask))


def _remove_ink(verdict: Verdict, look: Look) -> Verdict:
    """Remove what is ink in the residual regions, and a little around it, as the rest of the page was."""
    ink = look.tools.find_ink(verdict.image, as_regions(verdict.residual))
    near = polygon_mask([grown(p) for p in verdict.residual], *verdict.mask.shape)
    mask = grow((ink | verdict.mask) & near, GROWTH) & look.allowed
    return _remove(verdict, mask, near, look, look.tools.remove)


def _remove_bluntly(verdict: Verdict, look: Look) -> Verdict:
    """Fill all that may be ink in the residual regions, or the regions as a whole."""
    near = polygon_mask([grown(p) for p in verdict.residual], *verdict.mask.shape)
    if look.tools.whole_regions:
        mask = near & look.allowed
        return replace(verdict, image=look.tools.fill(verdict.image, mask), mask=verdict.mask | mask)
    ink = look.tools.find_ink(verdict.image, as_regions(verdict.residual)) | verdict.mask
    mask = near & grow(ink | (look.tools.read_ink(verdict.image, near).levels >= BELIEVED), 2 * GROWTH) & look.allowed
    filled = _remove(verdict, mask, near, look, look.tools.fill)
    # where the shapes of what was replaced can be read, another mask of such shapes would be read, too
    told = look.still_told(filled.image, verdict.residual)
    if not told:
        return filled
    whole = near & polygon_mask([grown(p) for p in told], *near.shape) & look.allowed
    return _remove(filled, whole, near, look, look.tools.fill)


def _remove(verdict: Verdict, mask: Array, near: Array, look: Look, remove: Callable[[Array, Array], Array]) -> Verdict:
    """Remove what is under the mask but for ink that stays, which is looked for ``near`` (H, W) bool."""
    tools, image = look.tools, verdict.image
    staying = np.zeros(near.shape, bool) if tools.find_staying is None else tools.find_staying(image, near)
    rest = mask & ~staying
    if tools.by_ink:  # print that was made out under a pen shows the remover how it goes on
        return replace(verdict, image=remove(image, rest), mask=verdict.mask | rest)
    # the paper in a circle is that around it, and no shade of its line
    cleaned = np.where(rest[..., None], remove(image, mask), image)
    return replace(verdict, image=cleaned, mask=verdict.mask | rest)
