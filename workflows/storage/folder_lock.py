"""One run at a time on an output folder, also when the hosts are several and one of them may have died.

The lock is a small file that its holder renews. On the holder's own host it is plain whether the holder lives; from
elsewhere, a lock that is not renewed for its lease was left by a run that is gone. Clocks of hosts are not compared:
who waits watches whether the file changes.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

import psutil
from filelock import FileLock, Timeout

from pipeline.errors import OutputError, RestoreError
from workflows.storage.patience import told

LEASE_SECONDS = 24.0  # at most 30, with the time it takes to look
RENEW_SECONDS = 4.0
NAME = "lock.json"


class Lease:
    """A lock that its holder renews, wherever it is kept: what is the same for all places."""

    def __init__(self, out: object) -> None:
        """``out`` is what messages name."""
        self._out = out
        self._token = uuid.uuid4().hex
        self._released = threading.Event()
        self.lost = False

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._released.set()
        with suppress(OSError, RestoreError):  # what stays is waited out: no reason to fail a run that is finished
            if (self._read() or {}).get("token") == self._token:
                self._remove()

    def check(self) -> None:
        """Raise OutputError if another run has taken over: this one was stopped for longer than its lease."""
        if self.lost:
            raise OutputError(f"another run took over {self._out}", "this one was stopped for too long; run it again")

    def _read(self) -> dict[str, Any] | None:
        """What the lock says; None if there is none, and nothing if it cannot be read now."""
        raise NotImplementedError

    def _write(self, number: int) -> None:
        """Say that we hold it; ``number`` is how often we said so before."""
        raise NotImplementedError

    def _remove(self) -> None:
        """Take it away."""
        raise NotImplementedError

    def _is_lost(self, held: dict[str, Any] | None) -> bool:
        return held is not None and held.get("token", self._token) != self._token

    def _told(self, number: int) -> str:
        return json.dumps(myself() | {"token": self._token, "renewed": number})

    def _refuse(self, held: dict[str, Any]) -> NoReturn:
        who = f": process {held['pid']} on {held.get('host')}" if "pid" in held else ""
        raise OutputError(f"another run is writing to {self._out}{who}", "wait for it, or choose another --out")

    def _keep_renewing(self) -> None:
        threading.Thread(target=self._renew, daemon=True, name="lease").start()

    def _renew(self) -> None:
        number = 0
        while not self._released.wait(RENEW_SECONDS):
            number += 1
            with suppress(OSError, RestoreError):  # the place is out for a moment
                if self._is_lost(self._read()):
                    self.lost = True
                    return
                self._write(number)
            if self._released.is_set():  # let go meanwhile
                with suppress(OSError, RestoreError):
                    self._remove()


class FolderLock(Lease):
    """The lock of a state folder. Use it as a context manager. Raises OutputError when another run holds it."""

    def __init__(self, folder: Path, out: object) -> None:
        """``out`` is what the message names."""
        super().__init__(out)
        self._path = folder / NAME

    def __enter__(self) -> FolderLock:
        deadline = time.monotonic() + LEASE_SECONDS
        seen = None
        while not self._take_or_tell():
            held = self._read()
            if held is None:
                continue
            if held.get("where") == _where():
                if _lives(held):
                    self._refuse(held)
                self._discard(held)
            elif seen is not None and held != seen:
                self._refuse(held)
            elif time.monotonic() > deadline:
                self._discard(held)
            else:
                seen = seen or held
                time.sleep(0.5)
        self._keep_renewing()
        return self

    def _take_or_tell(self) -> bool:
        with told(str(self._path), OutputError):
            return self._take()

    def _take(self) -> bool:
        text = self._told(0)
        mine = self._path.with_name(f"{NAME}-{self._token}")
        mine.write_text(text)
        try:  # a link is made or not, also on shares where exclusive opening is no promise
            os.link(mine, self._path)
        except FileExistsError:
            return False
        except OSError:  # no links there
            try:
                with self._path.open("x") as file:
                    file.write(text)
            except FileExistsError:
                return False
        finally:
            mine.unlink(missing_ok=True)
        return True

    def _discard(self, held: dict[str, Any]) -> None:
        """Take a dead lock away, and no other: of several who find it, one at a time looks again and removes it."""
        with suppress(Timeout), FileLock(f"{self._path}.guard", timeout=10):
            if self._read() == held:
                self._path.unlink(missing_ok=True)

    def _read(self) -> dict[str, Any] | None:
        try:
            return dict(json.loads(self._path.read_text()))
        except FileNotFoundError:
            return None
        except (ValueError, OSError):  # being written, or left by another kind of lock
            return {}

    def _write(self, number: int) -> None:
        scratch = self._path.with_name(f"{NAME}-{self._token}")
        scratch.write_text(self._told(number))
        scratch.replace(self._path)

    def _remove(self) -> None:
        self._path.unlink(missing_ok=True)


def holder(folder: Path) -> dict[str, Any] | None:
    """Who holds a folder's lock, with ``lives`` True, False, or None where that cannot be told from here."""
    held = FolderLock(folder, folder)._read()
    if not held:
        return None
    return describe(held)


def describe(held: dict[str, Any]) -> dict[str, Any]:
    """What a lock says, and whether its holder lives."""
    return held | {"lives": _lives(held) if held.get("where") == _where() else None}


def _where() -> str:
    """What has one set of process numbers: a host since it was started, or a container on it."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    since = boot.read_text().strip() if boot.exists() else str(int(psutil.boot_time()))
    with suppress(OSError):
        since += f" {Path('/proc/self/ns/pid').readlink()}"
    return f"{socket.gethostname()} {since}"


def myself() -> dict[str, Any]:
    """What a lock says of its holder."""
    pid = os.getpid()
    return {
        "where": _where(),
        "host": socket.gethostname(),
        "pid": pid,
        "born": psutil.Process(pid).create_time(),
    }


def is_alive_here(held: dict[str, Any]) -> bool:
    """Whether a holder is a process of this host that lives."""
    return held.get("where") == _where() and _lives(held)


def is_dead_here(held: dict[str, Any]) -> bool:
    """Whether a holder was a process of this host and is gone."""
    return held.get("where") == _where() and not _lives(held)


def _lives(held: dict[str, Any]) -> bool:
    try:
        process = psutil.Process(int(held["pid"]))
        # numbers are used again
        return bool(abs(process.create_time() - held["born"]) < 2 and process.status() != psutil.STATUS_ZOMBIE)
    except (psutil.NoSuchProcess, KeyError, ValueError):
        return False
