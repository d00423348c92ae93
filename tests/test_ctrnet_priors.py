"""The frozen networks beside arithmetic written out by hand, and their checkpoints."""

import os
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional
from trunks import ABN, shaken, trunk_entries

from pipeline.errors import SetupError
from remover.ctrnet.discriminator import load_discriminator
from remover.ctrnet.priors import PlainABN, TResNetTrunk, load_trunk, load_vgg


@pytest.fixture(autouse=True)
def _same_numbers_every_time():
    torch.manual_seed(3)


def parameters_of(module):
    return sum(parameter.numel() for parameter in module.parameters())


def test_trunk_shapes_and_entries():
    trunk = TResNetTrunk()
    assert sorted(trunk.state_dict()) == sorted(trunk_entries())
    assert parameters_of(trunk) == 2_578_192
    assert trunk(torch.rand(1, 3, 512, 512)).shape == (1, 152, 64, 64)
    assert trunk(torch.rand(2, 3, 8, 24)).shape == (2, 152, 1, 3)
    for shape in ((1, 3, 12, 16), (1, 3, 16, 12), (3, 16, 16)):
        with pytest.raises(ValueError, match="multiples of 8"):
            trunk(torch.rand(shape))


def test_trunk_is_frozen():
    trunk = shaken(TResNetTrunk(PlainABN))
    before = {name: tensor.clone() for name, tensor in trunk.state_dict().items()}
    holder = nn.ModuleList([trunk]).train()
    assert not any(module.training for module in holder[0].modules())
    image = torch.rand(1, 3, 16, 16, requires_grad=True)
    trunk(image).sum().backward()
    assert image.grad.abs().sum() > 0 and all(parameter.grad is None for parameter in trunk.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in trunk.state_dict().items())


def trunk_by_hand(state, image):
    """The trunk in terms of its published entries alone."""

    def abn(x, prefix, slope):
        weight, bias, mean, var = (state[f"{prefix}.{name}"].reshape(1, -1, 1, 1) for name in ABN)
        x = (weight.abs() + 1e-5) * (x - mean) / torch.sqrt(var + 1e-5) + bias
        return torch.maximum(x, slope * x)

    def conv_abn(x, prefix, slope):
        weight = state[f"{prefix}.0.weight"]
        return abn(functional.conv2d(x, weight, padding=weight.shape[2] // 2), f"{prefix}.1", slope)

    def blur(x):
        x = functional.pad(x, (1, 1, 1, 1), mode="reflect")
        x = (x[..., :-2] + 2 * x[..., 1:-1] + x[..., 2:]) / 4
        return ((x[..., :-2, :] + 2 * x[..., 1:-1, :] + x[..., 2:, :]) / 4)[..., ::2, ::2]

    def excite(x, prefix):
        fc1, fc2 = state[f"{prefix}.fc1.weight"][..., 0, 0], state[f"{prefix}.fc2.weight"][..., 0, 0]
        assert len(fc1) == 64
        hidden = (x.mean((2, 3)) @ fc1.T + state[f"{prefix}.fc1.bias"]).clamp_min(0)
        return x * torch.sigmoid(hidden @ fc2.T + state[f"{prefix}.fc2.bias"])[..., None, None]

    x = torch.cat([image[:, :, dy::4, dx::4] for dy in range(4) for dx in range(4)], dim=1)
    x = conv_abn(x, "body.conv1", 1e-2)
    for name in [f"body.layer1.{n}" for n in range(4)] + [f"body.layer2.{n}" for n in range(5)]:
        residual, halves = x, name == "body.layer2.0"
        x = blur(conv_abn(x, f"{name}.conv1.0", 1e-3)) if halves else conv_abn(x, f"{name}.conv1", 1e-3)
        x = excite(conv_abn(x, f"{name}.conv2", 1.0), f"{name}.se")
        if halves:
            residual = sum(residual[..., dy::2, dx::2] for dy in (0, 1) for dx in (0, 1)) / 4
            residual = conv_abn(residual, f"{name}.downsample.1", 1.0)
        x = (x + residual).clamp_min(0)
    return x


def test_trunk_by_hand():
    trunk = shaken(TResNetTrunk())
    image = torch.rand(2, 3, 32, 48)
    expected = trunk_by_hand(trunk.state_dict(), image)
    assert expected.std() > 0.1
    assert torch.allclose(trunk(image), expected, rtol=1e-3, atol=1e-3)


# VGG-16


def vgg_by_hand():
    """The first 17 layers of VGG-16 as torchvision numbers them."""
    layers, channels = [], 3
    for entry in (64, 64, "pool", 128, 128, "pool", 256, 256, 256, "pool"):
        layers += [nn.MaxPool2d(2, 2)] if entry == "pool" else [nn.Conv2d(channels, entry, 3, padding=1), nn.ReLU()]
        channels = channels if entry == "pool" else entry
    assert len(layers) == 17
    return nn.Sequential(*layers)


def test_vgg_features_from_torchvision_weights(tmp_path):
    features = vgg_by_hand()
    entries = {f"features.{name}": tensor for name, tensor in features.state_dict().items()}
    torch.save({**entries, "features.17.weight": torch.ones(2), "classifier.0.bias": torch.ones(3)}, tmp_path / "v.pth")
    vgg = load_vgg(tmp_path / "v.pth")
    convs = ["enc_1.0", "enc_1.2", "enc_2.0", "enc_2.2", "enc_3.0", "enc_3.2", "enc_3.4"]
    assert list(vgg.state_dict()) == [f"{conv}.{kind}" for conv in convs for kind in ("weight", "bias")]
    image = torch.rand(1, 3, 24, 32, requires_grad=True)
    results = vgg(image)
    assert [tuple(result.shape) for result in results] == [(1, 64, 12, 16), (1, 128, 6, 8), (1, 256, 3, 4)]
    for result, end in zip(results, (5, 10, 17), strict=True):
        assert torch.allclose(result, features[:end](image), atol=1e-6)
    results[2].sum().backward()
    assert image.grad.abs().sum() > 0 and not any(parameter.requires_grad for parameter in vgg.parameters())


@pytest.mark.parametrize("prefix", ["extractor.", "extractor.module.", "module.extractor."])
def test_vgg_features_from_a_training_checkpoint(tmp_path, prefix):
    features = vgg_by_hand()
    stages = {"enc_1": (0, 2), "enc_2": (5, 7), "enc_3": (10, 12, 14)}
    entries = {
        f"{prefix}{stage}.{layer - layers[0]}.{kind}": getattr(features[layer], kind)
        for stage, layers in stages.items()
        for layer in layers
        for kind in ("weight", "bias")
    }
    others = {"generator.module.coarse_gen.a": torch.ones(2), "discriminator.features.0.weight_orig": torch.ones(2)}
    torch.save({**others, **entries}, tmp_path / "training.pth")
    image = torch.rand(1, 3, 24, 32)
    for result, end in zip(load_vgg(tmp_path / "training.pth")(image), (5, 10, 17), strict=True):
        assert torch.allclose(result, features[:end](image), atol=1e-6)
    torch.save({**others, **dict(list(entries.items())[1:])}, tmp_path / "training.pth")
    with pytest.raises(SetupError, match=r"1 of 14 entries .*: extractor\.enc_1\.0\.weight"):
        load_vgg(tmp_path / "training.pth")


# Checkpoints


def published_trunk(prefix=""):
    """A trunk, and a checkpoint as published: the whole classifier's weights under one key, and other things."""
    trunk = shaken(TResNetTrunk(PlainABN))
    entries = {f"{prefix}{name}": tensor for name, tensor in trunk.state_dict().items()}
    rest = {f"{prefix}body.layer3.0.conv1.0.weight": torch.ones(2), f"{prefix}head.fc.weight": torch.ones(3)}
    return trunk, {"model": {**entries, **rest}, "num_classes": 9605}


@pytest.mark.parametrize(("prefix", "as_zip"), [("", True), ("module.", False)])
def test_trunk_from_a_published_checkpoint(tmp_path, prefix, as_zip):
    trunk, checkpoint = published_trunk(prefix)
    torch.save(checkpoint, tmp_path / "asl.pth", _use_new_zipfile_serialization=as_zip)
    torch.save(checkpoint["model"], tmp_path / "flat.pth")
    for name in ("asl.pth", "flat.pth"):
        loaded = load_trunk(tmp_path / name)
        assert all(torch.equal(tensor, loaded.state_dict()[entry]) for entry, tensor in trunk.state_dict().items())
        assert not loaded.training and not any(parameter.requires_grad for parameter in loaded.parameters())


@pytest.mark.parametrize("entry", ["body.conv1.1.running_var", "body.layer2.0.downsample.1.0.weight"])
@pytest.mark.parametrize("value", [None, torch.ones(7), "text"])
def test_a_trunk_with_an_entry_that_does_not_fit_is_refused(tmp_path, entry, value):
    _, checkpoint = published_trunk()
    checkpoint["model"][entry] = value
    torch.save(checkpoint, tmp_path / "asl.pth")
    with pytest.raises(SetupError, match="1 of 136 entries") as raised:
        load_trunk(tmp_path / "asl.pth")
    assert entry in str(raised.value) and "asl.pth" in str(raised.value) and "under 'model'" in raised.value.remedy


def test_a_trunk_under_other_names_is_refused(tmp_path):
    _, checkpoint = published_trunk("net.")
    torch.save(checkpoint, tmp_path / "asl.pth")
    with pytest.raises(SetupError, match=r"136 of 136 entries .*: body\.conv1\.0\.weight, .*, \.\.\."):
        load_trunk(tmp_path / "asl.pth")


@pytest.mark.parametrize("value", [None, torch.ones(128, 64, 1, 1)])
def test_vgg_weights_that_do_not_fit_are_refused(tmp_path, value):
    entries = {f"features.{name}": tensor for name, tensor in vgg_by_hand().state_dict().items()}
    del entries["features.5.weight"]
    torch.save(entries if value is None else {**entries, "features.5.weight": value}, tmp_path / "vgg.pth")
    with pytest.raises(SetupError, match=r"1 of 14 entries .*vgg\.pth.*: features\.5\.weight"):
        load_vgg(tmp_path / "vgg.pth")


@pytest.mark.parametrize("load", [load_trunk, load_vgg, load_discriminator])
@pytest.mark.parametrize("content", [b"", b"no checkpoint\n", bytes(range(256)), b"PK\x03\x04 not a zip", None])
def test_what_is_no_checkpoint_is_refused(tmp_path, load, content):
    path = tmp_path / "weights.pth"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(SetupError, match=r"cannot read .*weights\.pth") as raised:
        load(path)
    assert raised.value.remedy


@pytest.mark.parametrize("content", [[torch.ones(2)], {"model": [1, 2]}])
def test_a_checkpoint_without_a_dictionary_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "list.pth")
    with pytest.raises(SetupError, match=r"list\.pth holds no dictionary .*list"):
        load_trunk(tmp_path / "list.pth")


class Intruder:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("save", [torch.save, lambda thing, path: path.write_bytes(pickle.dumps(thing))])
def test_a_checkpoint_cannot_run_code(tmp_path, save):
    save({"model": Intruder(str(tmp_path / "made"))}, tmp_path / "bad.pth")
    for load in (load_trunk, load_vgg, load_discriminator):
        with pytest.raises(SetupError, match=r"cannot read .*bad\.pth"):
            load(tmp_path / "bad.pth")
    assert not (tmp_path / "made").exists()
