"""What verification finds, and what it takes for text: on blank pages, and on the same with text set on them.

    python benchmarks/bench_verification.py SAMPLES [--sets scan clean]

SAMPLES holds pairs of pages with and without their text. Those without are verified as if nothing had been removed;
then six kinds of text are set on each where it is flattest (seeded), and it is verified again. Prints, per page, what
the looks found, how often something was removed, what was left, CPU seconds, and the share of each text's ink that was
replaced. Some of the blank pages hold text in photographs and logos: look at what was changed before calling it an
alarm.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import cv2
import numpy as np

from pipeline.types import Array, PageRef
from workflows.config import RunSettings
from workflows.tools import verification_tools
from workflows.verification import verify

TEXTS = {
    "tiny": ("tiny secret 4711", 0.36, 1),
    "faint": ("Faint secret 42", 0.9, 2),
    "vertical": ("Vertical text", 0.9, 2),
    "inverse": ("White on dark", 0.9, 2),
    "single": ("A", 0.95, 2),
    "plain": ("Left behind", 0.9, 2),
}
FONT = cv2.FONT_HERSHEY_DUPLEX
FAINT = 18  # grey levels


def flattest(image: Array, width: int, height: int, rng: np.random.Generator) -> tuple[int, int]:
    """A place for a rectangle where the page varies least, of 400 tried."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    best = (np.inf, 0, 0)
    for _ in range(400):
        x, y = int(rng.integers(60, grey.shape[1] - width - 60)), int(rng.integers(60, grey.shape[0] - height - 60))
        best = min(best, (float(grey[y - 8 : y + height + 8, x - 8 : x + width + 8].std()), x, y))
    return best[1], best[2]


def set_text(image: Array, kind: str, rng: np.random.Generator) -> tuple[Array, Array]:
    """The page with one text on it, and where its ink is, (H, W) bool."""
    text, size, weight = TEXTS[kind]
    (width, height), below = cv2.getTextSize(text, FONT, size, weight)
    stamp = np.zeros((height + below + 12, width + 12), np.uint8)
    cv2.putText(stamp, text, (6, height + 6), FONT, size, 255, weight, cv2.LINE_AA)
    if kind == "vertical":
        stamp = np.ascontiguousarray(np.rot90(stamp))
    x, y = flattest(image, stamp.shape[1], stamp.shape[0], rng)
    place = (slice(y, y + stamp.shape[0]), slice(x, x + stamp.shape[1]))
    page, cover = image.astype(np.float32), stamp[..., None].astype(np.float32) / 255
    if kind == "inverse":
        page[place] = 40 + cover * 195
    elif kind == "faint":
        page[place] -= FAINT * cover
    else:
        page[place] += cover * (35 - page[place])
    ink = np.zeros(image.shape[:2], bool)
    ink[place] = stamp > 128
    return page.round().clip(0, 255).astype(np.uint8), ink


def main() -> None:
    """Verify and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--sets", nargs="+", default=["scan", "clean"])
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    tools = verification_tools(PageRef("page", 0), RunSettings())
    for name in asked.sets:
        for source in sorted((asked.samples / "pairs" / name / "gt").iterdir()):
            blank = np.ascontiguousarray(cv2.imread(str(source))[..., ::-1])
            nothing = np.zeros(blank.shape[:2], bool)
            begun = time.process_time()
            verdict = verify(blank, nothing, tools)
            seconds = round(time.process_time() - begun, 1)
            row = {"page": f"{name}/{source.stem}", "found": [c.found for c in verdict.checks], "seconds": seconds}
            row |= {"attempts": verdict.attempts, "left": len(verdict.residual), "changed": int(verdict.mask.sum())}
            page, inks, rng = blank, {}, np.random.default_rng(9)
            for kind in TEXTS:
                page, inks[kind] = set_text(page, kind, rng)
            again = verify(page, nothing, tools)
            row["replaced"] = {kind: round(float(again.mask[ink].mean()), 2) for kind, ink in inks.items()}
            print(json.dumps(row | {"left_of_texts": len(again.residual)}), flush=True)


if __name__ == "__main__":
    main()
