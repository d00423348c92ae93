from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
import torch
from material import write_shards
from short_runs import losses, quick

from detectors.strokes.network import StrokeNetwork, fold_norms
from detectors.strokes.weights import load_network, read_card
from pipeline.errors import InputError, SetupError
from workflows.training.folders import FolderSamples
from workflows.training.loop import WEIGHTS, learning_rate, train
from workflows.training.strokes_task import StrokesTask

pytest.importorskip("lightning")


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"))


def test_a_short_run_learns(shards, tmp_path):
    train(StrokesTask(), quick(shards, tmp_path, steps=120, batch=4, side=96, warm_up=5, rate=3e-3, save_every=120))
    course = losses(tmp_path)
    early, late = (np.mean([course[step] for step in steps]) for steps in (range(1, 9), range(113, 121)))
    assert late < 0.8 * early
    assert list(tmp_path.glob("preview-*.png"))
    assert read_card(tmp_path / WEIGHTS)["steps"] == "120"


def test_fine_tuning_starts_from_weights(shards, tmp_path):
    weights = train(StrokesTask(), quick(shards, tmp_path / "first", steps=3))
    built = StrokesTask(weights).build().state_dict()
    assert all(torch.equal(built[name], tensor) for name, tensor in load_network(weights).state_dict().items())


def test_altered_weights_are_refused(shards, tmp_path):
    weights = train(StrokesTask(), quick(shards, tmp_path, steps=3))
    data = bytearray(weights.read_bytes())
    data[-5] ^= 1
    weights.write_bytes(data)
    with pytest.raises(SetupError, match="SHA-256"):
        load_network(weights)


def test_folding_norms_changes_nothing():
    torch.manual_seed(1)
    network = StrokeNetwork()
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2)
    network.eval()
    image = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        before = network(image)
        after = fold_norms(network)(image)
    assert before.shape == (1, 3, 64, 96)
    torch.testing.assert_close(before, after, rtol=1e-4, atol=1e-4)


def test_stroke_network_is_small_enough():
    assert sum(p.numel() for p in StrokeNetwork().parameters()) <= 1_500_000


def test_learning_rate_rises_and_falls(tmp_path):
    settings = quick(tmp_path, tmp_path, steps=100, warm_up=10, rate=1.0)
    rates = [learning_rate(step, settings) for step in range(101)]
    assert rates[0] < 0.2
    assert max(rates) == max(rates[8:12])
    assert 0 < rates[-1] < 0.03


def write_scut(folder, count=3, side=80):
    rng = np.random.default_rng(0)
    for name in ("all_images", "all_labels", "all_gts"):
        (folder / name).mkdir(parents=True)
    for index in range(count):
        blank = np.full((side, side + 20 * index, 3), 200 - index, np.uint8)
        image = blank.copy()
        image[20:30, 10:60] = rng.integers(0, 60)
        image[60:64, 10:60] = 0  # ink outside every region: an annotator left it
        cv2.imwrite(str(folder / "all_images" / f"{index}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 95])
        cv2.imwrite(str(folder / "all_labels" / f"{index}.png"), blank)
        (folder / "all_gts" / f"{index}.txt").write_text("10,20,60,20,60,30,10,30,12 Elm, Road\n")
    return folder


@pytest.mark.parametrize("handwritten", [False, True])
def test_a_scut_data_set_gives_samples(tmp_path, handwritten):
    source = FolderSamples(write_scut(tmp_path / "set"), 64, 5, handwritten=handwritten)
    kinds = set()
    for index in range(8):
        sample, again = source.sample(index), source.sample(index)
        assert sample.image.shape == (64, 64, 3)
        assert np.array_equal(sample.image, again.image)
        assert np.array_equal(sample.printed, sample.blank if handwritten else sample.image)
        kinds |= set(np.unique(sample.labels))
        inked = (sample.labels > 0).sum()
        assert inked < 64 * 25, "the ink outside the regions is not labelled"
    assert kinds == {0, 2 if handwritten else 1}


def test_training_runs_on_a_data_set_beside_shards(shards, tmp_path):
    data = (write_scut(tmp_path / "set"),)
    train(StrokesTask(), dataclasses.replace(quick(shards, tmp_path / "out", steps=3), data=data))
    assert sorted(losses(tmp_path / "out")) == [1, 2, 3]


def test_a_folder_without_pairs_is_refused(tmp_path):
    with pytest.raises(InputError, match="all_labels"):
        FolderSamples(tmp_path, 64, 1)
