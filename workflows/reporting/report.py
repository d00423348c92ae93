"""The report of a run: ``report.json``, the closing line, and the events of ``--json``. No text content, ever."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import OutputError
from pipeline.results import DocumentResult, DocumentStatus, Failure, PageResult, PageStatus
from workflows.config import RunSettings
from workflows.storage.kept_results import InOrder
from workflows.storage.places import join
from workflows.versions import versions


def totals(documents: Sequence[DocumentResult], seconds: float) -> dict[str, Any]:
    """Counts by status over documents and pages; ``reused`` are documents an earlier run had finished."""
    found: Counter[str] = Counter()
    pages: Counter[str] = Counter()
    regions = reused = 0
    for document in documents:
        found[document.status.value] += 1
        reused += document.reused
        pages.update(page.status.value for page in document.pages)
        regions += sum(page.region_count for page in document.pages)
    return {
        "documents": _counted(DocumentStatus, found),
        "pages": _counted(PageStatus, pages),
        "regions": regions,
        "reused_documents": reused,
        "seconds": round(seconds, 3),
    }


def _counted(statuses: type[DocumentStatus] | type[PageStatus], counts: Counter[str]) -> dict[str, int]:
    return {"total": counts.total()} | {status.value: counts[status.value] for status in statuses}


def page_entry(page: PageResult) -> dict[str, Any]:
    """One page as the report shows it."""
    return {
        "page_number": page.ref.page_number,
        "status": page.status.value,
        "regions": page.region_count,
        "regions_left": page.residual_count,
        "residual_boxes": [list(box) for box in page.residual],
        "checks": [{"name": check.name, "found": check.found} for check in page.checks],
        "removed_again": page.attempts,
        "reasons": dict(page.reasons),
        "previews": dict(page.previews),
        "changed_pixels": page.changed_pixels,
        "seconds": {stage: round(spent, 4) for stage, spent in page.seconds.items()},
        "doubts": list(page.doubts),
        "notes": list(page.notes),
        "failure": failure_entry(page.failure),
    }


def failure_entry(failure: Failure | None) -> dict[str, str] | None:
    """A failure as the report shows it: kind, stage, what happened, what to do."""
    if failure is None:
        return None
    return {"kind": failure.kind, "stage": failure.stage, "what": failure.what, "remedy": failure.remedy}


def document_entry(document: DocumentResult, names_only: bool = False) -> dict[str, Any]:
    """One document as the report shows it; ``output`` is the first file written for it, or null.

    ``names_only`` leaves the outputs' folder out.
    """
    outputs = [Path(output).name if names_only else output for output in document.outputs]
    return {
        "source": document.source,
        "output": outputs[0] if outputs else None,
        "outputs": outputs,
        "status": document.status.value,
        "reused": document.reused,
        "reason": document.skipped or None,
        "failure": failure_entry(document.failure),
        "pages": [page_entry(page) for page in document.pages],
    }


def build_report(
    documents: Sequence[DocumentResult], settings: RunSettings, seconds: float, ended: Failure | None
) -> dict[str, Any]:
    """The whole report; ``ended`` is why the run stopped before its end, if it did.

    Its documents are made one by one, whenever those who write them ask for them.
    """
    return {
        "versions": versions(),
        "settings": settings.public(),
        "totals": totals(documents, seconds),
        "ended_early": failure_entry(ended),
        "documents": InOrder(len(documents), lambda place: document_entry(documents[place], settings.anonymize)),
    }


def write_report(report: dict[str, Any], path: Path) -> None:
    """Write the report in one step: a reader never sees half of it. Its documents come last. Raises OutputError."""
    scratch = path.with_name(f".{path.name}.part")
    head = {name: value for name, value in report.items() if name != "documents"}
    try:
        with scratch.open("w", encoding="utf-8") as file:
            file.write(json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}") + ',\n "documents": [')
            for number, document in enumerate(report["documents"]):
                text = json.dumps(document, indent=1, ensure_ascii=False)
                file.write(("," if number else "") + "\n  " + text.replace("\n", "\n  "))
            file.write("\n ]\n}\n")
        scratch.replace(path)
    except OSError as error:
        scratch.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {error.strerror}", "check space and permissions") from None


def closing_line(documents: Sequence[DocumentResult], seconds: float, out: str) -> str:
    """One line for a person: what became of documents and pages, how long it took, and where the results are."""
    told = totals(documents, seconds)
    done = told["pages"]["total"]
    rate = f", {done / seconds:.2f} pages/s" if done and seconds else ""
    parts = [f"{_some(told['documents']['total'], 'document')}: {_in_words(told['documents'])}"]
    if done:
        parts.append(f"{_some(done, 'page')}: {_in_words(told['pages'])}")
    if told["reused_documents"]:
        parts.append(f"{_some(told['reused_documents'], 'document')} done already")
    return f"{'; '.join(parts)}; {seconds:.1f} s{rate}; results in {out}, report in {join(out, 'report.json')}"


def _some(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _in_words(counts: dict[str, int]) -> str:
    named = [
        f"{count} {status.lower().replace('_', ' ')}" for status, count in counts.items() if count and status != "total"
    ]
    return ", ".join(named) or "none"
