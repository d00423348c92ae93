"""What each fill is worth by itself: the true strokes as the mask, so that nothing but the fill can be wrong.

    python benchmarks/bench_fills.py [--samples ../shared/samples] [--sets scan hand] [--weights FILE] [--out DIR]

The mask is the pairs' own, grown by 1 px. Telea and Navier-Stokes are OpenCV's with a radius of 3 px; "median" is the
nearest known pixel, then a median of 21 px; the others are the removers, run over tiles as the program does. Prints
tPSNR (dB) by group of pages, struct, seconds a page, and how each compares with the best of the first four.
``score.py`` beside the samples says what those mean. ``--out`` keeps the pages.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from pipeline.paper import from_nearest
from pipeline.stitching import stitch
from pipeline.structure import structure_at
from pipeline.tiling import TILE_MARGIN, PageMaps, cut_tiles, plan_tiles
from pipeline.types import Array
from remover.base import Remover, RemoverSettings
from remover.registry import create_remover

CLASSICAL = ("telea", "navier-stokes", "median", "fill")
Fill = Callable[[Array, Array], Array]


def inpaint(method: int) -> Fill:
    """OpenCV's inpainting as a fill of (H, W, 3) uint8 RGB under (H, W) bool."""
    return lambda image, mask: cv2.inpaint(image, mask.astype(np.uint8), 3, method)


def fill_by_median(image: Array, mask: Array) -> Array:
    """The nearest known pixel, then a median of 21 px, under the mask."""
    near = cv2.medianBlur(from_nearest(image, (~mask).astype(np.uint8)), 21)
    return np.where(mask[..., None], near, image)


def fill_by(remover: Remover) -> Fill:
    """A remover as the program runs it: planned tiles, stitched."""

    def apply(image: Array, mask: Array) -> Array:
        boxes = plan_tiles(mask, remover.tile_side)
        structure = structure_at(image, boxes) if remover.needs_structure else None
        soft = mask.astype(np.float32) if remover.needs_soft_mask else None
        tiles = cut_tiles(image, PageMaps(mask, mask, soft, structure), boxes)
        return stitch(image, mask, remover.remove(tiles), TILE_MARGIN)

    return apply


def make_fills(names: list[str], settings: RemoverSettings) -> dict[str, Fill]:
    """The fills by name."""
    plain = {
        "telea": inpaint(cv2.INPAINT_TELEA),
        "navier-stokes": inpaint(cv2.INPAINT_NS),
        "median": fill_by_median,
    }
    return {name: plain[name] if name in plain else fill_by(create_remover(name, settings)) for name in names}


def fill_pages(pairs: Path, fill: Fill, target: Path) -> float:
    """Fill every page of a folder of pairs under its true strokes; the seconds a page took."""
    target.mkdir(parents=True, exist_ok=True)
    seconds = []
    for source in sorted((pairs / "input").iterdir()):
        image = np.ascontiguousarray(cv2.imread(str(source))[..., ::-1])
        strokes = (cv2.imread(str(pairs / "mask" / f"{source.stem}.png"), 0) > 0).astype(np.uint8)
        mask = cv2.dilate(strokes, np.ones((3, 3), np.uint8)) > 0
        begun = time.perf_counter()
        result = fill(image, mask)
        seconds.append(time.perf_counter() - begun)
        cv2.imwrite(str(target / f"{source.stem}.png"), result[..., ::-1])
    return float(np.mean(seconds))


def score(samples: Path, pairs: Path, pages: Path) -> dict[str, float]:
    """tPSNR by group, of all pages, and struct, by the samples' own scorer."""
    with tempfile.TemporaryDirectory() as folder:
        answer = Path(folder) / "scores.json"
        words = ["--pairs", pairs, "--pred", pages, "--out", answer, "--jobs", "1"]
        subprocess.run([sys.executable, samples / "score.py", *words], check=True, stdout=subprocess.DEVNULL)
        scores = json.loads(answer.read_text())
    rows = scores["pages"]
    groups = sorted({row["group"] for row in rows})
    means = {group: float(np.mean([row["tPSNR"] for row in rows if row["group"] == group])) for group in groups}
    return means | {"all": scores["overall"]["tPSNR"], "struct": scores["overall"]["struct"]}


def print_table(name: str, results: dict[str, dict[str, float]]) -> None:
    """One set of pairs: a row per fill, and of those that are not classical how far they are from the best that is."""
    columns = list(next(iter(results.values())))
    print(f"\n{name:15s}" + "".join(f"{column:>9s}" for column in columns))
    for fill, row in results.items():
        print(f"{fill:15s}" + "".join(f"{row[column]:9.2f}" for column in columns))
    classical = [row for fill, row in results.items() if fill in CLASSICAL]
    for fill, row in results.items():
        if classical and fill not in CLASSICAL:
            groups = columns[:-3]
            gains = (row[group] - max(other[group] for other in classical) for group in groups)
            print(f"{fill + ' gains':15s}" + "".join(f"{gain:+9.2f}" for gain in gains))


def main() -> None:
    """Fill, score and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=Path, default=Path(__file__).parents[2] / "shared" / "samples")
    parser.add_argument("--sets", nargs="+", default=["scan", "hand"])
    parser.add_argument("--fills", nargs="+", default=[*CLASSICAL, "ctrnet", "auto"])
    parser.add_argument("--weights", type=Path, help="of CTRNet; those that are shipped if not given")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    cv2.setNumThreads(asked.threads)
    settings = RemoverSettings(weights=asked.weights, threads=asked.threads, precision=asked.precision)
    fills = make_fills(asked.fills, settings)
    with tempfile.TemporaryDirectory() as folder:
        for name in asked.sets:
            pairs, results = asked.samples / "pairs" / name, {}
            for fill, apply in fills.items():
                pages = (asked.out or Path(folder)) / name / fill
                seconds = fill_pages(pairs, apply, pages)
                results[fill] = score(asked.samples, pairs, pages) | {"s/page": seconds}
            print_table(name, results)


if __name__ == "__main__":
    main()
