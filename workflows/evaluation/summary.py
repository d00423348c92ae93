"""Many pages' figures as means with confidence intervals, and those as JSON, CSV and a table."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.errors import OutputError
from pipeline.types import Array
from workflows.evaluation.scoring import Scored, with_f

RESAMPLES = 2000
CONFIDENCE = 95  # percent
SHOWN = {
    "pairs": ("tpsnr", "bgpsnr", "ink", "struct", "psnr", "mssim", "age", "peps"),
    "scut": ("psnr", "mssim_legacy", "mse", "age", "peps", "pceps", "tpsnr", "ink"),
}
ALSO_SHOWN = ("deteval_f", "iou_f", "ocr_left", "kept", "fid")

Values = dict[str, float]


def average(scored: Sequence[Scored]) -> Values:
    """Each figure over all pages: the mean of its values, or of regions and words the share of all of them."""
    names = _names(scored)
    over, under = _arrays(scored, names)
    totals, counts = over.sum(axis=0), under.sum(axis=0)
    means = np.divide(totals, counts, out=np.full(len(names), np.nan), where=counts > 0)
    return with_f(dict(zip(names, means.tolist(), strict=True)))


def intervals(scored: Sequence[Scored], seed: int) -> dict[str, tuple[float, float]]:
    """95 % confidence intervals of ``average``: the percentile bootstrap over pages, 2000 resamples.

    They say how much the choice of pages matters, not how well these pages stand for others. Empty for fewer than two
    pages.
    """
    if len(scored) < 2:
        return {}
    names = _names(scored)
    over, under = _arrays(scored, names)
    picks = np.random.default_rng(seed).integers(0, len(scored), (RESAMPLES, len(scored)))
    totals, counts = over[picks].sum(axis=1), under[picks].sum(axis=1)
    drawn = np.divide(totals, counts, out=np.full(totals.shape, np.nan), where=counts > 0)
    columns = _with_f_columns(dict(zip(names, drawn.T, strict=True)))
    tail = (100 - CONFIDENCE) / 2
    found = {}
    for name, values in columns.items():
        known = values[~np.isnan(values)]
        if known.size:
            low, high = np.percentile(known, (tail, 100 - tail))
            found[name] = (float(low), float(high))
    return found


def _with_f_columns(columns: dict[str, Array]) -> dict[str, Array]:
    rows = [with_f(dict(zip(columns, row, strict=True))) for row in np.stack(list(columns.values()), axis=1).tolist()]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _names(scored: Sequence[Scored]) -> list[str]:
    return list(dict.fromkeys(name for page in scored for name in page.figures))


def _arrays(scored: Sequence[Scored], names: Sequence[str]) -> tuple[Array, Array]:
    """Numerators and denominators, (pages, figures) float64 each; 0 over 0 where a page has no such figure."""
    parts = np.zeros((2, len(scored), len(names)))
    for i, page in enumerate(scored):
        for j, name in enumerate(names):
            if name in page.figures:
                parts[:, i, j] = page.figures[name].over, page.figures[name].under
    return parts[0], parts[1]


def summarize(scored: Sequence[Scored], errors: Sequence[dict[str, str]], seed: int) -> dict[str, Any]:
    """All that the JSON says of the pages; figures that there are none of are None."""
    groups = sorted({page.group for page in scored if page.group})
    return {
        "count": len(scored),
        "mean": average(scored) if scored else {},
        "intervals": {name: list(ends) for name, ends in intervals(scored, seed).items()},
        "groups": {
            group: {"count": len(pages), **average(pages)}
            for group in groups
            for pages in [[page for page in scored if page.group == group]]
        },
        "images": [
            {"name": page.name, "group": page.group, **page.values, **page.notes} for page in scored
        ],
        "errors": list(errors),
    }  # fmt: skip


def write_json(content: dict[str, Any], path: Path) -> None:
    """Write the summary; NaN becomes null. Raises OutputError."""
    _write(path, json.dumps(_without_nan(content), indent=1, ensure_ascii=False) + "\n")


def write_csv(summary: dict[str, Any], path: Path) -> None:
    """Write a row for each page, then the mean and both ends of its interval. Raises OutputError."""
    names = list(dict.fromkeys(name for image in summary["images"] for name in image))
    names += [name for name in summary["mean"] if name not in names]
    text = io.StringIO()
    table = csv.DictWriter(text, names, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows(_without_nan(summary["images"]))
    table.writerow({"name": "(mean)", **_without_nan(summary["mean"])})
    for index, end in enumerate(("low", "high")):
        ends = {name: both[index] for name, both in summary["intervals"].items()}
        table.writerow({"name": f"({CONFIDENCE} % {end})", **ends})
    for error in summary["errors"]:
        table.writerow({"name": error["name"], "group": f"(error: {error['error']})"})
    _write(path, text.getvalue())


def print_table(summary: dict[str, Any], layout: str) -> None:
    """Print the figures that matter, by group and over all, with the interval of the mean, to stdout."""
    from rich.console import Console
    from rich.table import Table

    mean = summary["mean"]
    names = [name for name in (*SHOWN[layout], *ALSO_SHOWN) if name in mean]
    table = Table("group", "n", *names)
    for column in table.columns[1:]:
        column.justify = "right"
    for group, values in summary["groups"].items():
        table.add_row(group, str(values["count"]), *(_show(values.get(name)) for name in names))
    table.add_section()
    table.add_row("all", str(summary["count"]), *(_show(mean[name]) for name in names))
    ends = summary["intervals"]
    if ends:
        shown = (f"{_show(ends[name][0])}-{_show(ends[name][1])}" if name in ends else "" for name in names)
        table.add_row(f"{CONFIDENCE} %", "", *shown)
    Console(soft_wrap=True, width=max(100, 16 * (len(names) + 2))).print(table)


def _show(value: float | None) -> str:
    return "-" if value is None or np.isnan(value) else f"{value:.2f}"


def _without_nan(content: Any) -> Any:
    if isinstance(content, dict):
        return {key: _without_nan(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [_without_nan(value) for value in content]
    return None if isinstance(content, float) and not np.isfinite(content) else content


def _write(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}", "check space and permissions") from None
