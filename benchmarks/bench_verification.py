"""What verification finds, and what it takes for text: on pages without any, and on the same with text set on them.

    python benchmarks/bench_verification.py SAMPLES [--pdfs FOLDER --pages 100] [--texts 3] [--remove handwriting]
        --out ROWS.jsonl

Pages without text are the `gt` pictures of SAMPLES, and one page of each of many PDFs, drawn without the operators that
show text, half of them then degraded as scans are (`blank_pages.py`; seeded). Each is verified as if nothing had been
removed; an alarm is a page on which something is left after all attempts, so that it needs review. With `--texts N`
every Nth page is taken instead, and six kinds of text are set on it where it is flattest: a text is found when 90 % of
its ink was replaced.

With `--remove handwriting` the pages are the printed ones of SAMPLES, on which nothing was written by hand; with
`--remove print` they are those without text. There what the first pass takes for ink of that kind is removed before
they are verified, as the program does. `--every N` takes every Nth page.

Pages without text may hold some nevertheless: letters drawn as outlines, words in photographs. Every page on which
something was found is saved beside ROWS.jsonl as it was and as it became: look at it before calling it an alarm. Rows
that are in the file already are not made again.
"""

from __future__ import annotations

import argparse
import json
import re
import time
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from blank_pages import TEXTS, all_blanks, printed_pages, set_text

from pipeline.types import Array, PageRef
from workflows.config import RunSettings
from workflows.pages.sight import Tools
from workflows.pages.tools import verification_tools
from workflows.pages.verification import Verdict, verify

FOUND = 0.9  # of a text's ink


def look_at_blank(blank: Array, tools: Tools) -> tuple[dict[str, Any], Verdict]:
    """What becomes of a page without text, in numbers, and the page itself."""
    removed, page = np.zeros(blank.shape[:2], bool), blank
    if tools.by_ink:
        removed = tools.find_ink(page, tools.detect(page))
        page = tools.remove(page, removed)
    verdict = verify(page, removed, tools)
    row: dict[str, Any] = {"found": {c.name: c.found for c in verdict.checks}, "attempts": verdict.attempts}
    row |= {"left": len(verdict.residual), "changed": round(float(verdict.mask.mean()), 5)}
    row["removed_at_first"] = round(float(removed.mean()), 5)
    row["boxes"] = [[int(v) for v in (*p.min(axis=0), *p.max(axis=0))] for p in verdict.residual]
    return row, verdict


def look_for_texts(blank: Array, tools: Tools) -> tuple[dict[str, Any], Verdict]:
    """The share of each text's ink that is replaced on a page that has them all, and the page."""
    page, inks, rng = blank, {}, np.random.default_rng(9)
    for kind in TEXTS:
        page, inks[kind] = set_text(page, kind, rng)
    verdict = verify(page, np.zeros(blank.shape[:2], bool), tools)
    replaced = {kind: round(float(verdict.mask[ink].mean()), 3) for kind, ink in inks.items()}
    return {"replaced": replaced, "left_with_texts": len(verdict.residual)}, verdict


def save_pictures(place: Path, blank: Array, verdict: Verdict) -> None:
    """The page before and after, side by side, with what is left framed."""
    after = verdict.image.copy()
    for polygon in verdict.residual:
        cv2.polylines(after, [polygon.astype(np.int32)], True, (255, 0, 0), 3)
    place.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(place), np.hstack([blank, after])[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])


def summary(rows: list[dict[str, Any]]) -> str:
    """The figures of all rows."""
    blanks = [row for row in rows if "left" in row]
    alarms = [row["page"] for row in blanks if row["left"]]
    touched = sum(row["attempts"] > 0 for row in blanks)
    lines = [f"{len(blanks)} pages without what goes: {touched} changed, {len(alarms)} need review", *alarms]
    for kind in TEXTS:
        own = [row["replaced"][kind] for row in rows if "replaced" in row]
        if own:
            found = sum(share >= FOUND for share in own)
            lines.append(f"{kind}: {found} of {len(own)} found, least {min(own):.2f} of the ink replaced")
    return "\n".join(lines)


def main() -> None:
    """Verify and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--pdfs", type=Path, help="a folder of born-digital PDFs")
    parser.add_argument("--pages", type=int, default=100, help="of them")
    parser.add_argument("--seed", type=int, default=6)
    parser.add_argument("--texts", type=int, default=0, help="set texts on every Nth page; 0: look at pages without")
    parser.add_argument("--remove", choices=("all", "handwriting", "print"), default="all")
    parser.add_argument("--every", type=int, default=1, help="look at every Nth page only")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    rows = [json.loads(line) for line in asked.out.read_text().splitlines()] if asked.out.exists() else []
    wanted, look = ("replaced", look_for_texts) if asked.texts else ("left", look_at_blank)
    known = {row["page"] for row in rows if wanted in row}
    tools = verification_tools(PageRef("page", 0), RunSettings(remove=asked.remove))
    pages = all_blanks(asked.samples, asked.pdfs, asked.pages, asked.seed)
    if asked.remove == "handwriting":
        pages = printed_pages(asked.samples)
    for number, (name, blank) in enumerate(pages):
        if name in known or number % (asked.texts or asked.every):
            continue
        begun = time.process_time()
        row, verdict = look(blank, tools)
        row = {"page": name, **row, "seconds": round(time.process_time() - begun, 1)}
        if verdict.mask.any():
            file_name = re.sub(r"[^-.\w]+", "_", f"{wanted} {name}") + ".jpg"
            save_pictures(asked.out.with_suffix("") / file_name, blank, verdict)
        with asked.out.open("a") as file:
            file.write(json.dumps(row) + "\n")
        rows.append(row)
        print(json.dumps(row), flush=True)
    print(summary(rows))


if __name__ == "__main__":
    main()
