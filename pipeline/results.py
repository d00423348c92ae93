"""What became of pages and documents: small records that travel to the client and into the report."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from pipeline.types import PageRef


class PageStatus(StrEnum):
    """What became of a page; UNCHANGED means that no text was found on it."""

    RESTORED = "RESTORED"
    UNCHANGED = "UNCHANGED"
    NEEDS_REVIEW = "NEEDS_REVIEW"
    KEPT_ORIGINAL = "KEPT_ORIGINAL"
    FAILED = "FAILED"


class DocumentStatus(StrEnum):
    """What became of an input; SKIPPED is an input that is no document."""

    RESTORED = "RESTORED"
    UNCHANGED = "UNCHANGED"
    NEEDS_REVIEW = "NEEDS_REVIEW"
    KEPT_ORIGINAL = "KEPT_ORIGINAL"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a page or a document failed, as plain words: safe to pickle, print and write to a report."""

    kind: str
    stage: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.what} ({self.remedy})" if self.remedy else self.what


@dataclass(frozen=True, slots=True)
class Check:
    """One look at a cleaned page: who looked, and how many pieces of text were ``found`` before more was removed."""

    name: str
    found: int


@dataclass(frozen=True, slots=True)
class FoundRegions:
    """Where text was found on a page of ``width`` x ``height`` pixels: outlines in those, and the detector's scores."""

    width: int
    height: int
    outlines: tuple[tuple[tuple[float, float], ...], ...]
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class PageResult:
    """The small record of one finished page; its pixels are in ``path``, a work file, when there are any.

    ``residual_count`` is how many text regions may still hold text, ``notes`` what was odd about the source, ``doubts``
    for which other reasons a person should look at the page.
    ``residual`` are boxes (x0, y0, x1, y1) around them, in shares of the page's width and height; ``checks`` are the
    looks at the cleaned page (none: it was not verified), and ``attempts`` how often text was removed again.
    ``reasons`` says how many pixels went for which reason; ``previews`` names small pictures of the page, by what they
    show (before, after, overlay). ``found`` are the text regions, where a run is asked for them. ``digest`` is the
    SHA-256 of the work file, as hex.
    """

    ref: PageRef
    region_count: int = 0
    changed_pixels: int = 0
    seconds: dict[str, float] = field(default_factory=dict)
    failure: Failure | None = None
    kept_original: bool = False
    residual_count: int = 0
    residual: tuple[tuple[float, float, float, float], ...] = ()
    checks: tuple[Check, ...] = ()
    attempts: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    previews: dict[str, str] = field(default_factory=dict)
    found: FoundRegions | None = None
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    path: str | None = None
    digest: str = ""

    def __post_init__(self) -> None:
        if self.kept_original and self.failure is None:
            raise ValueError("a page is kept as it was only because something failed")
        if (self.path is None) != (self.failure is not None and not self.kept_original):
            raise ValueError("a page has pixels unless it failed")

    @property
    def status(self) -> PageStatus:
        """Derived, so that it cannot contradict its parts."""
        if self.failure is not None:
            return PageStatus.KEPT_ORIGINAL if self.kept_original else PageStatus.FAILED
        if self.residual_count or self.doubts:
            return PageStatus.NEEDS_REVIEW
        return PageStatus.RESTORED if self.changed_pixels else PageStatus.UNCHANGED


@dataclass(frozen=True, slots=True)
class DocumentResult:
    """What became of one input.

    ``source`` is the input as given, ``outputs`` what was written for it (several files where one holds one page).
    ``skipped`` is the reason why an input is no document. ``reused`` says that the outputs were made by an earlier
    run from the same input with the same settings, and were found intact.
    """

    source: str
    outputs: tuple[str, ...] = ()
    pages: tuple[PageResult, ...] = ()
    failure: Failure | None = None
    skipped: str = ""
    reused: bool = False

    def __post_init__(self) -> None:
        if self.failure is not None and (self.skipped or self.outputs):
            raise ValueError("a failed document has neither an output nor a reason to be skipped")
        if self.failure is None and not self.skipped and not (self.outputs and self.pages):
            raise ValueError("a restored document has an output and pages")
        if self.failure is None and any(page.status is PageStatus.FAILED for page in self.pages):
            raise ValueError("a document with a failed page has failed")

    @property
    def status(self) -> DocumentStatus:
        """Derived: the gravest of its pages'."""
        if self.failure is not None:
            return DocumentStatus.FAILED
        if self.skipped:
            return DocumentStatus.SKIPPED
        found = {page.status for page in self.pages}
        for status in (PageStatus.KEPT_ORIGINAL, PageStatus.NEEDS_REVIEW, PageStatus.RESTORED):
            if status in found:
                return DocumentStatus(status.value)
        return DocumentStatus.UNCHANGED
