"""CTRNet for documents in training: what it is shown, what it is told, and that it learns."""

from dataclasses import dataclass, replace

import cv2
import numpy as np
import pytest
import torch

from pipeline.errors import SetupError
from remover.ctrnet import GeneratorConfig, load_generator
from remover.ctrnet.checkpoint import read_card
from remover.ctrnet.priors import TResNetTrunk, VggFeatures, _torchvision_name
from remover.fill import fill
from workflows.training.ctrnet_losses import unpack
from workflows.training.ctrnet_settings import LossSettings
from workflows.training.ctrnet_task import CtrnetTask

SIDE = 64
SMALL = GeneratorConfig(
    base_width=8,
    lgcm_blocks=1,
    rdbs=1,
    growth=4,
    rdb_layers=2,
    structure_width=2,
    spectral_norm=False,
    auxiliary_heads=False,
    dropout=False,
    prefill=True,
)


@dataclass(frozen=True)
class Sample:
    """As ``workflows.training.synthesis`` makes them."""

    image: np.ndarray
    blank: np.ndarray
    printed: np.ndarray
    labels: np.ndarray


@pytest.fixture(autouse=True, scope="module")
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def sample(seed, hand=False):
    """Grey paper with rules, type of dark bars on it and, with ``hand``, a blue stroke across."""
    rng = np.random.default_rng(seed)
    blank = np.full((SIDE, SIDE, 3), 225, np.uint8)
    for y in range(int(rng.integers(6, 12)), SIDE, 12):
        blank[y : y + 2] = 90
    noise = rng.normal(0, 3, blank.shape)
    printed, labels = blank.copy(), np.zeros((SIDE, SIDE), np.uint8)
    for x in range(6, SIDE - 6, 9):
        printed[10:54, x : x + 3], labels[10:54, x : x + 3] = 30, 1
    image = printed.copy()
    if hand:
        stroke = np.zeros(labels.shape, np.uint8)
        cv2.line(stroke, (4, 4), (60, 58), 1, 3)
        image[stroke > 0], labels[stroke > 0] = (40, 60, 160), 2
    noisy = [np.clip(part + noise, 0, 255).astype(np.uint8) for part in (image, blank, printed)]
    return Sample(*noisy, labels)


def tensors(batch):
    return {name: torch.from_numpy(array) for name, array in batch.items()}


def test_a_batch_is_what_it_says_and_the_same_for_the_same_draws():
    task = CtrnetTask()
    samples = [sample(0), sample(1, hand=True)]
    batch = task.batch(samples, np.random.default_rng(3))
    again = task.batch(samples, np.random.default_rng(3))
    assert {n: (a.shape[1], a.dtype.name) for n, a in batch.items()} == {
        "image": (3, "uint8"),
        "prefill": (3, "uint8"),
        "truth": (3, "uint8"),
        "mask": (1, "uint8"),
        "soft_mask": (1, "float32"),
        "structure": (1, "float32"),
        "truth_structure": (1, "float32"),
    }
    assert all((array == again[name]).all() for name, array in batch.items())
    other = task.batch(samples, np.random.default_rng(4))
    assert any((array != other[name]).any() for name, array in batch.items())


def test_what_is_not_under_the_mask_stays_and_the_prefill_is_the_fill():
    task = CtrnetTask()
    for seed in range(8):
        batch = task.batch([sample(seed, hand=True)], np.random.default_rng(seed))
        image, truth, prefill = (np.moveaxis(batch[name][0], 0, 2) for name in ("image", "truth", "prefill"))
        mask = batch["mask"][0, 0] > 0
        assert mask.any() and (image[~mask] == truth[~mask]).all()
        assert (prefill == fill(image, mask)).all()
        assert ((batch["soft_mask"][0, 0] == 1) == mask).all()


def test_a_sample_by_itself_is_written_over_by_no_other(monkeypatch):
    written = []
    monkeypatch.setattr("workflows.training.ctrnet_task.overwrite", lambda image, strokes, rng: written.append(strokes))
    for seed in range(20):
        CtrnetTask().batch([sample(seed)], np.random.default_rng(seed))
    assert not written
    monkeypatch.setattr(
        "workflows.training.ctrnet_task.overwrite",
        lambda image, strokes, rng: written.append(strokes) or (image, np.zeros(strokes.shape, bool)),
    )
    blank = Sample(*[np.full((SIDE, SIDE, 3), 225, np.uint8)] * 3, np.zeros((SIDE, SIDE), np.uint8))
    for seed in range(20):
        CtrnetTask().batch([blank, sample(seed)], np.random.default_rng(seed))
    assert any(strokes.any() for strokes in written), "another sample's strokes are"


def test_handwriting_is_removed_alone_about_every_other_time_and_never_where_there_is_none():
    task = CtrnetTask()
    kept = {True: 0, False: 0}
    for seed in range(40):
        for hand in kept:
            batch = task.batch([sample(0, hand)], np.random.default_rng(seed))
            kept[hand] += int(batch["truth"].min() < 60)  # print is still there
    assert 8 <= kept[True] - kept[False] <= 32, "print may stay because its mask has holes, or words were chosen"


def test_an_untrained_network_answers_with_the_prefill():
    task = CtrnetTask()
    batch = tensors(task.batch([sample(0)], np.random.default_rng(0)))
    terms = task.loss(task.build(), batch)
    assert float(terms["psnr"]) == pytest.approx(float(terms["prefill_psnr"]), abs=1e-4)
    sheet = task.preview(task.build(), batch)
    assert sheet.shape == (SIDE, 5 * SIDE, 3) and sheet.dtype == np.uint8
    assert (sheet[:, 2 * SIDE : 3 * SIDE] == sheet[:, 3 * SIDE : 4 * SIDE]).all()


def test_the_loss_is_the_weighted_sum_of_its_terms():
    task = CtrnetTask(SMALL, loss=LossSettings(l1=2, l2=3, scales=0.25, log=0.1, structure=0.5))
    terms = task.loss(task.build(), tensors(task.batch([sample(0)], np.random.default_rng(0))))
    assert terms["loss"].requires_grad
    weights = {"l1": 2, "l2": 3, "scales": 0.25, "log": 0.1, "structure": 0.5}
    whole = sum(weight * float(terms[name].detach()) for name, weight in weights.items())
    assert float(terms["loss"].detach()) == pytest.approx(whole)


def test_a_short_training_beats_the_prefill():
    torch.manual_seed(0)
    task = CtrnetTask(SMALL)
    model = task.build()
    batch = tensors(task.batch([sample(seed) for seed in range(4)], np.random.default_rng(0)))
    optimizer = torch.optim.AdamW(model.parameters(), 2e-3)
    losses = []
    for _ in range(60):
        terms = task.loss(model, batch)
        optimizer.zero_grad()
        terms["loss"].backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        losses.append({name: float(term.detach()) for name, term in terms.items()})
    assert losses[-1]["loss"] < 0.6 * losses[0]["loss"]
    assert losses[-1]["psnr"] > losses[-1]["prefill_psnr"] + 2


def test_what_is_exported_is_loaded_again_and_trained_further(tmp_path):
    task = CtrnetTask(SMALL)
    model = task.build()
    path = tmp_path / "documents.safetensors"
    task.export(model, path, {"trained_on": "nothing"})
    assert load_generator(path).config == SMALL and read_card(path)["trained_on"] == "nothing"
    further = CtrnetTask(init=path).build()
    assert further.generator.config == SMALL and further.training
    name = "coarse_gen.conv1.conv2d.weight"
    ours, theirs = (one.generator.state_dict()[name] for one in (model, further))
    assert torch.allclose(ours, theirs, atol=2e-3)


def test_weights_to_start_from_that_are_not_there_are_told(tmp_path):
    with pytest.raises(SetupError, match="none"):
        CtrnetTask(init=tmp_path / "none.safetensors").build()
    with pytest.raises(SetupError, match="prefill"):
        CtrnetTask(replace(SMALL, prefill=False)).build()


def test_terms_that_need_outside_weights_are_there_when_a_path_is_given(tmp_path):
    torch.manual_seed(0)
    vgg = {_torchvision_name(name): t for name, t in VggFeatures().state_dict().items()}
    torch.save(vgg, tmp_path / "vgg.pth")
    torch.save({"model": TResNetTrunk().state_dict()}, tmp_path / "trunk.pth")
    config = replace(SMALL, auxiliary_heads=True)
    task = CtrnetTask(config, loss=LossSettings(vgg=tmp_path / "vgg.pth", trunk=tmp_path / "trunk.pth"))
    model = task.build()
    terms = task.loss(model, tensors(task.batch([sample(0)], np.random.default_rng(0))))
    assert {"heads", "perceptual", "style", "context"} <= set(terms)
    assert {name.split(".")[0] for name in model.state_dict()} == {"generator"}, "frozen networks are in no checkpoint"
    terms["loss"].backward()
    assert all(p.grad is not None for name, p in model.named_parameters() if ".lc2." not in name)
    plain = CtrnetTask(SMALL)
    usual = plain.loss(plain.build(), tensors(plain.batch([sample(0)], np.random.default_rng(0))))
    assert not {"heads", "perceptual", "style", "context", "adversarial"} & set(usual)


def test_a_discriminator_is_trained_along_in_one_backward_pass():
    torch.manual_seed(0)
    task = CtrnetTask(SMALL, loss=LossSettings(adversarial=0.01))
    model = task.build()
    batch = tensors(task.batch([sample(0)], np.random.default_rng(0)))
    terms = task.loss(model, batch)
    terms["discriminator"].backward(retain_graph=True)
    assert all(p.grad is None for p in model.generator.parameters()), "telling is the discriminator's part only"
    before = [p.grad.clone() for p in model.discriminator.parameters()]
    terms["adversarial"].backward()
    after = [p.grad for p in model.discriminator.parameters()]
    assert all(torch.equal(*pair) for pair in zip(before, after, strict=True)), "passing is the generator's part only"
    assert model.generator.texture_generator.dc3[1].weight.grad.abs().sum() > 0


def test_without_numba_the_structure_maps_are_made_by_torch(monkeypatch):
    task = CtrnetTask(config=SMALL)
    with_numba = unpack(tensors(task.batch([sample(1)], np.random.default_rng(3))))
    monkeypatch.setattr("workflows.training.ctrnet_task.HAS_NUMBA", False)
    batch = tensors(task.batch([sample(1)], np.random.default_rng(3)))
    assert "structure" not in batch
    for one, other in zip(with_numba, unpack(batch), strict=True):
        assert (one - other).abs().mean() < 2e-3
