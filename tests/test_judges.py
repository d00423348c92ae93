"""Tesseract and Inception as judges: what is missing is said, and what is there gives figures."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from conftest import Outcome
from small_sets import pairs_set, scut_set, write

from pipeline.errors import InputError, SetupError
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


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
@pytest.mark.parametrize(("height", "width"), [(598, 598), (299, 299), (150, 60), (700, 431)])
def test_images_are_resized_as_the_reference_does_it(tmp_path: Path, height: int, width: int) -> None:
    """Bilinear between the centres of pixels, with no more of them when it shrinks, in floats: nothing is rounded."""
    network = FeatureNetwork(scripted(tmp_path / "n.pt", torch.nn.Identity()))
    image = np.random.default_rng(height).integers(0, 256, (height, width, 3), dtype=np.uint8)
    sides = []
    for length in (height, width):
        at = np.clip((np.arange(299) + 0.5) * length / 299 - 0.5, 0, length - 1)
        low = np.floor(at).astype(int)
        sides.append((low, np.minimum(low + 1, length - 1), at - low))
    (top, bottom, down), (left, right, across) = sides
    upper, lower = (image[rows].astype(float) for rows in (top, bottom))
    rows = upper + (lower - upper) * down[:, None, None]
    expected = rows[:, left] + (rows[:, right] - rows[:, left]) * across[None, :, None]
    expected = np.moveaxis(expected, 2, 0) / 127.5 - 1
    assert np.abs(network.features(image).reshape(3, 299, 299) - expected).max() < 1e-4


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
    with pytest.raises(InputError, match="tlh"):
        TesseractReader().read(read_image(data / "gt" / "a.png"), "tlh")


class Reading:
    """A stand-in for the package that calls Tesseract: knows English, and reads one word everywhere."""

    class TesseractNotFoundError(Exception):
        pass

    class TesseractError(Exception):
        message = "no image"

    class Output:
        DICT = "dict"

    def get_tesseract_version(self) -> str:
        return "5"

    def get_languages(self, config: str = "") -> list[str]:
        return ["eng", "osd"]

    def image_to_data(self, image: Any, lang: str, **_: Any) -> dict[str, list[Any]]:
        assert lang == "eng"
        if image.min() > 250:
            raise self.TesseractError
        return {"text": [" word "], "left": [30], "top": [40], "width": [100], "height": [20]}


def test_a_language_that_tesseract_lacks_costs_its_own_row_only(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pytesseract", Reading())
    data = pairs_set(tmp_path / "data", ("a", "b", "c"))
    told = json.loads((data / "json" / "b.json").read_text())
    (data / "json" / "b.json").write_text(json.dumps(told | {"lang": "deu"}))
    write(data / "input" / "c.png", np.full((220, 300, 3), 255, np.uint8))
    out = tmp_path / "f.json"
    done = restore_docs("evaluate", data, "--predictions", data / "gt", "--ocr", "--json", out, *QUICK)
    found = json.loads(out.read_text())
    assert done.code == 6 and [image["name"] for image in found["images"]] == ["a"]
    assert (found["mean"]["ocr_in"], found["mean"]["ocr_left"]) == (50, 100), "one of two words, and still there"
    errors = {error["name"]: error["error"] for error in found["errors"]}
    assert "deu" in errors["b"] and "tesseract failed" in errors["c"]
