"""Workers that do not share the output folder with the client: what they wrote is nowhere to be found."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Outcome, draw_page
from processes import CHEAP

from workflows.pages import page_tasks
from workflows.storage import places


def test_an_output_that_is_not_seen_here_is_no_success(
    tmp_path: Path, restore_docs: Callable[..., Outcome], monkeypatch: pytest.MonkeyPatch
) -> None:
    assemble = page_tasks.assemble_document

    def elsewhere(paths: Any, kind: Any, outputs: list[str], marker: Any) -> Any:
        digests = assemble(paths, kind, outputs, marker)
        for output in outputs:
            Path(output).rename(tmp_path / "elsewhere")
        return digests

    monkeypatch.setattr(page_tasks, "assemble_document", elsewhere)
    monkeypatch.setattr(places, "SEEN_SECONDS", 0.1)
    sources = [draw_page(tmp_path / name) for name in ("a.png", "b.png")]
    done = restore_docs(*sources, "--out", tmp_path / "out", "--jobs", "1", *CHEAP)
    assert done.code == 5 and "it is not here" in done.stderr and "share the output folder" in done.stderr
    assert [document["status"] for document in done.report["documents"]] == ["FAILED"] * 2


def test_an_output_that_comes_late_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def exists(place: str) -> bool:
        asked.append(place)
        return len(asked) > 2

    monkeypatch.setattr(places, "exists", exists)
    monkeypatch.setattr(places, "time", type("Clock", (), {"monotonic": lambda: 0.0, "sleep": lambda seconds: None}))
    places.await_files([str(tmp_path / "a.pdf")])
    assert len(asked) == 3
