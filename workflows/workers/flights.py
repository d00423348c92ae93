"""Tasks in the air: what is started again, when, and in whose company; and who is to blame when a worker dies.

A worker that dies takes all its tasks along. Whose fault it was is found out by starting each of them again with
nothing beside it; a task that dies alone, as often as it takes to rule out chance, has killed its worker.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.errors import ClusterError, OutputError, RestoreError, SetupError, UsageError
from workflows.pages.guard import ran_out
from workflows.workers.cluster import Cluster, Landing

log = logging.getLogger("restore_docs")

# These concern the whole run: going on would fail every page alike.
FATAL = (UsageError, SetupError, OutputError, ClusterError)
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 60.0
PATIENCE_SECONDS = 1.0  # how long to wait for a landing before looking up


@dataclass(slots=True)
class Flight:
    """A task: how to start it (again), and what to do with what it gives.

    ``mark`` is where a worker says that it ran out of time, ``late`` the error to be told then. ``parts`` are flights
    to start instead when one that does the work of several pages fails, ``anew`` those to start instead of one that
    failed because what it needed is spoilt: Dask makes what died with its worker anew by itself, not alone, and when
    that fails, whatever needs it fails at once, and is not to blame.
    """

    start: Callable[[], Any]
    landed: Callable[[Landing], None]
    mark: Path | None = None
    late: Callable[[], RestoreError] | None = None
    parts: Callable[[], Sequence[Flight]] | None = None
    anew: Callable[[], Sequence[Flight]] | None = None
    alone: bool = False
    tries: int = 0
    deaths_alone: int = 0


class Flights:
    """All tasks of a run that were begun and have not come to their end."""

    def __init__(self, cluster: Cluster, retries: int) -> None:
        self._cluster, self._retries = cluster, retries
        self._in_flight: dict[Any, Flight] = {}
        self._suspects: deque[Flight] = deque()
        self._resting: list[tuple[float, int, Flight]] = []
        self._count = 0

    def __len__(self) -> int:
        return len(self._in_flight) + len(self._suspects) + len(self._resting)

    @property
    def accepts(self) -> bool:
        """Whether others may be started now: not while a suspect is to be alone."""
        return not self._suspects and not any(flight.alone for flight in self._in_flight.values())

    def launch(self, flight: Flight) -> None:
        """Start a task. One that follows from another that landed is started whatever ``accepts`` says."""
        self._in_flight[flight.start()] = flight

    def settle(self) -> None:
        """Wait for some to end, and handle them and all that this brings to its end at once. Raises what is fatal."""
        self._start_again()
        self.harvest(self._patience())

    def harvest(self, seconds: float) -> None:
        """Handle what ends within some time, and what follows from it at once."""
        landings = self._cluster.wait(seconds)
        while landings:
            for landing in landings:
                self._land(landing)
            landings = self._cluster.wait(0)

    def _start_again(self) -> None:
        while self.accepts and self._resting and self._resting[0][0] <= time.monotonic():
            self.launch(heapq.heappop(self._resting)[2])
        if self._suspects and not self._in_flight:
            self.launch(self._suspects.popleft())

    def _patience(self) -> float:
        if self._resting:
            return min(PATIENCE_SECONDS, max(0.01, self._resting[0][0] - time.monotonic()))
        return PATIENCE_SECONDS

    def _land(self, landing: Landing) -> None:
        flight = self._in_flight.pop(landing.future, None)
        if flight is None:
            return
        error = landing.error
        if landing.forgotten:
            self.launch(flight)
        elif anew := self._anew(flight, error):
            self._suspect(anew)
        elif landing.died:
            self._died(flight, landing)
        elif isinstance(error, RestoreError) and error.transient and flight.tries < self._retries:
            self._rest(flight, error)
        elif isinstance(error, FATAL):
            raise error
        elif error is not None and flight.parts is not None:
            self._suspect(flight.parts())
        else:
            flight.landed(landing)

    def _anew(self, flight: Flight, error: BaseException | None) -> Sequence[Flight]:
        return () if error is None or isinstance(error, FATAL) or flight.anew is None else flight.anew()

    def _died(self, flight: Flight, landing: Landing) -> None:
        flight.deaths_alone += flight.alone
        if flight.late is not None and ran_out(flight.mark):
            flight.landed(replace(landing, error=flight.late()))
        elif flight.deaths_alone < self._cluster.deaths_to_blame:
            self._suspect([flight] if flight.parts is None else flight.parts())
        else:
            flight.landed(landing)

    def _suspect(self, flights: Sequence[Flight]) -> None:
        for flight in flights:
            flight.alone = True
        self._suspects.extend(flights)

    def _rest(self, flight: Flight, error: RestoreError) -> None:
        pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2**flight.tries)
        flight.tries += 1
        self._count += 1
        log.warning("%s; once more in %g s", error.what, pause)
        heapq.heappush(self._resting, (time.monotonic() + pause, self._count, flight))
