"""``restore-docs worker``: Dask workers for this machine, one process for each GPU and CPU workers beside them."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from types import FrameType

from pipeline.errors import ClusterError, UsageError
from workflows.exit_codes import ExitCode
from workflows.machine import count_cores, memory_limit
from workflows.workers.cluster import BYTES_PER_JOB
from workflows.workers.dask_cluster import count_gpus
from workflows.workers.setup import ENVIRONMENT

log = logging.getLogger("restore_docs")

END_SECONDS = 20  # that workers are given to finish what they are at


def worker_command(scheduler: str, *, gpus: str, cpus: str, memory: str, folder: str) -> ExitCode:
    """Start the workers and stay until they end or a signal comes. Raises UsageError, ClusterError."""
    gpu_count, cpu_count = _count("--gpus", gpus, count_gpus()), _count("--cpus", cpus, _cpu_workers())
    if not gpu_count + cpu_count:
        raise UsageError("no worker is to be started", "--cpus or --gpus must be at least 1")
    limit = memory if memory != "auto" else str(int(0.9 * memory_limit() / (gpu_count + cpu_count)))
    common = [
        *_place(scheduler),
        "--nthreads",
        "1",
        "--memory-limit",
        limit,
        "--preload",
        "workflows.workers.setup",
    ]
    common += ["--local-directory", folder] if folder else []
    running = [_start([*common, "--nworkers", str(cpu_count)], "")] if cpu_count else []
    for number in range(gpu_count):
        running.append(_start([*common, "--nworkers", "1", "--resources", "GPU=1"], _gpu_name(number)))
    log.info("%d CPU and %d GPU workers for %s", cpu_count, gpu_count, scheduler)
    return _stay(running)


def _place(scheduler: str) -> list[str]:
    return [scheduler] if "://" in scheduler or not os.path.exists(scheduler) else ["--scheduler-file", scheduler]  # noqa: PTH110


def _count(option: str, given: str, found: int) -> int:
    if given == "auto":
        return found
    if not given.isdigit():
        raise UsageError(f"{option} {given} is no number", "auto or a number")
    return int(given)


def _cpu_workers() -> int:
    """As many as cores and memory allow; models take their share in each."""
    return max(1, min(count_cores(), memory_limit() // BYTES_PER_JOB))


def _gpu_name(number: int) -> str:
    """A GPU as CUDA_VISIBLE_DEVICES names it, among those that this process may see."""
    seen = os.environ.get("CUDA_VISIBLE_DEVICES")
    return seen.split(",")[number].strip() if seen else str(number)


def _start(words: list[str], gpu: str) -> subprocess.Popen[bytes]:
    environment = os.environ | ENVIRONMENT | {"CUDA_VISIBLE_DEVICES": gpu}
    return subprocess.Popen([sys.executable, "-m", "dask", "worker", *words], env=environment)


def _stay(running: list[subprocess.Popen[bytes]]) -> ExitCode:
    """Until all are gone, well or not. A worker that dies is started again by its nanny, below us."""
    asked = False

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal asked
        asked = True
        for process in running:
            process.terminate()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    while all(process.poll() is None for process in running) and not asked:
        time.sleep(0.2)
    for process in running:  # one that is gone takes the others along: whoever started us starts all again
        process.terminate()
    for process in running:
        try:
            process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
    if not asked and any(process.returncode for process in running):
        raise ClusterError("a Dask worker ended with an error", "see what it said above")
    return ExitCode.OK
