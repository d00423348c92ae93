"""The losses beside arithmetic written out by hand."""

import math

import pytest
import torch
from torch.nn import functional

from remover.ctrnet import losses
from remover.ctrnet.discriminator import Discriminator
from remover.ctrnet.priors import TResNetTrunk, VggFeatures

ABN = ("weight", "bias", "running_mean", "running_var")


@pytest.fixture(autouse=True)
def _same_numbers_every_time():
    torch.manual_seed(3)


def scales(side=16):
    """The generator's three outputs, the truth and a text mask of the left half, off the coarse grid by a pixel."""
    outputs = [torch.rand(2, 3, side // n, side // n, requires_grad=True) for n in (4, 2, 1)]
    mask = torch.zeros(2, 1, side, side)
    mask[..., : side // 2 + 1] = 1
    return outputs, torch.rand(2, 3, side, side, requires_grad=True), mask


def test_structure_l1_by_hand():
    coarse, truth = torch.tensor([[[[0.5, 1.0]]]]), torch.tensor([[[[0.25, 2.0]]]])
    assert losses.structure_l1(coarse, truth).item() == pytest.approx((0.25 + 1.0) / 2)
    weight = torch.tensor([[[[3.0, 1.0]]]])
    assert losses.structure_l1(coarse, truth, weight).item() == pytest.approx((3 * 0.25 + 1.0) / 4)
    three = (part.expand(1, 3, 1, 2) for part in (coarse, truth))
    assert losses.structure_l1(*three, weight).item() == pytest.approx((3 * 0.25 + 1.0) / 4)


def test_multiscale_l1_by_hand():
    outputs, truth, mask = scales()
    expected = 0.0
    for output, n in zip(outputs, (4, 2, 1), strict=True):
        for y in range(16 // n):
            for x in range(16 // n):
                block = (slice(y * n, y * n + n), slice(x * n, x * n + n))
                error = (output[..., y, x] - truth[..., *block].mean((2, 3))).abs()
                expected += (error * (1 + 6 * mask[..., *block].mean((2, 3)))).sum().item() / output.numel()
    assert losses.multiscale_l1(outputs, truth, mask, text_weight=7).item() == pytest.approx(expected, rel=1e-5)


def test_multiscale_l1_is_zero_at_the_truth():
    truth = torch.rand(1, 3, 16, 16)
    outputs = [functional.avg_pool2d(truth, 4), functional.avg_pool2d(truth, 2), truth.clone()]
    assert losses.multiscale_l1(outputs, truth, torch.ones(1, 1, 16, 16)).item() < 1e-6


@pytest.mark.parametrize("scale", [0, 1, 2])
def test_text_weighting_raises_only_errors_in_text(scale):
    _, truth, mask = scales()
    truth, mask = truth.detach(), mask.roll(-1, 3)  # the left half, and the column that wraps around
    mask[..., -1] = 0

    def loss(columns, text_weight):
        outputs = [functional.avg_pool2d(truth, n) for n in (4, 2, 1)]
        outputs[scale][..., columns] += 0.5
        return losses.multiscale_l1(outputs, truth, mask, text_weight).item()

    half = (4, 8, 16)[scale] // 2
    assert loss(slice(half, None), 9.0) == pytest.approx(loss(slice(half, None), 1.0), abs=1e-6)
    assert loss(slice(0, half), 9.0) == pytest.approx(9 * loss(slice(0, half), 1.0), rel=1e-5)
    assert loss(slice(0, half), 1.0) == pytest.approx(0.25, rel=1e-5)


def test_context_l1_by_hand():
    predicted, features = torch.rand(1, 152, 2, 3, requires_grad=True), torch.rand(1, 152, 2, 3, requires_grad=True)
    error = (predicted - features).abs()
    assert losses.context_l1(predicted, features).item() == pytest.approx(error.mean().item())
    mask = torch.zeros(1, 1, 16, 24)
    mask[..., 0, 8:16] = 1  # an eighth of the middle one of the upper three
    expected = error.mean() + (5 - 1) / 8 * error[:, :, 0, 1].sum() / error.numel()
    loss = losses.context_l1(predicted, features, mask)
    assert loss.item() == pytest.approx(expected.item())
    loss.backward()
    assert predicted.grad.abs().sum() > 0 and features.grad is None


def test_gradients_reach_predictions_and_not_truths():
    outputs, truth, mask = scales()
    mask.requires_grad_()
    (losses.multiscale_l1(outputs, truth, mask) + losses.structure_l1(outputs[2], truth)).backward()
    assert all(output.grad.abs().sum() > 0 for output in outputs) and truth.grad is mask.grad is None
    for loss in (losses.perceptual_l1, losses.style_l1):
        ours, theirs = ([torch.rand(2, 4, 3, 5, requires_grad=True) for _ in range(2)] for _ in range(2))
        loss(ours, theirs).backward()
        assert all(layer.grad.abs().sum() > 0 for layer in ours) and all(layer.grad is None for layer in theirs)
        assert loss(ours, ours).item() == 0


def test_perceptual_and_style_by_hand():
    ours = [torch.tensor([[[[1.0, 2.0]], [[3.0, 4.0]]]])]
    theirs = [torch.zeros(1, 2, 1, 2)]
    assert losses.perceptual_l1(ours, theirs).item() == pytest.approx(2.5)
    expected = torch.tensor([[5.0, 11.0], [11.0, 25.0]]) / 4
    assert torch.allclose(losses.gram_matrix(ours[0])[0], expected)
    assert losses.style_l1(ours, theirs).item() == pytest.approx(expected.mean().item())
    assert losses.style_l1(ours * 3, theirs * 3).item() == pytest.approx(3 * expected.mean().item())
    flipped = [ours[0].flip(3)]  # style does not know where things are
    assert losses.style_l1(ours, flipped).item() == 0 and losses.perceptual_l1(ours, flipped).item() == 1


def test_adversarial_by_hand():
    real, fake = torch.tensor([0.9, 0.6]), torch.tensor([0.2, 0.3])
    assert losses.generator_adversarial(fake).item() == pytest.approx(-(math.log(0.2) + math.log(0.3)) / 2)
    expected = -(math.log(0.9) + math.log(0.6) + math.log(0.8) + math.log(0.7)) / 4
    assert losses.discriminator_adversarial(real, fake).item() == pytest.approx(expected)
    sure = torch.tensor([0.0, 1.0], requires_grad=True)
    losses.generator_adversarial(sure).backward()
    assert torch.isfinite(sure.grad).all()


@pytest.mark.parametrize(
    "call",
    [
        lambda: losses.structure_l1(torch.rand(1, 3, 8, 8), torch.rand(1, 1, 8, 8)),
        lambda: losses.structure_l1(torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)),
        lambda: losses.multiscale_l1([torch.rand(1, 3, 8, 8)], torch.rand(1, 3, 16, 16), torch.rand(1, 1, 16, 16)),
        lambda: losses.multiscale_l1([torch.rand(2, 3, 8, 8)], torch.rand(2, 3, 8, 8), torch.rand(1, 1, 8, 8)),
        lambda: losses.multiscale_l1([torch.rand(1, 3, 8, 8)], torch.rand(1, 3, 8, 8), torch.rand(1, 3, 8, 8)),
        lambda: losses.context_l1(torch.rand(1, 152, 4, 4), torch.rand(1, 152, 8, 8)),
        lambda: losses.perceptual_l1([torch.rand(1, 2, 4, 4)], [torch.rand(1, 2, 4, 4)] * 2),
        lambda: losses.style_l1([torch.rand(1, 2, 4, 4)], [torch.rand(1, 3, 4, 4)]),
    ],
)
def test_shapes_that_do_not_fit_are_refused(call):
    with pytest.raises(ValueError, match=r"\(|shorter|longer"):
        call()


def test_the_total_weighs_each_term():
    names = ["structure", "l1", "context", "perceptual", "style", "adversarial"]
    terms = {name: torch.tensor(10.0**n, requires_grad=True) for n, name in enumerate(names)}
    total = losses.combine(terms, dict(zip(names, (2, 3, 5, 7, 11, 13), strict=True)))
    assert total.item() == 2 + 30 + 500 + 7000 + 110_000 + 1_300_000
    total.backward()
    assert [term.grad.item() for term in terms.values()] == [2, 3, 5, 7, 11, 13]


def test_the_total_misses_nothing():
    weights = {"l1": 1.0, "context": 1.0, "style": 0.0, "perceptual": 0.0}
    terms = {"l1": torch.tensor(2.0), "context": torch.tensor(3.0), "style": torch.tensor(math.nan)}
    assert losses.combine(terms, weights).item() == 5
    with pytest.raises(ValueError, match=r"missing terms \['context'\]"):
        losses.combine({"l1": torch.tensor(2.0)}, weights)
    with pytest.raises(ValueError, match=r"unknown terms \['l2'\]"):
        losses.combine({**terms, "l2": torch.tensor(1.0)}, weights)
    with pytest.raises(ValueError, match="terms with a weight"):
        losses.combine({}, dict.fromkeys(weights, 0.0))


def test_the_generator_side_in_one_step():
    """All terms together, as a trainer would call them: one backward pass, finite gradients for every output."""
    outputs, truth, mask = scales(32)
    vgg, critic, trunk = VggFeatures(), Discriminator(), TResNetTrunk()
    context = torch.rand(2, 152, 4, 4, requires_grad=True)
    ours, theirs = vgg(outputs[2]), vgg(truth)
    terms = {
        "structure": losses.structure_l1(outputs[2], truth),
        "l1": losses.multiscale_l1(outputs, truth, mask),
        "context": losses.context_l1(context, trunk(truth), mask),
        "perceptual": losses.perceptual_l1(ours, theirs),
        "style": losses.style_l1(ours, theirs),
        "adversarial": losses.generator_adversarial(critic(outputs[2]).map),
    }
    assert all(term.shape == () and term.item() > 0 for term in terms.values())
    losses.combine(terms, dict.fromkeys(terms, 1.0)).backward()
    assert all(torch.isfinite(tensor.grad).all() for tensor in (*outputs, context)) and truth.grad is None
