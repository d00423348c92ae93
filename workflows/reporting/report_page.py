"""``report.html``: the report as one page that a person reads, made from ``report.json`` and the previews of pages.

The page is one file. It loads nothing: pictures are part of it, and a content security policy forbids the rest.
Same report and previews, same bytes.
"""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any

from pipeline.errors import OutputError
from pipeline.marks import STAYS, UNSURE, Mark
from pipeline.results import DocumentStatus, PageStatus
from workflows.reporting import report_words as words
from workflows.reporting.report_views import DOCUMENT, DocumentView, PageView, Picture, document_view, failures_of
from workflows.reporting.report_words import STATUS_WORDS, Verdict, verdict

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
# What the template may ask of parts that a report lacks
_TOTALS: dict[str, Any] = {"documents": {}, "pages": {}, "regions": 0, "reused_documents": 0, "seconds": 0.0}
FILTERS = ("all", "review", "failed", "restored")


def write_report_page(report: Mapping[str, Any], previews: Path, out: Path) -> None:
    """Write ``out`` in one step: a reader never sees half of it.

    Args:
        report: what ``report.json`` holds; see docs/report.md. Parts that are missing are left out of the page.
        previews: the folder that the pages' ``previews`` are relative to. It need not be there.
        out: the file to write, usually ``DIR/report.html``.

    Raises:
        OutputError: the page cannot be written.
    """
    scratch = out.with_name(f".{out.name}.part")
    try:
        with scratch.open("w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.writelines(_parts(report, previews))
        scratch.replace(out)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise OutputError(f"cannot write {out}: {error.strerror}", "check space and permissions") from None


def render_report_page(report: Mapping[str, Any], previews: Path) -> str:
    """The page as text; arguments as for ``write_report_page``."""
    return "".join(_parts(report, previews))


def _parts(report: Mapping[str, Any], previews: Path) -> Iterator[str]:
    """The page piece by piece: of a run of very many pages it is never held as a whole."""
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
    return environment.get_template("report.html.jinja").generate(
        _context(report, previews),
        style=Markup(style),
        script=Markup(script),
        style_hash=_policy_hash(style),
        script_hash=_policy_hash(script),
        status_words=STATUS_WORDS,
    )


def _policy_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


@dataclass(slots=True)
class _Told:
    """What is told of all documents together, gathered from one after the other."""

    pages: int = 0
    pictured: int = 0
    groups: Counter[str] = field(default_factory=Counter)
    marks: dict[Mark, None] = field(default_factory=dict)
    review: list[tuple[DocumentView, PageView]] = field(default_factory=list)
    failures: list[tuple[DocumentView, int | None, Mapping[str, str]]] = field(default_factory=list)
    skipped: list[DocumentView] = field(default_factory=list)

    def add(self, view: DocumentView) -> None:
        """Take in a document, but not all of its pages."""
        brief = replace(view, pages=(), entry={name: view.entry[name] for name in DOCUMENT})
        self.pages += len(view.pages)
        for page in view.pages:
            self.groups.update(page.groups)
            if "review" in page.groups:
                self.review.append((brief, page))
        self.pictured += len(view.pictured)
        self.marks |= dict.fromkeys(mark for page in view.pictured for mark, _, _ in page.reasons)
        self.failures += [(brief, number, failure) for _, number, failure in failures_of(view)]
        if view.entry.get("status") == "SKIPPED":
            self.skipped.append(brief)


def _context(report: Mapping[str, Any], previews: Path) -> dict[str, Any]:
    """All that the template asks for, so that it decides nothing. It can ask for the documents once."""
    documents = report.get("documents", [])
    settings = report.get("settings", {})
    secret = bool(settings.get("anonymize"))
    order, keys = _by_gravity(documents)
    chosen = _pictured(documents, keys, previews, secret)

    def views() -> Iterator[DocumentView]:
        return (document_view(index, documents[index], chosen) for index in order)

    told = _Told()
    for view in views():
        told.add(view)
    summary: Verdict = verdict(report)
    return {
        "ended": report.get("ended_early"),
        "versions": report.get("versions", {}),
        "totals": _TOTALS | report.get("totals", {}),
        "settings": settings,
        "secret": secret,
        "verdict": summary,
        "documents": views(),
        "pages": told.pages,
        "review": told.review,
        "failures": told.failures,
        "skipped": told.skipped,
        "pictured": told.pictured,
        "most_pictured": MOST_PICTURED,
        "legend": [*dict.fromkeys((*told.marks, STAYS, UNSURE))] if told.marks else [],
        "filters": [(name, told.pages if name == "all" else told.groups[name]) for name in FILTERS],
    }


def _gravity(entry: Mapping[str, Any]) -> int:
    status = entry.get("status")
    return _GRAVITY.index(status) if status in _GRAVITY else len(_GRAVITY)


def _by_gravity(documents: Sequence[Mapping[str, Any]]) -> tuple[list[int], list[tuple[int, int, int]]]:
    """The documents, by index, and the pages with previews, as (gravity, document, page): the gravest first."""
    gravest, keys = [], []
    for d, document in enumerate(documents):
        pages = document.get("pages", [])
        gravest.append(min(map(_gravity, [document, *pages])))
        keys += [(_gravity(page), d, p) for p, page in enumerate(pages) if page.get("previews")]
    return sorted(range(len(gravest)), key=gravest.__getitem__), sorted(keys)


def _pictured(
    documents: Sequence[Mapping[str, Any]], keys: Sequence[tuple[int, int, int]], previews: Path, secret: bool
) -> dict[tuple[int, int], dict[str, Picture]]:
    """The pictures of at most ``MOST_PICTURED`` pages, gravest first, by index of document and page."""
    entry_of = lru_cache(maxsize=1)(documents.__getitem__)  # pages of one document mostly follow each other
    chosen: dict[tuple[int, int], dict[str, Picture]] = {}
    for _, d, p in keys:
        if len(chosen) == MOST_PICTURED:
            break
        named = entry_of(d)["pages"][p]["previews"]
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
