"""``report.html``: the report as one page that a person reads, made from ``report.json`` and the previews of pages.

The page is one file. It loads nothing: pictures are part of it, and a content security policy forbids the rest.
Same report and previews, same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from pipeline.errors import OutputError
from pipeline.marks import STAYS, UNSURE, Mark, legend
from pipeline.results import DocumentStatus, PageStatus
from workflows import report_words as words
from workflows.report_words import STATUS_WORDS, Verdict, remarks, verdict

MOST_PICTURED = 60
"""Pages shown with pictures: some 0.2 MB each. The others are listed."""

_HERE = Path(__file__).parent
_KINDS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PN": "image/png"}
_GRAVITY = (
    PageStatus.KEPT_ORIGINAL,
    PageStatus.NEEDS_REVIEW,
    PageStatus.FAILED,
    PageStatus.RESTORED,
    PageStatus.UNCHANGED,
    DocumentStatus.SKIPPED,
)
_GROUPS = {
    "KEPT_ORIGINAL": ("review", "failed"),
    "NEEDS_REVIEW": ("review",),
    "FAILED": ("failed",),
    "RESTORED": ("restored",),
}
# What the template may ask of parts that a report lacks
_TOTALS: dict[str, Any] = {"documents": {}, "pages": {}, "regions": 0, "reused_documents": 0, "seconds": 0.0}
_DOCUMENT: dict[str, Any] = {"source": "", "output": None, "outputs": [], "status": "", "reused": False, "reason": ""}
_PAGE: dict[str, Any] = {"page_number": 0, "status": "", "regions": 0, "changed_pixels": 0, "failure": None}
FILTERS = ("all", "review", "failed", "restored")


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


def write_report_page(report: Mapping[str, Any], previews: Path, out: Path) -> None:
    """Write ``out`` in one step: a reader never sees half of it.

    Args:
        report: what ``report.json`` holds; see docs/report.md. Parts that are missing are left out of the page.
        previews: the folder that the pages' ``previews`` are relative to. It need not be there.
        out: the file to write, usually ``DIR/report.html``.

    Raises:
        OutputError: the page cannot be written.
    """
    page = render_report_page(report, previews).encode("utf-8", "backslashreplace")
    scratch = out.with_name(f".{out.name}.part")
    try:
        scratch.write_bytes(page)
        scratch.replace(out)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise OutputError(f"cannot write {out}: {error.strerror}", "check space and permissions") from None


def render_report_page(report: Mapping[str, Any], previews: Path) -> str:
    """The page as text; arguments as for ``write_report_page``."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # here, for the sake of a quick --help
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(_HERE),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: value if isinstance(value, Markup) else words.visible(value),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        name: getattr(words, name) for name in ("spent", "count", "setting", "sentence", "removed_again", "outcome")
    }
    style, script = ((_HERE / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    return environment.get_template("report.html.jinja").render(
        _context(report, previews),
        style=Markup(style),
        script=Markup(script),
        style_hash=_policy_hash(style),
        script_hash=_policy_hash(script),
        status_words=STATUS_WORDS,
    )


def _policy_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _context(report: Mapping[str, Any], previews: Path) -> dict[str, Any]:
    """All that the template asks for, so that it decides nothing."""
    documents = report.get("documents", [])
    settings = report.get("settings", {})
    secret = bool(settings.get("anonymize"))
    chosen = _pictured(documents, previews, secret)
    views = [_document_view(index, entry, chosen) for index, entry in enumerate(documents)]
    views.sort(key=lambda view: min(map(_gravity, [view.entry, *(page.entry for page in view.pages)])))
    pages = [page for view in views for page in view.pages]
    shown = [mark for page in pages if page.pictures for mark, _, _ in page.reasons]
    told: Verdict = verdict(report)
    return {
        "ended": report.get("ended_early"),
        "versions": report.get("versions", {}),
        "totals": _TOTALS | report.get("totals", {}),
        "settings": settings,
        "secret": secret,
        "verdict": told,
        "documents": views,
        "pages": pages,
        "review": [(view, page) for view in views for page in view.pages if "review" in page.groups],
        "failures": [failure for view in views for failure in _failures(view)],
        "skipped": [view for view in views if view.entry.get("status") == "SKIPPED"],
        "pictured": sum(bool(page.pictures) for page in pages),
        "most_pictured": MOST_PICTURED,
        "legend": [*dict.fromkeys(shown), STAYS, UNSURE] if shown else [],
        "filters": [(name, sum(name == "all" or name in page.groups for page in pages)) for name in FILTERS],
    }


def _gravity(entry: Mapping[str, Any]) -> int:
    status = entry.get("status")
    return _GRAVITY.index(status) if status in _GRAVITY else len(_GRAVITY)


def _pictured(
    documents: Sequence[Mapping[str, Any]], previews: Path, secret: bool
) -> dict[tuple[int, int], dict[str, Picture]]:
    """The pictures of at most ``MOST_PICTURED`` pages, gravest first, by index of document and page."""
    keys = [(d, p) for d, document in enumerate(documents) for p in range(len(document.get("pages", [])))]
    keys.sort(key=lambda key: _gravity(documents[key[0]]["pages"][key[1]]))
    chosen: dict[tuple[int, int], dict[str, Picture]] = {}
    for d, p in keys:
        if len(chosen) == MOST_PICTURED:
            break
        named = documents[d]["pages"][p].get("previews") or {}
        wanted = ("after", "overlay") if secret else ("before", "after", "overlay")
        found = {name: picture for name in wanted if (picture := _picture(previews, named.get(name)))}
        if found:
            chosen[d, p] = found
    return chosen


def _picture(previews: Path, name: str | None) -> Picture | None:
    """A preview, or None where there is none that can be shown. Nothing outside the folder is ever read."""
    from PIL import Image

    if not name:
        return None
    path = (previews / name).resolve()
    try:
        if not path.is_relative_to(previews.resolve()):
            return None
        data = path.read_bytes()
        with Image.open(BytesIO(data), formats=("JPEG", "PNG")) as opened:
            width, height = opened.size
    except (OSError, SyntaxError, Image.DecompressionBombError):
        return None
    kind = _KINDS[data[:3]]
    return Picture(f"data:{kind};base64,{base64.b64encode(data).decode()}", width, height)


def _document_view(
    index: int, entry: dict[str, Any], chosen: Mapping[tuple[int, int], Mapping[str, Picture]]
) -> DocumentView:
    anchor = f"d{index + 1}"
    pages = tuple(
        _page_view(f"{anchor}-p{number + 1}", page, chosen.get((index, number), {}))
        for number, page in enumerate(entry.get("pages", []))
    )
    return DocumentView(anchor, _DOCUMENT | entry, _GROUPS.get(entry.get("status", ""), ()), pages)


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
    """Polygons around what may still hold text, in page fractions: the report's own, or made from its boxes."""
    boxes = entry.get("residual_boxes") or ()
    return [
        *(entry.get("residual_regions") or ()),
        *([(x0, y0), (x1, y0), (x1, y1), (x0, y1)] for x0, y0, x1, y1 in boxes),
    ]


def _points(polygon: Iterable[Sequence[float]]) -> str:
    """A polygon in page fractions as SVG writes it, in hundredths of the page."""
    return " ".join(f"{100 * float(x):.2f},{100 * float(y):.2f}" for x, y in polygon)


def _failures(view: DocumentView) -> list[tuple[DocumentView, int | None, Mapping[str, str]]]:
    """A document's failures as (document, page number or None, failure). What a page told already is told once."""
    pages = [(page.entry.get("page_number"), page.entry.get("failure")) for page in view.pages]
    found: list[tuple[DocumentView, int | None, Mapping[str, str]]]
    found = [(view, number, failure) for number, failure in pages if failure]
    whole = view.entry.get("failure")
    told = {failure.get("what") for _, _, failure in found}
    return found if whole is None or whole.get("what") in told else [*found, (view, None, whole)]
