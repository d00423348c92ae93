"""The trainers run on a machine that has little installed: nothing but what ``docs/training.md`` lists."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from material import write_shards

pytest.importorskip("lightning")

ROOT = Path(__file__).parents[1]
MISSING = ("numba", "shapely", "pyclipper", "pymupdf", "pikepdf", "paddleocr", "onnxruntime", "rapidocr", "pydantic")
MISSING += ("typer", "dask", "distributed", "pdf2image", "img2pdf", "filelock")
PROGRAM = """
import importlib.machinery, importlib.util, sys
missing = set(sys.argv[1].split(","))
class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in missing:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
found = importlib.util.find_spec
importlib.util.find_spec = lambda name, package=None: None if name in missing else found(name, package)
import warnings
warnings.simplefilter("ignore")
from workflows.training import %s as trainer
raise SystemExit(trainer.main(sys.argv[2:]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("network", ["strokes", "ctrnet"])
def test_a_trainer_needs_little(network, tmp_path):
    shards = write_shards(tmp_path / "shards")
    options = {"shards": shards, "out": tmp_path / "out", "steps": 2, "batch": 1, "side": 64, "workers": 0}
    options |= {"threads": 1, "precision": "32-true", "accelerator": "cpu", "save-every": 2, "log-every": 1}
    flags = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
    command = [sys.executable, "-c", PROGRAM % network, ",".join(MISSING), *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert (tmp_path / "out" / "weights.safetensors").exists()
