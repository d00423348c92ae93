"""A job in bad weather: its workers, its client and its scheduler are killed in turn, and it is run again."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conftest import draw_page
from processes import CHEAP, DaskProcesses, end, run, start

from pipeline.errors import OutputError
from workflows.config import RunSettings
from workflows.pages.tasks import inspect_source
from workflows.storage.manifest import read_state

PROGRAM = [sys.executable, "-c", "from workflows.cli import main; main()"]


@dataclass
class Storm:
    """What a storm left, and how it went."""

    out: Path
    calm: dict[str, str]
    after: dict[str, str]
    report: dict[str, Any]
    codes: list[int] = field(default_factory=list)
    kills: int = 0
    finished_before: list[int] = field(default_factory=list)
    seconds_to_notice: float = 0.0
    log: str = ""
    seconds: dict[str, float] = field(default_factory=dict)
    code_of_calm: int = 0

    @property
    def last_report(self) -> dict[str, Any]:
        """What the last run that came to its end said."""
        return dict(json.loads((self.out / "report.json").read_text()))

    @property
    def failed(self) -> list[str]:
        """The inputs that it wrote nothing for."""
        return [document["source"] for document in self.last_report["documents"] if not document["output"]]

    @property
    def leftovers(self) -> list[Path]:
        """Partial files and work files."""
        state = self.out / ".restore-docs"
        left = [p for p in self.out.rglob("*") if p.suffix in (".part", ".late") or p.parent.name == "work"]
        return left + [p for p in state.iterdir() if p.name in ("work", "dask")]


def documents(folder: Path, pages: int) -> list[Path]:
    """Documents of several kinds and sizes with so many pages in total, one with half of them."""
    folder.mkdir(parents=True)
    draw_page(folder / "big.pdf", pages=pages // 2, size=(400, 500))
    left, number = pages - pages // 2, 0
    while left:
        number += 1
        count = min(left, (1, 3, 7)[number % 3])
        suffix = ".pdf" if count > 1 else (".png", ".jpg")[number % 2]
        draw_page(folder / f"d{number:03}{suffix}", pages=count, size=(400, 500))
        left -= count
    for side_car in list(folder.glob("*.json")):  # regions beside documents would be listed as inputs
        (folder.parent / "regions").mkdir(exist_ok=True)
        side_car.rename(folder.parent / "regions" / side_car.name)
    return sorted(folder.iterdir())


@dataclass(frozen=True)
class Batch:
    """What is run: a folder of documents with so many pages in total, and the options."""

    sources: Path
    pages: int
    options: tuple[object, ...]


def drawn(folder: Path, pages: int) -> Batch:
    """Small drawn pages, whose text is known: no network is needed."""
    documents(folder / "in", pages)
    return Batch(folder / "in", pages, (*CHEAP, "--regions", folder / "regions"))


def real(folder: Path, samples: Path, pages: int) -> Batch:
    """Documents among some samples with so many pages in total, those of several pages first; with the defaults."""
    (folder / "in").mkdir(parents=True)
    counts = {path: inspect_source(str(path), RunSettings()).page_count for path in samples.iterdir()}
    left = pages
    for path, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        if count <= min(left, pages // 2):
            shutil.copy(path, folder / "in")
            left -= count
    return Batch(folder / "in", pages - left, ())


def digests(out: Path) -> dict[str, str]:
    """The outputs, by digest."""
    files = [p for p in out.iterdir() if p.is_file() and p.stem != "report"]
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def pages_done(out: Path, pid: int) -> int:
    """Pages that the run of this process has finished, as it says itself."""
    try:
        state = read_state(out / ".restore-docs" / "manifest.sqlite")
    except OutputError:
        return 0
    return sum(dict(state["pages_by_status"]).values()) if state.get("pid") == pid else 0  # type: ignore[call-overload]


@dataclass(frozen=True)
class Force:
    """How hard it blows: a worker dies at most every so many seconds, and once so many more pages were finished.

    A page that is hit twice while it is tried alone takes the blame; pages in between let it get away.
    """

    every_seconds: float
    pages_between: int = 1


class _Weather:
    """Kills one worker after the other: where nothing moves, nothing is killed."""

    def __init__(self, cluster: DaskProcesses, out: Path, pid: int, force: Force) -> None:
        self.kills, self._cluster, self._over = 0, cluster, threading.Event()
        self._done = lambda: pages_done(out, pid)
        self._force = force
        self._thread = threading.Thread(target=self._blow)
        self._thread.start()

    def _blow(self) -> None:
        before, calm_until = 0, time.monotonic() + self._force.every_seconds
        while not self._over.wait(0.1):
            done = self._done()
            if done - before >= self._force.pages_between and time.monotonic() > calm_until:
                self._cluster.kill_a_worker(self.kills % len(self._cluster.workers))
                self.kills += 1
                before, calm_until = done, time.monotonic() + self._force.every_seconds

    def end(self) -> int:
        self._over.set()
        self._thread.join()
        return self.kills


def blow(folder: Path, batch: Batch, force: Force) -> Storm:
    """Run a job serially and undisturbed, and then through the storm; compare."""
    out, started = folder / "out", time.monotonic()
    words = [*PROGRAM, batch.sources, *batch.options]
    calm = run([*words, "--jobs", "1", "--out", folder / "calm"], timeout=1800)
    assert calm.returncode in (0, 6), calm.stderr
    storm = Storm(out, digests(folder / "calm"), {}, {}, code_of_calm=calm.returncode)
    storm.seconds["calm"] = time.monotonic() - started
    with DaskProcesses(folder) as cluster:
        words += ["--out", out, "--scheduler", cluster.address]
        log = folder / "client.log"
        _until(start(words, log), cluster, storm, batch.pages // 3, force)  # and the client is killed
        client = start(words, log)
        _until(client, cluster, storm, 2 * batch.pages // 3, force, kill=False)
        cluster.scheduler.kill()
        cluster.scheduler.wait()
        began = time.monotonic()
        storm.codes.append(_code(client))
        storm.seconds_to_notice = time.monotonic() - began
        for worker in cluster.workers:
            end(worker)
        cluster.workers.clear()
        cluster.start_scheduler()
        for _ in range(2):
            cluster.start_worker()
        client = start(words, log)
        weather = _Weather(cluster, out, client.pid, force)
        storm.codes.append(_code(client))
        storm.kills += weather.end()
        if storm.failed:  # a page may have been hit again and again: once more, without
            storm.codes.append(_code(start(words, log)))
    storm.after, storm.report = digests(out), storm.last_report
    storm.log = log.read_text()
    storm.seconds["storm"] = time.monotonic() - started - storm.seconds["calm"]
    return storm


def _until(
    client: subprocess.Popen[bytes], cluster: DaskProcesses, storm: Storm, pages: int, force: Force, kill: bool = True
) -> None:
    weather = _Weather(cluster, storm.out, client.pid, force)
    deadline = time.monotonic() + 900
    while client.poll() is None and pages_done(storm.out, client.pid) < pages and time.monotonic() < deadline:
        time.sleep(0.05)
    storm.kills += weather.end()
    storm.finished_before.append(pages_done(storm.out, client.pid))
    if kill:
        client.kill()
        client.wait()


def _code(client: subprocess.Popen[bytes]) -> int:
    try:
        return client.wait(900)
    finally:
        end(client)
