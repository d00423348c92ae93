"""Write ``quality.md``: every remover and every mask mode on pages with exact truth, beside the samples' baselines.

    python benchmarks/quality.py SAMPLES [--out benchmarks/quality.md] [--verify auto] [--jobs 1] [--cache DIR]
        [--write-only] [--sets scan,clean,hand,handscan] [--masks detected,annotated] [--mask ...] [--remover ...]

SAMPLES holds ``pairs/`` and a README.md with the baselines. Each mode is one ``restore-docs evaluate``, whose JSON is
kept in the cache, by commit: a run that was stopped goes on, and the table is written anew after each mode from all
that is there. Detection, masks, removal and verification are the program's own, with its defaults but for what a row
names.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SETS = ("scan", "clean", "hand", "handscan")
OF_HAND = ("hand", "handscan")
MASKS = ("detected", "annotated")
MASK = ("strokes", "classical", "learned", "combined", "polygons")
REMOVER = ("auto", "fill", "ctrnet")
TELL_NO_HAND = ("classical", "polygons")  # these cannot tell handwriting from print, and the program says so
SHOWN = {"tPSNR": "tpsnr", "bgPSNR": "bgpsnr", "ink": "ink", "struct": "struct", "PSNR": "psnr", "MSSIM": "mssim",
         "AGE": "age", "pEPs": "peps"}  # fmt: skip
TWO_DECIMALS = ("AGE", "pEPs")
PROGRAM = ("-c", "from workflows.cli import main; main()")


@dataclass(frozen=True)
class Mode:
    """One row of one table."""

    name: str
    masks: str
    mask: str
    remover: str

    def file(self, cache: Path) -> Path:
        """Where the cache holds its figures."""
        return cache / f"{self.name}-{self.masks}-{self.mask}-{self.remover}.json"

    def options(self) -> list[str]:
        """What it is on the command line."""
        return ["--masks", self.masks, "--mask", self.mask, "--remover", self.remover]


def plan(arguments: argparse.Namespace) -> list[Mode]:
    """The modes there are, the program's default first."""
    every = itertools.product(arguments.sets, arguments.masks, arguments.mask, arguments.remover)
    return [Mode(*mode) for mode in every if not (mode[0] in OF_HAND and mode[2] in TELL_NO_HAND)]


def measure(mode: Mode, arguments: argparse.Namespace, cache: Path) -> float:
    """Run a mode, keep its JSON, return the seconds it took. Raises RuntimeError when a page failed."""
    target = mode.file(cache)
    part = target.with_suffix(".part")
    started = time.monotonic()
    threads = max(1, (os.cpu_count() or 1) // arguments.jobs)
    command = [sys.executable, *PROGRAM, "evaluate", arguments.samples / "pairs" / mode.name, "--layout", "pairs"]
    command += [*mode.options(), "--verify", arguments.verify, "--threads", threads, "--no-detection", "--quiet"]
    done = subprocess.run(
        [str(word) for word in [*command, "--json", part]],
        cwd=HERE.parent,
        env=os.environ | {"PYTHONPATH": str(HERE.parent)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"{mode} ended with {done.returncode}:\n{done.stderr[-2000:]}\n{done.stdout[-2000:]}")
    told = json.loads(part.read_text()) | {"seconds": time.monotonic() - started}
    part.write_text(json.dumps(told, indent=1))
    part.replace(target)
    return float(told["seconds"])


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


def row_of(mode: Mode, told: dict[str, Any]) -> str:
    """A row of a table."""
    numbers = []
    for title, name in SHOWN.items():
        value = told["mean"][name]
        numbers.append("-" if value is None else f"{value:.{2 if title in TWO_DECIMALS else 1}f}")
    return f"| {mode.remover}, {mode.mask} | {mode.masks} | " + " | ".join(numbers) + " |"


def tables(cache: Path, samples: Path) -> Iterable[str]:
    """A table for each set of which any mode is there."""
    quoted = baselines(samples)
    for name in SETS:
        modes = [Mode(name, *rest) for rest in itertools.product(MASKS, MASK, REMOVER)]
        there = [(mode, json.loads(mode.file(cache).read_text())) for mode in modes if mode.file(cache).is_file()]
        if not there:
            continue
        pages = there[0][1]["count"]
        yield f"\n## `pairs/{name}` ({pages} page{'s' * (pages > 1)})\n"
        yield f"| remover, mask | regions | {' | '.join(SHOWN)} |"
        yield "|---|---" + "|---" * len(SHOWN) + "|"
        yield from (row_of(mode, told) for mode, told in there)
        yield from (re.sub(r"^\| ([^|]*) \|", r"| *\1* | *baseline* |", line) for line in quoted.get(name, []))


def write(arguments: argparse.Namespace, cache: Path, commit: str, missing: int) -> None:
    """Write the page from all that is in the cache."""
    day = datetime.now(UTC).strftime("%d %B %Y").lstrip("0")
    more = "" if arguments.verify == "auto" else f" --verify {arguments.verify}"
    lines = [
        "# Quality on pages with exact truth",
        "",
        f"{day}, commit `{commit}`" + (f"; {missing} modes are not measured yet." if missing else "."),
        "Regenerate with",
        "",
        f"    python benchmarks/quality.py ../shared/samples{more}",
        "",
        "A row is `restore-docs evaluate SAMPLES/pairs/SET --mask MASK --remover REMOVER --masks REGIONS`: the whole",
        "way of a page through the program, with its defaults otherwise. *Regions* says where it is told that text is:",
        "`detected` by the detector, as users have it, with verification and a second removal; `annotated` by the",
        "data set, as papers have it, without verification (which is the program's default there). Rows in italics",
        "are quoted from the notes that come with the pairs; their boxes and strokes are the truth's own, but for the",
        "last. `hand` and `handscan` are cleaned of handwriting only. Means over pages; figures are explained in",
        "[docs/evaluate.md](../docs/evaluate.md). The pages were also looked at while the program was made: expect",
        "less on others.",
        *tables(cache, arguments.samples),
    ]
    arguments.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


def describe_commit() -> str:
    """The commit, with a plus when files differ from it; the page that is written here may."""
    apart = ("--", ".", ":(exclude)benchmarks/quality.md")
    head = _git("rev-parse", "--short=10", "HEAD").stdout.strip()
    return (head or "unknown") + "+" * bool(_git("diff", "--quiet", "HEAD", *apart).returncode)


def _git(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", *words], cwd=HERE.parent, capture_output=True, text=True)


def main() -> int:
    """Measure what is not in the cache, and write the page; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samples", type=lambda text: Path(text).resolve())
    parser.add_argument("--out", type=Path, default=HERE / "quality.md")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "restore-docs-quality")
    parser.add_argument("--commit", default="", help="the name results are kept under; else git's")
    parser.add_argument("--verify", choices=("auto", "on", "off"), default="auto")
    parser.add_argument("--write-only", action="store_true", help="measure nothing: the page from what is there")
    parser.add_argument("--jobs", type=int, default=1, help="modes measured side by side")
    for name, values in (("sets", SETS), ("masks", MASKS), ("mask", MASK), ("remover", REMOVER)):
        parser.add_argument(f"--{name}", type=lambda text: tuple(text.split(",")), default=values)
    arguments = parser.parse_args()
    commit = arguments.commit or describe_commit()
    cache = arguments.cache / f"{commit}-{arguments.verify}"
    cache.mkdir(parents=True, exist_ok=True)
    todo = [mode for mode in plan(arguments) if not mode.file(cache).is_file()]
    missing, failed = len(todo), 0
    write(arguments, cache, commit, missing)
    if arguments.write_only:
        return 0
    with ThreadPoolExecutor(arguments.jobs) as pool:
        running = {pool.submit(measure, mode, arguments, cache): mode for mode in todo}
        for future in as_completed(running):
            try:
                seconds = future.result()
            except RuntimeError as error:
                failed += 1
                print(error, file=sys.stderr, flush=True)
                continue
            missing -= 1
            print(f"{running[future]}: {seconds:.0f} s; {missing} to go", flush=True)
            write(arguments, cache, commit, missing)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
