"""The same functions on a real Dask cluster: same bytes, bounded window, and failures that stay where they belong."""

from __future__ import annotations

import hashlib
import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conftest import Outcome, draw_page

from workflows.config import RunSettings
from workflows.reporting.progress import LogLines
from workflows.restore import WINDOW_PER_SLOT, Run
from workflows.storage.inputs import find_sources, plan_outputs
from workflows.storage.manifest import Manifest
from workflows.workers.cluster import SerialCluster, decide_jobs, open_cluster

Program = Callable[..., Outcome]
TESTS = Path(__file__).parent
# no network is loaded: workers start, and start again, in a second or two
PLAIN = ("--mask", "classical", "--remover", "fill", "--verify", "off")


def digests(folder: Path) -> dict[str, str]:
    files = [p for p in folder.iterdir() if p.is_file() and p.suffix != ".html" and p.name != "report.json"]
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "in"
    folder.mkdir()
    kinds = (("a.png", 1), ("b.pdf", 3), ("c.jpg", 1), ("d.tiff", 2))
    return [draw_page(folder / name, pages=pages) for name, pages in kinds]


@pytest.fixture
def scheduler(tmp_path: Path) -> Iterator[str]:
    """A real scheduler with one worker, in processes of their own, as an operator would start them."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    address = f"tcp://127.0.0.1:{port}"
    dask = [sys.executable, "-m", "dask"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": tmp_path}
    commands = [
        [*dask, "scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard", "--no-show"],
        [*dask, "worker", address, "--nworkers", "1", "--nthreads", "1", "--no-dashboard"],
    ]
    running = [subprocess.Popen(command, **quiet) for command in commands]  # type: ignore[call-overload]
    try:
        yield address
    finally:
        for process in reversed(running):
            process.terminate()
            process.wait(20)


def test_serial_and_two_workers_write_the_same_bytes(
    sources: list[Path], tmp_path: Path, restore_docs: Program
) -> None:
    common = ("--detector", "annotated")
    one = restore_docs(*sources, "--out", tmp_path / "one", "--jobs", "1", *common)
    two = restore_docs(*sources, "--out", tmp_path / "two", "--jobs", "2", *common)
    assert (one.code, two.code) == (0, 0)
    assert digests(tmp_path / "one") == digests(tmp_path / "two") and len(digests(tmp_path / "one")) == 4
    plain = [{k: v for k, v in d.items() if k in ("source", "status")} for d in one.report["documents"]]
    assert plain == [{k: v for k, v in d.items() if k in ("source", "status")} for d in two.report["documents"]]


def test_an_existing_scheduler_is_used(
    sources: list[Path], tmp_path: Path, scheduler: str, restore_docs: Program
) -> None:
    done = restore_docs(*sources, "--out", tmp_path / "out", "--detector", "annotated", "--scheduler", scheduler)
    assert done.code == 0 and len(digests(tmp_path / "out")) == 4


def test_a_scheduler_that_does_not_answer_ends_the_run_with_its_own_code(
    sources: list[Path], tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workflows.workers.dask_cluster.CONNECT_SECONDS", 1)
    done = restore_docs(*sources, "--out", tmp_path / "out", "--scheduler", "tcp://127.0.0.1:9")
    assert done.code == 7 and "no Dask scheduler answers" in done.stderr
    assert [d["status"] for d in done.report["documents"]] == ["FAILED"] * 4


def run_with_fake(tmp_path: Path, fake: str, *words: object) -> subprocess.CompletedProcess[str]:
    """Run the program in a process of its own, with a fake detector that its workers can import as well."""
    script = tmp_path / "with_fake.py"
    script.write_text(
        f"import fakes, detectors.registry\ndetectors.registry.DETECTORS['fake'] = fakes.{fake}\n"
        "if __name__ == '__main__':\n    import sys; from workflows.cli import app; app(sys.argv[1:])\n"
    )
    return subprocess.run(
        [sys.executable, str(script), *map(str, words), "--out", str(tmp_path / "out"), "--detector", "fake"],
        capture_output=True, text=True, timeout=120, check=False,
        env={"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip


@pytest.mark.slow
def test_a_page_that_kills_its_worker_is_that_documents_failure_alone(tmp_path: Path) -> None:
    bad, good = draw_page(tmp_path / "bad.pdf", pages=3), draw_page(tmp_path / "good.png")
    done = run_with_fake(tmp_path, "KillingDetector", bad, good, "--jobs", "2", *PLAIN)
    assert done.returncode == 6, done.stderr
    assert "1 unchanged, 1 failed" in done.stdout and "page 2" in done.stderr
    assert list(digests(tmp_path / "out")) == ["good.png"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_error_keeps_its_words_whatever_caused_it(tmp_path: Path, jobs: int) -> None:
    done = run_with_fake(tmp_path, "OpaqueDetector", draw_page(tmp_path / "bad.pdf", pages=3), "--jobs", jobs, *PLAIN)
    failure = json.loads((tmp_path / "out" / "report.json").read_text())["documents"][0]["pages"][1]["failure"]
    told = {"kind": "StageError", "stage": "detect", "what": "the model choked on the page", "remedy": "try another"}
    assert done.returncode == 6 and failure == told


def test_pages_in_flight_never_exceed_the_window(tmp_path: Path) -> None:
    source = draw_page(tmp_path / "a.pdf", pages=40)
    out = tmp_path / "out"
    (out / ".restore-docs").mkdir(parents=True)
    documents = plan_outputs(find_sources([str(source)]), out, format="same", lossless=False)

    class Watching(SerialCluster):
        slots, memory = 3, 10**12
        most = 0

        def wait(self, seconds):  # type: ignore[no-untyped-def]
            landed = super().wait(seconds)
            self.most = max(self.most, len(landed))
            return landed

    cluster = Watching()
    with Manifest(out / ".restore-docs" / "manifest.sqlite") as manifest:
        run = Run(documents, RunSettings(detector="annotated"), out, out / ".restore-docs", manifest)
        run(cluster, LogLines())
    assert run.results[str(source)].status.value == "RESTORED"
    assert 2 <= cluster.most <= WINDOW_PER_SLOT * cluster.slots


def test_jobs_follow_the_machine_unless_told() -> None:
    assert decide_jobs(5) == 5
    assert decide_jobs("auto") >= 1
    assert isinstance(open_cluster(1, RunSettings(), Path()), SerialCluster)
