"""What each stroke mask and each remover is worth on pages with exact truth: the whole way, from found text to score.

    python benchmarks/bench_quality.py SAMPLES --out results.json [--sets scan,clean,hand,handscan]
        [--masks classical,learned,combined] [--removers telea,fill,ctrnet,auto] [--strokes FILE] [--weights FILE]

SAMPLES holds ``pairs/`` and ``score.py`` (see ``docs``: any set of the same layout will do). Text is detected once per
page, every mask made once, every remover run on every mask; outputs are PNG files that ``score.py`` scores in a process
of its own. ``hand`` and ``handscan`` are cleaned of handwriting only. Nothing here is random.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detectors.base import DetectorSettings
from detectors.registry import create_detector
from detectors.strokes.registry import create_segmenter
from pipeline.selection import InkSelection
from pipeline.stitching import stitch
from pipeline.tiling import TILE_MARGIN, PageMaps, cut_tiles, plan_tiles
from pipeline.types import Array, PageRef
from remover.base import RemoverSettings
from remover.registry import create_remover

OF_HAND = ("hand", "handscan")
_made: dict[tuple[str, str], Any] = {}


def kept(kind: str, name: str, make: Callable[[], Any]) -> Any:
    """One of each per process."""
    if (kind, name) not in _made:
        _made[kind, name] = make()
    return _made[kind, name]


def restore(image: Array, ink: Array, name: str, weights: Path | None) -> Array:
    """The page with its ink replaced, as the program does it; Telea's inpainting for comparison."""
    if name == "telea":
        return cv2.inpaint(image, ink.astype(np.uint8), 3, cv2.INPAINT_TELEA)
    remover = kept("remover", name, lambda: create_remover(name, RemoverSettings(weights=weights)))
    boxes = plan_tiles(ink, remover.tile_side)
    tiles = cut_tiles(image, PageMaps(ink, ink, None), boxes)
    return stitch(image, ink, remover.remove(tiles), TILE_MARGIN) if tiles else image


def work(page: Path, hand: bool, arguments: argparse.Namespace, folder: Path) -> None:
    """All masks and removers on one page."""
    cv2.setNumThreads(1)
    image = cv2.imread(str(page), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)[..., ::-1].copy()
    detector = kept("detector", "", lambda: create_detector("paddleocr", DetectorSettings()))
    regions = detector.detect(image, PageRef(str(page), 0))
    selection = InkSelection("handwriting" if hand else "all")
    for mask in arguments.masks:
        settings = {} if mask == "classical" else {"weights": arguments.strokes}
        segmenter = kept("mask", mask, partial(create_segmenter, mask, **settings))
        if hand and mask == "classical":
            continue
        ink = segmenter.segment(image, regions, selection)
        for remover in arguments.removers:
            out = folder / f"{mask}+{remover}"
            out.mkdir(parents=True, exist_ok=True)
            cleaned = restore(image, ink, remover, arguments.weights)
            cv2.imwrite(str(out / f"{page.stem}.png"), cleaned[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 1])


def score(samples: Path, name: str, folder: Path, ocr: str) -> dict[str, Any]:
    """score.py's result for one folder of outputs."""
    result = folder.with_suffix(".json")
    command = [sys.executable, samples / "score.py", "--pairs", samples / "pairs" / name, "--pred", folder]
    command += ["--out", result, "--ocr", ocr, *(("--target", "hand") if name in OF_HAND else ())]
    subprocess.run([str(part) for part in command], check=True, capture_output=True)
    return dict(json.loads(result.read_text()))


def main() -> None:
    """Run the sets and print a table each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--keep", type=Path, help="keep the pictures in this folder")
    parser.add_argument("--strokes", type=Path)
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--ocr", default="none")
    for name, default in (
        ("sets", "scan,clean,hand,handscan"),
        ("masks", "classical,learned,combined"),
        ("removers", "telea,fill,ctrnet,auto"),
    ):
        parser.add_argument(f"--{name}", type=lambda text: text.split(","), default=default.split(","))
    arguments = parser.parse_args()
    results: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary:
        for name in arguments.sets:
            folder = (arguments.keep or Path(temporary)) / name
            pages = sorted((arguments.samples / "pairs" / name / "input").iterdir())
            one = partial(work, hand=name in OF_HAND, arguments=arguments, folder=folder)
            with ProcessPoolExecutor(arguments.jobs) as pool:
                list(pool.map(one, pages))
            for out in sorted(path for path in folder.iterdir() if path.is_dir()):
                results[f"{name} {out.name}"] = found = score(arguments.samples, name, out, arguments.ocr)
                print(f"{name:9}{out.name:22}", summarize(found), flush=True)
            arguments.out.write_text(json.dumps(results, indent=1))


def summarize(found: dict[str, Any]) -> str:
    """Means over pages of what matters, and every group's tPSNR."""
    pages = found["pages"]
    keys = [key for key in ("tPSNR", "bgPSNR", "ink", "struct", "kept") if key in pages[0]]
    means = [f"{key} {np.nanmean([page[key] for page in pages]):6.2f}" for key in keys]
    groups = sorted({page["group"] for page in pages})
    each = [f"{g} {np.mean([page['tPSNR'] for page in pages if page['group'] == g]):.1f}" for g in groups]
    return "  ".join(means) + "  | " + " ".join(each)


if __name__ == "__main__":
    main()
