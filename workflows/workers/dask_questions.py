"""What is asked of a Dask scheduler, with a time limit: a run must not wait for one that is gone."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, Generic, TypeVar

from pipeline.errors import ClusterError
from workflows.workers.setup import refusal_here

ANSWER_SECONDS = 20.0  # for what a scheduler knows by itself
WORKER_SECONDS = 10.0  # for what a worker knows by itself
FETCH_SECONDS = 5.0  # for results, which are small
RUN_AGAIN = "start it again and run the same command: what is finished is kept"
STEADY_TRIES = 5
SILENT = f"it did not answer for {WORKER_SECONDS:g} s"
T = TypeVar("T")


def refusals_of(client: Any, resource: str) -> dict[str, str]:
    """By address, the workers that may not have our work, by name, and why; and those that do not answer."""
    asked = [address for address, worker in workers_of(client).items() if resource not in worker.get("resources", {})]
    if not asked:
        return {}
    why = ask(lambda: client.sync(_reasons, client, resource, asked), WORKER_SECONDS + ANSWER_SECONDS)
    # one that died since does not answer either, and is no worker any more
    left = {address: worker for address, worker in workers_of(client).items() if why.get(address)}
    return {address: f"{worker.get('name', address)} at {address}: {why[address]}" for address, worker in left.items()}


async def _reasons(client: Any, resource: str, addresses: Sequence[str]) -> dict[str, str]:
    """Why each of these workers was refused, "" if it was not; each is waited for by itself."""

    async def reason(address: str) -> str:
        run = client.run(refusal_here, resource, workers=[address], on_error="return")
        try:
            why = (await asyncio.wait_for(run, WORKER_SECONDS)).get(address, "")
        except (TimeoutError, OSError):
            return SILENT
        if "ModuleNotFoundError" in repr(why):  # Dask may have put it into another
            return f"restore-docs is not installed there, or another package stands before one of its own: {why}"
        return why if isinstance(why, str) else f"{type(why).__name__}: {why}"

    return dict(zip(addresses, await asyncio.gather(*map(reason, addresses)), strict=True))


def results_of(client: Any, keys: Sequence[str]) -> dict[str, Any]:
    """Results by key, of those that come in time: none of a worker that died or hangs."""
    try:
        return ask(lambda: dict(client.sync(_results, client, keys)), 2 * FETCH_SECONDS + ANSWER_SECONDS)
    except ClusterError:  # whoever watches the scheduler says so
        return {}


async def _results(client: Any, keys: Sequence[str]) -> dict[str, Any]:
    together = await _gathered(client, keys)
    if together or len(keys) == 1:
        return together
    found = await asyncio.gather(*(_gathered(client, [key]) for key in keys))
    return {key: value for one in found for key, value in one.items()}


async def _gathered(client: Any, keys: Sequence[str]) -> dict[str, Any]:
    """All of them or none. ``Client.gather`` would put all that is asked for side by side into one question."""
    try:
        told = await asyncio.wait_for(client.scheduler.gather(keys=list(keys)), FETCH_SECONDS)
    except (TimeoutError, OSError):
        return {}
    return dict(told["data"]) if told["status"] == "OK" else {}


def workers_of(client: Any) -> dict[str, Any]:
    """All workers by address, as the scheduler describes them."""
    return dict(ask(lambda: client.scheduler_info(n_workers=-1))["workers"])


def steadily(client: Any, question: Callable[[], T], seconds: float | None = None) -> T:
    """What a call gives that goes to all workers: one that dies meanwhile is not the scheduler's loss."""
    for _ in range(STEADY_TRIES):
        try:
            return ask(question, seconds)
        except ClusterError:
            workers_of(client)  # raises if it is the scheduler that is gone
            time.sleep(1)
    return ask(question, seconds)


def ask(question: Callable[[], T], seconds: float | None = None) -> T:
    """What a call of Dask's gives, or ClusterError when it does not come back in time: most take no limit."""
    limit = ANSWER_SECONDS if seconds is None else seconds
    asked = Question(question)
    if not asked.answered(limit):
        raise ClusterError(f"the Dask scheduler did not answer for {limit:g} s", RUN_AGAIN)
    return asked.answer()


class Question(Generic[T]):
    """A call of Dask's that is waited for as long as one likes."""

    def __init__(self, question: Callable[[], T]) -> None:
        self._question = question
        self._over = threading.Event()
        self._value: T
        self._error: BaseException | None = None
        threading.Thread(target=self._call, daemon=True, name="ask-dask").start()

    def _call(self) -> None:
        try:
            self._value = self._question()
        except BaseException as error:
            self._error = error
        self._over.set()

    def answered(self, seconds: float) -> bool:
        """Whether it has come back, or does so within some time."""
        return self._over.wait(seconds)

    def answer(self) -> T:
        """What it gave, once it has come back. Raises what it raised, ClusterError for a connection that was lost."""
        if isinstance(self._error, OSError | TimeoutError):
            raise ClusterError("the Dask scheduler was lost", RUN_AGAIN) from self._error
        if self._error is not None:
            raise self._error
        return self._value
