"""A run goes on from its checkpoints as if nothing had happened, and from none that was made with other settings."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from material import write_shards
from short_runs import as_options, losses, quick, read_log

from detectors.strokes.weights import load_network
from pipeline.errors import InputError, UsageError
from workflows.training.checkpoints import CHECKPOINT, drop_later_rows
from workflows.training.ctrnet_settings import CtrnetSettings, NetworkSettings
from workflows.training.ctrnet_task import CtrnetTask
from workflows.training.loop import LOSSES, WEIGHTS, train
from workflows.training.strokes_task import StrokesTask

pytest.importorskip("lightning")


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    return write_shards(tmp_path_factory.mktemp("shards"))


@pytest.fixture(scope="module")
def done(shards, tmp_path_factory):
    """A finished run of six steps, with a checkpoint at every other."""
    out = tmp_path_factory.mktemp("done")
    train(StrokesTask(), quick(shards, out, save_every=2))
    return out


@pytest.fixture
def copied(done, tmp_path):
    return Path(shutil.copytree(done, tmp_path / "copied"))


def numbered(out):
    return sorted(path.name for path in out.glob("step-*.ckpt"))


class KilledError(Exception):
    pass


class MortalTask(StrokesTask):
    """Is killed at the fifth step, two after the checkpoint."""

    seen = 0

    def loss(self, model, batch):
        self.seen += 1
        if self.seen == 5:
            raise KilledError
        return super().loss(model, batch)


def test_a_killed_run_goes_on_as_if_nothing_had_been(shards, tmp_path):
    train(StrokesTask(), quick(shards, tmp_path / "whole"))
    with pytest.raises(KilledError):
        train(MortalTask(), quick(shards, tmp_path / "killed"))
    assert sorted(losses(tmp_path / "killed")) == [1, 2, 3, 4]
    train(StrokesTask(), quick(shards, tmp_path / "killed"))
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")
    one, other = (load_network(tmp_path / name / WEIGHTS).state_dict() for name in ("whole", "killed"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_a_run_goes_on_from_an_earlier_checkpoint(shards, done, copied, tmp_path):
    assert numbered(done) == ["step-0000002.ckpt", "step-0000004.ckpt", "step-0000006.ckpt"]
    earlier = copied / "step-0000002.ckpt"
    train(StrokesTask(), quick(shards, copied, save_every=2, resume=earlier))
    assert losses(copied) == losses(done) and len(losses(done)) == 6
    train(StrokesTask(), quick(shards, tmp_path / "elsewhere", save_every=2, resume=earlier))
    assert losses(tmp_path / "elsewhere") == {step: loss for step, loss in losses(done).items() if step > 2}


def test_what_a_network_forgets_while_trained_is_the_same_after_a_resume(shards, tmp_path):
    sizes = {"base_width": 8, "lgcm_blocks": 1, "rdbs": 1, "growth": 4, "rdb_layers": 2, "structure_width": 2}

    def run(dropout, **changes):
        network = NetworkSettings(dropout=dropout, **sizes)
        values = {"steps": 4, "save_every": 2, "network": network, "warm_up": 1, "rate": 0.01} | changes
        settings = quick(shards, tmp_path / f"{dropout}", CtrnetSettings, **values)
        train(CtrnetTask.of(settings), settings)
        return losses(settings.out)

    whole, without = run(True), run(False)
    assert whole != without, "the network forgets something"
    assert run(True, resume=tmp_path / "True" / "step-0000002.ckpt") == whole


def test_only_so_many_checkpoints_are_kept(shards, tmp_path):
    train(StrokesTask(), quick(shards, tmp_path / "two", steps=4, save_every=1, keep_checkpoints=2))
    assert numbered(tmp_path / "two") == ["step-0000003.ckpt", "step-0000004.ckpt"]
    train(StrokesTask(), quick(shards, tmp_path / "none", steps=2, save_every=1, keep_checkpoints=0))
    assert numbered(tmp_path / "none") == [] and (tmp_path / "none" / CHECKPOINT).exists()
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": 2}, "seed was 1 and is 2"),
        ({"rate": 0.01}, r"rate was 0\.002 and is 0\.01"),
        ({"batch": 3}, "batch was 2 and is 3"),
        ({"ema": 0.5, "clip": 2.0}, r"clip was 1\.0 and is 2\.0; ema was 0\.998 and is 0\.5"),
    ],
)
def test_other_settings_are_not_gone_on_with(shards, copied, changes, told):
    with pytest.raises(UsageError, match=told + ".*begin anew from its weights: --init"):
        train(StrokesTask(), quick(shards, copied, steps=8, **changes))
    assert len(losses(copied)) == 6, "nothing was done"


def test_other_shards_are_not_gone_on_with_but_may_lie_elsewhere(shards, copied, tmp_path):
    with pytest.raises(UsageError, match=r"shards was \['small\.shard"):
        train(StrokesTask(), quick(write_shards(tmp_path / "others", seed=1), copied, steps=8))
    moved = Path(shutil.copytree(shards, tmp_path / "moved"))
    train(StrokesTask(), quick(moved, copied, steps=7, save_every=5, log_every=7, keep_checkpoints=1))
    assert sorted(losses(copied)) == [1, 2, 3, 4, 5, 6, 7]


def test_a_checkpoint_that_says_nothing_of_settings_is_gone_on_from(shards, copied):
    state = torch.load(copied / CHECKPOINT, weights_only=True)
    del state["settings"]
    torch.save(state, copied / CHECKPOINT)
    train(StrokesTask(), quick(shards, copied, steps=7))
    assert sorted(losses(copied)) == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("content", [b"nothing of the kind", b""])
def test_a_foreign_checkpoint_is_refused(shards, tmp_path, content):
    (tmp_path / CHECKPOINT).write_bytes(content)
    with pytest.raises(InputError, match="does not fit"):
        train(StrokesTask(), quick(shards, tmp_path))
    torch.save([1, 2], tmp_path / CHECKPOINT)
    with pytest.raises(InputError, match="does not fit"):
        train(StrokesTask(), quick(shards, tmp_path))


def test_a_checkpoint_that_is_asked_for_must_be_there_and_leave_something_to_do(shards, copied, tmp_path):
    with pytest.raises(InputError, match=r"none\.ckpt does not fit"):
        train(StrokesTask(), quick(shards, copied, resume=tmp_path / "none.ckpt"))
    with pytest.raises(UsageError, match=r"of step 6: there is nothing to do until 5 \(raise --steps"):
        train(StrokesTask(), quick(shards, copied, steps=5))
    with pytest.raises(UsageError, match="nothing to do until 6"):
        train(StrokesTask(), quick(shards, tmp_path / "new", resume=copied / CHECKPOINT))
    assert train(StrokesTask(), quick(shards, copied)).exists(), "a finished run is finished"


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("step,loss\r\n11,0.5\r\n12,0.4\r\n13,0.3\r\n", ["11,0.5", "12,0.4"]),
        ("step,loss\r\n11,0.5\r\n12", ["11,0.5"]),  # of 125,0.3
        ("step,loss\r\n11,0.5\r\n12,0.", ["11,0.5"]),
        ("step,loss\r\n11,0.5\r\n12\r\n", ["11,0.5"]),
        ("step,loss\r\n11,0.5\r\n\r\n12,0.4\r\n", ["11,0.5", "12,0.4"]),
        ("step,loss\r\n\x00\x00\r\n11,0.5\r\n", ["11,0.5"]),
    ],
)
def test_the_log_is_cut_back_to_the_checkpoint(tmp_path, monkeypatch, text, kept):
    path = tmp_path / LOSSES
    path.write_text(text, newline="")
    drop_later_rows(path, 12)
    assert path.read_text().splitlines() == ["step,loss", *kept]
    before = path.read_bytes()

    def fail(self, rows):
        raise OSError("disk full")

    monkeypatch.setattr(csv, "writer", lambda file: type("Full", (), {"writerows": fail})())
    with pytest.raises(OSError, match="disk full"):
        drop_later_rows(path, 1)
    assert path.read_bytes() == before, "what cannot be written leaves the log as it was"


def test_a_log_that_was_torn_in_its_heading_is_begun_anew(shards, copied):
    (copied / LOSSES).write_text("step,sec")
    train(StrokesTask(), quick(shards, copied, steps=7))
    assert [row["step"] for row in read_log(copied)] == ["7"]


@pytest.mark.slow
def test_a_run_that_was_killed_as_users_kill_it_goes_on(shards, tmp_path):
    """A process of its own, with a loader process and bfloat16, ended by SIGKILL."""

    def settings(name):
        return quick(shards, tmp_path / name, steps=16, save_every=4, workers=1, precision="bf16-mixed")

    def start():
        command = [sys.executable, "-m", "workflows.training.strokes", *as_options(settings("killed"))]
        return subprocess.Popen(command, cwd=Path(__file__).parents[1], start_new_session=True)

    train(StrokesTask(), settings("whole"))
    first = start()
    while not (tmp_path / "killed" / CHECKPOINT).exists():
        assert first.poll() is None, "it ended before it could be killed"
        time.sleep(0.01)
    os.killpg(first.pid, signal.SIGKILL)
    assert first.wait(60) == -signal.SIGKILL
    assert torch.load(tmp_path / "killed" / CHECKPOINT, weights_only=True)["step"] < 16
    assert start().wait(200) == 0
    whole, resumed = read_log(tmp_path / "whole"), read_log(tmp_path / "killed")
    assert len(whole) == len(resumed) == 16
    for row, other in zip(whole, resumed, strict=True):
        assert {**row, "seconds": ""} == {**other, "seconds": ""}
