"""Which ink goes: all of it, handwriting, or print; at the text regions, or wherever it stands on the page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pipeline.errors import UsageError

Remove = Literal["all", "handwriting", "print"]
Where = Literal["auto", "regions", "page"]


@dataclass(frozen=True, slots=True)
class InkSelection:
    """Which ink goes. Checked when made: UsageError.

    ``remove`` is the kind of ink, ``where`` where it is looked for: in and at the text regions, or on the whole page,
    which also finds what no detector calls text (ticks, circled characters, scribbles). ``auto`` looks for handwriting
    on the whole page and for everything else at the regions. Handwriting that is doubtful is believed on a page
    that is written on, or if ``strict``; ``gone`` is how many pixels of such ink are gone from the page already.
    """

    remove: Remove = "all"
    where: Where = "auto"
    gone: int = 0
    strict: bool = False

    def __post_init__(self) -> None:
        if self.remove not in ("all", "handwriting", "print"):
            raise UsageError(f"there is no ink {self.remove!r} to remove", "use all, handwriting or print")
        if self.where not in ("auto", "regions", "page"):
            raise UsageError(f"ink cannot be looked for in {self.where!r}", "use auto, regions or page")

    @property
    def whole_page(self) -> bool:
        """Whether ink outside the text regions goes, too."""
        return self.where == "page" or (self.where == "auto" and self.remove == "handwriting")
