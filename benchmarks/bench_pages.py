"""Where the time of real pages goes: the whole program over documents, by stage, with peak memory.

    python benchmarks/bench_pages.py INPUT... [--jobs 1] [--out DIR] [--beside] [-- OPTION...]

One run is a warm-up-free, whole-process measurement: start of the program, import and model load are in "wall", not in
the stages. Prints documents and pages by status, seconds per page by stage (median, 90th percentile, share), wall
seconds, and the peak resident memory of the largest process and of all together. ``--out`` keeps the cleaned documents.
``--beside`` runs the usual script, ``rapidocr_telea.py``, on the same inputs (images only) right after.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from watched_run import Watched, machine, watched_run


def stage_table(run: Watched) -> list[str]:
    """Lines of the table: a stage, its median and 90th percentile in seconds per page, its share of all stages."""
    pages = [page for document in run.report["documents"] for page in document["pages"] if page["seconds"]]
    stages = list(dict.fromkeys(stage for page in pages for stage in page["seconds"]))
    spent = {stage: np.array([page["seconds"].get(stage, 0.0) for page in pages]) for stage in stages}
    everything = sum(values.sum() for values in spent.values())
    lines = [f"{'stage':12} {'median s':>9} {'p90 s':>9} {'share':>7}"]
    for stage, values in spent.items():
        share = values.sum() / everything
        lines.append(f"{stage:12} {np.median(values):9.3f} {np.quantile(values, 0.9):9.3f} {share:7.1%}")
    per_page = np.sum(list(spent.values()), axis=0)
    lines.append(f"{'page':12} {np.median(per_page):9.3f} {np.quantile(per_page, 0.9):9.3f}")
    return lines


def run_script(inputs: list[str]) -> float:
    """The wall seconds that the usual script takes."""
    script = Path(__file__).with_name("rapidocr_telea.py")
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        subprocess.run([sys.executable, script, *inputs, "--out", folder], check=True, capture_output=True)
        return time.perf_counter() - begun


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("inputs", nargs="+")
    parser.add_argument("--jobs", default="1")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--beside", action="store_true")
    arguments, options = parser.parse_known_args()
    with tempfile.TemporaryDirectory() as folder:
        out = arguments.out or Path(folder, "out")
        words = [*arguments.inputs, "--jobs", arguments.jobs, *(word for word in options if word != "--")]
        run = watched_run(words, out)
    if not run.report:
        raise SystemExit(f"the run ended with {run.code} and no report:\n{run.stderr}")
    print(machine())
    for kind in ("documents", "pages"):
        counts = {name: count for name, count in run.report["totals"][kind].items() if count}
        print(f"{kind}: {counts}")
    print("\n".join(stage_table(run)))
    rate = run.report["totals"]["pages"]["total"] / run.seconds
    print(f"wall {run.seconds:.1f} s, {rate:.2f} pages/s at --jobs {arguments.jobs}, exit code {run.code}")
    print(f"peak memory: largest process {run.largest_bytes / 1e6:.0f} MB, all {run.total_bytes / 1e6:.0f} MB")
    if arguments.beside:
        seconds = run_script(arguments.inputs)
        print(f"rapidocr_telea.py: wall {seconds:.1f} s; restore-docs takes {run.seconds / seconds:.1f} times as long")


if __name__ == "__main__":
    main()
