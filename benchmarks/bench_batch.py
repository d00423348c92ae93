"""Batches on a Dask cluster, with real schedulers, workers and clients: storms, memory, scaling, overhead.

    python benchmarks/bench_batch.py storm [--pages 500] [--every 3] [--between 1]
    python benchmarks/bench_batch.py storm --samples FOLDER [--pages 20] [--every 12] [--between 2]
    python benchmarks/bench_batch.py memory [--pages 50 5000]
    python benchmarks/bench_batch.py scaling [--pages 400] [--samples FOLDER]

``storm`` runs a job serially and undisturbed, then on a scheduler and two workers of which one is killed every few
seconds of work, then its client, then its scheduler, each followed by a rerun; the outputs must be the same bytes.
With ``--samples`` it takes real pages from a folder, and the program's defaults, networks and verification included.
``memory`` runs jobs of few and of many tiny pages and prints the peak of each role, and from the difference of the two
what a page costs each role in CPU time: that does not depend on what else the machine does.
``scaling`` prints pages per second in-process and with one and two workers, and the share of time in each stage.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from watched_run import machine

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from conftest import draw_page
from processes import CHEAP, DaskProcesses, start
from storm import PROGRAM, Force, blow, digests, drawn, real

from workflows.workers.setup import ENVIRONMENT, SCHEDULER_ENVIRONMENT

POLL_SECONDS = 0.2


@dataclass
class Role:
    """What one role of a cluster took: peak resident bytes of its largest process, and CPU seconds of all."""

    peak_bytes: int = 0
    cpu_seconds: dict[int, float] = field(default_factory=dict)

    def look(self, processes: list[psutil.Process]) -> None:
        """Look at them once."""
        for process in processes:
            try:
                self.peak_bytes = max(self.peak_bytes, process.memory_info().rss)
                times = process.cpu_times()
                self.cpu_seconds[process.pid] = times.user + times.system
            except psutil.Error:
                continue

    @property
    def cpu(self) -> float:
        """Seconds, of all processes that were seen."""
        return sum(self.cpu_seconds.values())


def watched_job(folder: Path, sources: list[Path], workers: int, options: tuple[str, ...] = CHEAP) -> dict[str, Any]:
    """Run a job on a scheduler and workers of its own; its seconds, its report, and a ``Role`` for each role."""
    roles = {name: Role() for name in ("client", "scheduler", "worker")}
    with DaskProcesses(folder, workers, ENVIRONMENT, SCHEDULER_ENVIRONMENT) as cluster:
        started = time.monotonic()
        words = [*PROGRAM, *sources, *options, "--out", folder / "out", "--scheduler", cluster.address, "--quiet"]
        client = start(words, folder / "client.log")
        while client.poll() is None:
            roles["client"].look([psutil.Process(client.pid)])
            roles["scheduler"].look([psutil.Process(cluster.scheduler.pid)])
            for worker in cluster.workers:
                children = psutil.Process(worker.pid).children(recursive=True)
                roles["worker"].look([c for c in children if "spawn_main" in " ".join(c.cmdline())])
            time.sleep(POLL_SECONDS)
        seconds = time.monotonic() - started
    if client.returncode:
        raise SystemExit(f"the run ended with {client.returncode}:\n{(folder / 'client.log').read_text()[-2000:]}")
    report = json.loads((folder / "out" / "report.json").read_text())
    return {"seconds": seconds, "report": report, "roles": roles}


def memory(pages: list[int]) -> None:
    """Peaks and CPU time with few and with many tiny pages, in documents of 50."""
    found = []
    print(
        f"{'pages':>6} {'seconds':>8} " + " ".join(f"{name + ' MB':>13}" for name in ("client", "scheduler", "worker"))
    )
    for count in pages:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            (folder / "in").mkdir()
            each = min(50, count)
            sources = [
                draw_page(folder / "in" / f"{n}.pdf", words=0, size=(120, 90), pages=each) for n in range(count // each)
            ]
            job = watched_job(folder, sources, workers=2)
            roles = job["roles"]
            sizes = " ".join(f"{role.peak_bytes / 1e6:13.1f}" for role in roles.values())
            print(f"{count:6} {job['seconds']:8.1f} {sizes}", flush=True)
            found.append((count, roles))
    (few, before), (many, after) = found[0], found[-1]
    for name in before:
        grown = after[name].peak_bytes / before[name].peak_bytes - 1
        cost = (after[name].cpu - before[name].cpu) / (many - few) * 1000
        print(f"{name}: peak {grown:+.1%}, {cost:.1f} ms of CPU time per page")


def scaling(pages: int, samples: Path | None) -> None:
    """Pages per second, in-process and with one and two workers; the share of time per stage."""
    options = CHEAP if samples is None else ("--report", "json")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        (folder / "in").mkdir()
        if samples is None:
            sources = [draw_page(folder / "in" / f"{n}.pdf", size=(800, 1100), pages=20) for n in range(pages // 20)]
        else:
            sources = sorted(samples.absolute().iterdir())[:pages]
        serial = Path(folder, "serial")
        serial.mkdir()
        started = time.monotonic()
        words = [*PROGRAM, *sources, *options, "--jobs", "1", "--threads", "1", "--out", serial / "out", "--quiet"]
        if start(words, serial / "log").wait() not in (0, 6):
            raise SystemExit((serial / "log").read_text()[-2000:])
        report = json.loads((serial / "out" / "report.json").read_text())
        done = report["totals"]["pages"]["total"]
        print(f"in-process: {done / (time.monotonic() - started):.2f} pages/s ({done} pages)", flush=True)
        _print_stages(report)
        for workers in (1, 2):
            home = Path(folder, f"with-{workers}")
            home.mkdir()
            job = watched_job(home, sources, workers, options)
            same = digests(home / "out") == digests(serial / "out")
            rate = done / job["seconds"]
            print(f"{workers} workers: {rate:.2f} pages/s, {'the same bytes' if same else 'OTHER BYTES'}", flush=True)


def _print_stages(report: dict[str, Any]) -> None:
    spent: Counter[str] = Counter()
    for document in report["documents"]:
        for page in document["pages"]:
            spent.update(page["seconds"])
    total = spent.total()
    print("  " + ", ".join(f"{stage} {seconds / total:.0%}" for stage, seconds in spent.most_common() if seconds > 0))


def storm(pages: int, samples: Path | None, force: Force) -> None:
    """A storm, and what it left."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        batch = drawn(folder, pages) if samples is None else real(folder, samples, pages)
        left = blow(folder, batch, force)
        leftovers = left.leftovers
    listed = [(d["source"], p["page_number"]) for d in left.report["documents"] for p in d["pages"]]
    checks = {
        "the same bytes as the calm run": left.after == left.calm,
        "every page listed once": len(listed) == len(set(listed)) == batch.pages,
        "every input has an output": all(document["output"] for document in left.report["documents"]),
        "nothing partial is left": not leftovers,
        f"exit codes 7, then {left.code_of_calm} as the calm run": left.codes[0] == 7
        and left.codes[-1] == left.code_of_calm,
    }
    print(f"{batch.pages} pages, {len(left.calm)} documents, {left.kills} workers killed, exit codes {left.codes}")
    print(f"client killed at page {left.finished_before[0]}, scheduler at page {left.finished_before[1]}")
    print(f"its loss was noticed after {left.seconds_to_notice:.1f} s")
    print(f"seconds: calm {left.seconds['calm']:.0f}, in the storm {left.seconds['storm']:.0f}")
    for what, holds in checks.items():
        print(f"{'yes' if holds else 'NO '}  {what}")
    if not all(checks.values()):
        differing = sorted(name for name in left.calm if left.after.get(name) != left.calm[name])
        print(f"other bytes: {differing}; left: {leftovers}\n{left.log[-4000:]}")
        raise SystemExit(1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    storms = parts.add_parser("storm")
    storms.add_argument("--pages", type=int, help="default: 500, and 20 of samples")
    storms.add_argument("--samples", type=Path)
    storms.add_argument("--every", type=float, default=3.0)
    storms.add_argument("--between", type=int, default=1, help="pages that are finished between two kills, at least")
    parts.add_parser("memory").add_argument("--pages", type=int, nargs=2, default=[50, 5000])
    scales = parts.add_parser("scaling")
    scales.add_argument("--pages", type=int, default=400)
    scales.add_argument("--samples", type=Path)
    chosen = parser.parse_args()
    print(machine())
    if chosen.part == "storm":
        pages = chosen.pages or (20 if chosen.samples else 500)
        storm(pages, chosen.samples, Force(chosen.every, chosen.between))
    elif chosen.part == "memory":
        memory(chosen.pages)
    else:
        scaling(chosen.pages, chosen.samples)


if __name__ == "__main__":
    main()
