"""What ``report.html`` shows of a document and its pages: the report's entries, and what is made of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pipeline.marks import Mark, legend
from workflows.reporting.report_words import remarks

_GROUPS = {
    "KEPT_ORIGINAL": ("review", "failed"),
    "NEEDS_REVIEW": ("review",),
    "FAILED": ("failed",),
    "RESTORED": ("restored",),
}
# What the template may ask of parts that a report lacks
DOCUMENT: dict[str, Any] = {"source": "", "output": None, "outputs": [], "status": "", "reused": False, "reason": ""}
_PAGE: dict[str, Any] = {"page_number": 0, "status": "", "regions": 0, "changed_pixels": 0, "failure": None}


@dataclass(frozen=True, slots=True)
class Picture:
    """A preview as a data URI, with its size in pixels."""

    uri: str
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class PageView:
    """A page as the template shows it: ``entry`` is the report's; ``pictures`` is empty for a page that is listed."""

    anchor: str
    entry: Mapping[str, Any]
    groups: tuple[str, ...]
    remarks: tuple[str, ...]
    reasons: tuple[tuple[Mark, int, float], ...] = ()
    residual: tuple[str, ...] = ()
    pictures: Mapping[str, Picture] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """All stages together."""
        return sum(self.entry.get("seconds", {}).values())


@dataclass(frozen=True, slots=True)
class DocumentView:
    """A document as the template shows it."""

    anchor: str
    entry: Mapping[str, Any]
    groups: tuple[str, ...]
    pages: tuple[PageView, ...]

    @property
    def pictured(self) -> tuple[PageView, ...]:
        """The pages shown with pictures."""
        return tuple(page for page in self.pages if page.pictures)

    @property
    def listed(self) -> tuple[PageView, ...]:
        """The pages shown as lines of a table."""
        return tuple(page for page in self.pages if not page.pictures)


def document_view(
    index: int, entry: dict[str, Any], chosen: Mapping[tuple[int, int], Mapping[str, Picture]]
) -> DocumentView:
    """What is shown of the document at ``index``; ``chosen`` are the pictures by index of document and page."""
    anchor = f"d{index + 1}"
    pages = tuple(
        _page_view(f"{anchor}-p{number + 1}", page, chosen.get((index, number), {}))
        for number, page in enumerate(entry.get("pages", []))
    )
    return DocumentView(anchor, DOCUMENT | entry, _GROUPS.get(entry.get("status", ""), ()), pages)


def _page_view(anchor: str, entry: dict[str, Any], pictures: Mapping[str, Picture]) -> PageView:
    counts: Mapping[str, int] = entry.get("reasons") or {}
    most = max(counts.values(), default=0)
    reasons = tuple(
        (mark, counts[reason], round(100 * counts[reason] / most, 1) if most else 0.0)
        for reason, mark in legend(counts).items()
    )
    residual = tuple(_points(polygon) for polygon in _residual(entry))
    groups = _GROUPS.get(entry.get("status", ""), ())
    return PageView(anchor, _PAGE | entry, groups, remarks(entry), reasons, residual, pictures)


def _residual(entry: Mapping[str, Any]) -> list[Sequence[Sequence[float]]]:
    """Polygons around what may still hold text, in page fractions."""
    boxes = entry.get("residual_boxes") or ()
    return [[(x0, y0), (x1, y0), (x1, y1), (x0, y1)] for x0, y0, x1, y1 in boxes]


def _points(polygon: Iterable[Sequence[float]]) -> str:
    """A polygon in page fractions as SVG writes it, in hundredths of the page."""
    return " ".join(f"{100 * float(x):.2f},{100 * float(y):.2f}" for x, y in polygon)


def failures_of(view: DocumentView) -> list[tuple[DocumentView, int | None, Mapping[str, str]]]:
    """A document's failures as (document, page number or None, failure). What a page told already is told once."""
    pages = [(page.entry.get("page_number"), page.entry.get("failure")) for page in view.pages]
    found: list[tuple[DocumentView, int | None, Mapping[str, str]]]
    found = [(view, number, failure) for number, failure in pages if failure]
    whole = view.entry.get("failure")
    told = {failure.get("what") for _, _, failure in found}
    return found if whole is None or whole.get("what") in told else [*found, (view, None, whole)]
