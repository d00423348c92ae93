"""Pages that take too long, where hosts share a store and no disk."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from conftest import draw_page
from processes import PLAIN, DaskProcesses, environment, program, run

from workflows.pages.guard import MARK

ON_A_HOST = """
import ctypes, sys, time
from pipeline.types import PageRef
from workflows.pages.guard import time_limit
place, seconds = sys.argv[1], float(sys.argv[2])
with time_limit(PageRef("a.pdf", 1), 1.0, place):
    ctypes.PyDLL(None).usleep(int(seconds * 1e6))  # with Python's lock
with time_limit(PageRef("a.pdf", 2), 600, place + "-next"):
    time.sleep(1.5)  # the limit of the page before is no more
print("well")
"""


def work_on(host: Path, place: str, seconds: float) -> subprocess.CompletedProcess[str]:
    host.mkdir(exist_ok=True)
    words = [sys.executable, "-c", ON_A_HOST, place, str(seconds)]
    return subprocess.run(
        words, capture_output=True, text=True, timeout=60, check=False, env=environment(TMPDIR=str(host))
    )


def heralds() -> set[int]:
    words = [(process.pid, process.info["cmdline"] or []) for process in psutil.process_iter(["cmdline"])]
    return {pid for pid, command in words if "workflows.pages.herald" in command}


def test_a_page_that_ran_out_of_time_is_known_on_another_host(tmp_path: Path) -> None:
    place = f"file://{tmp_path}/store/work/000001.pdf"
    began, before = time.monotonic(), heralds()
    first = work_on(tmp_path / "a", place, 500)
    assert first.returncode == -9 and time.monotonic() - began < 30, first.stderr
    second = work_on(tmp_path / "b", place, 0)
    assert second.returncode == 1 and "page 2 took longer than 1 s and was ended" in second.stderr
    assert list((tmp_path / "store" / "work").iterdir()) == [tmp_path / "store" / "work" / f"000001.pdf{MARK}"]
    (tmp_path / "store" / "work" / f"000001.pdf{MARK}").unlink()
    third = work_on(tmp_path / "b", place, 0)
    assert third.stdout == "well\n", third.stderr
    assert not list((tmp_path / "b").iterdir()) and not list((tmp_path / "store" / "work").iterdir())
    assert not {pid for pid in heralds() - before if psutil.pid_exists(pid) and is_orphan(pid)}, "they end with theirs"


def is_orphan(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).ppid() == 1)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.slow
def test_a_page_that_hangs_is_given_to_one_host_only(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    draw_page(tmp_path / "in" / "a.pdf", pages=3)
    attempts = tmp_path / "attempts"
    started = program(tmp_path, "HangingDetector")
    words = [*started, f"file://{tmp_path}/in/*.pdf", "--out", f"file://{tmp_path}/out", "--detector", "fake", *PLAIN]
    with DaskProcesses(tmp_path, workers=0) as cluster:
        for host in ("a", "b"):
            (tmp_path / host).mkdir()
            script = tmp_path / "fakes_too.py"
            script.write_text("import detectors.registry, fakes\n"
                              "detectors.registry.DETECTORS['fake'] = fakes.HangingDetector\n"
                              "def dask_setup(worker):\n    pass\n")  # fmt: skip
            more = {"TMPDIR": str(tmp_path / host), "ATTEMPTS": str(attempts)}
            cluster.start_worker("--preload", str(script), **more)
        done = run([*words, "--scheduler", cluster.address, "--page-timeout", "3"])
    (entry,) = json.loads((tmp_path / "out" / "report.json").read_text())["documents"]
    assert done.returncode == 6 and "page 2 took longer than 3 s" in entry["pages"][1]["failure"]["what"], done.stderr
    assert [page["status"] for page in entry["pages"]] == ["UNCHANGED", "FAILED", "UNCHANGED"]
    assert len(attempts.read_text()) == 1
