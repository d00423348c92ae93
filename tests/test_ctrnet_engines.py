"""What runs the network: order, memory that runs out, and on a CUDA device, where there is one, agreement."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from test_ctrnet_remover import batch_of, batch_of_documents, tiles

from remover.base import RemoverSettings
from remover.ctrnet import load_generator
from remover.ctrnet.engines import CpuEngine, CudaTransfer, GpuEngine, OpenVinoEngine, choose_precision
from remover.ctrnet.inference import InferenceGenerator
from remover.ctrnet.remover import CtrnetRemover

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA device")


def small(tile):
    """Its upper left quarter of a quarter: what is tested here does not depend on sizes."""
    corner = np.s_[:128, :128]
    maps = {name: getattr(tile, name)[corner] for name in ("image", "text_mask", "polygon_mask", "soft_mask")}
    box = replace(tile.box, x1=tile.box.x0 + 128, y1=tile.box.y0 + 128)
    return replace(tile, box=box, structure=tile.structure[corner], **maps)


@pytest.fixture
def plain(monkeypatch):
    """Networks that are not compiled, and structures that are the image: on a CPU both would take minutes."""
    monkeypatch.setattr(torch, "compile", lambda network, **_: network)
    monkeypatch.setattr("remover.ctrnet.engines.structure_maps", lambda image: image)
    monkeypatch.setattr("remover.ctrnet.engines.grey_structure_maps", lambda image: image[:, :1])


@pytest.fixture
def network(documents):
    return InferenceGenerator(load_generator(documents))


class Observed:
    """A transfer that goes nowhere, and tells what was done in which order."""

    device = "cpu"

    def __init__(self):
        self.events, self._sent = [], []

    def send(self, parts):
        self._sent.append([torch.from_numpy(part) for part in parts])
        self.events.append(f"send {len(self._sent)}")
        return self._sent[-1]

    def wait_for(self, parts):
        (place,) = [n for n, sent in enumerate(self._sent, 1) if sent is parts]
        self.events.append(f"compute {place}")

    def fetch(self, prediction):
        self.events.append("fetch")
        return prediction.numpy()


@pytest.mark.parametrize(("kind", "gather"), [("weights", batch_of), ("documents", batch_of_documents)])
def test_the_next_batch_is_sent_before_the_last_is_fetched(kind, gather, request, plain):
    network = InferenceGenerator(load_generator(request.getfixturevalue(kind)))
    batches = [gather([small(tile)]) for tile in tiles(3)]
    transfer = Observed()
    asked = []

    def waiting():
        for batch in batches:
            asked.append(len(transfer.events))
            yield batch

    found = []
    for prediction in GpuEngine(network, "fp32", transfer).run(waiting()):
        transfer.events.append("given")
        found.append(prediction)
        assert not torch.is_inference_mode_enabled(), "what takes the predictions is in no mode of ours"
    start, middle, end = ["send 1"], "compute {0} | send {1} | fetch | given", ["compute 3", "fetch", "given"]
    expected = [*start, *(event for n in (1, 2) for event in middle.format(n, n + 1).split(" | ")), *end]
    assert transfer.events == expected
    assert asked == [0, 2, 6], "a batch is made when its turn to be sent has come, while another is computed"
    for batch, prediction in zip(batches, found, strict=True):
        seen = batch.image if batch.prefill is None else batch.prefill[:, :1].repeat(3, axis=1)
        (alone,) = CpuEngine(network, "fp32").run([batch._replace(structure=seen)])
        assert np.abs(prediction - alone).max() <= 1e-5


def test_nothing_to_run_runs_nothing(network, plain):
    transfer = Observed()
    assert list(GpuEngine(network, "fp32", transfer).run([])) == [] and transfer.events == []


class Greedy(torch.nn.Module):
    """Asks for more memory than there is when it gets more than ``room`` images at once."""

    def __init__(self, network, room, ask):
        super().__init__()
        self.config, self._network, self._room, self._ask = network.config, network, room, ask

    def forward(self, image, *more):
        if len(image) > self._room:
            self._ask()
        return self._network(image, *more)


def no_memory_on_the_device():
    raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")


def far_too_much():
    torch.empty(10**16)


ENGINES = [
    (lambda network: CpuEngine(network, "fp32"), far_too_much),
    (lambda network: GpuEngine(network, "fp32", Observed()), no_memory_on_the_device),
]


@pytest.mark.parametrize(("start", "ask"), ENGINES, ids=["cpu", "gpu"])
def test_what_an_engine_says_of_memory_halves_the_batch(network, plain, start, ask):
    remover = CtrnetRemover(RemoverSettings(batch_size=4), start(Greedy(network, 2, ask)))
    asked = [small(tile) for tile in tiles(3)]
    done = remover.remove(asked)
    assert [one.box for one in done] == [tile.box for tile in asked] and remover.batch_size == 2
    alone = CtrnetRemover(RemoverSettings(batch_size=4), start(Greedy(network, 0, ask)))
    with pytest.raises(MemoryError, match="used up"):
        alone.remove(asked)
    assert alone.batch_size == 1


def test_another_error_is_no_lack_of_memory(network):
    def fail():
        raise RuntimeError("expected a tensor")

    with pytest.raises(RuntimeError, match="expected a tensor"):
        CtrnetRemover(RemoverSettings(batch_size=4), CpuEngine(Greedy(network, 0, fail), "fp32")).remove(
            [small(tile) for tile in tiles(2)]
        )


@pytest.mark.parametrize("where", ["compiling", "running"])
@pytest.mark.parametrize("says", ["std::bad_alloc", "[CPU] can't allocate memory"])
def test_openvino_without_memory_is_told_as_such(network, where, says, monkeypatch):
    def fail(*_):
        raise RuntimeError(f"Exception from src/inference/src/cpp/infer_request.cpp:223:\n{says}\n")

    engine = OpenVinoEngine.__new__(OpenVinoEngine)
    engine._compiled = None
    monkeypatch.setattr(OpenVinoEngine, "_compile", fail if where == "compiling" else lambda *_: fail)
    with pytest.raises(MemoryError):
        next(engine.run([batch_of_documents(tiles(1))]))


# --- on a CUDA device ------------------------------------------------------------------------------------------------


@needs_cuda
@pytest.mark.parametrize("kind", ["weights", "documents"])
def test_on_cuda_the_batch_size_changes_a_level_at_most(kind, request):
    network, precision = (
        InferenceGenerator(load_generator(request.getfixturevalue(kind))),
        choose_precision("auto", "cuda"),
    )
    asked = tiles(5)
    done = {
        size: CtrnetRemover(RemoverSettings(batch_size=size), GpuEngine(network, precision)).remove(asked)
        for size in (1, 4, 16)
    }
    for size in (4, 16):
        for one, other, tile in zip(done[1], done[size], asked, strict=True):
            assert one.box == other.box == tile.box
            assert np.abs(one.image.astype(int) - other.image).max() <= 1
    assert (done[1][0].image != done[1][1].image).any(), "each tile has a prediction of its own"


@needs_cuda
@pytest.mark.parametrize(("precision", "most"), [("fp32", 2e-2), ("bf16", 0.1)])
@pytest.mark.parametrize(("kind", "gather"), [("weights", batch_of), ("documents", batch_of_documents)])
def test_on_cuda_predictions_are_the_networks(kind, gather, precision, most, request):
    generator = load_generator(request.getfixturevalue(kind))
    batches = [gather(tiles(3)[n : n + 1]) for n in range(3)]
    results = list(GpuEngine(InferenceGenerator(generator), precision).run(batches))
    for batch, result in zip(batches, results, strict=True):
        with torch.inference_mode():
            exact = generator(*(torch.from_numpy(part) for part in batch if part is not None)).prediction.numpy()
        assert result.shape == exact.shape and result.dtype == np.float32
        assert np.abs(result - exact).max() <= most
        assert np.abs(result - exact).mean() * 255 < 1


@needs_cuda
def test_on_cuda_a_batch_that_does_not_fit_is_halved(network, plain):
    engine = GpuEngine(Greedy(network, 1, lambda: torch.empty(10**14, device="cuda")), "fp32", CudaTransfer())
    remover = CtrnetRemover(RemoverSettings(batch_size=4), engine)
    assert len(remover.remove(tiles(3))) == 3 and remover.batch_size == 1
