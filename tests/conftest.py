"""What several test files need: a runner for the command line, small documents, and a clean slate per test."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from PIL import Image

from workflows.cli import app
from workflows.pages import tools

# what a test takes depends on what else the machine does, and speed is for benchmarks
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@dataclass(frozen=True)
class Outcome:
    """What a call of the program left: exit code, both streams, and the report if there is one."""

    code: int
    stdout: str
    stderr: str
    report: dict[str, Any]

    def document(self, name: str) -> dict[str, Any]:
        """The report's entry of the input whose path ends in ``name``."""
        found = [entry for entry in self.report["documents"] if entry["source"].endswith(name)]
        assert len(found) == 1, f"{name} is listed {len(found)} times"
        return found[0]


@pytest.fixture(autouse=True)
def _fresh_models() -> Iterator[None]:
    """Models are cached per process; fakes must not outlive their test."""
    tools.make_detector.cache_clear()
    tools.make_remover.cache_clear()
    yield
    tools.make_detector.cache_clear()
    tools.make_remover.cache_clear()
    logging.getLogger().handlers[:] = []
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger("restore_docs").setLevel(logging.NOTSET)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small CTRNet's weights, like the published ones."""
    from small_ctrnet import write_small_ctrnet  # here, for it loads torch

    return write_small_ctrnet(tmp_path_factory.mktemp("weights") / "small.safetensors")


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small CTRNet's weights, for documents."""
    from small_ctrnet import write_small_documents

    return write_small_documents(tmp_path_factory.mktemp("weights") / "documents.safetensors")


@pytest.fixture
def restore_docs(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    """Call the program in this process, as the console script does."""

    def call(*words: object) -> Outcome:
        arguments = [str(word) for word in words]
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            app(arguments)
        streams = capsys.readouterr()
        out = Path(arguments[arguments.index("--out") + 1]) if "--out" in arguments else None
        report = json.loads((out / "report.json").read_text()) if out and (out / "report.json").is_file() else {}
        return Outcome(int(ended.value.code or 0), streams.out, streams.err, report)

    return call


def draw_page(path: Path, *, words: int = 2, size: tuple[int, int] = (400, 300), pages: int = 1) -> Path:
    """Write a small page with black bars for words, and its side-car; for the annotated detector."""
    width, height = size
    image = np.full((height, width, 3), 240, np.uint8)
    boxes = [(20, 30 + 50 * n, 20 + 90, 30 + 50 * n + 20) for n in range(words)]
    for x0, y0, x1, y1 in boxes:
        image[y0 + 4 : y1 - 4, x0 + 4 : x1 - 4 : 3] = 10
    pictures = [Image.fromarray(image) for _ in range(pages)]
    if path.suffix == ".pdf":
        pictures[0].save(path, save_all=True, append_images=pictures[1:], resolution=100.0)
    elif pages > 1:
        pictures[0].save(path, save_all=True, append_images=pictures[1:])
    else:
        pictures[0].save(path)
    regions = [{"polygon": [[x0, y0], [x1, y0], [x1, y1], [x0, y1]], "score": 1.0} for x0, y0, x1, y1 in boxes]
    side_car = {"pages": [{"page_number": n + 1, "regions": regions} for n in range(pages)]}
    path.with_name(path.name + ".json").write_text(json.dumps(side_car))
    return path


def digests(folder: Path) -> dict[str, str]:
    """Every file below a folder, state and report aside, by digest."""
    files = [
        p
        for p in folder.rglob("*")
        if p.is_file() and ".restore-docs" not in p.parts and p.suffix != ".html" and p.name != "report.json"
    ]
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def bars_left(image: np.ndarray, words: int = 2) -> int:
    """How many of ``draw_page``'s words still show dark bars."""
    grey = image.min(axis=2) if image.ndim == 3 else image
    return sum(bool((grey[34 + 50 * n : 46 + 50 * n, 24:106] < 120).any()) for n in range(words))


@pytest.fixture
def looks_clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bars for words are no text to the real detector, and it takes seconds to load."""
    from workflows.pages.verification import Verdict

    monkeypatch.setattr("workflows.pages.tasks.verify", lambda image, mask, *_: Verdict(image, mask, (), 0, ()))
    monkeypatch.setattr("workflows.pages.tasks.verification_tools", lambda *_: None)
