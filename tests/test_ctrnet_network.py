"""CTRNet's generator: the published names, the golden outputs, and smaller networks."""

import importlib.util
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from ctrnet_rule import make_sample, make_weights
from small_ctrnet import SMALL_DOCUMENTS, small_documents
from torch.utils.flop_counter import FlopCounterMode

from remover.ctrnet import Generator, GeneratorConfig, load_generator
from remover.ctrnet.inference import InferenceGenerator
from remover.ctrnet.network import DOCUMENTS, SpectralConv2d, SpectralConvTranspose2d, encode_position

GOLDEN = Path(__file__).parent / "golden" / "ctrnet" / "seed1_256.npz"
SHARED = Path(__file__).parents[2] / "shared" / "ctrnet"
SMALL = GeneratorConfig(base_width=8, lgcm_blocks=2, rdbs=2, growth=4, structure_width=4)
CLOSE = 1e-4


@pytest.fixture(autouse=True)
def _same_weights_every_time():
    torch.manual_seed(9)


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def entries():
    """{name: shape} of the published generator."""
    with np.load(GOLDEN) as golden:
        rows = [str(row).split(" ") for row in golden["entries"]]
    return {name: tuple(int(n) for n in shape.split("x") if n) for name, shape, _ in rows}


@pytest.fixture(scope="module")
def published():
    """The published network with the golden weights of seed 1."""
    return load_generator({name: torch.from_numpy(w) for name, w in make_weights(entries(), 1).items()})


def small(seed=0, config=SMALL):
    """A small network with weights by the golden rule, so that features stay of a size."""
    generator = Generator(config)
    shapes = {f"generator.{name}": tuple(t.shape) for name, t in generator.state_dict().items()}
    return load_generator({k: torch.from_numpy(v) for k, v in make_weights(shapes, seed).items()}, config)


def batch(*samples):
    return [torch.from_numpy(np.stack(parts)) for parts in zip(*samples, strict=True)]


def test_the_published_names_and_shapes_all_1088():
    ours = {f"generator.{name}": tuple(t.shape) for name, t in Generator().state_dict().items()}
    assert len(ours) == 1088 and ours == entries()


@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared is not there")
@pytest.mark.parametrize("seed", [0, 1, 2, 77, 123456789])
def test_the_rule_in_these_tests_is_the_golden_one(seed):
    spec = importlib.util.spec_from_file_location("golden_rule", SHARED / "golden" / "golden_rule.py")
    theirs = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(theirs)
    shapes = {f"generator.{name}": tuple(t.shape) for name, t in Generator(SMALL).state_dict().items()}
    expected, made = (
        theirs.make_state_dict([(*item, None) for item in shapes.items()], seed),
        make_weights(shapes, seed),
    )
    assert made.keys() == expected.keys() == shapes.keys()
    for name, tensor in expected.items():
        assert made[name].dtype == tensor.dtype and np.array_equal(made[name], tensor), name
    for height, width, index in ((64, 96, 0), (96, 64, 1)):
        pairs = zip(
            make_sample(seed, height, width, index), theirs.make_inputs(seed, height, width, index), strict=True
        )
        assert all(ours.dtype == their.dtype and np.array_equal(ours, their) for ours, their in pairs)


def test_golden_outputs(published):
    with torch.inference_mode():
        outputs = published(*batch(make_sample(1, 256, 256)))
    steps = {"coarse": 4, "out1": 1, "out2": 4, "prediction": 4, "feat": 4}
    with np.load(GOLDEN) as golden:
        expected = [golden[key] for key in ("coarse.s4", "out1.s1", "out2.s4", "prediction.s2", "feat.s4")]
    for (name, step), output, exact in zip(steps.items(), outputs, expected, strict=True):
        assert np.abs(output[0, ..., ::step, ::step].numpy() - exact).max() <= CLOSE, name
    assert (outputs.out1.shape, outputs.out2.shape) == ((1, 3, 64, 64), (1, 3, 128, 128))
    assert outputs.context_feature.shape == (1, 152, 32, 32)


@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the large golden files are not here")
@pytest.mark.parametrize(("tag", "side", "count"), [("a512", 512, 1), ("b256x2", 256, 2)])
def test_large_golden_outputs(published, tag, side, count):
    with torch.inference_mode():
        inputs = batch(*(make_sample(1, side, side, index) for index in range(count)))
        outputs = dict(zip(("coarse", "out1", "out2", "prediction", "feat"), published(*inputs), strict=True))
        fast = InferenceGenerator(published)(*inputs)
    compared = set()
    with np.load(SHARED / "golden" / "ctrnet_seed1.npz") as golden:
        for key in (key for key in golden.files if key.startswith(f"{tag}.")):
            _, name, kind = key.split(".")
            full = outputs[name].numpy()
            if kind == "stats":
                mine = np.array([full.mean(), full.std(), np.abs(full).max(), full.min(), full.max()])
            else:
                part = (slice(192, 256),) * 2 if kind.startswith("crop") else (slice(None, None, int(kind[1:])),) * 2
                mine = full[(..., *part)]
            assert np.abs(mine - golden[key]).max() <= CLOSE, key
            compared.add(name)
    assert compared == set(outputs)
    assert (fast - outputs["prediction"]).abs().max() <= CLOSE
    rows = json.loads((SHARED / "state_dict.json").read_text())
    assert {name: tuple(shape) for name, shape, _ in rows} == entries()


@pytest.mark.parametrize(
    "config",
    [
        GeneratorConfig(base_width=2, lgcm_blocks=1, rdbs=1, growth=1, structure_width=1),
        GeneratorConfig(base_width=16, lgcm_blocks=1, rdbs=3, growth=8, rdb_layers=2, structure_width=8),
        GeneratorConfig(base_width=6, lgcm_blocks=3, rdbs=2, attention_heads=4, feature_channels=5, structure_width=3),
    ],
)
def test_smaller_networks_are_networks_too(config):
    generator = Generator(config).eval()
    with torch.inference_mode():
        outputs = generator(*batch(make_sample(3, 64, 96), make_sample(3, 64, 96, 1)))
    assert outputs.coarse.shape == outputs.prediction.shape == (2, 3, 64, 96)
    assert outputs.context_feature.shape == (2, config.feature_channels, 8, 12)
    assert all(bool(output.isfinite().all()) for output in outputs)
    assert 0 < outputs.prediction.min() and outputs.prediction.max() < 1  # noqa: SIM300


def with_prefill(inputs, seed=0):
    return [*inputs, torch.rand(inputs[0].shape, generator=torch.Generator().manual_seed(seed))]


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("spectral_norm", [False, True])
def test_an_untrained_network_for_documents_returns_prefill_and_structure(training, spectral_norm):
    generator = Generator(replace(SMALL_DOCUMENTS, spectral_norm=spectral_norm)).train(training)
    inputs = with_prefill(batch(make_sample(3, 64, 96), make_sample(3, 64, 96, 1)))
    outputs = generator(*inputs)
    assert torch.equal(outputs.prediction, inputs[4])
    assert torch.equal(outputs.coarse, inputs[3]) or spectral_norm  # a norm of zero cannot be divided by
    assert outputs.out1 is outputs.out2 is outputs.context_feature is None


def test_what_is_added_is_cut_off_in_evaluation_only():
    generator = small_documents()
    generator.texture_generator.dc3[1].bias += 5
    inputs = with_prefill(batch(make_sample(3, 64, 64)))
    assert generator(*inputs).prediction.max() <= 1
    assert generator.train()(*inputs).prediction.max() > 1


def test_a_prefill_is_for_networks_that_take_one_and_for_no_others():
    inputs = batch(make_sample(0, 64, 64))
    with pytest.raises(ValueError, match="takes a prefill"):
        small_documents()(*inputs)
    with pytest.raises(ValueError, match="takes no prefill"):
        small()(*with_prefill(inputs))


def test_a_training_step_reaches_every_weight_of_a_network_for_documents():
    generator = small_documents().requires_grad_(True).train()
    outputs = generator(*with_prefill(batch(make_sample(5, 64, 64), make_sample(5, 64, 64, 1))))
    (outputs.prediction.square().mean() + outputs.coarse.square().mean()).backward()
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in generator.parameters())


def test_without_dropout_training_forgets_nothing():
    inputs = with_prefill(batch(make_sample(5, 64, 64)))
    generator = small_documents().train()
    assert torch.equal(generator(*inputs).prediction, generator(*inputs).prediction)
    forgetful = small_documents(config=replace(SMALL_DOCUMENTS, dropout=True)).train()
    assert not torch.equal(forgetful(*inputs).prediction, forgetful(*inputs).prediction)


def test_ctrnet_for_documents_is_within_its_budget():
    generator = Generator(DOCUMENTS).eval()
    assert not [name for name in generator.state_dict() if any(part in name for part in ("lc2", "head", "mapping"))]
    assert not [name for name in generator.state_dict() if name.endswith(("weight_orig", "weight_u", "weight_v"))]
    assert sum(p.numel() for p in generator.parameters()) < 6e6
    inputs = [torch.zeros(1, channels, 512, 512, device="meta") for channels in (3, 1, 1, 3, 3)]
    with FlopCounterMode(display=False) as flops, torch.inference_mode():
        generator.to("meta")(*inputs)
    assert 20e9 < flops.get_total_flops() < 64e9


@pytest.mark.parametrize("seed", [1, 2])
def test_inference_for_documents_computes_the_same(seed):
    generator = small_documents(seed)
    inputs = with_prefill(batch(make_sample(seed, 96, 64), make_sample(seed, 96, 64, 1)), seed)
    network = InferenceGenerator(generator)
    with torch.inference_mode():
        assert (network(*inputs) - generator(*inputs).prediction).abs().max() < 1e-5
        low = [part.bfloat16() for part in inputs[:4]]
        changed = network.to(torch.bfloat16)(*low, inputs[4])
    assert changed.dtype == torch.float32, "a prefill keeps all its bits"


@pytest.mark.parametrize("value", [1, None, "true"])
def test_what_is_true_or_false_is_nothing_else(value):
    with pytest.raises(ValueError, match="prefill"):
        GeneratorConfig(prefill=value)
    with pytest.raises(ValueError, match="base_width"):
        GeneratorConfig(base_width=True)


@pytest.mark.parametrize(
    "sizes", [{"base_width": 0}, {"base_width": 3}, {"lgcm_blocks": 0}, {"growth": 1.5}, {"attention_heads": 7}]
)
def test_sizes_that_make_no_network_are_refused(sizes):
    with pytest.raises(ValueError, match=next(iter(sizes)) if "attention_heads" not in sizes else "base_width"):
        GeneratorConfig(**sizes)


def test_sides_that_cannot_be_halved_are_refused():
    with pytest.raises(ValueError, match="multiples of 32"):
        small()(*batch(make_sample(0, 64, 80)))


def test_a_training_step_reaches_every_weight_but_the_dead_ones():
    generator = small().train()
    outputs = generator(*batch(make_sample(5, 64, 64), make_sample(5, 64, 64, 1)))
    sum((output - 0.3).square().mean() for output in outputs).backward()
    without = {name for name, p in generator.named_parameters() if p.grad is None}
    assert without and all(".lc2." in name for name in without)
    assert all(bool(p.grad.isfinite().all()) for p in generator.parameters() if p.grad is not None)


@pytest.mark.parametrize(
    "kind", [lambda: SpectralConv2d(4, 6, 3, padding=1), lambda: SpectralConvTranspose2d(4, 6, 4, 0)]
)
def test_spectral_norm_iterates_in_training_only(kind):
    layer = kind()
    matrix = layer.weight_orig.detach().transpose(0, layer.output_axis).flatten(1)
    assert torch.allclose(layer.eval().weight().detach(), layer.weight_orig / torch.linalg.matrix_norm(matrix, 2), 0.1)
    u = torch.randn(6)
    v = matrix.T @ u + torch.randn(matrix.shape[1])  # off the singular vector, and not across it
    layer.weight_u.copy_(u / u.norm()), layer.weight_v.copy_(v / v.norm())
    layer.eval()(torch.rand(1, 4, 8, 8))
    assert torch.equal(layer.weight_u, u / u.norm()) and torch.equal(layer.weight_v, v / v.norm())
    sigma = layer.weight_u @ matrix @ layer.weight_v
    assert torch.allclose(layer.weight(), layer.weight_orig / sigma)
    layer.train()(torch.rand(1, 4, 8, 8))
    v = matrix.T @ (u / u.norm())
    v = v / v.norm()
    assert torch.allclose(layer.weight_v, v, atol=1e-6)
    assert torch.allclose(layer.weight_u, matrix @ v / (matrix @ v).norm(), atol=1e-6)


def test_position_code_by_hand():
    code = encode_position(2, 3, 8)
    assert code.shape == (6, 1, 8)
    row, column = 2 / (2 + 1e-6) * 2 * math.pi, 1 / (3 + 1e-6) * 2 * math.pi
    expected = [f(angle / w) for angle in (row, column) for w in (1, 100) for f in (math.sin, math.cos)]
    assert np.allclose(code[3, 0].numpy(), expected, atol=1e-5)  # pixel (1, 0)
