"""CTRNet as a remover: order, batches, memory, and engines."""

import contextlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import draw_page
from PIL import Image

from pipeline.errors import SetupError
from pipeline.types import Box, Tile
from remover.base import RemoverSettings
from remover.ctrnet import load_generator
from remover.ctrnet.documents import prepare
from remover.ctrnet.engines import Batch, CpuEngine, OpenVinoEngine, choose_device, choose_precision
from remover.ctrnet.inference import InferenceGenerator
from remover.ctrnet.remover import CtrnetRemover
from remover.ctrnet.structure import grey_structure_maps, structure_maps
from remover.fill import fill
from workflows.pages import tools


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
    takes_prefill = False
    takes_any_size = False
    side_by_side = False

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


def test_no_weights_and_no_device_are_told(weights, monkeypatch, tmp_path):
    monkeypatch.setattr("remover.ctrnet.remover.SHIPPED", tmp_path / "none.safetensors")
    with pytest.raises(SetupError, match="needs weights"):
        CtrnetRemover(RemoverSettings())
    if not torch.cuda.is_available():
        with pytest.raises(SetupError, match="no CUDA device"):
            CtrnetRemover(RemoverSettings(weights=weights, device="cuda"))
        assert choose_device("auto") == "cpu"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("kind", ["weights", "documents"])
def test_a_tile_does_not_depend_on_its_company(kind, precision, request):
    weights = request.getfixturevalue(kind)
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


def test_what_a_network_for_documents_is_given(documents):
    remover = CtrnetRemover(RemoverSettings(weights=documents, precision="fp32", engine="torch"))
    assert not remover.needs_soft_mask and not remover.needs_structure
    (tile,) = tiles(1)
    bare = replace(tile, soft_mask=None, structure=None, polygon_mask=~tile.polygon_mask)
    plain = remover.remove([bare])[0].image
    assert (remover.remove([tile])[0].image == plain).all(), "regions are nothing to it"
    for changed in (replace(bare, image=255 - bare.image), replace(bare, text_mask=bare.text_mask.T)):
        assert (remover.remove([changed])[0].image != plain).any()
    filled = fill(tile.image, tile.text_mask)
    assert (remover.remove([bare], [filled])[0].image == plain).all()
    assert (remover.remove([bare], [255 - filled])[0].image != plain).any()


def test_a_network_for_documents_computes_what_it_was_trained_to(documents):
    (tile,) = tiles(1)
    ready = prepare(tile.image, tile.text_mask)
    pictures = [
        torch.from_numpy(np.moveaxis(part, 2, 0)[None] / np.float32(255)) for part in (tile.image, ready.prefill)
    ]
    maps = [torch.from_numpy(part[None, None]) for part in (tile.text_mask.astype(np.float32), ready.soft_mask)]
    structure = torch.from_numpy(ready.structure).expand(1, 3, -1, -1)
    with torch.inference_mode():
        exact = load_generator(documents)(pictures[0], *maps, structure, pictures[1]).prediction[0].permute(1, 2, 0)
    remover = CtrnetRemover(RemoverSettings(weights=documents, precision="fp32", engine="torch"))
    result = remover.remove([tile])[0].image
    assert np.abs(result - exact.numpy() * 255).max() <= 0.51


def test_a_page_without_greys_stays_one(documents):
    remover = CtrnetRemover(RemoverSettings(weights=documents, precision="fp32", engine="torch"))
    (tile,) = tiles(1)
    fax = replace(tile, image=np.where(tile.image < 128, 0, 255).astype(np.uint8))
    assert set(np.unique(remover.remove([fax])[0].image)) == {0, 255}
    blotted = fax.image.copy()
    blotted[fax.text_mask] = 77
    assert set(np.unique(remover.remove([replace(fax, image=blotted)])[0].image)) == {0, 255}, "ink does not count"
    grey = fax.image.copy()
    grey[0, 0] = 77
    assert len(np.unique(remover.remove([replace(fax, image=grey)])[0].image)) > 2


def test_a_batch_that_is_halved_keeps_its_prefills(documents):
    class Tired(CpuEngine):
        def run(self, batches):
            for batch in batches:
                if len(batch.image) > 1:
                    raise MemoryError("too many")
                yield from super().run([batch])

    asked = tiles(3)
    fills = [fill(tile.image, tile.text_mask) for tile in asked]
    network = InferenceGenerator(load_generator(documents))
    tired = CtrnetRemover(RemoverSettings(batch_size=4), Tired(network, "fp32")).remove(asked, fills)
    fresh = CtrnetRemover(RemoverSettings(batch_size=1), CpuEngine(network, "fp32")).remove(asked)
    assert all((a.image == b.image).all() for a, b in zip(tired, fresh, strict=True))


def test_shipped_weights_are_taken_when_none_are_named(documents, monkeypatch):
    monkeypatch.setattr("remover.ctrnet.remover.SHIPPED", documents)
    assert not CtrnetRemover(RemoverSettings(engine="torch")).needs_soft_mask


def batch_of_documents(made):
    ready = [prepare(t.image, t.text_mask) for t in made]
    return Batch(
        *batch_of(made)[:1],
        np.stack([t.text_mask for t in made])[:, None].astype(np.float32),
        np.stack([one.soft_mask for one in ready])[:, None],
        np.stack([one.structure for one in ready])[:, None].repeat(3, axis=1),
        np.stack([np.moveaxis(one.prefill, 2, 0) for one in ready]).astype(np.float32) / 255,
    )


def batch_of(made):
    return Batch(
        np.stack([np.moveaxis(t.image, 2, 0) for t in made]).astype(np.float32) / 255,
        np.stack([t.polygon_mask for t in made])[:, None].astype(np.float32),
        np.stack([t.soft_mask for t in made])[:, None],
        np.stack([np.moveaxis(t.structure, 2, 0) for t in made]),
    )


@pytest.mark.parametrize(("precision", "most"), [("fp32", 1e-4), ("bf16", 0.1)])
@pytest.mark.parametrize(("kind", "gather"), [("weights", batch_of), ("documents", batch_of_documents)])
def test_engines_agree_with_the_network(kind, gather, precision, most, request):
    generator = load_generator(request.getfixturevalue(kind))
    batch = gather(tiles(2))
    with torch.inference_mode():
        exact = generator(*(torch.from_numpy(part) for part in batch if part is not None)).prediction.numpy()
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


class MapsInside(CpuEngine):
    """An engine that makes structure maps itself, as the one for GPUs does."""

    makes_structure = True

    def run(self, batches):
        for batch in batches:
            assert batch.structure is None
            if batch.prefill is None:
                maps = structure_maps(torch.from_numpy(batch.image)).numpy()
            else:
                maps = grey_structure_maps(torch.from_numpy(batch.prefill)).numpy().repeat(3, axis=1)
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
    tools.make_remover.cache_clear()
    done = restore_docs(source, "--out", tmp_path / "gpu", *words)
    assert done.code == 0 and "structure" not in done.document("a.png")["pages"][0]["seconds"]
    paths = (source, tmp_path / "cpu" / "a.png", tmp_path / "gpu" / "a.png")
    before, one, other = (np.asarray(Image.open(path).convert("RGB")).astype(int) for path in paths)
    assert (one != before).any() and np.abs(one - other).max() <= 2


def test_structure_maps_of_prefills_may_be_made_by_the_engine(documents):
    network = InferenceGenerator(load_generator(documents))
    asked = tiles(2)
    settings = RemoverSettings(batch_size=2)
    here = CtrnetRemover(settings, MapsInside(network, "fp32")).remove(asked)
    before = CtrnetRemover(settings, CpuEngine(network, "fp32")).remove(asked)
    for one, other in zip(here, before, strict=True):
        assert np.abs(one.image.astype(int) - other.image).max() <= 2
