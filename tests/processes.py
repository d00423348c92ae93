"""The program, and Dask's scheduler and workers, as processes of their own: what an operator starts."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import psutil

TESTS = Path(__file__).parent
# no network is loaded: workers start, and start again, in a second or two
PLAIN = ("--mask", "classical", "--remover", "fill", "--verify", "off", "--report", "json")
CHEAP = ("--detector", "annotated", *PLAIN)


# for ``--preload``: a worker that writes down what it runs, and the removers that it loads
SPY = """
import os
from distributed import WorkerPlugin
from workflows.pages import tools

class Spy(WorkerPlugin):
    def setup(self, worker):
        self.name, create = str(worker.name), tools.create_remover
        def watched(name, settings):
            self.tell("load", settings.device)
            return create(name, settings)
        tools.create_remover = watched

    def transition(self, key, start, finish, **_):
        if finish == "executing":
            self.tell("run", key.split("-")[0])

    def tell(self, *words):
        with open(SEEN, "a") as file:
            file.write(" ".join([self.name, str(os.getpid()), *words]) + "\\n")

async def dask_setup(worker):
    await worker.plugin_add(Spy(), name="spy")
"""


def spy(folder: Path) -> tuple[str, str]:
    """The words that make a worker tell what it does, for ``seen``."""
    script = folder / "spy.py"
    script.write_text(f"SEEN = {str(folder / 'seen')!r}\n{SPY}")
    return "--preload", str(script)


def seen(folder: Path) -> list[tuple[str, ...]]:
    """What spied workers did, in order: worker, process, "run" or "load", and the function or the remover's device."""
    there = folder / "seen"
    return [tuple(line.split()) for line in there.read_text().splitlines()] if there.exists() else []


def environment(**more: str) -> dict[str, str]:
    """What processes see: this tree, and one thread."""
    return os.environ | {"PYTHONPATH": f"{TESTS}:{TESTS.parent}", "OMP_NUM_THREADS": "1"} | more


def register(fake: str = "", remover: str = "") -> str:
    """Python that makes a detector and a remover of ``fakes`` known as "fake"."""
    lines = ["import fakes, detectors.registry, remover.registry"]
    lines += [f"detectors.registry.DETECTORS['fake'] = fakes.{fake}"] if fake else []
    lines += [f"remover.registry.REMOVERS['fake'] = fakes.{remover}"] if remover else []
    return "\n".join(lines) + "\n"


def preload(folder: Path, fake: str = "", remover: str = "") -> tuple[str, str]:
    """The words that make the same known to a plain ``dask worker``."""
    script = folder / "preload.py"
    script.write_text(register(fake, remover))
    return "--preload", str(script)


def program(folder: Path, fake: str = "", remover: str = "") -> list[str]:
    """The words that start the program, with fakes that the workers it starts can import as well."""
    script = folder / "program.py"
    script.write_text(
        f"{register(fake, remover)}if __name__ == '__main__':\n    from workflows.cli import main; main()\n"
    )
    return [sys.executable, str(script)]


def run(words: Sequence[object], *, timeout: float = 240) -> subprocess.CompletedProcess[str]:
    """A program from its start to its end."""
    return subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, timeout=timeout, check=False, env=environment()
    )


def start(words: Sequence[object], log: Path, **more: str) -> subprocess.Popen[bytes]:
    """A program in a session of its own; what it says goes to ``log``."""
    with log.open("ab") as file:
        return subprocess.Popen(
            [str(word) for word in words], stdout=file, stderr=file, env=environment(**more), cwd=log.parent,
            start_new_session=True,
        )  # fmt: skip


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(true: Callable[[], object], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.1)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process and all it started."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        process.wait(15)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(15)


class DaskProcesses:
    """A scheduler and workers, as an operator would start them. Use it as a context manager."""

    def __init__(
        self, folder: Path, workers: int = 2, more: dict[str, str] | None = None,
        more_for_scheduler: dict[str, str] | None = None,
    ) -> None:  # fmt: skip
        self.folder, self.port, self.http_port = folder, free_port(), free_port()
        self.file = folder / "scheduler.json"
        self._more_for_scheduler = more_for_scheduler or {}
        self.address = f"tcp://127.0.0.1:{self.port}"
        self._dask = [sys.executable, "-m", "dask"]
        self.workers: list[subprocess.Popen[bytes]] = []
        self.scheduler = self.start_scheduler()
        more = more or {}
        for _ in range(workers):
            self.start_worker(**more)

    def start_scheduler(self) -> subprocess.Popen[bytes]:
        where = ["--host", "127.0.0.1", "--port", self.port, "--no-dashboard", "--scheduler-file", self.file]
        where += ["--dashboard-address", f"127.0.0.1:{self.http_port}"]
        words = [*self._dask, "scheduler", *where]
        self.scheduler = start(words, self.folder / "scheduler.log", **self._more_for_scheduler)
        return self.scheduler

    def start_worker(self, *more: str, **environment: str) -> subprocess.Popen[bytes]:
        words = ["--nworkers", "1", "--nthreads", "1", "--no-dashboard", "--local-directory", self.folder / "dask"]
        worker = start([*self._dask, "worker", self.address, *words, *more], self.folder / "worker.log", **environment)
        self.workers.append(worker)
        return worker

    def wait_for_workers(self, count: int) -> None:
        from distributed import Client

        with Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(count, timeout=120)

    def restart_scheduler(self) -> None:
        """Kill it, and start another at the same address."""
        self.scheduler.kill()
        self.scheduler.wait()
        self.start_scheduler()

    def kill_a_worker(self, number: int) -> None:
        """``kill -9`` the process that works, not the nanny that starts it again."""
        self.send_a_worker(number, signal.SIGKILL)

    def send_a_worker(self, number: int, what: signal.Signals) -> None:
        """A signal to the process that works."""
        with suppress(psutil.Error):
            for child in psutil.Process(self.workers[number].pid).children(recursive=True):
                if "spawn_main" in " ".join(child.cmdline()):
                    child.send_signal(what)

    def __enter__(self) -> DaskProcesses:
        return self

    def __exit__(self, *_: object) -> None:
        for process in [*self.workers, self.scheduler]:
            end(process)
