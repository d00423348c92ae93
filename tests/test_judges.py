"""Tesseract and Inception as judges: what is missing is said, and what is there gives figures."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import Outcome
from small_sets import pairs_set, scut_set, write

from pipeline.errors import SetupError
from workflows.evaluation.inception import _Network
from workflows.evaluation.judges import FeatureNetwork, TesseractReader
from workflows.evaluation.samples import read_image

Program = Callable[..., Outcome]
QUICK = ("--no-detection", "--quiet")


class Brightness(torch.nn.Module):
    """Takes images in [-1, 1] and gives their mean and its square: a network, though not Inception's."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        mean = x.mean(dim=(1, 2, 3))
        return torch.stack([mean, mean * mean], dim=1)


class Publisher(torch.nn.Module):
    """As the published TorchScript: takes bytes, and gives features when asked to."""

    def forward(self, x: torch.Tensor, return_features: bool = False) -> torch.Tensor:
        if return_features:
            return x.float().mean(dim=(2, 3))
        return x.float()


def scripted(path: Path, module: torch.nn.Module) -> Path:
    torch.jit.script(module).save(str(path))
    return path


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_fid_comes_from_a_scripted_network(tmp_path: Path, restore_docs: Program) -> None:
    network = scripted(tmp_path / "n.pt", Brightness())
    data = pairs_set(tmp_path / "data", ("a", "b", "c"))
    found = {}
    for folder in ("gt", "input"):
        out = tmp_path / f"{folder}.json"
        words = ("--predictions", data / folder, "--inception", network, "--json", out, *QUICK)
        assert restore_docs("evaluate", data, *words).code == 0
        found[folder] = json.loads(out.read_text())["mean"]["fid"]
    assert found["gt"] == pytest.approx(0, abs=1e-9) and found["input"] > 1e-4


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_the_published_form_is_asked_for_its_features(tmp_path: Path) -> None:
    network = FeatureNetwork(scripted(tmp_path / "n.pt", Publisher()))
    image = np.zeros((40, 60, 3), np.uint8)
    image[..., 1] = 100
    assert np.allclose(network.features(image), [0, 100, 0])


class Growing(dict[str, torch.Tensor]):
    """Has every weight; those it has not been asked for yet are made up, of the width given."""

    def __contains__(self, name: object) -> bool:
        return True


class Recorder(_Network):
    """Makes up each convolution's weights when it comes to it: all blocks are 16 channels wide."""

    def _conv(self, x: Any, name: str, stride: int = 1, padding: Any = 0) -> Any:
        last = name.split(".")[-1]
        kernel = (5, 5) if last == "branch5x5_2" else (3, 3)
        if isinstance(padding, tuple):
            kernel = (1 + 2 * padding[0], 1 + 2 * padding[1])
        elif "1x1" in last or last == "branch_pool" or (last.endswith("_1") and stride == 1):
            kernel = (1, 1)
        generator = torch.Generator().manual_seed(len(self._weights))
        scale = (2 / (x.shape[1] * kernel[0] * kernel[1])) ** 0.5
        self._weights[f"{name}.conv.weight"] = torch.randn(16, x.shape[1], *kernel, generator=generator) * scale
        for part, value in (("running_mean", 0.0), ("running_var", 1.0), ("weight", 1.0), ("bias", 0.0)):
            self._weights[f"{name}.bn.{part}"] = torch.full((16,), value)
        return super()._conv(x, name, stride, padding)


def random_inception() -> dict[str, torch.Tensor]:
    """Weights of the published names, and narrower than those."""
    weights = Growing()
    assert Recorder(weights, Path("n.pth")).features(torch.zeros(1, 3, 299, 299)).shape == (1, 6 * 16)
    return dict(weights)


def test_a_file_of_weights_is_run_as_inception(tmp_path: Path) -> None:
    weights = random_inception()
    torch.save(weights, tmp_path / "n.pth")
    network = FeatureNetwork(tmp_path / "n.pth")
    one, other = np.random.default_rng(0).integers(0, 256, (60, 50, 3), dtype=np.uint8), np.zeros((60, 50, 3), np.uint8)
    assert len(weights) == 94 * 5, "as many convolutions as Inception v3 has"
    features = network.features(one)
    assert (
        features.ndim == 1
        and np.isfinite(features).all()
        and not np.allclose(features, network.features(other), rtol=0.05)
    )
    del weights["Mixed_6c.branch7x7_2.conv.weight"]
    torch.save(weights, tmp_path / "n.pth")
    with pytest.raises(SetupError, match=r"lacks Mixed_6c\.branch7x7_2"):
        FeatureNetwork(tmp_path / "n.pth").features(one)


@pytest.mark.parametrize("content", [b"no network", b""])
def test_a_file_that_is_no_network_is_told(tmp_path: Path, restore_docs: Program, content: bytes) -> None:
    (tmp_path / "n.pt").write_bytes(content)
    done = restore_docs("evaluate", pairs_set(tmp_path / "data"), "--inception", tmp_path / "n.pt", *QUICK)
    assert done.code == 4 and "n.pt" in done.stderr
    torch.save({"other": torch.zeros(1)}, tmp_path / "n.pt")
    done = restore_docs("evaluate", pairs_set(tmp_path / "data"), "--inception", tmp_path / "n.pt", *QUICK)
    assert done.code == 4 and "does not hold the weights of an Inception v3" in done.stderr


# --- Tesseract -------------------------------------------------------------------------------------------------------


def test_without_tesseract_it_is_said_what_is_missing(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = pairs_set(tmp_path / "data")
    monkeypatch.setenv("PATH", str(tmp_path))
    done = restore_docs("evaluate", data, "--predictions", data / "gt", "--ocr", *QUICK)
    assert done.code == 4 and ("tesseract-ocr" in done.stderr or "restore-docs[evaluate]" in done.stderr)
    scut = scut_set(tmp_path / "scut")
    done = restore_docs("evaluate", scut, "--predictions", scut / "all_images", "--ocr", *QUICK)
    assert done.code == 2 and "does not tell" in done.stderr


@pytest.mark.skipif(shutil.which("tesseract") is None, reason="tesseract is not installed")
def test_words_are_read_and_counted(tmp_path: Path, restore_docs: Program) -> None:
    pytest.importorskip("pytesseract")
    data = pairs_set(tmp_path / "data", ("a",), kinds=("print", "hand"))
    page = np.full((220, 300, 3), 245, np.uint8)
    sides = {"gt_all": page.copy()}
    cv2.putText(page, "Invoice", (30, 58), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (20, 20, 20), 2, cv2.LINE_AA)
    sides["gt"] = page.copy()
    cv2.putText(page, "Payment", (30, 122), cv2.FONT_HERSHEY_SIMPLEX, 0.9, (20, 20, 20), 2, cv2.LINE_AA)
    for side, image in (sides | {"input": page}).items():
        write(data / side / "a.png", image)
    write(data / "mask" / "a.png", (page != sides["gt"]).any(axis=2).astype(np.uint8) * 255)
    told = json.loads((data / "json" / "a.json").read_text())
    for word, text in zip(told["words"], ("Invoice", "Payment"), strict=True):
        word["text"] = text
    (data / "json" / "a.json").write_text(json.dumps(told))
    found = {}
    for folder in ("input", "gt", "gt_all"):
        out = tmp_path / f"{folder}.json"
        assert restore_docs("evaluate", data, "--predictions", data / folder, "--ocr", "--json", out, *QUICK).code == 0
        mean = json.loads(out.read_text())["mean"]
        found[folder] = tuple(mean[name] for name in ("ocr_in", "ocr_out", "ocr_left", "kept", "kept_in"))
    assert found == {
        "input": (100, 100, 100, 100, 100),
        "gt": (100, 0, 0, 100, 100),
        "gt_all": (100, 0, 0, 0, 100),
    }
    with pytest.raises(SetupError, match="tlh"):
        TesseractReader().read(read_image(data / "gt" / "a.png"), "tlh")
