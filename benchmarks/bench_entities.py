"""What choosing text by what it says is worth: filled forms with known values, as scanned, through the real models.

    python benchmarks/bench_entities.py [--pages 10] [--seed 31 61] [--table benchmarks/entities.md] [--look FOLDER]

Pages of 1654 x 2339 px (A4 at 200 dpi) in five fonts are filled with values of every kind, in five layouts: beside a
label, under one, in a sentence, broken over two lines, in cells. Between them stands text that must stay: labels,
sentences, order numbers, quantities. They are degraded as the training material is (``workflows.training.degrade``:
an eighth stays clean, the others get skew, blur, noise, JPEG and so on). Each goes the whole way through the program,
with all kinds of entities, a list of names and a pattern asked for at once: detected, read, chosen from, removed (by
the classical fill; which remover says nothing here), verified. ``--chosen`` stops when it is chosen what goes.

A value is chosen when at least 99 % of its ink is inside the parts that go, and gone when at least 95 % of it has
another colour in the end (strokes end where no ink is seen, parts do not). Text that must stay is hurt when more than
5 % of its ink is or has. A kind's precision is the share of the text's ink in the parts with its reason that belongs to
values of any kind. Ink is where a page with and without that text differ, after the same degradation.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import product
from pathlib import Path

import cv2
import numpy as np
from entities_table import Outcome, as_markdown, as_text
from filled_forms import FONTS, NAMES, PATTERN, SIZE, Item, lay_out, load_font, scan

from detectors.reading import TextReader
from pipeline.choosing import LEAST_SCORE, Part, TextPolicy, choose_text
from pipeline.documents import DocumentKind
from pipeline.entities import KINDS, NAMED_KINDS
from pipeline.masks import polygon_mask
from pipeline.readings import Reading
from pipeline.results import PageStatus
from pipeline.types import Array, PageRef, TextRegion
from workflows.config import RunSettings
from workflows.pages import tasks
from workflows.pages.pictures import PageTarget

SEEN = [kind for kind in KINDS if kind not in NAMED_KINDS]


def covered(parts: Iterable[Part]) -> Array:
    """(H, W) bool: where parts lie."""
    mask = np.zeros(SIZE[::-1], np.uint8)
    for part in parts:
        cv2.fillConvexPoly(mask, np.rint(part.polygon * 16).astype(np.int32), 1, shift=4)
    return mask.astype(bool)


def read_as(ink: Array, regions: Sequence[TextRegion], readings: Sequence[Reading]) -> str:
    """What the lines say that hold a text's ink, (H, W) bool, from the top."""
    low = [tuple(region.polygon.min(axis=0)[::-1]) for region in regions]
    holding = [k for k, region in enumerate(regions) if (polygon_mask([region.polygon], *ink.shape) & ink).any()]
    return " / ".join(readings[k].text for k in sorted(holding, key=low.__getitem__))


class Bench:
    """Cleans pages and says what became of the texts on them."""

    def __init__(self, folder: Path, least_score: float, whole: bool) -> None:
        names = folder / "names.txt"
        names.write_text("\n".join(NAMES), encoding="utf-8")
        self.policy = TextPolicy((PATTERN,), tuple(SEEN), NAMES, (), least_score)
        self.settings = RunSettings(
            match=(PATTERN,), entities=",".join(SEEN), words=names, least_score=least_score, lossless=True,
            remover="fill",
        )  # fmt: skip
        self.reader, self.folder, self.whole = TextReader(), folder, whole
        self.reviewed = 0
        self.inks: dict[str, list[int]] = defaultdict(lambda: [0, 0])

    def clean(self, image: Array, items: Sequence[Item], ink: Array) -> tuple[list[Outcome], list[Part]]:
        """What becomes of the texts of one page, and the parts that were chosen."""
        path = self.folder / "page.png"
        cv2.imwrite(str(path), image[..., ::-1])
        prepared = tasks.prepare_page(PageRef(str(path), 0), self.settings)
        lines, readings = self.reader.read_lines(image, prepared.regions)
        goes = list(choose_text(lines, readings, self.policy).goes)
        chosen, gone = covered(goes), None
        if self.whole:
            target = PageTarget(str(self.folder / "out.png"), DocumentKind.PNG)
            removed = tasks.remove_text(prepared, self.settings)
            done = tasks.finish_page(prepared, removed, self.settings, target)
            self.reviewed += done.status is PageStatus.NEEDS_REVIEW
            gone = (cv2.imread(target.path)[..., ::-1] != image).any(axis=2)
        told = []
        for number, item in enumerate(items, 1):
            own = ink == number
            if own.any():
                shares = float(chosen[own].mean()), None if gone is None else float(gone[own].mean())
                told.append(Outcome(item.kind, item.text, len(item.drawn), *shares, read_as(own, lines, readings)))
        self._weigh(goes, items, ink)
        return told, goes

    def _weigh(self, goes: Sequence[Part], items: Sequence[Item], ink: Array) -> None:
        """Count, by reason, the ink in the parts that go, and how much of it belongs to values."""
        wanted = np.array([False, *(bool(item.kind) for item in items)])
        for reason in {part.reason for part in goes}:
            inside = covered(part for part in goes if part.reason == reason) & (ink > 0)
            self.inks[reason.removeprefix("entity:")][0] += int(wanted[ink[inside]].sum())
            self.inks[reason.removeprefix("entity:")][1] += int(inside.sum())


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=10, help="of each seed")
    parser.add_argument("--seed", type=int, nargs="+", default=[31, 61])
    parser.add_argument("--least-score", type=float, default=LEAST_SCORE)
    parser.add_argument("--chosen", action="store_true", help="look at what is chosen only, and remove nothing")
    parser.add_argument("--table", type=Path, help="write the table here, as Markdown")
    parser.add_argument("--look", type=Path, help="save pictures of the parts that go here")
    asked = parser.parse_args()
    cv2.setNumThreads(1)
    pages: dict[str, list[Outcome]] = {}
    with tempfile.TemporaryDirectory() as folder:
        bench = Bench(Path(folder), asked.least_score, not asked.chosen)
        for seed, index in product(asked.seed, range(asked.pages)):
            rng = np.random.default_rng((seed, index))
            font = load_font(FONTS[index % len(FONTS)], int(rng.integers(26, 35)))
            items = lay_out(font, rng)
            image, ink, steps = scan(items, font, seed * 1000 + index)
            name = (
                f"{seed}.{index + 1}, {FONTS[index % len(FONTS)].removesuffix('.ttf')}: {', '.join(steps) or 'clean'}"
            )
            pages[name], goes = bench.clean(image, items, ink)
            print(name, flush=True)
            if asked.look:
                _show(asked.look / f"{seed}.{index + 1}.png", image, goes)
    print(as_text(pages, bench.inks))
    print(f"{bench.reviewed} of {len(pages)} pages need review.")
    if asked.table:
        words = f"--pages {asked.pages} --seed {' '.join(map(str, asked.seed))}" + " --chosen" * asked.chosen
        asked.table.write_text(as_markdown(pages, bench.inks, words, bench.reviewed), encoding="utf-8")


def _show(path: Path, image: Array, goes: Iterable[Part]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = np.ascontiguousarray(image[..., ::-1])
    for part in goes:
        cv2.polylines(shown, [np.rint(part.polygon).astype(np.int32)], True, (0, 0, 255), 2)
        corner = tuple(int(v) for v in part.polygon[0])
        cv2.putText(shown, part.reason, corner, cv2.FONT_HERSHEY_SIMPLEX, 0.5, (255, 0, 0), 1)
    cv2.imwrite(str(path), shown)


if __name__ == "__main__":
    main()
