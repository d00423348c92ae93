"""How many processes fit: on a machine, in a container, in a systemd unit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import dask.system
import psutil
import pytest

from workflows import machine
from workflows.commands import worker_command
from workflows.workers.cluster import decide_jobs

GIB = 2**30


@pytest.fixture
def big_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """32 cores and 64 GiB, most of it free, and no control groups yet; where they are put."""
    memory = SimpleNamespace(total=64 * GIB, available=60 * GIB)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: memory)
    monkeypatch.setattr(dask.system, "cpu_count", lambda: 32)
    monkeypatch.setattr(machine, "CGROUPS", tmp_path)
    monkeypatch.setattr(machine, "OWN_GROUPS", tmp_path / "self")
    return tmp_path


def limit(groups: Path, own: str, files: dict[str, str]) -> None:
    (groups / "self").write_text(own)
    for name, content in files.items():
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(content)


@pytest.mark.parametrize(
    ("own", "files", "expected"),
    [
        ("0::/\n", {"memory.max": f"{4 * GIB}\n"}, 4 * GIB),
        ("0::/\n", {"memory.max": "max\n"}, 64 * GIB),
        ("0::/system.slice/r.service\n", {"system.slice/r.service/memory.max": f"{5 * GIB}\n"}, 5 * GIB),
        ("0::/a.slice/b\n", {"a.slice/memory.high": f"{6 * GIB}\n", "a.slice/b/memory.max": "max\n"}, 6 * GIB),
        ("7:memory:/docker/123\n2:cpu:/\n", {"memory/memory.limit_in_bytes": f"{3 * GIB}\n"}, 3 * GIB),
        ("7:memory:/\n", {"memory/memory.limit_in_bytes": "9223372036854771712\n"}, 64 * GIB),
    ],
)
def test_memory_is_what_the_control_group_has(big_host: Path, own: str, files: dict[str, str], expected: int) -> None:
    limit(big_host, own, files)
    assert machine.memory_limit() == expected


def test_jobs_and_workers_fit_into_the_container(big_host: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert decide_jobs("auto") == 60 * GIB // 2_500_000_000
    limit(big_host, "0::/\n", {"memory.max": str(4 * GIB)})
    assert decide_jobs("auto") == 1 and worker_command._cpu_workers() == 1
    limit(big_host, "0::/\n", {"memory.max": str(20 * GIB)})
    assert decide_jobs("auto") == worker_command._cpu_workers() == 8
    monkeypatch.setattr(dask.system, "cpu_count", lambda: 3)
    assert decide_jobs("auto") == worker_command._cpu_workers() == 3
    started: list[list[str]] = []
    monkeypatch.setattr(worker_command, "_start", lambda words, gpu: started.append(words))
    monkeypatch.setattr(worker_command, "_stay", lambda running: 0)
    worker_command.worker_command("tcp://a:1", gpus="0", cpus="2", memory="auto", folder="")
    (words,) = started
    assert int(words[words.index("--memory-limit") + 1]) == int(0.9 * 20 * GIB / 2)


def test_the_limits_of_this_machine_can_be_told() -> None:
    assert 0 < machine.memory_limit() <= psutil.virtual_memory().total and machine.count_cores() >= 1


def test_they_are_not_asked_for_help() -> None:
    """``--help`` stays instant: Dask, which counts cores, is loaded when a run begins."""
    code = "import sys, workflows.cli, workflows.commands.run_command; sys.exit('dask' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
