"""Run the program as a user would and watch its processes: wall seconds, peak memory, and what the report says."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

POLL_SECONDS = 0.05


@dataclass(frozen=True)
class Watched:
    """One run: exit code, wall seconds, peak resident memory of the largest process and of all together, report."""

    code: int
    seconds: float
    largest_bytes: int
    total_bytes: int
    report: dict[str, Any]
    stderr: str


def watched_run(words: Sequence[str], out: Path) -> Watched:
    """Run ``restore-docs WORDS --out OUT`` into a folder that is emptied first."""
    shutil.rmtree(out, ignore_errors=True)
    command = [sys.executable, "-c", "from workflows.cli import main; main()", *words, "--out", str(out)]
    log = out.with_name(out.name + ".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    with log.open("w") as stderr:
        process = psutil.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr)
        largest = total = 0
        while process.poll() is None:
            sizes = _resident(process)
            largest, total = max(largest, *sizes, 0), max(total, sum(sizes))
            time.sleep(POLL_SECONDS)
    seconds = time.perf_counter() - started
    report_path = out / "report.json"
    report = json.loads(report_path.read_text()) if report_path.is_file() else {}
    return Watched(process.returncode, seconds, largest, total, report, log.read_text())


def _resident(process: psutil.Process) -> list[int]:
    sizes = [0]
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.Error:
        return sizes
    for member in family:
        try:
            sizes.append(member.memory_info().rss)
        except psutil.Error:
            continue
    return sizes


def machine() -> str:
    """One line of machine data for a report."""
    name = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "unknown processor",
    )
    memory = psutil.virtual_memory().total / 2**30
    return f"{name}, {psutil.cpu_count()} cores, {memory:.0f} GiB, Python {sys.version.split()[0]}"
