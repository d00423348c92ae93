"""CTRNet in the whole program: runs with random weights, and networks that are exported."""

import numpy as np
import onnxruntime
import pytest
import torch
from conftest import draw_page
from PIL import Image
from typer.testing import CliRunner

from remover.ctrnet import Generator
from workflows.cli import app


def test_a_run_with_random_weights_is_noise_under_the_mask_and_exact_outside(tmp_path, restore_docs, weights):
    source = draw_page(tmp_path / "a.png", size=(900, 700))
    annotated = ("--detector", "annotated", "--lossless", "--format", "png", "--jobs", "1")
    words = ("--remover", "ctrnet", "--weights", weights, "--engine", "torch", "--mask", "polygons", *annotated)
    done = restore_docs(source, "--out", tmp_path / "out", *words)
    assert done.code == 0 and "structure" in done.document("a.png")["pages"][0]["seconds"]
    before = np.asarray(Image.open(source).convert("RGB"))
    after = np.asarray(Image.open(tmp_path / "out" / "a.png").convert("RGB"))
    inside = np.zeros(before.shape[:2], bool)
    for top in (30, 80):
        inside[top : top + 21, 20:111] = True
    assert (before[~inside] == after[~inside]).all()
    assert (before[inside] != after[inside]).mean() > 0.9
    again = restore_docs(source, "--out", tmp_path / "again", *words)
    assert again.code == 0
    assert (tmp_path / "out" / "a.png").read_bytes() == (tmp_path / "again" / "a.png").read_bytes()


def test_weights_that_fail_end_the_run_with_4(tmp_path, restore_docs, monkeypatch):
    monkeypatch.setattr("remover.ctrnet.remover.SHIPPED", tmp_path / "none.safetensors")
    source = draw_page(tmp_path / "a.png")
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    words = ("--remover", "ctrnet", "--detector", "annotated", "--jobs", "1")
    done = restore_docs(source, "--out", tmp_path / "out", "--weights", tmp_path / "bad.pth", *words)
    assert done.code == 4 and "bad.pth" in done.stderr
    assert restore_docs(source, "--out", tmp_path / "out2", *words).code == 4
    assert not (tmp_path / "out" / "a.png").exists()


@pytest.mark.slow
def test_a_run_with_a_checkpoint_of_the_published_size(tmp_path, restore_docs):
    torch.manual_seed(0)
    published = {f"generator.module.{name}": t for name, t in Generator().state_dict().items()}
    torch.save(published | {"discriminator.conv1.0.bias": torch.zeros(1)}, tmp_path / "official.pth")
    source = draw_page(tmp_path / "a.png", size=(600, 520))
    words = ("--remover", "ctrnet", "--weights", tmp_path / "official.pth", "--detector", "annotated", "--jobs", "1")
    done = restore_docs(source, "--out", tmp_path / "out", "--mask", "polygons", "--lossless", *words)
    assert done.code == 0
    before = np.asarray(Image.open(source).convert("RGB"))
    after = np.asarray(Image.open(tmp_path / "out" / "a.png").convert("RGB"))
    inside = np.zeros(before.shape[:2], bool)
    for top in (30, 80):
        inside[top : top + 21, 20:111] = True
    assert (before[~inside] == after[~inside]).all() and (before[inside] != after[inside]).mean() > 0.9


@pytest.mark.parametrize("kind", ["weights", "documents"])
def test_an_exported_network_computes_the_same(tmp_path, kind, request):
    pytest.importorskip("onnxscript")
    weights = request.getfixturevalue(kind)
    done = CliRunner().invoke(app, ["export-onnx", str(weights), "--out", str(tmp_path / "m.onnx"), "--side", "64"])
    assert done.exit_code == 0 and "differs from torch by" in done.output
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    inputs = ["image", "mask", "soft_mask", "structure"] + ["prefill"] * (kind == "documents")
    assert [i.name for i in session.get_inputs()] == inputs
    assert session.get_inputs()[0].shape == [1, 3, 64, 64] and [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_an_export_that_cannot_be_is_told(tmp_path, weights):
    runner = CliRunner()
    assert runner.invoke(app, ["export-onnx", str(weights), "--out", "m.onnx", "--side", "65"]).exit_code == 2
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    assert (
        runner.invoke(app, ["export-onnx", str(tmp_path / "bad.pth"), "--out", str(tmp_path / "m.onnx")]).exit_code == 4
    )
