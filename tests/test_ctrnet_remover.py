"""CTRNet as a remover: order, batches, memory, engines, and a run of the whole program with random weights."""

import contextlib
from dataclasses import replace

import numpy as np
import onnxruntime
import pytest
import torch
from conftest import draw_page
from PIL import Image
from small_ctrnet import write_small_ctrnet
from typer.testing import CliRunner

from pipeline.errors import SetupError
from pipeline.types import Box, Tile
from remover.base import RemoverSettings
from remover.ctrnet import Generator, load_generator
from remover.ctrnet.engines import Batch, CpuEngine, OpenVinoEngine, choose_device, choose_precision
from remover.ctrnet.inference import InferenceGenerator
from remover.ctrnet.remover import CtrnetRemover
from remover.ctrnet.structure import structure_maps
from workflows import tasks
from workflows.cli import app


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_small_ctrnet(tmp_path_factory.mktemp("weights") / "small.safetensors")


def tiles(count):
    made = []
    for seed in range(count):
        rng = np.random.default_rng(seed)
        image = rng.integers(0, 256, (512, 512, 3), np.uint8)
        mask = np.zeros((512, 512), bool)
        mask[100 + 9 * seed : 200, 50:300] = True
        structure = (image // 32 * np.float32(32 / 255)).astype(np.float32)
        made.append(Tile(Box(seed, 0, seed + 512, 512), image, mask, mask, mask.astype(np.float32), structure))
    return made


class FakeEngine:
    """Answers with each tile's own red value at a corner; holds at most ``room`` tiles at once."""

    makes_structure = False

    def __init__(self, room):
        self.room, self.sizes = room, []

    def run(self, batches):
        for batch in batches:
            self.sizes.append(len(batch.image))
            if len(batch.image) > self.room:
                raise MemoryError("too many")
            yield np.broadcast_to(batch.image[:, :1, :1, :1], batch.image.shape)


def test_tiles_come_back_in_order_in_batches_of_one_shape():
    engine = FakeEngine(room=4)
    remover = CtrnetRemover(RemoverSettings(batch_size=4), engine)
    asked = tiles(6)
    answers = remover.remove(asked)
    assert engine.sizes == [4, 4], "the last batch is filled up"
    assert [answer.box for answer in answers] == [tile.box for tile in asked]
    assert [answer.image[0, 0, 0] for answer in answers] == [tile.image[0, 0, 0] for tile in asked]


def test_a_batch_that_does_not_fit_is_halved_and_that_is_remembered():
    engine = FakeEngine(room=3)
    remover = CtrnetRemover(RemoverSettings(batch_size=8), engine)
    assert len(remover.remove(tiles(5))) == 5
    assert engine.sizes == [8, 4, 2, 2, 2] and remover.batch_size == 2
    assert len(remover.remove(tiles(2))) == 2 and engine.sizes[-1] == 2


def test_memory_that_runs_out_half_way_loses_no_tile():
    class Tiring(FakeEngine):
        def run(self, batches):
            for answer in super().run(batches):
                yield answer
                self.room = 1

    remover = CtrnetRemover(RemoverSettings(batch_size=2), Tiring(room=2))
    asked = tiles(5)
    assert [a.box for a in remover.remove(asked)] == [t.box for t in asked]


def test_a_tile_that_does_not_fit_alone_is_an_error():
    with pytest.raises(MemoryError):
        CtrnetRemover(RemoverSettings(batch_size=2), FakeEngine(room=0)).remove(tiles(1))


def test_no_weights_and_no_device_are_told(weights):
    with pytest.raises(SetupError, match="needs weights"):
        CtrnetRemover(RemoverSettings())
    if not torch.cuda.is_available():
        with pytest.raises(SetupError, match="no CUDA device"):
            CtrnetRemover(RemoverSettings(weights=weights, device="cuda"))
        assert choose_device("auto") == "cpu"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_tile_does_not_depend_on_its_company(weights, precision):
    remover = CtrnetRemover(RemoverSettings(weights=weights, precision=precision, batch_size=2, engine="torch"))
    asked = tiles(3)
    together = remover.remove(asked)
    for tile, answer in zip(asked, together, strict=True):
        assert (remover.remove([tile])[0].image == answer.image).all()
    again = CtrnetRemover(RemoverSettings(weights=weights, precision=precision, batch_size=2, engine="torch")).remove(
        asked
    )
    assert all((a.image == b.image).all() for a, b in zip(together, again, strict=True))


def test_every_map_of_a_tile_matters(weights):
    remover = CtrnetRemover(RemoverSettings(weights=weights, precision="fp32", engine="torch"))
    (tile,) = tiles(1)
    plain = remover.remove([tile])[0].image
    changed = {
        "image": 255 - tile.image,
        "polygon_mask": ~tile.polygon_mask,
        "soft_mask": 1 - tile.soft_mask,
        "structure": 1 - tile.structure,
    }
    for name, value in changed.items():
        assert (remover.remove([replace(tile, **{name: value})])[0].image != plain).any(), name
    elsewhere = replace(tile, text_mask=~tile.text_mask)
    assert (remover.remove([elsewhere])[0].image == plain).all(), "what is replaced is decided later"


def batch_of(made):
    return Batch(
        np.stack([np.moveaxis(t.image, 2, 0) for t in made]).astype(np.float32) / 255,
        np.stack([t.polygon_mask for t in made])[:, None].astype(np.float32),
        np.stack([t.soft_mask for t in made])[:, None],
        np.stack([np.moveaxis(t.structure, 2, 0) for t in made]),
    )


@pytest.mark.parametrize(("precision", "most"), [("fp32", 1e-4), ("bf16", 0.1)])
def test_engines_agree_with_the_network(weights, precision, most):
    generator = load_generator(weights)
    batch = batch_of(tiles(2))
    with torch.inference_mode():
        exact = generator(*(torch.from_numpy(part) for part in batch)).prediction.numpy()
    engines = [CpuEngine(InferenceGenerator(generator), precision)]
    with contextlib.suppress(ImportError):
        engines.append(OpenVinoEngine(InferenceGenerator(generator), precision, threads=1))
    for engine in engines:
        (result,) = engine.run([batch])
        assert result.shape == exact.shape and result.dtype == np.float32
        assert np.abs(result - exact).max() <= most
        assert np.abs(result - exact).mean() * 255 < (1 if precision == "bf16" else 0.01)


def test_precision_is_what_was_asked_for():
    assert choose_precision("fp32", "cpu") == "fp32" and choose_precision("bf16", "cpu") == "bf16"
    assert choose_precision("auto", "cpu") in ("fp32", "bf16")


def test_a_run_with_random_weights_is_noise_under_the_mask_and_exact_outside(tmp_path, restore_docs, weights):
    source = draw_page(tmp_path / "a.png", size=(900, 700))
    annotated = ("--detector", "annotated", "--lossless", "--format", "png", "--jobs", "1")
    words = ("--remover", "ctrnet", "--weights", weights, "--engine", "torch", "--mask", "polygons", *annotated)
    done = restore_docs(source, "--out", tmp_path / "out", *words)
    assert done.code == 0 and "structure" in done.document("a.png")["pages"][0]["seconds"]
    before = np.asarray(Image.open(source).convert("RGB"))
    after = np.asarray(Image.open(tmp_path / "out" / "a.png").convert("RGB"))
    inside = np.zeros(before.shape[:2], bool)
    for top in (30, 80):
        inside[top : top + 21, 20:111] = True
    assert (before[~inside] == after[~inside]).all()
    assert (before[inside] != after[inside]).mean() > 0.9
    again = restore_docs(source, "--out", tmp_path / "again", *words)
    assert again.code == 0
    assert (tmp_path / "out" / "a.png").read_bytes() == (tmp_path / "again" / "a.png").read_bytes()


def test_weights_that_fail_end_the_run_with_4(tmp_path, restore_docs):
    source = draw_page(tmp_path / "a.png")
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    words = ("--remover", "ctrnet", "--detector", "annotated", "--jobs", "1")
    done = restore_docs(source, "--out", tmp_path / "out", "--weights", tmp_path / "bad.pth", *words)
    assert done.code == 4 and "bad.pth" in done.stderr
    assert restore_docs(source, "--out", tmp_path / "out2", *words).code == 4
    assert not (tmp_path / "out" / "a.png").exists()


@pytest.mark.slow
def test_a_run_with_a_checkpoint_of_the_published_size(tmp_path, restore_docs):
    torch.manual_seed(0)
    published = {f"generator.module.{name}": t for name, t in Generator().state_dict().items()}
    torch.save(published | {"discriminator.conv1.0.bias": torch.zeros(1)}, tmp_path / "official.pth")
    source = draw_page(tmp_path / "a.png", size=(600, 520))
    words = ("--remover", "ctrnet", "--weights", tmp_path / "official.pth", "--detector", "annotated", "--jobs", "1")
    done = restore_docs(source, "--out", tmp_path / "out", "--mask", "polygons", "--lossless", *words)
    assert done.code == 0
    before = np.asarray(Image.open(source).convert("RGB"))
    after = np.asarray(Image.open(tmp_path / "out" / "a.png").convert("RGB"))
    inside = np.zeros(before.shape[:2], bool)
    for top in (30, 80):
        inside[top : top + 21, 20:111] = True
    assert (before[~inside] == after[~inside]).all() and (before[inside] != after[inside]).mean() > 0.9


def test_an_exported_network_computes_the_same(tmp_path, weights):
    pytest.importorskip("onnxscript")
    done = CliRunner().invoke(app, ["export-onnx", str(weights), "--out", str(tmp_path / "m.onnx"), "--side", "64"])
    assert done.exit_code == 0 and "differs from torch by" in done.output
    session = onnxruntime.InferenceSession(str(tmp_path / "m.onnx"), providers=["CPUExecutionProvider"])
    assert [i.name for i in session.get_inputs()] == ["image", "mask", "soft_mask", "structure"]
    assert session.get_inputs()[0].shape == [1, 3, 64, 64] and [p.name for p in tmp_path.iterdir()] == ["m.onnx"]


def test_an_export_that_cannot_be_is_told(tmp_path, weights):
    runner = CliRunner()
    assert runner.invoke(app, ["export-onnx", str(weights), "--out", "m.onnx", "--side", "65"]).exit_code == 2
    (tmp_path / "bad.pth").write_bytes(b"no weights")
    assert (
        runner.invoke(app, ["export-onnx", str(tmp_path / "bad.pth"), "--out", str(tmp_path / "m.onnx")]).exit_code == 4
    )


class MapsInside(CpuEngine):
    """An engine that makes structure maps itself, as the one for GPUs does."""

    makes_structure = True

    def run(self, batches):
        for batch in batches:
            assert batch.structure is None
            maps = structure_maps(torch.from_numpy(batch.image)).numpy()
            yield from super().run([batch._replace(structure=maps)])


def test_an_engine_that_makes_the_maps_gets_tiles_without_them_and_predicts_the_same(
    tmp_path, restore_docs, weights, monkeypatch
):
    source = draw_page(tmp_path / "a.png", size=(900, 700))
    words = ("--remover", "ctrnet", "--weights", weights, "--precision", "fp32", "--mask", "polygons")
    words += ("--lossless", "--detector", "annotated", "--jobs", "1")
    restore_docs(source, "--out", tmp_path / "cpu", *words)
    monkeypatch.setattr(
        "remover.ctrnet.remover.create_engine", lambda network, *_: MapsInside(network, precision="fp32")
    )
    tasks._remover.cache_clear()
    done = restore_docs(source, "--out", tmp_path / "gpu", *words)
    assert done.code == 0 and "structure" not in done.document("a.png")["pages"][0]["seconds"]
    paths = (source, tmp_path / "cpu" / "a.png", tmp_path / "gpu" / "a.png")
    before, one, other = (np.asarray(Image.open(path).convert("RGB")).astype(int) for path in paths)
    assert (one != before).any() and np.abs(one - other).max() <= 2
