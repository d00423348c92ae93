"""A report and previews to make report pages from, in the tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pipeline.previews import PageViews, make_previews

FAILURE = {"kind": "InputError", "stage": "", "what": "b.pdf is damaged", "remedy": "scan it again"}


def drawn_page(height: int = 600, width: int = 440) -> tuple[np.ndarray, np.ndarray]:
    """A page with three lines of text, (H, W, 3) uint8, and its ink, (H, W) bool."""
    ink = np.zeros((height, width), bool)
    for top in (height // 6, height // 3, 2 * height // 3):
        for left in range(width // 8, width // 2, 12):
            ink[top : top + 14, left : left + 5] = True
    image = np.full((height, width, 3), 235, np.uint8)
    image[ink] = 20
    return image, ink


def page_entry(number: int, status: str = "RESTORED", **more: Any) -> dict[str, Any]:
    return {
        "page_number": number,
        "status": status,
        "regions": 3,
        "regions_left": 0,
        "changed_pixels": 1234,
        "seconds": {"detect": 1.5, "remove": 0.25},
        "notes": [],
        "failure": None,
    } | more


def document_entry(source: str, status: str = "RESTORED", pages: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    output = None if status in ("FAILED", "SKIPPED") else f"cleaned/{source}"
    return {
        "source": source,
        "output": output,
        "outputs": [output] if output else [],
        "status": status,
        "reused": False,
        "reason": "no kind of document we know" if status == "SKIPPED" else None,
        "failure": FAILURE if status == "FAILED" else None,
        "pages": list(pages),
    }


def report_of(*documents: dict[str, Any], **settings: Any) -> dict[str, Any]:
    """A report over these documents; ``settings`` are those of the run."""
    found = [page["status"] for document in documents for page in document["pages"]]
    kinds = [document["status"] for document in documents]
    return {
        "versions": {"restore-docs": "0.1.0"},
        "settings": {"remove": "all", "lossless": False, "regions": None} | settings,
        "totals": {
            "documents": {"total": len(kinds)} | {kind: kinds.count(kind) for kind in kinds},
            "pages": {"total": len(found)} | {status: found.count(status) for status in found},
            "regions": 3 * len(found),
            "reused_documents": 0,
            "seconds": 433.0,
        },
        "ended_early": None,
        "documents": list(documents),
    }


def write_previews(folder: Path, stem: str) -> dict[str, str]:
    """Write the previews of a drawn page; the names that the report has for them."""
    image, ink = drawn_page()
    cleaned = np.full_like(image, 235)
    folder.mkdir(exist_ok=True)
    names = {}
    for name, data in make_previews(PageViews(cleaned, image, {"handwriting": ink})).items():
        names[name] = f"{stem}-{name}.jpg"
        (folder / names[name]).write_bytes(data)
    return names


def full_report(folder: Path) -> dict[str, Any]:
    """A run with a page of every kind: restored, to be reviewed, failed, unchanged; and an input that is skipped."""
    review = page_entry(
        2,
        "NEEDS_REVIEW",
        regions_left=1,
        previews=write_previews(folder, "a2"),
        reasons={"handwriting": 1000, "entity:email": 250},
        checks=[
            {"name": "detector", "found": 0},
            {"name": "stroke network", "found": 1},
        ],
        residual_boxes=[[0.1, 0.1, 0.5, 0.2]],
        removed_again=3,
    )
    restored = page_entry(
        1, previews=write_previews(folder, "a1"), reasons={"handwriting": 9}, checks=[], removed_again=1
    )
    broken = page_entry(1, "FAILED", failure=FAILURE)
    return report_of(
        document_entry("c.jpg", "UNCHANGED", (page_entry(1, "UNCHANGED"),)),
        document_entry("a.pdf", "NEEDS_REVIEW", (restored, review)),
        document_entry("b.pdf", "FAILED", (broken,)),
        document_entry("notes.txt", "SKIPPED"),
    )
