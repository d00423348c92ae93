"""Weights in and out: strict about what is missing, unknown, of another shape, broken or altered."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_ctrnet import SMALL_DOCUMENTS, small_documents

from pipeline.errors import OutputError, SetupError
from remover.ctrnet import Generator, GeneratorConfig, load_generator, save_generator
from remover.ctrnet.checkpoint import FORMAT, digest_tensors, read_card

SMALL = GeneratorConfig(base_width=2, lgcm_blocks=1, rdbs=1, growth=1, rdb_layers=1, structure_width=1)


@pytest.fixture
def generator():
    torch.manual_seed(4)
    return Generator(SMALL).eval()


def checkpoint(generator, prefix="generator."):
    return {prefix + name: tensor.clone() for name, tensor in generator.state_dict().items()}


def same(a, b):
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


@pytest.mark.parametrize("prefix", ["generator.", "generator.module.", "module.generator.module.", ""])
def test_a_checkpoint_is_read_whatever_wrapped_it(generator, tmp_path, prefix):
    path = tmp_path / "official.pth"
    others = {"discriminator.module.conv1.0.weight_orig": torch.zeros(2)} if prefix else {}
    torch.save(checkpoint(generator, prefix) | others, path)
    loaded = load_generator(path, SMALL)
    assert same(loaded, generator) and not loaded.training
    assert same(load_generator(checkpoint(generator, prefix), SMALL), generator)


def test_every_key_that_does_not_fit_is_listed(generator):
    weights = checkpoint(generator)
    del weights["generator.texture_generator.middle.0.lc2.con1.conv2d.bias"]
    weights["generator.coarse_gen.extra"] = torch.zeros(1)
    weights["generator.texture_generator.dc3.1.bias"] = torch.zeros(4)
    weights["generator.texture_generator.gff.1.bias"][0] = float("nan")
    with pytest.raises(SetupError) as caught:
        load_generator(weights, SMALL)
    message = str(caught.value)
    assert "missing: texture_generator.middle.0.lc2.con1.conv2d.bias" in message
    assert "unknown: coarse_gen.extra" in message
    assert "texture_generator.dc3.1.bias (4,) instead of (3,)" in message
    assert "not finite: texture_generator.gff.1.bias" in message


def test_all_the_keys_that_are_missing_are_listed(generator):
    weights = checkpoint(generator)
    gone = list(weights)[::3]
    assert len(gone) > 50
    for key in gone:
        del weights[key]
    with pytest.raises(SetupError) as caught:
        load_generator(weights, SMALL)
    assert all(key.removeprefix("generator.") in str(caught.value) for key in gone)


def test_weights_of_another_size_are_refused(generator):
    with pytest.raises(SetupError, match=r"missing: .*; of another shape: "):
        load_generator(checkpoint(generator))


BIAS, COUNT = "texture_generator.dc3.1.bias", "coarse_gen.res1.batch_norm2d.num_batches_tracked"


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        (BIAS, "text", f"no tensors: {BIAS} is str"),
        (BIAS, [1.0, 2.0, 3.0], f"no tensors: {BIAS} is list"),
        (BIAS, None, f"no tensors: {BIAS} is NoneType"),
        (BIAS, torch.zeros(3, dtype=torch.complex64), f"{BIAS} is complex64, not float32"),
        (BIAS, torch.zeros(3, dtype=torch.int64), f"{BIAS} is int64, not float32"),
        (COUNT, torch.tensor(1.5), f"{COUNT} is float32, not int64"),
        (COUNT, torch.tensor(1 + 0j), f"{COUNT} is complex64, not int64"),
    ],
)
def test_what_is_no_tensor_of_its_kind_is_refused_by_name(generator, tmp_path, key, value, words):
    weights = checkpoint(generator) | {f"generator.{key}": value}
    torch.save(weights, tmp_path / "w.pth")
    for source in (weights, tmp_path / "w.pth"):
        with pytest.raises(SetupError) as caught:
            load_generator(source, SMALL)
        assert words in str(caught.value) and "--weights" in caught.value.remedy


def test_a_key_with_and_without_its_wrapper_is_refused(generator):
    weights = checkpoint(generator) | {f"generator.module.{BIAS}": torch.zeros(3)}
    with pytest.raises(SetupError, match=rf"holds generator\.{BIAS} twice"):
        load_generator(weights, SMALL)


def test_a_dictionary_of_something_else_is_refused():
    with pytest.raises(SetupError, match=r"no key starts with 'generator.'"):
        load_generator({"encoder.weight": torch.zeros(1)})


def test_files_that_are_no_checkpoints_are_refused(tmp_path):
    for name, content in (("empty.pth", b""), ("text.pth", b"hello"), ("text.safetensors", b"hello")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(SetupError, match=name):
            load_generator(tmp_path / name)
    torch.save([1, 2], tmp_path / "list.pth")
    with pytest.raises(SetupError, match="holds a list"):
        load_generator(tmp_path / "list.pth")
    with pytest.raises(SetupError, match=r"none.pth"):
        load_generator(tmp_path / "none.pth")


class Trap:
    """What a hostile checkpoint would run when unpickled."""

    def __reduce__(self):
        return print, ("the trap snapped",)


def test_a_checkpoint_runs_no_code(tmp_path, capsys):
    torch.save({"generator.a": Trap()}, tmp_path / "trap.pth")
    with pytest.raises(SetupError, match=r"trap.pth"):
        load_generator(tmp_path / "trap.pth")
    assert "snapped" not in capsys.readouterr().out


def test_our_own_file_brings_configuration_and_card(generator, tmp_path):
    path = tmp_path / "small.safetensors"
    save_generator(generator, path, {"trained_on": "nothing", "licence": "none"})
    loaded = load_generator(path)
    assert loaded.config == SMALL and same(loaded, generator)
    assert read_card(path) == {"trained_on": "nothing", "licence": "none"}


def test_half_precision_is_half_the_size_and_read_as_float32(generator, tmp_path):
    whole, half = tmp_path / "whole.safetensors", tmp_path / "half.safetensors"
    save_generator(generator, whole, {})
    save_generator(generator, half, {}, half=True)
    assert half.stat().st_size < whole.stat().st_size
    loaded = load_generator(half).state_dict()
    assert {t.dtype for t in loaded.values()} == {torch.float32, torch.int64}
    assert all(torch.allclose(t, generator.state_dict()[n], atol=2e-3) for n, t in loaded.items())


def test_a_network_for_documents_is_read_as_it_was_written(tmp_path):
    path = tmp_path / "documents.safetensors"
    save_generator(small_documents(), path, {}, half=True)
    loaded = load_generator(path)
    assert loaded.config == SMALL_DOCUMENTS
    halved = {name: t.half().float() for name, t in small_documents().state_dict().items()}
    assert all(torch.equal(t.float(), halved[name]) for name, t in loaded.state_dict().items())


def test_a_file_from_before_a_setting_was_there_means_its_default(generator, tmp_path):
    tensors = {name: t.contiguous() for name, t in generator.state_dict().items()}
    old = {"base_width": 2, "lgcm_blocks": 1, "rdbs": 1, "growth": 1, "rdb_layers": 1, "structure_width": 1}
    metadata = {"format": FORMAT, "sha256": digest_tensors(tensors), "config": json.dumps(old), "card": "{}"}
    save_file(tensors, tmp_path / "old.safetensors", metadata)
    loaded = load_generator(tmp_path / "old.safetensors")
    assert loaded.config == SMALL and same(loaded, generator)


def test_an_altered_file_is_refused(generator, tmp_path):
    path = tmp_path / "small.safetensors"
    save_generator(generator, path, {})
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(SetupError, match="altered or damaged"):
        load_generator(path)


@pytest.mark.parametrize(
    ("metadata", "words"),
    [
        ({"format": "somebody's"}, "no file of ours"),
        ({"format": FORMAT}, "altered or damaged"),
        ({"format": FORMAT, "sha256": "right", "config": '{"base_width": 0}'}, "no configuration"),
        ({"format": FORMAT, "sha256": "right", "config": '{"depth": 3}'}, "no configuration"),
    ],
)
def test_files_of_others_are_refused(generator, tmp_path, metadata, words):
    tensors = {name: t.contiguous() for name, t in generator.state_dict().items()}
    if metadata.get("sha256"):
        metadata = metadata | {"sha256": digest_tensors(tensors)}
    save_file(tensors, tmp_path / "theirs.safetensors", metadata)
    with pytest.raises(SetupError, match=words):
        load_generator(tmp_path / "theirs.safetensors")


def test_metadata_is_plain_json(generator, tmp_path):
    path = tmp_path / "small.safetensors"
    save_generator(generator, path, {})
    header = path.read_bytes()[8 : 8 + int.from_bytes(path.read_bytes()[:8], "little")]
    assert json.loads(json.loads(header)["__metadata__"]["config"])["base_width"] == 2
    assert set(load_file(path)) == set(generator.state_dict())


def test_a_place_that_cannot_be_written_is_told(generator, tmp_path):
    with pytest.raises(OutputError, match="no-such-folder"):
        save_generator(generator, tmp_path / "no-such-folder" / "x.safetensors", {})
