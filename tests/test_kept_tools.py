"""A worker lives longer than a run: what it keeps is of the files that are there now."""

from __future__ import annotations

import shutil
from pathlib import Path

from small_ctrnet import write_small_documents

from detectors.base import DetectorSettings
from detectors.registry import DETECTORS
from detectors.strokes.weights import SHIPPED
from remover.base import RemoverSettings
from workflows.config import RunSettings
from workflows.pages import tools
from workflows.workers.setup import demands_of, find_refusal


def test_a_remover_is_made_anew_when_its_weights_are_others(tmp_path: Path) -> None:
    settings = RemoverSettings(weights=write_small_documents(tmp_path / "w.safetensors", seed=0), device="cpu")
    first = tools.make_remover("ctrnet", settings)
    assert tools.make_remover("ctrnet", settings) is first
    write_small_documents(tmp_path / "w.safetensors", seed=1)
    second = tools.make_remover("ctrnet", settings)
    assert second is not first and tools.make_remover("ctrnet", settings) is second


def test_so_are_what_reads_strokes_and_the_detector(tmp_path: Path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setitem(DETECTORS, "fake", lambda settings: object())
    weights, model = tmp_path / "w.safetensors", tmp_path / "inference.onnx"
    shutil.copy(SHIPPED, weights)
    model.write_bytes(b"a model")

    def make() -> list[object]:
        return [
            tools.make_segmenter("learned", weights, 1),
            tools.make_reader(weights, 1),
            tools.make_detector("fake", DetectorSettings(model_dir=str(tmp_path))),
        ]

    first = make()
    assert all(one is other for one, other in zip(first, make(), strict=True))
    shutil.copy(SHIPPED, weights)  # the same bytes, at another time
    model.write_bytes(b"another model")
    assert all(one is not other for one, other in zip(first, make(), strict=True))


def test_a_worker_with_another_detection_model_is_refused(tmp_path: Path) -> None:
    for name in ("inference.onnx", "inference.yml"):
        (tmp_path / name).write_text("a model")
    demands = demands_of(RunSettings(detector_model=str(tmp_path)))
    assert find_refusal(demands) == ""
    (tmp_path / "inference.onnx").write_text("another")
    assert "inference.onnx" in find_refusal(demands)
    (tmp_path / "inference.onnx").unlink()
    assert "inference.onnx" in find_refusal(demands)
