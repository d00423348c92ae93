"""The real detector on drawn pages, and how it is loaded: from what, offline, in silence."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from detectors import bands, models
from detectors.base import DetectorSettings
from detectors.models import model_directory
from detectors.paddleocr import PaddleOcrDetector
from pipeline.errors import SetupError, StageError
from pipeline.types import Array, PageRef, TextRegion

ROOT = Path(__file__).parents[1]
REF = PageRef("letter.pdf", 2)


@pytest.fixture(scope="module")
def detector() -> PaddleOcrDetector:
    return PaddleOcrDetector(DetectorSettings())


def draw(size: tuple[int, int], *texts: tuple[int, int, int, str], ink: int = 20, paper: int = 240) -> Array:
    """A page of (width, height) with texts of (x, y, font size, words)."""
    image = Image.new("L", size, paper)
    for x, y, height, words in texts:
        ImageDraw.Draw(image).text((x, y), words, font=ImageFont.load_default(height), fill=ink)
    return np.repeat(np.asarray(image)[:, :, None], 3, axis=2)


def missed(image: Array, regions: tuple[TextRegion, ...], paper: int = 240) -> float:
    """The share of ink that no region covers."""
    covered = np.zeros(image.shape[:2], np.uint8)
    cv2.fillPoly(covered, [region.polygon.round().astype(np.int32) for region in regions], 1)
    ink = np.abs(image[:, :, 0].astype(int) - paper) > 60
    return float(1 - covered[ink].mean())


@pytest.mark.parametrize(("ink", "paper"), [(20, 240), (235, 40), (150, 215)])
def test_text_is_found_dark_on_light_light_on_dark_and_faint(detector: PaddleOcrDetector, ink: int, paper: int) -> None:
    image = draw((400, 240), (30, 20, 32, "Certificate"), (30, 90, 18, "of attendance"), (30, 180, 14, "No. 8", ),
                 ink=ink, paper=paper)  # fmt: skip
    regions = detector.detect(image, REF)
    assert len(regions) == 3
    assert missed(image, regions, paper) < 0.02


def test_text_that_runs_up_the_page_is_found(detector: PaddleOcrDetector) -> None:
    image = np.ascontiguousarray(np.rot90(draw((400, 240), (30, 40, 20, "A remark in the margin"))))
    regions = detector.detect(image, REF)
    assert regions and missed(image, regions) < 0.02


@pytest.mark.parametrize("turned", [False, True])
def test_words_across_the_borders_of_pieces_come_out_whole(
    detector: PaddleOcrDetector, monkeypatch: pytest.MonkeyPatch, turned: bool
) -> None:
    monkeypatch.setattr(bands, "PIECE_AREA", 64_000)
    monkeypatch.setattr(bands, "PIECE_WIDTH", 320)
    monkeypatch.setattr(bands, "OVERLAP", 96)
    lines = [(40, y, 20, "every line is cut somewhere") for y in range(20, 340, 40)]
    image = draw((400, 360), *lines)
    image = np.ascontiguousarray(np.rot90(image)) if turned else image
    assert len(bands.plan_pieces(800, 720)) >= 9
    regions = detector.detect(image, REF)
    assert len(regions) == len(lines)
    assert missed(image, regions) < 0.02


def test_a_headline_larger_than_a_piece_is_found(detector: PaddleOcrDetector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bands, "PIECE_AREA", 400_000)
    image = draw((1900, 1000), (60, 200, 560, "WE CARE"))
    assert missed(image, detector.detect(image, REF)) < 0.02


@pytest.fixture
def pieces_seen(detector: PaddleOcrDetector, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Collects how many pixels the network sees, piece by piece."""
    seen: list[int] = []
    predict = detector._model.predict

    def counting(piece: Array) -> Any:
        seen.append(piece.shape[0] * piece.shape[1])
        return predict(piece)

    monkeypatch.setattr(detector, "_model", SimpleNamespace(predict=counting))
    return seen


def test_a_large_page_is_looked_at_closely_only_where_small_text_is_left(
    detector: PaddleOcrDetector, pieces_seen: list[int]
) -> None:
    size, title = (1900, 800), (100, 60, 70, "Terms and conditions")
    plain = draw(size, title)
    assert missed(plain, detector.detect(plain, REF)) < 0.02
    glance = sum(pieces_seen)
    pieces_seen.clear()
    labels = [(300 + 34 * i, 600 + 34 * j, 10, label) for i, label in enumerate("38KAX") for j in range(2)]
    page = draw(size, title, *labels)
    regions = detector.detect(page, REF)
    assert len(regions) == 1 + len(labels)
    assert missed(page, regions) < 0.02
    assert glance < sum(pieces_seen) < glance + 1900 * 800 / 4
    assert max(pieces_seen) <= 1.1 * bands.PIECE_AREA


def test_a_page_that_cannot_be_looked_at_is_a_stage_error(
    detector: PaddleOcrDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: Array) -> Any:
        raise RuntimeError("bad allocation")

    monkeypatch.setattr(detector, "_model", SimpleNamespace(predict=fail))
    with pytest.raises(StageError, match=r"page 3 of letter\.pdf \(64 x 48 px\): RuntimeError in fail") as caught:
        detector.detect(np.zeros((48, 64, 3), np.uint8), REF)
    assert "bad allocation" not in str(caught.value), "a library's words may be the document's"
    back = pickle.loads(pickle.dumps(caught.value))
    assert (back.stage, back.page_number) == ("detect", 3)


def test_the_threads_are_the_settings(detector: PaddleOcrDetector) -> None:
    for settings in (DetectorSettings(), DetectorSettings(threads=2)):
        options = PaddleOcrDetector(settings)._model.paddlex_predictor.runner.session.get_session_options()
        assert options.intra_op_num_threads == settings.threads
        assert options.inter_op_num_threads == 1


OFFLINE = """
import json, os, socket, sys
def refuse(*_, **__): raise AssertionError("the detector reached for the network")
socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
import numpy as np
from detectors.base import DetectorSettings
from detectors.registry import create_detector
from pipeline.types import PageRef
detector = create_detector("paddleocr", DetectorSettings())
page = np.load(sys.argv[1])
regions = detector.detect(page, PageRef("a.pdf", 0))
import logging, warnings
print(json.dumps({"regions": len(regions), "telemetry": os.environ["ORT_DISABLE_TELEMETRY"],
                  "log handlers": len(logging.root.handlers)}))
"""


def test_it_loads_and_runs_without_network_noise_telemetry_or_a_home(tmp_path: Path) -> None:
    np.save(tmp_path / "page.npy", draw((320, 80), (20, 20, 24, "Hello there")))
    (tmp_path / "temp").mkdir()
    nowhere = tmp_path / "file"
    nowhere.touch()
    environment = {
        **os.environ,
        "HOME": str(nowhere / "home"),
        "TMPDIR": str(tmp_path / "temp"),
        "PYTHONPATH": str(ROOT),
    }
    environment.pop("PADDLE_PDX_CACHE_HOME", None)
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", OFFLINE, str(tmp_path / "page.npy")],
        cwd=tmp_path, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == {"regions": 1, "telemetry": "1", "log handlers": 0}
    assert list((tmp_path / "temp").iterdir()) == []


def test_the_shipped_models_folder_lasts_while_it_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    with model_directory(DetectorSettings()) as folder:
        assert folder is not None
        assert sorted(path.name for path in folder.iterdir()) == ["inference.onnx", "inference.yml"]
    assert not folder.exists()

    def no_links(*_: object) -> None:
        raise OSError("this file system has no links")

    monkeypatch.setattr(Path, "symlink_to", no_links)
    with model_directory(DetectorSettings()) as folder:
        assert folder is not None
        assert not (folder / "inference.onnx").is_symlink() and (folder / "inference.onnx").stat().st_size > 9_000_000


def test_a_folder_of_ones_own_is_used(tmp_path: Path) -> None:
    with model_directory(DetectorSettings()) as folder:
        assert folder is not None
        for name in ("inference.onnx", "inference.yml"):
            (tmp_path / name).write_bytes((folder / name).read_bytes())
    own = PaddleOcrDetector(DetectorSettings(model_dir=str(tmp_path)))
    assert len(own.detect(draw((320, 80), (20, 20, 24, "Hello")), REF)) == 1
    with pytest.raises(SetupError, match=f"check that {tmp_path} holds PP-OCRv5_mobile_det"):
        PaddleOcrDetector(DetectorSettings(model="PP-OCRv5_mobile_det", model_dir=str(tmp_path)))


def fake_rapidocr(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = SimpleNamespace(submodule_search_locations=[str(folder)])
    monkeypatch.setattr(models.importlib.util, "find_spec", lambda name: spec if name == "rapidocr" else None)


def test_missing_or_damaged_weights_are_a_setup_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_rapidocr(tmp_path, monkeypatch)
    with pytest.raises(SetupError, match=r"PP-OCRv6_det_small\.onnx cannot be read.*pip install"):
        PaddleOcrDetector(DetectorSettings())
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "PP-OCRv6_det_small.onnx").write_bytes(b"cut short")
    with pytest.raises(SetupError, match="damaged or another model"):
        PaddleOcrDetector(DetectorSettings())
    monkeypatch.setattr(models.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SetupError, match="rapidocr, which is missing"):
        PaddleOcrDetector(DetectorSettings())
    with pytest.raises(SetupError, match=r"needs paddlepaddle.*restore-docs\[paddle\]"):
        PaddleOcrDetector(DetectorSettings(engine="paddle"))


def test_a_model_that_cannot_be_had_is_a_setup_error_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(SetupError, match=r"cannot load no-such-model.*use PP-OCRv6_small_det"):
        PaddleOcrDetector(DetectorSettings(model="no-such-model"))
    with pytest.raises(SetupError, match="does not exist"):
        PaddleOcrDetector(DetectorSettings(model_dir=str(tmp_path / "nowhere")))
    with pytest.raises(SetupError, match=r"lacks inference\.yml and inference\.onnx"):
        PaddleOcrDetector(DetectorSettings(model_dir=str(tmp_path)))


def test_a_device_that_is_not_there_is_a_setup_error(monkeypatch: pytest.MonkeyPatch) -> None:
    import onnxruntime

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    with pytest.raises(SetupError, match=r"cannot use CUDA.*onnxruntime-gpu"):
        PaddleOcrDetector(DetectorSettings(device="cuda"))
