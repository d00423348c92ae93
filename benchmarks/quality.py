"""Write ``quality.md``: every remover and every mask on pages with exact truth, beside the samples' baselines.

    python benchmarks/quality.py SAMPLES [--out benchmarks/quality.md] [--cache DIR] [--jobs 2] [--write-only]

SAMPLES holds ``pairs/`` and a README.md with the baselines. A page goes the whole way through the program's own tasks
(those of ``restore-docs evaluate``) once for each mode; what two modes ask alike of a detector, a network or a remover
is asked once. Figures are kept page by page in the cache, by commit, so that a run that was stopped goes on. Nothing
here is random.
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import itertools
import json
import pickle
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detectors.paddleocr import PaddleOcrDetector
from detectors.reading import TextReader
from detectors.strokes.learned import StrokeReader
from detectors.strokes.segmenters import LearnedSegmenter
from pipeline.types import RestoredTile, Tile
from remover.auto import AutoRemover
from remover.ctrnet.remover import CtrnetRemover
from remover.fill import FillRemover
from remover.registry import REMOVERS
from workflows.config import RunSettings
from workflows.evaluation.cleaning import clean
from workflows.evaluation.judges import TesseractReader
from workflows.evaluation.rows import Row, find_rows
from workflows.evaluation.samples import Sample, read_sample
from workflows.evaluation.scoring import Readings, Scored, Share, score_image, score_readings
from workflows.evaluation.summary import average

HERE = Path(__file__).resolve().parent
SETS = ("scan", "clean", "hand", "handscan")
OF_HAND = ("hand", "handscan")
TELL_HAND = ("combined", "learned")  # the other masks cannot tell handwriting from print
SHOWN = {"tPSNR": "tpsnr", "bgPSNR": "bgpsnr", "ink": "ink", "struct": "struct", "PSNR": "psnr", "MSSIM": "mssim",
         "AGE": "age", "pEPs": "peps"}  # fmt: skip
TWO_DECIMALS = ("ink", "struct", "AGE", "pEPs")
MEMORIZED = ((PaddleOcrDetector, "detect"), (StrokeReader, "read"), (TextReader, "read"), (LearnedSegmenter, "segment"),
             (FillRemover, "remove"), (CtrnetRemover, "remove"), (AutoRemover, "remove"),
             (TesseractReader, "read"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Mode:
    """One row of a set's table; ``regions`` says who tells where text is."""

    regions: str
    mask: str
    remover: str
    verify: str

    @property
    def name(self) -> str:
        """What its figures are kept under."""
        return "+".join(asdict(self).values())


def modes_of(name: str) -> list[Mode]:
    """The modes of a set, the program's default first."""
    masks = TELL_HAND if name in OF_HAND else ("combined", "classical", "learned")
    removers = ("auto", "fill", "ctrnet", "telea")
    verified = [Mode("detected", masks[0], remover, "on") for remover in removers[:2]]
    first_look = [Mode("detected", mask, remover, "off") for mask, remover in itertools.product(masks, removers)]
    boxes = [] if name in OF_HAND else [Mode("detected", "polygons", "auto", "off")]
    return [*verified, *first_look, *boxes]


class Telea:
    """OpenCV's inpainting by Telea under our masks, for comparison."""

    name, tile_side, needs_structure, needs_soft_mask = "telea", 512, False, False

    def remove(self, tiles: tuple[Tile, ...]) -> tuple[RestoredTile, ...]:
        """See ``Remover.remove``."""
        return tuple(
            RestoredTile(t.box, cv2.inpaint(t.image, t.text_mask.astype(np.uint8), 3, cv2.INPAINT_TELEA)) for t in tiles
        )


_answers: dict[Any, Any] = {}


def remembering(method: Callable[..., Any]) -> Callable[..., Any]:
    """The method of a tool that is made once, asked once for the same on a page; heirs of a class are other tools."""

    @functools.wraps(method)
    def answer(tool: Any, *asked: Any, **named: Any) -> Any:
        key = type(tool), method.__name__, hashlib.sha256(pickle.dumps((asked, named))).digest()
        if key not in _answers:
            _answers[key] = method(tool, *asked, **named)
        return _answers[key]

    return answer


def start_process() -> None:
    """Make a process of the pool ready."""
    REMOVERS["telea"] = lambda settings: Telea()
    for tool, method in MEMORIZED:
        setattr(tool, method, remembering(getattr(tool, method)))


def measure(row: Row, name: str, target: Path) -> float:
    """The modes that ``target`` does not have yet, on one page; their figures go there, the seconds come back."""
    started = time.monotonic()
    sample, found = read_sample(row), known_of(target)
    reads = name in OF_HAND and shutil.which("tesseract") is not None
    for mode in missing_of(name, target):
        settings = RunSettings(mask=mode.mask, remover=mode.remover, verify=mode.verify, threads=1)
        with tempfile.TemporaryDirectory() as folder:
            cleaned = clean(sample, settings, mode.regions, Path(folder))
        figures = score_image(sample, cleaned.image) | (read(sample, cleaned.image) if reads else {})
        shares = {key: (share.over, share.under) for key, share in figures.items()}
        found.append({"mode": mode.name, "group": sample.group, "status": str(cleaned.status), "figures": shares})
    part = target.with_suffix(".part")
    part.write_text(json.dumps(found))
    part.replace(target)
    _answers.clear()
    return time.monotonic() - started


def known_of(target: Path) -> list[dict[str, Any]]:
    """What is kept of a page."""
    return list(json.loads(target.read_text())) if target.is_file() else []


def missing_of(name: str, target: Path) -> list[Mode]:
    """The modes of a set that a page was not seen in yet."""
    known = {mode["mode"] for mode in known_of(target)}
    return [mode for mode in modes_of(name) if mode.name not in known]


def read(sample: Sample, image: Any) -> dict[str, Share]:
    """What Tesseract still reads."""
    reader = TesseractReader()
    seen = (reader.read(picture, sample.language) for picture in (sample.before, image, sample.truth))
    return score_readings(sample, Readings(*seen))


def baselines(samples: Path) -> dict[str, list[str]]:
    """The rows of the samples' own tables, by set."""
    found: dict[str, list[str]] = {}
    current = ""
    for line in (samples / "README.md").read_text("utf-8").splitlines():
        heading = re.match(r"`pairs/(\w+)`", line)
        if heading:
            current = heading[1]
        elif line.startswith("#"):
            current = ""
        elif current and line.startswith("|") and not re.match(r"\|[-| ]*\||\| *remover", line):
            found.setdefault(current, []).append(line)
    return found


def row_of(mode: Mode, pages: list[dict[str, Any]], hand: bool) -> str:
    """A row of a table, from what every page has for a mode."""
    scored = [
        Scored(str(i), page["group"], {key: Share(*share) for key, share in page["figures"].items()})
        for i, page in enumerate(pages)
    ]
    mean = average(scored)
    numbers = [f"{mean[key]:.{2 if title in TWO_DECIMALS else 1}f}" for title, key in SHOWN.items()]
    groups = {name: average([page for page in scored if page.group == name])["tpsnr"] for name in by_group(pages)}
    worst = min(groups, key=lambda name: groups[name])
    numbers.append(f"{groups[worst]:.1f} {worst}" if len(groups) > 1 else "-")
    if hand:
        numbers.append(f"{mean['kept']:.1f}" if "kept" in mean else "-")
    review = sum(page["status"] == "NEEDS_REVIEW" for page in pages)
    numbers.append(str(review) if mode.verify == "on" else "-")
    told = mode.regions + ", verified" * (mode.verify == "on")
    return f"| {mode.remover}, {mode.mask} | {told} | " + " | ".join(numbers) + " |"


def by_group(pages: list[dict[str, Any]]) -> list[str]:
    """The groups of pages there are, in order."""
    return sorted({page["group"] for page in pages})


def tables(cache: Path, samples: Path) -> Iterator[str]:
    """A table for each set of which any page is there."""
    quoted = baselines(samples)
    for name in SETS:
        told = [known_of(path) for path in sorted(cache.glob(f"{name}-*.json")) if not missing_of(name, path)]
        if not told:
            continue
        hand = name in OF_HAND
        titles = [*SHOWN, "lowest group", *(("words kept",) if hand else ()), "to review"]
        yield f"\n## `pairs/{name}` ({len(told)} page{'s' * (len(told) > 1)})\n"
        yield f"| remover, mask | regions | {' | '.join(titles)} |"
        yield "|---|---" + "|---" * len(titles) + "|"
        for mode in modes_of(name):
            yield row_of(mode, [next(m for m in page if m["mode"] == mode.name) for page in told], hand)
        blank = " - |" * (len(titles) - len(SHOWN))
        yield from (re.sub(r"^\| ([^|]*) \|", r"| *\1* | *baseline* |", line) + blank for line in quoted.get(name, []))


def write(out: Path, samples: Path, cache: Path, commit: str, missing: int) -> None:
    """Write the page from all that is in the cache."""
    day = datetime.now(UTC).strftime("%d %B %Y").lstrip("0")
    lines = [
        "# Quality on pages with exact truth",
        "",
        f"{day}, commit `{commit}`" + (f"; {missing} pages are not measured yet." if missing else "."),
        "Regenerate with",
        "",
        "    python benchmarks/quality.py ../shared/samples --jobs 2",
        "",
        "A row is what `restore-docs evaluate SAMPLES/pairs/SET --mask MASK --remover REMOVER --verify on|off` does:",
        "the whole way of a page through the program, where the detector finds text, as users have it. *Verified*:",
        "with verification and a second removal. The first row of a table is the program's default. Telea is OpenCV's",
        "inpainting under our masks. Rows in italics are quoted from the notes that come with the pairs; their boxes",
        "and strokes are the truth's own, but for the last. `hand` and `handscan` are cleaned of handwriting only.",
        "Means over pages; tPSNR, bgPSNR and PSNR in dB, ink, MSSIM and pEPs in percent; *lowest group*: the lowest",
        "tPSNR of a kind of pages; *words kept*: of the printed words that Tesseract reads in the truth, percent read",
        "in the output; *to review*: pages of which the program says that a person has to look at them. Figures are",
        "explained in [docs/evaluate.md](../docs/evaluate.md). The pages were also looked at while the program was",
        "made: expect less on others.",
        *tables(cache, samples),
    ]
    out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def describe_commit() -> str:
    """The commit, with a plus when the program differs from it."""
    head = _git("rev-parse", "--short=10", "HEAD").stdout.strip()
    return (head or "unknown") + "+" * bool(_git("diff", "--quiet", "HEAD", "--", "*.py", "*.safetensors").returncode)


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *words], cwd=HERE.parent, capture_output=True, text=True)


def main() -> int:
    """Measure what is not in the cache, and write the page; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=lambda text: Path(text).resolve())
    parser.add_argument("--out", type=Path, default=HERE / "quality.md")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "restore-docs-quality")
    parser.add_argument("--write-only", action="store_true", help="measure nothing: the page from what is there")
    parser.add_argument("--jobs", type=int, default=1, help="pages measured side by side")
    parser.add_argument("--sets", type=lambda text: tuple(text.split(",")), default=SETS)
    parser.add_argument("--commit", default="", help="the name results are kept under; else git's")
    arguments = parser.parse_args()
    commit = arguments.commit or describe_commit()
    cache = arguments.cache / commit
    cache.mkdir(parents=True, exist_ok=True)
    pages = [(row, name) for name in arguments.sets for row in find_rows(arguments.samples / "pairs" / name, None)[1]]
    todo = [(row, name, cache / f"{name}-{row.name}.json") for row, name in pages]
    todo = [page for page in todo if missing_of(page[1], page[2])]
    write(arguments.out, arguments.samples, cache, commit, missing=len(todo))
    if arguments.write_only:
        return 0
    with ProcessPoolExecutor(arguments.jobs, initializer=start_process) as pool:
        running = {pool.submit(measure, *page): page for page in todo}
        for done, future in enumerate(as_completed(running), 1):
            row, name, _ = running[future]
            print(f"{name} {row.name}: {future.result():.0f} s; {len(todo) - done} to go", flush=True)
            write(arguments.out, arguments.samples, cache, commit, missing=len(todo) - done)
    return 0


if __name__ == "__main__":
    sys.exit(main())
