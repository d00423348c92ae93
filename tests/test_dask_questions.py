"""What is asked of a scheduler while its workers come and go."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from processes import DaskProcesses, free_port

from workflows.workers import dask_questions
from workflows.workers.dask_questions import refusals_of, workers_of


@pytest.mark.slow
def test_a_worker_that_died_since_it_was_counted_is_not_the_schedulers_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Client

    asked: list[dict[str, Any]] = []

    def with_one_that_died(client: Any) -> dict[str, Any]:
        dead = {} if asked else {f"tcp://127.0.0.1:{free_port()}": {"name": "dead", "resources": {}}}
        asked.append(workers_of(client) | dead)
        return asked[-1]

    monkeypatch.setattr(dask_questions, "workers_of", with_one_that_died)
    with DaskProcesses(tmp_path, 1) as processes, Client(processes.address, set_as_default=False) as client:
        client.wait_for_workers(1)
        assert refusals_of(client, "restore-docs-nobody-has-it") == {}
    assert len(asked) > 1
