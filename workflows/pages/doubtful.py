"""Why a person should look at a cleaned page, besides text that was found on it."""

from __future__ import annotations

from pipeline.shadows import runs_into_shadow
from pipeline.type_size import is_type_too_small
from pipeline.types import Array, PreparedPage
from workflows.config import RunSettings
from workflows.pages.codes import codes_left
from workflows.pages.pale import MIRROR, PALE
from workflows.pages.selecting import text_policy
from workflows.pages.verification import Verdict

MIRRORED = (
    "print of the other side shines through and can be read in a mirror: scan the page with a black sheet behind it"
)

FAINT = (
    "text that is hardly darker or lighter than the paper can be read where the contrast is stretched: look there, "
    "and remove the place with --detector annotated --mask polygons"
)

SHADED = (
    "text runs into a shadow that was scanned as black, and no detector sees what stands in its specks: look there, "
    "and scan the page again in grey, or remove the place with --zones"
)

SMALL = (
    "a quarter of the text is so small, 14 px with its margins, that more of it may be overlooked: "
    "look at the page, or scan it at 150 dpi or more"
)


def doubts_about(prepared: PreparedPage, cleaned: Array, verdict: Verdict, settings: RunSettings) -> tuple[str, ...]:
    """The doubts about a page, ``cleaned`` (H, W, 3) uint8 RGB, in words for the report."""
    codes = codes_left(cleaned, prepared.allowed) if settings.anonymize else ()
    if not settings.verifies or settings.remove == "handwriting":
        return codes
    # text that is chosen by what it says may stand anywhere; where else only a part goes, it stands there
    where = None if text_policy(settings) else prepared.allowed
    outlines = [region.polygon for region in prepared.regions]
    found = {check.name for check in verdict.checks if check.found}
    doubts = {
        MIRRORED: MIRROR in found,
        FAINT: PALE in found,
        SHADED: runs_into_shadow(prepared.page.image, outlines, where),
        SMALL: is_type_too_small(outlines, where),
    }
    return (*codes, *(doubt for doubt, holds in doubts.items() if holds))
