"""What choosing text by what it says is worth: filled forms with known values, as scanned, through the real models.

    python benchmarks/bench_entities.py [--pages 10] [--seed 7] [--out results.json] [--look FOLDER]

Pages of 1654 x 2339 px (A4 at 200 dpi) in five fonts are filled with values of every kind, in five layouts: beside a
label, under one, in a sentence, broken over two lines, in cells. Between them stands text that must stay: labels,
sentences, order numbers, quantities. They are degraded as the training material is (``workflows.training.degrade``:
an eighth stays clean, the others get skew, blur, noise, JPEG and so on), then detected, read and chosen from with all
kinds of entities, a list of names and a pattern asked for at once.

A value is removed when at least 99 % of its ink is inside the parts that go. Text that must stay is hurt when more than
5 % of its ink is. A kind's precision is the share of the text's ink in the parts with its reason that belongs to values
of any kind. Ink is where a page with and without that text differ, after the same degradation.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from filled_forms import FONTS, NAMES, PATTERN, SIZE, Item, lay_out, load_font, scan

from detectors.base import DetectorSettings
from detectors.reading import TextReader
from detectors.registry import create_detector
from pipeline.choosing import LEAST_SCORE, Part, TextPolicy, choose_text
from pipeline.entities import KINDS, NAMED_KINDS
from pipeline.types import Array, PageRef

REMOVED, HURT = 0.99, 0.05


def covered(parts: Iterable[Part]) -> Array:
    """(H, W) bool: where parts lie."""
    mask = np.zeros(SIZE[::-1], np.uint8)
    for part in parts:
        cv2.fillConvexPoly(mask, np.rint(part.polygon * 16).astype(np.int32), 1, shift=4)
    return mask.astype(bool)


class Tally:
    """What happened to the texts of all pages, by kind."""

    def __init__(self) -> None:
        self.removed: dict[str, list[bool]] = defaultdict(list)
        self.ink: dict[str, list[int]] = defaultdict(lambda: [0, 0])
        self.lines: list[str] = []
        self.stayed: list[bool] = []

    def add(self, page: str, items: Sequence[Item], ink: Array, goes: Sequence[Part]) -> None:
        """Count one page."""
        gone = covered(goes)
        for number, item in enumerate(items, 1):
            share = float(gone[ink == number].mean()) if (ink == number).any() else 1.0
            if not item.kind:
                self.stayed.append(share <= HURT)
                if share > HURT:
                    self.lines.append(f"hurt   {page} {item.text!r}: {share:.0%} of its ink goes")
                continue
            self.removed[item.kind].append(share >= REMOVED)
            if share < REMOVED:
                self.lines.append(
                    f"missed {page} {item.kind} {item.text!r} ({len(item.drawn)} pieces): {share:.1%} goes"
                )
        wanted = np.array([False, *(bool(item.kind) for item in items)])
        for reason in {part.reason for part in goes}:
            inside = covered(part for part in goes if part.reason == reason) & (ink > 0)
            self.ink[reason.removeprefix("entity:")][0] += int(wanted[ink[inside]].sum())
            self.ink[reason.removeprefix("entity:")][1] += int(inside.sum())

    def report(self) -> dict[str, Any]:
        """Print the table and the misses; returns the figures."""
        rows: dict[str, Any] = {}
        print(f"{'kind':14}{'values':>7}{'removed':>9}{'recall':>8}{'precision':>11}")
        for kind in sorted({*self.removed, *self.ink}):
            hits, (right, all_ink) = self.removed.get(kind, []), self.ink[kind]
            recall, precision = (sum(hits) / len(hits) if hits else None), (right / all_ink if all_ink else None)
            rows[kind] = {"values": len(hits), "removed": sum(hits), "recall": recall, "precision": precision}
            shown = [f"{value:.1%}" if value is not None else "-" for value in (recall, precision)]
            print(f"{kind:14}{len(hits):7}{sum(hits):9}{shown[0]:>8}{shown[1]:>11}")
        every = [hit for hits in self.removed.values() for hit in hits]
        right, all_ink = (sum(pair[i] for pair in self.ink.values()) for i in (0, 1))
        print(f"{'all':14}{len(every):7}{sum(every):9}{np.mean(every):8.1%}{right / max(1, all_ink):11.1%}")
        print(f"text that must stay: {len(self.stayed)}, hurt: {len(self.stayed) - sum(self.stayed)}")
        print(*self.lines, sep="\n")
        return {"kinds": rows, "values": len(every), "removed": sum(every), "stays": len(self.stayed),
                "hurt": len(self.stayed) - sum(self.stayed), "lines": self.lines}  # fmt: skip


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", type=int, default=10)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--least-score", type=float, default=LEAST_SCORE)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--look", type=Path)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    kinds = tuple(kind for kind in KINDS if kind not in NAMED_KINDS)
    policy = TextPolicy((PATTERN,), kinds, NAMES, (), arguments.least_score)
    detector, reader, tally = create_detector("paddleocr", DetectorSettings()), TextReader(), Tally()
    seconds: dict[str, float] = defaultdict(float)
    for index in range(arguments.pages):
        rng = np.random.default_rng((arguments.seed, index))
        font = load_font(FONTS[index % len(FONTS)], int(rng.integers(26, 35)))
        items = lay_out(font, rng)
        image, ink = scan(items, font, arguments.seed * 1000 + index)
        started = time.process_time()
        regions = detector.detect(image, PageRef("form", index))
        found = time.process_time()
        regions, readings = reader.read_lines(image, regions)
        read = time.process_time()
        choice = choose_text(regions, readings, policy)
        for name, spent in (
            ("detect", found - started),
            ("read", read - found),
            ("choose", time.process_time() - read),
        ):
            seconds[name] += spent
        tally.add(f"page {index} ({FONTS[index % len(FONTS)]})", items, ink, choice.goes)
        if arguments.look:
            _show(arguments.look / f"{index}.png", image, choice.goes)
            said = "\n".join(f"{reading.score:.2f} {reading.text}" for reading in readings)
            (arguments.look / f"{index}.txt").write_text(said, encoding="utf-8")
    report = tally.report()
    print("CPU seconds a page:", {name: round(spent / arguments.pages, 2) for name, spent in seconds.items()})
    if arguments.out:
        arguments.out.write_text(json.dumps(report, indent=1), encoding="utf-8")


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
