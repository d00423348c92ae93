"""4 x 4 convolutions that halve or double, with fewer products, against torch's own."""

import pytest
import torch
from ctrnet_rule import make_sample
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ctrnet_network import SMALL, _one_thread, _same_weights_every_time, batch, small  # noqa: F401 - fixtures
from torch import nn

from remover.ctrnet.inference import InferenceGenerator, use_fewer_products
from remover.ctrnet.products import Scratch, can_multiply
from remover.ctrnet.resizing import DoublingConvolution, HalvingConvolution
from remover.ctrnet.winograd import WinogradConv2d

needs_bfloat16 = pytest.mark.skipif(not can_multiply(torch.bfloat16), reason="no use for bfloat16 here")
KINDS = {
    "doubling": (nn.ConvTranspose2d, 1, DoublingConvolution),
    "halving": (nn.Conv2d, 1, HalvingConvolution),
    "halving, not padded": (nn.Conv2d, 0, HalvingConvolution),
}


def make(kind, channels, slope, bias=True):
    """torch's layer, and ours for it."""
    torchs, padding, ours = KINDS[kind]
    plain = torchs(*channels, 4, 2, padding, bias=bias).requires_grad_(False)
    return plain, ours(plain, Scratch(), slope)


@needs_bfloat16
@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(2, 15),
    width=st.integers(2, 15),
    channels=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    slope=st.sampled_from([0.0, 0.5, 1.0]),
    bias=st.booleans(),
    count=st.integers(1, 2),
    seed=st.integers(0, 99),
)
def test_small_whole_numbers_come_out_exactly(kind, height, width, channels, slope, bias, count, seed):
    torch.manual_seed(seed)
    torchs, padding, ours = KINDS[kind]
    plain = torchs(*channels, 4, 2, padding, bias=bias).requires_grad_(False)
    for part in plain.parameters():
        part.copy_(torch.randint(-1, 2, part.shape) * 4)  # their quarters, sums of them and products: all in 8 bits
    x = torch.randint(-1, 2, (count, channels[0], 2 * height, 2 * width)).float()
    exact = nn.functional.leaky_relu(plain(x), slope)
    result = ours(plain, Scratch(), slope)(x.bfloat16())
    assert exact.abs().max() <= 256 * 4 and result.dtype == torch.bfloat16
    assert torch.equal(result, exact.bfloat16())
    assert result.is_contiguous(memory_format=torch.channels_last)


@needs_bfloat16
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", range(3))
def test_rounding_stays_small(kind, seed):
    torch.manual_seed(seed)
    plain, layer = make(kind, (48, 24), 0.2)
    x = torch.randn(2, 48, 40, 72).bfloat16()
    exact = nn.functional.leaky_relu(plain(x.float()), 0.2)
    result = layer(x)
    assert result.shape == exact.shape
    error = (result.float() - exact).abs()
    assert error.max() <= 0.03 * exact.abs().max() and error.mean() <= 0.01 * exact.abs().mean()
    assert torch.equal(layer(x.contiguous(memory_format=torch.channels_last)), result)


@needs_bfloat16
@pytest.mark.parametrize("kind", KINDS)
def test_bytes_do_not_depend_on_threads_or_on_who_else_is_there(kind):
    torch.manual_seed(4)
    _, layer = make(kind, (32, 16), 0.2)
    x = torch.randn(3, 32, 136, 152).bfloat16()
    before = torch.get_num_threads()
    try:
        made = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            made.append(layer(x))
            made.append(torch.cat([layer(x[k : k + 1]) for k in range(3)]))
            assert torch.get_num_threads() == threads, "bands change the threads of the caller"
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(made[0], other) for other in made[1:])


@pytest.mark.parametrize("other", [(3, 2, 1), (4, 1, 1), (4, 2, 2)])
def test_4_by_4_of_stride_2_only(other):
    for plain, ours in (
        (nn.ConvTranspose2d(1, 1, *other), DoublingConvolution),
        (nn.Conv2d(1, 1, *other), HalvingConvolution),
        (nn.Conv2d(1, 1, 4, 2, 1), DoublingConvolution),
        (nn.ConvTranspose2d(1, 1, 4, 2, 1, 1), DoublingConvolution),
        (nn.ConvTranspose2d(1, 1, 4, 2, 0), DoublingConvolution),
    ):
        with pytest.raises(ValueError, match="4 x 4"):
            ours(plain, Scratch(), 1.0)


@pytest.mark.parametrize(("dtype", "most"), [(torch.float32, 1e-4), (torch.bfloat16, 0.04)])
@pytest.mark.parametrize("seed", [1, 3, 5])
def test_inference_with_fewer_products_computes_the_same(seed, dtype, most):
    if not can_multiply(dtype):
        pytest.skip(f"no {dtype} here")
    generator = small(seed)
    network = InferenceGenerator(generator)
    use_fewer_products(network, dtype)
    inputs = batch(make_sample(seed, 64, 96), make_sample(seed, 64, 96, 1))
    with torch.inference_mode():
        prediction = network.to(dtype)(*(part.to(dtype) for part in inputs))
        error = (prediction - generator(*inputs).prediction).abs()
    assert error.max() < most and error.mean() < most / 5
    kinds = [type(module) for module in network.modules()]
    assert kinds.count(WinogradConv2d) == 6 * SMALL.lgcm_blocks + 14
    bfloat16 = dtype == torch.bfloat16
    assert kinds.count(DoublingConvolution) == bfloat16 * (3 * SMALL.lgcm_blocks + 2)
    assert kinds.count(HalvingConvolution) == bfloat16 * (2 * SMALL.lgcm_blocks + 2)
