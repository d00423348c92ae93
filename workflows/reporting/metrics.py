"""``--metrics FILE``: what became of a run, as Prometheus text, for node_exporter's textfile collector and its like."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pipeline.errors import OutputError
from pipeline.results import DocumentResult, DocumentStatus, PageStatus


def write_metrics(documents: Sequence[DocumentResult], seconds: float, code: int, path: Path) -> None:
    """Write the numbers in one step; no names, but of statuses and stages. Raises OutputError."""
    from prometheus_client import CollectorRegistry, Gauge, write_to_textfile

    registry = CollectorRegistry()

    def gauge(name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"restore_docs_{name}", text, labels, registry=registry)

    counted = gauge("documents", "Inputs of the last run by what became of them.", "status")
    found: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    spent: Counter[str] = Counter()
    reused = 0
    for document in documents:
        found[document.status] += 1
        reused += document.reused
        for page in () if document.reused else document.pages:
            seen[page.status] += 1
            spent.update(page.seconds)
    for status in DocumentStatus:
        counted.labels(status=status.value).set(found[status])
    gauge("reused_documents", "Documents that an earlier run had finished.").set(reused)
    counted = gauge(
        "pages", "Pages of the last run by what became of them, without those of reused documents.", "status"
    )
    for kind in PageStatus:
        counted.labels(status=kind.value).set(seen[kind])
    stages = gauge("stage_seconds", "Seconds spent in each stage, all pages together.", "stage")
    for stage, total in sorted(spent.items()):
        stages.labels(stage=stage).set(total)
    gauge("run_seconds", "Wall time of the last run.").set(seconds)
    gauge("run_exit_code", "Exit code of the last run; 0 is success.").set(code)
    gauge("run_end_timestamp_seconds", "When the last run ended.").set(time.time())
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_to_textfile(str(path), registry)
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror}", "check --metrics") from None
