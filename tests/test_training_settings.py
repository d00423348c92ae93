"""What a training run can be told, by file and by command line, and what it refuses to be told."""

from __future__ import annotations

import sys

import pytest
from material import write_shards
from short_runs import as_options, quick

from pipeline.errors import SetupError, UsageError
from workflows.training.batches import choose_workers
from workflows.training.loop import train
from workflows.training.settings import TrainSettings, build_settings, read_settings
from workflows.training.strokes import main
from workflows.training.strokes_task import StrokesTask

pytest.importorskip("lightning")


def test_settings_come_from_file_and_command_line(tmp_path):
    (tmp_path / "run.toml").write_text('shards = ["a", "b"]\nout = "o"\nsteps = 7\nrate = 0.5\n')
    settings = read_settings(["--config", str(tmp_path / "run.toml"), "--steps", "9"], "", TrainSettings)
    assert (settings.steps, settings.rate, len(settings.shards)) == (9, 0.5, 2)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"shards": ["a"]}, "out is missing"),
        ({"shards": ["a"], "out": "o", "stepps": 3}, "no training setting 'stepps'"),
        ({"shards": ["a"], "out": "o", "steps": "many"}, "wrong type"),
        ({"shards": ["a"], "out": "o", "side": 100}, "multiple of 32"),
        ({"shards": [], "out": "o"}, "neither shards nor data"),
        ({"data": ["d"], "out": "o", "data_ink": "blue"}, "data_ink"),
    ],
)
def test_settings_that_make_no_run_are_refused(values, told):
    with pytest.raises(UsageError, match=told):
        build_settings(None, values, TrainSettings)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("steps = 2.7", r"steps has the wrong type: 2\.7 is no whole number"),
        ("steps = true", "steps has the wrong type: True is no whole number"),
        ("rate = true", "rate has the wrong type"),
        ("rate = -1", r"rate -1\.0 must be more than 0"),
        ("rate = nan", "rate has the wrong type: nan is no number"),
        ("clip = 0", "clip .* must be more than 0"),
        ("weight_decay = -0.1", "weight_decay .* at least 0"),
        ("ema = 5", r"ema 5\.0 must be less than 1"),
        ("ema = -0.5", "ema .* at least 0"),
        ("workers = -1", "workers -1 must be at least 0"),
        ("threads = -1", "threads -1"),
        ("seed = -1", "seed -1"),
        ("keep_checkpoints = -1", "keep_checkpoints -1"),
        ('accelerator = "moon"', "no accelerator 'moon'.*auto, cpu, cuda"),
        ('precision = "bogus"', "no precision 'bogus'.*bf16-mixed, 32-true"),
        ("precision = 32", "precision has the wrong type: 32 is no word"),
        ('init = ""', "init has the wrong type: '' is no path"),
        ('data = [""]', "data has the wrong type: '' is no path"),
        ("data = 5", "data has the wrong type"),
        ("steps = 3\nsteps = 4", r"run\.toml cannot be read"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(tmp_path, line, told):
    path = tmp_path / "run.toml"
    path.write_text(f'shards = ["a"]\nout = "o"\n{line}\n')
    with pytest.raises(UsageError, match=told):
        build_settings(path, {}, TrainSettings)


def test_a_file_that_is_no_text_is_refused(tmp_path):
    path = tmp_path / "run.toml"
    path.write_bytes(b"steps = \xff\xfe")
    with pytest.raises(UsageError, match="cannot be read"):
        build_settings(path, {"out": "o"}, TrainSettings)


def test_folders_may_be_given_together_or_one_by_one():
    settings = read_settings(["--shards", "a", "b", "--shards", "c", "--out", "o"], "", TrainSettings)
    assert [folder.name for folder in settings.shards] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["--precision", "bogus"], 2, "no precision 'bogus'"),
        (["--init", ""], 2, "init has the wrong type"),
        (["--devices", "many"], 2, "devices has the wrong type"),
    ],
)
def test_the_trainer_says_what_is_wrong_and_leaves_with_its_code(tmp_path, capsys, restore_docs, words, code, told):
    options = ["--shards", str(tmp_path), "--out", str(tmp_path / "out"), *words]
    assert main(options) == code
    assert told in capsys.readouterr().err
    outcome = restore_docs("train", "strokes", *options)
    assert outcome.code == code and told in outcome.stderr


def test_a_device_that_is_not_there_is_said_and_not_raised(tmp_path):
    settings = quick(write_shards(tmp_path / "shards"), tmp_path / "out", accelerator="mps")
    with pytest.raises(SetupError, match=r"'mps' cannot be used.*--accelerator cpu"):
        train(StrokesTask(), settings)


def test_a_trainer_without_lightning_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightning.fabric", None)
    with pytest.raises(SetupError, match=r"needs lightning.*restore-docs\[train\]"):
        train(StrokesTask(), quick(tmp_path, tmp_path / "out"))


def test_shards_that_are_not_there_are_said_by_the_program_itself(tmp_path, capsys):
    """Not by a process that loads samples, whose words come with a traceback."""
    settings = quick(tmp_path / "none", tmp_path / "out", workers=1)
    assert main(as_options(settings)) == 3
    told = capsys.readouterr().err
    assert "there are no shards" in told and "Traceback" not in told


def test_a_gpu_is_given_the_other_cores_and_a_cpu_one_loader(tmp_path):
    free, told = quick(tmp_path, tmp_path, workers=None), quick(tmp_path, tmp_path, workers=5)
    assert TrainSettings(out=tmp_path, shards=(tmp_path,)).workers is None
    assert choose_workers(free, "cpu", 1, 16) == 1
    assert choose_workers(free, "cuda", 1, 16) == 15
    assert choose_workers(free, "cuda", 4, 16) == 3
    assert choose_workers(free, "cuda", 4, 2) == 1
    assert choose_workers(told, "cuda", 1, 16) == choose_workers(told, "cpu", 1, 16) == 5
