"""The losses and the network of CTRNet's trainer can be set, by file and by command line, and do what they say."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from material import write_shards
from safetensors import safe_open
from short_runs import as_options, quick, read_log

from pipeline.errors import UsageError
from remover.ctrnet import GeneratorConfig
from remover.ctrnet.priors import TResNetTrunk, VggFeatures, _torchvision_name
from workflows.training.checkpoints import CHECKPOINT
from workflows.training.ctrnet import main
from workflows.training.ctrnet_settings import CtrnetSettings, LossSettings, NetworkSettings
from workflows.training.ctrnet_task import CtrnetTask
from workflows.training.loop import train
from workflows.training.settings import build_settings, list_options
from workflows.training.shards import Shards
from workflows.training.synthesis import Synthesizer

pytest.importorskip("lightning")

SMALL = """
[network]
base_width = 8
lgcm_blocks = 1
rdbs = 1
growth = 4
rdb_layers = 2
structure_width = 2
"""


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.save({_torchvision_name(name): part for name, part in VggFeatures().state_dict().items()}, path)
    return path


def build(path, text, **given):
    path.write_text(f'shards = ["a"]\nout = "o"\n{text}')
    return build_settings(path, given, CtrnetSettings)


def run(shards, folder, text, *words):
    """Train two steps; the log's rows."""
    folder.mkdir()
    (folder / "run.toml").write_text(text)
    settings = quick(shards, folder / "out", steps=2)
    assert main([*as_options(settings), "--config", str(folder / "run.toml"), *words]) == 0
    return read_log(folder / "out")


def test_a_file_and_an_option_change_the_loss(shards, tmp_path):
    usual = run(shards, tmp_path / "usual", SMALL)
    filed = run(shards, tmp_path / "filed", SMALL + "[loss]\nl2 = 50\n")
    told = run(shards, tmp_path / "told", SMALL + "[loss]\nl2 = 7\n", "--l2", "50")
    assert [row["l2"] for row in (filed[0], told[0])] == [usual[0]["l2"]] * 2, "the first step's terms are the same"
    more = float(usual[0]["loss"]) + 45 * float(usual[0]["l2"])
    assert float(filed[0]["loss"]) == float(told[0]["loss"]) == pytest.approx(more, abs=1e-4)
    assert not {"perceptual", "style", "context", "adversarial", "heads"} & set(usual[0])


def test_the_network_is_as_large_as_the_file_says(shards, tmp_path):
    run(shards, tmp_path / "run", SMALL, "--growth", "6", "--dropout", "true")
    with safe_open(tmp_path / "run" / "out" / "weights.safetensors", "numpy") as file:
        config = json.loads(file.metadata()["config"])
    assert (config["base_width"], config["growth"], config["dropout"], config["prefill"]) == (8, 6, True, True)


def test_vgg_gives_perceptual_and_style_losses_by_both_commands(shards, vgg, tmp_path, restore_docs):
    (row, _) = run(shards, tmp_path / "one", SMALL, "--vgg", str(vgg))
    terms = {"l1": 1, "l2": 5, "scales": 0.5, "log": 0.02, "structure": 0.3, "perceptual": 0.05, "style": 120}
    assert float(row["perceptual"]) > 0
    assert float(row["loss"]) == pytest.approx(sum(w * float(row[name]) for name, w in terms.items()), abs=2e-3)
    (tmp_path / "run.toml").write_text(SMALL)
    settings = quick(shards, tmp_path / "two", steps=1)
    words = ["--config", str(tmp_path / "run.toml"), "--vgg", str(vgg), "--perceptual", "0.2"]
    outcome = restore_docs("train", "ctrnet", *as_options(settings), *words)
    assert outcome.code == 0, outcome.stderr
    (other,) = read_log(tmp_path / "two")
    assert other["perceptual"] == row["perceptual"]
    more = float(row["loss"]) + 0.15 * float(row["perceptual"])
    assert float(other["loss"]) == pytest.approx(more, abs=1e-4)


def test_heads_context_and_adversary_can_be_trained_with(shards, tmp_path):
    torch.save({"model": TResNetTrunk().state_dict()}, tmp_path / "trunk.pth")
    words = ["--trunk", str(tmp_path / "trunk.pth"), "--auxiliary-heads", "true", "--adversarial", "0.01"]
    (row, _) = run(shards, tmp_path / "run", SMALL, *words)
    assert {"heads", "context", "adversarial", "discriminator"} <= set(row)


@pytest.mark.parametrize(
    ("text", "given", "told"),
    [
        ("[loss]\nperceptual = 0.1", {}, r"perceptual needs the weights of VGG-16 \(name them with --vgg"),
        ("[loss]\nstyle = 1", {}, "style needs the weights of VGG-16"),
        ("", {"context": "0.1"}, r"context needs the weights of TResNet-L \(name them with --trunk"),
        ("[loss]\nl1 = -1", {}, "weight of l1 must be finite and not negative"),
        ("[loss]\nl3 = 1", {}, r"no training setting 'l3' in \[loss\]"),
        ("[network]\nprefill = false", {}, r"no training setting 'prefill' in \[network\]"),
        ("[network]\ngrowth = 2.5", {}, "growth has the wrong type"),
        ("[network]\ndropout = 1", {}, "dropout has the wrong type: 1 is neither true nor false"),
        ("loss = 3", {}, "loss 3 is no table"),
        ("loss = 3", {"l1": "1"}, "loss 3 is no table"),
        ("[network]\ngrowth = 8", {"init": "w.safetensors"}, r"w\.safetensors brings its own network: growth"),
    ],
)
def test_settings_that_make_no_loss_or_network_are_refused(tmp_path, text, given, told):
    with pytest.raises(UsageError, match=told):
        build(tmp_path / "run.toml", text, **given)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('[loss]\ntrunk = "t.pth"', r"context \(trunk\) needs a network with auxiliary heads.*auxiliary_heads = true"),
        ("[loss]\nheads = 0.2", "heads needs a network with auxiliary heads"),
        ("[loss]\nl1 = 0\nl2 = 0\nscales = 0\nlog = 0\nstructure = 0", "every loss has the weight 0"),
        ("[network]\nbase_width = 7", "make no network: base_width 7 must be even"),
    ],
)
def test_losses_that_the_network_cannot_have_are_refused(tmp_path, text, told):
    settings = build(tmp_path / "run.toml", text)
    with pytest.raises(UsageError, match=told):
        CtrnetTask.of(settings).build()


def test_every_size_of_the_network_can_be_set_and_every_option_is_explained():
    sizes = {field.name for field in dataclasses.fields(GeneratorConfig)} - {"prefill"}
    assert {field.name for field in dataclasses.fields(NetworkSettings)} == sizes
    from workflows.commands.train_cli import _SETTING_HELP

    names = [field.name for _, field in list_options(CtrnetSettings)]
    assert len(names) == len(set(names)) and set(names) == set(_SETTING_HELP)


def test_the_example_in_the_documentation_is_one(tmp_path):
    text = (Path(__file__).parents[1] / "docs" / "training.md").read_text()
    example = text[text.index("      out = ") : text.index("- **GPU**")]
    (tmp_path / "run.toml").write_text(example)
    settings = build_settings(tmp_path / "run.toml", {}, CtrnetSettings)
    assert settings.loss.weights(has_heads=True)["perceptual"] == 0.1
    assert settings.network.given() == {"base_width": 24, "rdbs": 4, "auxiliary_heads": True}


def test_what_counts_as_usual_counts_only_where_it_can():
    assert LossSettings().weights(has_heads=False)["heads"] == 0
    assert LossSettings().weights(has_heads=True)["heads"] == 0.1
    assert LossSettings(heads=0.0).weights(has_heads=True)["heads"] == 0
    with_vgg = LossSettings(vgg=Path("vgg.pth")).weights(has_heads=True)
    assert (with_vgg["perceptual"], with_vgg["style"], with_vgg["context"]) == (0.05, 120, 0)
    assert LossSettings().weights(has_heads=True)["perceptual"] == 0, "one run's files are not the next one's"


@pytest.mark.slow
def test_a_short_run_learns_and_its_picture_is_better_than_the_prefill(shards, tmp_path):
    sizes = NetworkSettings(base_width=8, lgcm_blocks=1, rdbs=1, growth=4, rdb_layers=2, structure_width=2)
    values = {"steps": 320, "batch": 4, "warm_up": 5, "rate": 4e-3, "ema": 0.9, "save_every": 320, "network": sizes}
    settings = quick(shards, tmp_path, CtrnetSettings, **values)
    train(CtrnetTask.of(settings), settings)
    log = read_log(tmp_path)

    def mean(name, rows):
        return np.mean([float(row[name]) for row in rows])

    def gain(rows):
        return mean("psnr", rows) - mean("prefill_psnr", rows)

    early, late = log[:10], log[-40:]
    assert mean("loss", late) < 0.85 * mean("loss", early), "measured: 0.6 and 0.68 with two seeds"
    assert gain(early) < 0, "a network that has learned nothing makes it worse"
    assert gain(late) > 0.5, "measured: 1.1 and 0.95 dB"
    wrong, left = errors_under_strokes(settings, shards, tmp_path / CHECKPOINT)
    assert left < 0.92 * wrong, "measured: 0.73 to 0.83 of it with four seeds"
    picture = cv2.imread(str(tmp_path / "preview-0000320.png"))
    assert picture.shape == (4 * settings.side, 5 * settings.side, 3)


def errors_under_strokes(settings, shards, checkpoint):
    """The mean squared errors under the strokes of the prefill and of the picture, on samples that were not seen."""
    task = CtrnetTask.of(settings)
    model = task.build()
    model.load_state_dict(torch.load(checkpoint, weights_only=True)["average"])
    synthesizer, rng, errors = Synthesizer(Shards([shards]), settings.side, 100), np.random.default_rng(1), []
    for first in range(0, 32, 4):
        batch = task.batch([synthesizer.sample(first + number) for number in range(4)], rng)
        picture = task.preview(model, {name: torch.from_numpy(values) for name, values in batch.items()})
        _, mask, prefill, predicted, truth = np.split(picture.astype(float), 5, axis=1)
        errors.append([np.square(part - truth)[mask > 0].mean() for part in (prefill, predicted)])
    return np.mean(errors, axis=0)
