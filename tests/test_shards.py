"""Shards: what is written is what is read, and what is no shard is said to be none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from pipeline.errors import InputError, OutputError
from workflows.training.shards import Shards, ShardWriter


def noise(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(height=st.integers(1, 70), width=st.integers(1, 70), seed=st.integers(0, 99))
def test_pairs_and_lines_come_back_bit_for_bit(tmp_path: Path, height: int, width: int, seed: int) -> None:
    text, blank, line = noise(seed, height, width, 3), noise(seed + 1, height, width, 3), noise(seed + 2, height, width)
    soft = noise(seed + 3, height, width) / np.float32(255)
    with ShardWriter(tmp_path / "a.shard") as writer:
        writer.add_pair(text, blank, soft, "a.pdf p1")
        writer.add_line("print", line, "sans.ttf")
        writer.add_line("hand", line[::-1], "pen.ttf")
    shards = Shards([tmp_path])
    assert all(np.array_equal(got, put) for got, put in zip(shards.pair(0), (text, blank), strict=True))
    assert shards.soft(0).dtype == np.float32 and np.array_equal(shards.soft(0), soft)
    assert np.array_equal(shards.line("print", 0), line) and np.array_equal(shards.line("hand", 0), line[::-1])
    assert shards.pair(0)[0].flags.c_contiguous


def test_pictures_come_back_much_alike_and_in_their_colours(tmp_path: Path) -> None:
    rows, columns = np.mgrid[:90, :120]
    image = np.stack([rows * 2, columns * 2, np.full_like(rows, 40)], axis=2).astype(np.uint8)
    with ShardWriter(tmp_path / "a.shard") as writer:
        writer.add_picture(image, "a.jpg")
    assert np.abs(Shards([tmp_path]).picture(0).astype(int) - image).mean() < 3


def test_shards_of_several_folders_are_one_row(tmp_path: Path) -> None:
    for number, (folder, name) in enumerate([("one", "a"), ("one", "b"), ("two", "a")]):
        with ShardWriter(tmp_path / folder / f"{name}.shard") as writer:
            for turn in range(2):
                writer.add_line("print", np.full((3, 4), 10 * number + turn, np.uint8), f"font {number} {turn}")
    shards = Shards([tmp_path / "one", tmp_path / "two"])
    assert [int(shards.line("print", index)[0, 0]) for index in range(shards.count("print"))] == [0, 1, 10, 11, 20, 21]
    assert shards.sources["print"] == [f"font {number} {turn}" for number in range(3) for turn in range(2)]
    assert [shards.count(kind) for kind in ("pair", "hand", "picture")] == [0, 0, 0]


def test_the_writer_knows_how_much_it_holds(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path / "a.shard")
    assert (writer.count, writer.size_bytes) == (0, 0)
    writer.add_line("print", noise(1, 20, 20), "a")
    first = writer.size_bytes
    writer.add_picture(noise(1, 20, 20, 3), "b")
    assert writer.count == 2 and 0 < first < writer.size_bytes
    writer.close()
    assert (tmp_path / "a.shard").stat().st_size >= writer.size_bytes


def test_the_same_entries_make_the_same_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with ShardWriter(tmp_path / f"{name}.shard") as writer:
            writer.add_picture(noise(1, 20, 20, 3), "a")
            writer.add_line("hand", noise(2, 20, 20), "b")
    assert (tmp_path / "a.shard").read_bytes() == (tmp_path / "b.shard").read_bytes()


def test_nothing_is_written_when_the_making_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="midway"), ShardWriter(tmp_path / "a.shard") as writer:
        writer.add_line("print", noise(1, 5, 5), "a")
        raise RuntimeError("midway")
    assert list(tmp_path.iterdir()) == []


def test_parts_of_different_size_are_no_pair(tmp_path: Path) -> None:
    writer = ShardWriter(tmp_path / "a.shard")
    with pytest.raises(ValueError, match="differ in size"):
        writer.add_pair(noise(1, 5, 5, 3), noise(1, 5, 6, 3), np.zeros((5, 5), np.float32), "a")
    with pytest.raises(ValueError, match="differ in size"):
        writer.add_pair(noise(1, 5, 5, 3), noise(1, 5, 5, 3), np.zeros((5, 4), np.float32), "a")
    assert writer.count == 0


def test_a_folder_without_shards_is_said_to_be_one(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"no shards .* in {tmp_path} .*train prepare"):
        Shards([tmp_path])


@pytest.mark.parametrize("sources", [None, "[]", "nonsense", json.dumps({"poem/0": "unknown"})])
def test_what_is_no_shard_is_refused(tmp_path: Path, sources: str | None) -> None:
    path = tmp_path / "a.shard"
    if sources is None:
        path.write_bytes(b"\x00" * 40)
    else:
        save_file({"x": np.zeros(3)}, path, {"sources": sources})
    with pytest.raises(InputError, match=r"a\.shard is no shard.*make it anew"):
        Shards([tmp_path])


def test_a_foreign_safetensors_file_is_refused(tmp_path: Path) -> None:
    save_file({"x": np.zeros(3)}, tmp_path / "a.shard")
    with pytest.raises(InputError, match="is no shard"):
        Shards([tmp_path])


def test_a_shard_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "a.shard").mkdir()
    with (
        pytest.raises(OutputError, match=r"a\.shard cannot be written.*check space"),
        ShardWriter(tmp_path / "a.shard"),
    ):
        pass
