"""CTRNet for inference: the same arithmetic, rearranged."""

import pytest
import torch
from ctrnet_rule import make_sample
from hypothesis import given, settings
from hypothesis import strategies as st
from test_ctrnet_network import SMALL, _one_thread, _same_weights_every_time, batch, small  # noqa: F401 - fixtures
from torch import nn

from remover.ctrnet.inference import InferenceGenerator, RowsConvolution, enlarged_convolution
from remover.ctrnet.products import Scratch, can_multiply
from remover.ctrnet.winograd import WinogradConv2d


@pytest.mark.parametrize("seed", [1, 2, 77])
def test_inference_computes_the_same(seed):
    generator = small(seed)
    before = {name: t.clone() for name, t in generator.state_dict().items()}
    inputs = batch(make_sample(seed, 96, 64), make_sample(seed, 96, 64, 1))
    with torch.inference_mode():
        assert (InferenceGenerator(generator)(*inputs) - generator(*inputs).prediction).abs().max() < 1e-5
    assert all(torch.equal(before[name], t) for name, t in generator.state_dict().items()), "it was changed"


def test_inference_holds_nothing_it_does_not_need():
    names = set(InferenceGenerator(small()).state_dict())
    unneeded = ("lc2", "prejection_head", "feature_mapping", "weight_orig", "weight_u", "mlp_")
    assert not [name for name in names if any(part in name for part in unneeded)]


@settings(max_examples=20)
@given(height=st.integers(1, 9), width=st.integers(1, 9), channels=st.integers(1, 3), seed=st.integers(0, 99))
def test_convolving_the_small_layout_is_convolving_the_enlarged_one(height, width, channels, seed):
    torch.manual_seed(seed)
    pair = [nn.Conv2d(channels, count, 3, 1, 1).requires_grad_(False) for count in (2, 3)]
    layout = torch.randn(2, channels, height, width)
    enlarged = nn.functional.interpolate(layout, scale_factor=2, mode="nearest")
    assert torch.allclose(enlarged_convolution(pair)(layout), torch.cat([c(enlarged) for c in pair], 1), atol=1e-5)


@settings(max_examples=25)
@given(
    height=st.integers(3, 22),
    width=st.integers(3, 22),
    padding=st.sampled_from([0, 1]),
    bias=st.booleans(),
    count=st.integers(1, 2),
    seed=st.integers(0, 99),
)
def test_winograd_convolves(height, width, padding, bias, count, seed):
    torch.manual_seed(seed)
    scratch = Scratch()
    first = nn.Conv2d(5, 7, 3, 1, padding, bias=bias).requires_grad_(False)
    other = nn.Conv2d(7, 4, 3, 1, padding, bias=bias).requires_grad_(False)
    x = torch.randn(count, 5, height, width).contiguous(memory_format=torch.channels_last)
    for plain in (first, other):
        if min(x.shape[2:]) + 2 * padding < 3:
            break
        exact, result = plain(x), WinogradConv2d(plain, scratch, torch.float32)(x)
        assert result.shape == exact.shape and torch.allclose(result, exact, atol=1e-4)
        x = exact


def test_winograd_takes_3_by_3_of_stride_1_only():
    for plain in (nn.Conv2d(1, 1, 5), nn.Conv2d(1, 1, 3, 2), nn.Conv2d(1, 1, 3, padding=2)):
        with pytest.raises(ValueError, match="3 x 3"):
            WinogradConv2d(plain, Scratch(), torch.float32)


def test_a_convolution_with_few_outputs_by_columns():
    plain = nn.Conv2d(6, 3, 7).requires_grad_(False)
    x = torch.randn(2, 6, 11, 19)
    assert torch.allclose(RowsConvolution(plain)(x), plain(x), atol=1e-5)


def close(result, exact, dtype):
    """To rounding: in bfloat16 that of the pixels' sums, of the kernels, the products and the result."""
    most = 1e-4 if dtype == torch.float32 else 0.04 * max(1, float(exact.abs().max()))
    return result.dtype == dtype and result.shape == exact.shape and (result.float() - exact).abs().max() <= most


DTYPES = [
    torch.float32,
    pytest.param(torch.bfloat16, marks=pytest.mark.skipif(not can_multiply(torch.bfloat16), reason="no bfloat16")),
]


@pytest.mark.parametrize("dtype", DTYPES)
@settings(max_examples=15, deadline=None)
@given(
    height=st.integers(2, 21),
    width=st.integers(2, 21),
    slope=st.sampled_from([0.0, 0.2, 1.0]),
    count=st.integers(1, 2),
    seed=st.integers(0, 99),
)
def test_winograd_mirrors_and_activates(dtype, height, width, slope, count, seed):
    torch.manual_seed(seed)
    plain = nn.Conv2d(6, 5, 3).requires_grad_(False)
    x = torch.randn(count, 6, height, width).to(dtype)
    exact = nn.functional.leaky_relu(plain(nn.functional.pad(x.float(), (1, 1, 1, 1), mode="reflect")), slope)
    assert close(WinogradConv2d(plain, Scratch(), dtype, mirrored=True, slope=slope)(x), exact, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("height", "width"), [(8, 12), (7, 5), (1, 9)])
def test_winograd_modulates(dtype, height, width):
    torch.manual_seed(height)
    plain = nn.Conv2d(6, 10, 3, 1, 1).requires_grad_(False)
    shared = torch.randn(2, 6, height, width).to(dtype)
    x = (100 + torch.randn(2, 5, height, width)).to(dtype)
    scale, shift = plain(shared.float()).chunk(2, dim=1)
    exact = torch.relu(torch.addcmul(shift, nn.functional.instance_norm(x.float()), scale))
    assert close(WinogradConv2d(plain, Scratch(), dtype, slope=0.0)(shared, x), exact, dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_winograd_does_not_depend_on_who_else_is_there(dtype):
    torch.manual_seed(0)
    layer = WinogradConv2d(nn.Conv2d(16, 8, 3, 1, 1), Scratch(), dtype)
    x = torch.randn(3, 16, 40, 72).to(dtype)
    together = layer(x)
    assert all(torch.equal(layer(x[k : k + 1])[0], together[k]) for k in range(3))


def test_winograd_mirrors_what_has_no_padding_only():
    with pytest.raises(ValueError, match="mirrored"):
        WinogradConv2d(nn.Conv2d(1, 1, 3, 1, 1), Scratch(), torch.float32, mirrored=True)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_bands_side_by_side_give_the_same_bytes(dtype):
    if not can_multiply(dtype):
        pytest.skip("this torch or processor has no use for it")
    torch.manual_seed(4)
    layer = WinogradConv2d(torch.nn.Conv2d(32, 16, 3, padding=1), Scratch(), dtype)
    image = torch.randn(2, 32, 70, 90).to(dtype)
    before = torch.get_num_threads()
    try:
        made = []
        for threads in (1, 2, 3):
            torch.set_num_threads(threads)
            with torch.inference_mode():
                made.append(layer(image))
            assert torch.get_num_threads() == threads, "bands change the threads of the caller"
    finally:
        torch.set_num_threads(before)
    assert torch.equal(made[0], made[1]) and torch.equal(made[0], made[2])
