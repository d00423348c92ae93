"""Weights say what they were made from, and those that are shipped are small."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest
import torch
from material import write_shards
from short_runs import quick

from detectors.strokes.weights import SHIPPED as SHIPPED_STROKES
from detectors.strokes.weights import read_card
from remover.ctrnet.remover import SHIPPED as SHIPPED_CTRNET
from workflows.training import cards
from workflows.training.loop import train
from workflows.training.strokes_task import StrokesTask

pytest.importorskip("lightning")

MOST_BYTES = 30_000_000  # both shipped weights together, in the repository and in the wheel


def test_the_shipped_weights_are_small_enough():
    assert 0 < SHIPPED_STROKES.stat().st_size + SHIPPED_CTRNET.stat().st_size <= MOST_BYTES


def test_a_card_says_what_the_weights_were_made_from(tmp_path, monkeypatch):
    shards = write_shards(tmp_path / "secret-place" / "shards")
    monkeypatch.setattr(cards, "find_commit", lambda: "0123abcd")
    first = train(StrokesTask(), quick(shards, tmp_path / "first", steps=1))
    settings = quick(shards, tmp_path / "second", steps=2, init=first, licence="CC-BY-4.0")
    card = read_card(train(StrokesTask.of(settings), settings))
    digests = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in (shards / "small.shard", first)}
    assert card["settings"]["shards"] == [f"small.shard {digests[shards / 'small.shard']}"]
    assert (card["settings"]["steps"], card["settings"]["rate"], card["settings"]["init"]) == (2, 0.002, first.name)
    assert (card["steps"], card["licence"], card["commit"]) == ("2", "CC-BY-4.0", "0123abcd")
    assert card["network"].startswith("strokes") and card["torch"] == torch.__version__
    assert f"{cards.count_cores()} cores, 1 threads" in card["machine"]
    assert card["init"] == {"file": first.name, "sha256": digests[first], "card": read_card(first)}
    assert card["init"]["card"]["licence"] == "AGPL-3.0-or-later" and "init" not in card["init"]["card"]
    assert "secret-place" not in json.dumps(card), "where things lay is nobody's business"


def test_the_commit_is_that_of_the_checkout_and_none_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(cards, "_ROOT", tmp_path)
    assert cards.find_commit() == ""
    who = {"GIT_CONFIG_GLOBAL": os.devnull} | {
        f"GIT_{role}_{part}": "a@b" for role in ("AUTHOR", "COMMITTER") for part in ("NAME", "EMAIL")
    }
    (tmp_path / "file").write_text("1")
    for words in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "first"]):
        subprocess.run(["git", *words], cwd=tmp_path, env={**os.environ, **who}, check=True)
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert cards.find_commit() == head.strip()
    (tmp_path / "file").write_text("2")
    assert cards.find_commit() == head.strip() + "-dirty"


def test_the_machine_is_named_without_linux_too(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda self, *a, **k: (_ for _ in ()).throw(FileNotFoundError(self)))
    assert "cores" in cards.describe_machine(torch.device("cpu"))


def test_the_published_checkpoint_has_no_card(tmp_path):
    torch.save({"generator.x": torch.zeros(1)}, tmp_path / "published.pth")
    assert cards._read_card(tmp_path / "published.pth") == {}
