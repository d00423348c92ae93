"""Batch norm with activation: by hand, and beside InPlaceABN where it is installed."""

import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from trunks import ABN, shaken, trunk_entries

from remover.ctrnet.priors import PlainABN, TResNetTrunk, choose_abn


@pytest.fixture(autouse=True)
def _same_numbers_every_time():
    torch.manual_seed(3)


@pytest.mark.parametrize("slope", [None, 1e-2])
@pytest.mark.parametrize("training", [True, False])
def test_plain_abn_by_hand(slope, training):
    layer = shaken(PlainABN(6, slope)).train(training)
    assert list(layer.state_dict()) == list(ABN) and (layer.weight < 0).any()
    x = torch.randn(4, 6, 5, 3) * 2 + 1
    mean, var = layer.running_mean.clone(), layer.running_var.clone()
    result = layer(x)
    if training:
        values = x.transpose(0, 1).flatten(1)
        assert torch.allclose(layer.running_mean, 0.9 * mean + 0.1 * values.mean(1), atol=1e-6)
        assert torch.allclose(layer.running_var, 0.9 * var + 0.1 * values.var(1, unbiased=True), atol=1e-5)
        mean, var = values.mean(1), values.var(1, unbiased=False)
    else:
        assert torch.equal(layer.running_mean, mean) and torch.equal(layer.running_var, var)
    mean, var, bias = (value.reshape(1, 6, 1, 1) for value in (mean, var, layer.bias))
    scale = layer.weight.abs().reshape(1, 6, 1, 1) + 1e-5
    expected = scale * (x - mean) / torch.sqrt(var + 1e-5) + bias
    expected = torch.where(expected > 0, expected, expected * (1.0 if slope is None else slope))
    assert torch.allclose(result, expected, atol=1e-5)


def test_a_weight_of_zero_leaves_a_trace_of_the_input():
    layer = PlainABN(1, None).eval()
    nn.init.zeros_(layer.weight)
    assert torch.allclose(layer(torch.full((1, 1, 1, 1), 1000.0)), torch.tensor(1e-2), rtol=1e-4)


class CountingABN(PlainABN):
    """Stands in for InPlaceABN 1.1: its arguments, and its count of batches, which it adds to what it loads."""

    def __init__(self, channels, *, eps, momentum, activation, activation_param=0.01):
        assert (eps, momentum) == (1e-5, 0.1) and activation in ("identity", "leaky_relu")
        super().__init__(channels, None if activation == "identity" else activation_param)
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def _load_from_state_dict(self, state, prefix, *rest):
        state.setdefault(f"{prefix}num_batches_tracked", torch.tensor(0))
        super()._load_from_state_dict(state, prefix, *rest)


def test_in_place_abn_is_chosen_where_it_can_be_imported(monkeypatch):
    monkeypatch.setitem(sys.modules, "inplace_abn", None)
    assert choose_abn() is PlainABN
    plain = shaken(TResNetTrunk())
    monkeypatch.setitem(sys.modules, "inplace_abn", SimpleNamespace(InPlaceABN=CountingABN))
    counting = TResNetTrunk()
    assert isinstance(counting.body.conv1[1], CountingABN)
    assert list(counting.state_dict()) == list(plain.state_dict())
    counting.load_state_dict(dict(plain.state_dict()))
    image = torch.rand(1, 3, 16, 16)
    assert torch.equal(counting(image), plain(image))


@pytest.mark.skipif(choose_abn() is PlainABN, reason="inplace_abn is not installed")
@pytest.mark.parametrize("slope", [None, 1e-2, 1e-3])
@pytest.mark.parametrize("training", [True, False])
def test_plain_abn_is_in_place_abn(slope, training):
    plain, real = shaken(PlainABN(8, slope)), choose_abn()(8, slope)
    real.load_state_dict(plain.state_dict())
    x, slopes = torch.randn(4, 8, 9, 7), torch.randn(4, 8, 9, 7)
    results = []
    for layer in (plain.train(training), real.train(training)):
        leaf = x.clone().requires_grad_()
        result = layer(leaf * 1)  # InPlaceABN overwrites what it is given
        (result * slopes).sum().backward()
        results.append([result, leaf.grad, layer.weight.grad, layer.bias.grad, *layer.state_dict().values()])
    for ours, theirs in zip(*results, strict=True):
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-3)


@pytest.mark.skipif(choose_abn() is PlainABN, reason="inplace_abn is not installed")
def test_the_trunk_is_the_same_with_in_place_abn():
    real = shaken(TResNetTrunk())
    assert not isinstance(real.body.conv1[1], PlainABN) and sorted(real.state_dict()) == sorted(trunk_entries())
    plain = TResNetTrunk(PlainABN)
    plain.load_state_dict(real.state_dict())
    image = torch.rand(1, 3, 32, 32)
    assert torch.allclose(plain(image), real(image), rtol=1e-4, atol=1e-4)


# TResNet-L trunk
