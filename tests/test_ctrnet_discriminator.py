"""The discriminator beside arithmetic written out by hand."""

import pytest
import torch
from torch.nn import functional

from pipeline.errors import SetupError
from remover.ctrnet import losses
from remover.ctrnet.discriminator import Discriminator, load_discriminator


@pytest.fixture(autouse=True)
def _same_numbers_every_time():
    torch.manual_seed(3)


def parameters_of(module):
    return sum(parameter.numel() for parameter in module.parameters())


def spectral_entries():
    names = ("conv1", "features", "conv2", "conv3", "conv4", "conv5")
    return [f"{name}.0.weight{end}" for name in names for end in ("_orig", "_u", "_v")]


def test_discriminator_shapes_and_entries():
    network = Discriminator()
    assert sorted(network.state_dict()) == sorted(spectral_entries()) and len(network.state_dict()) == 18
    assert parameters_of(network) == 2_763_776
    with torch.no_grad():
        judgement = network(torch.rand(1, 3, 512, 512))
    assert judgement.map.shape == (1, 1, 62, 62) and judgement.map.min() > 0 and judgement.map.max() < 1
    sizes = [(64, 256), (128, 128), (256, 64), (512, 63), (1, 62)]
    assert [tuple(f.shape) for f in judgement.features] == [(1, c, side, side) for c, side in sizes]


def test_discriminator_takes_no_image_below_24_pixels():
    network = Discriminator()
    assert network(torch.rand(1, 3, 24, 24)).map.shape == (1, 1, 1, 1)
    with pytest.raises(RuntimeError):
        network(torch.rand(1, 3, 16, 16))


def test_the_first_layer_of_the_discriminator_has_two_names():
    state = Discriminator().state_dict()
    for end in ("_orig", "_u", "_v"):
        assert state[f"conv1.0.weight{end}"].data_ptr() == state[f"features.0.weight{end}"].data_ptr()
    other = Discriminator()
    other.load_state_dict(state)
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in state.items())


def test_discriminator_by_hand():
    """In evaluation the stored vectors are used as they are, also when they are no singular vectors."""
    network = Discriminator().eval()
    state = network.state_dict()
    for name, tensor in state.items():
        if name.endswith(("_u", "_v")):
            tensor.copy_(functional.normalize(tensor + 0.01 * torch.rand_like(tensor), dim=0))
    before = {name: tensor.clone() for name, tensor in state.items()}
    image = torch.rand(2, 3, 32, 40)
    judgement = network(image)
    hidden, outputs = image, []
    for n, stride in enumerate((2, 2, 2, 1, 1), start=1):
        weight, u, v = (before[f"conv{n}.0.weight{end}"] for end in ("_orig", "_u", "_v"))
        sigma = u @ (weight.reshape(len(weight), -1) @ v)
        hidden = functional.conv2d(hidden, weight / sigma, stride=stride, padding=1)
        hidden = torch.where(hidden > 0, hidden, 0.2 * hidden) if n < 5 else hidden
        outputs.append(hidden)
    for ours, expected in zip(judgement.features, outputs, strict=True):
        assert torch.allclose(ours, expected, rtol=1e-4, atol=1e-6)
    assert torch.allclose(judgement.map, 1 / (1 + torch.exp(-outputs[-1])), atol=1e-6)
    assert all(torch.equal(tensor, before[name]) for name, tensor in network.state_dict().items())


def test_a_training_pass_takes_one_step_of_power_iteration():
    network = Discriminator().train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    image = torch.rand(1, 3, 32, 32)
    first = network(image).features[0]
    after = network.state_dict()
    for n in range(1, 6):
        matrix = before[f"conv{n}.0.weight_orig"].flatten(1)
        product = matrix.T @ before[f"conv{n}.0.weight_u"]
        v = product / product.norm().clamp_min(1e-12)
        u = matrix @ v / (matrix @ v).norm().clamp_min(1e-12)
        assert torch.allclose(after[f"conv{n}.0.weight_v"], v, atol=1e-6)
        assert torch.allclose(after[f"conv{n}.0.weight_u"], u, atol=1e-6)
        assert not torch.allclose(v, before[f"conv{n}.0.weight_v"], atol=1e-3)
        assert torch.equal(after[f"conv{n}.0.weight_orig"], before[f"conv{n}.0.weight_orig"])
    sigma = after["conv1.0.weight_u"] @ before["conv1.0.weight_orig"].flatten(1) @ after["conv1.0.weight_v"]
    expected = functional.conv2d(image, before["conv1.0.weight_orig"] / sigma, stride=2, padding=1)
    assert torch.allclose(first, functional.leaky_relu(expected, 0.2), atol=1e-6)


def test_maps_and_losses_stay_float32_in_half_precision():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        judgement = Discriminator()(torch.rand(1, 3, 32, 32))
        loss = losses.generator_adversarial(judgement.map)
        gram = losses.gram_matrix(judgement.features[0])
    assert judgement.features[0].dtype == torch.bfloat16
    assert judgement.map.dtype == loss.dtype == gram.dtype == torch.float32


# Checkpoints


def published(prefix="discriminator."):
    """A discriminator, and its entries in a training checkpoint, beside those of others."""
    network = Discriminator()
    network(torch.rand(1, 3, 32, 32))  # the stored vectors are not those of a new network
    entries = {f"{prefix}{name}": tensor.clone() for name, tensor in network.state_dict().items()}
    return network, entries | ({"generator.coarse_gen.a": torch.ones(2)} if prefix else {})


@pytest.mark.parametrize("prefix", ["discriminator.", "discriminator.module.", "module.discriminator.", ""])
def test_discriminator_from_a_training_checkpoint(tmp_path, prefix):
    network, entries = published(prefix)
    torch.save(entries, tmp_path / "d.pth")
    loaded = load_discriminator(tmp_path / "d.pth")
    assert all(torch.equal(tensor, loaded.state_dict()[name]) for name, tensor in network.state_dict().items())
    assert not loaded.training
    image = torch.rand(1, 3, 32, 32)
    assert torch.equal(loaded(image).map, network.eval()(image).map)


WRONG = [
    ("conv3.0.weight_u", None, "1 of 18 entries"),
    ("features.0.weight_orig", None, "1 of 18 entries"),
    ("conv5.0.weight_orig", torch.ones(1, 512, 3, 3), "1 of 18 entries"),
    ("conv2.0.weight_orig", torch.full((128, 64, 4, 4), float("nan")), "1 of 18 entries"),
    ("conv2.0.weight_v", torch.ones(1024, dtype=torch.complex64), "1 of 18 entries"),
    ("conv2.0.weight_v", "text", "1 of 18 entries"),
    ("conv6.0.weight_orig", torch.ones(1), "none of the discriminator's"),
    ("conv1.0.bias", torch.ones(64), "none of the discriminator's"),
    ("features.0.weight_u", torch.ones(64), "is not conv1.0.weight_u"),
]


@pytest.mark.parametrize(("entry", "value", "words"), WRONG)
def test_a_discriminator_with_an_entry_that_does_not_fit_is_refused(tmp_path, entry, value, words):
    _, entries = published()
    entries[f"discriminator.{entry}"] = value
    if value is None:
        del entries[f"discriminator.{entry}"]
    torch.save(entries, tmp_path / "d.pth")
    with pytest.raises(SetupError) as raised:
        load_discriminator(tmp_path / "d.pth")
    assert words in str(raised.value) and entry in str(raised.value) and "d.pth" in str(raised.value)


def test_what_holds_no_discriminator_is_refused(tmp_path):
    torch.save({"generator.coarse_gen.a": torch.ones(2)}, tmp_path / "g.pth")
    with pytest.raises(SetupError, match="18 of 18 entries"):
        load_discriminator(tmp_path / "g.pth")
