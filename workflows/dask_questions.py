"""What is asked of a Dask scheduler, with a time limit: a run must not wait for one that is gone."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from pipeline.errors import ClusterError
from workflows.worker_setup import refusal_here

ANSWER_SECONDS = 20  # for what a scheduler knows by itself
RUN_AGAIN = "start it again and run the same command: what is finished is kept"
STEADY_TRIES = 5
T = TypeVar("T")


def refusals_of(client: Any, resource: str, trouble: str = "") -> list[str]:
    """The workers that may not have our work, by name, and why."""

    def told() -> dict[str, str]:
        # looked up at each try: one that died since is waited for in vain, and for longer than an answer may take
        workers = workers_of(client)
        refused = [address for address, worker in workers.items() if resource not in worker.get("resources", {})]
        if not refused:
            return {}
        reasons = client.run(refusal_here, resource, workers=refused, on_error="return")
        why = {address: why for address, why in reasons.items() if why and not isinstance(why, OSError)}
        return {f"{workers[a].get('name', a)} at {a}": _reason(reason, trouble) for a, reason in why.items()}

    return [f"{worker}: {why}" for worker, why in steadily(client, told).items()]


def _reason(why: Any, trouble: str) -> str:
    if isinstance(why, ModuleNotFoundError) or trouble.startswith("ModuleNotFoundError"):
        return "restore-docs is not installed there"
    return str(why) if isinstance(why, str) else f"{type(why).__name__}: {why}"


def workers_of(client: Any) -> dict[str, Any]:
    """All workers by address, as the scheduler describes them."""
    return dict(ask(lambda: client.scheduler_info(n_workers=-1))["workers"])


def steadily(client: Any, question: Callable[[], T], seconds: float = ANSWER_SECONDS) -> T:
    """What a call gives that goes to all workers: one that dies meanwhile is not the scheduler's loss."""
    for _ in range(STEADY_TRIES):
        try:
            return ask(question, seconds)
        except ClusterError:
            workers_of(client)  # raises if it is the scheduler that is gone
            time.sleep(1)
    return ask(question, seconds)


def ask(question: Callable[[], T], seconds: float = ANSWER_SECONDS) -> T:
    """What a call of Dask's gives, or ClusterError when it does not come back in time: most take no limit."""
    answers: SimpleQueue[tuple[Any, BaseException | None]] = SimpleQueue()

    def call() -> None:
        try:
            answers.put((question(), None))
        except BaseException as error:
            answers.put((None, error))

    threading.Thread(target=call, daemon=True, name="ask-dask").start()
    try:
        value, error = answers.get(timeout=seconds)
    except Empty:
        raise ClusterError(f"the Dask scheduler did not answer for {seconds:g} s", RUN_AGAIN) from None
    if isinstance(error, OSError | TimeoutError):
        raise ClusterError("the Dask scheduler was lost", RUN_AGAIN) from error
    if error is not None:
        raise error
    return value
