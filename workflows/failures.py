"""What makes a document fail: pages that failed, and with ``--anonymize`` pages that may still hold text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipeline.results import Failure, PageResult, PageStatus


def fail_closed(page: PageResult) -> PageResult:
    """A page that may still hold text, as one that failed."""
    if page.status is not PageStatus.NEEDS_REVIEW:
        return page
    where = f"page {page.ref.page_number} of {Path(page.ref.document).name}"
    kind, what = "InDoubt", f"{where}: {'; '.join(page.doubts)}"
    if page.residual_count:
        kind, what = "TextLeft", "; ".join((f"{where} may still hold text", *page.doubts))
    remedy = "look at it without --anonymize, and help with --zones or --detector annotated"
    return replace(page, failure=Failure(kind, "verify", what, remedy), path=None)


def document_failure(source: str, count: int, failed: Sequence[PageResult]) -> Failure:
    """Say which of a document's ``count`` pages failed and why the first did."""
    first = failed[0].failure
    assert first is not None
    if count == 1:
        return first
    numbers = ", ".join(str(page.ref.page_number) for page in failed[:10]) + (" ..." if len(failed) > 10 else "")
    what = f"{source}: {len(failed)} of {count} pages failed (page {numbers}); nothing was written"
    remedy = first.remedy or "--on-page-error keep-original"
    return Failure(first.kind, first.stage, f"{what}. First: {first.what}", remedy)
