"""What nobody foresaw is told by type and place: its own words may be the document's."""

from __future__ import annotations

import errno
from pathlib import Path

import fakes
import numpy as np
import pytest
from conftest import draw_page
from PIL import ImageFile
from processes import PLAIN, program, run
from test_anonymity import names_in

from detectors.paddleocr import PaddleOcrDetector
from detectors.registry import DETECTORS
from pipeline.complaints import without_words
from pipeline.documents import RasterSettings, rasterize_page
from pipeline.errors import InputError, StageError
from pipeline.types import PageRef
from workflows.restore import Run

QUOTED = fakes.QuotingDetector.words
STRICT = ("--anonymize", "--detector", "fake", "--remover", "fill", "--mask", "classical")


def raised(error: Exception) -> Exception:
    try:
        raise error
    except Exception as caught:
        return caught


def test_type_and_place_are_told() -> None:
    assert without_words(raised(KeyError(QUOTED))).startswith("KeyError in raised (test_untold.py, line ")
    assert without_words(KeyError(QUOTED)) == "KeyError"
    assert without_words(OSError(errno.ESTALE, QUOTED, QUOTED)) == "OSError, Stale file handle,"


def files_that_tell(*folders: Path) -> set[str]:
    return {path for folder in folders for path in names_in(folder, QUOTED)}


@pytest.mark.parametrize("options", [("--anonymize",), ()], ids=["anonymize", "plain"])
def test_a_bug_on_a_page_quotes_nothing(tmp_path, restore_docs, monkeypatch, caplog, options):
    monkeypatch.setitem(DETECTORS, "fake", fakes.QuotingDetector)
    source, out = draw_page(tmp_path / "a.png"), tmp_path / "out"
    told = ("-vv", "--json", "--log-file", tmp_path / "log", "--state", tmp_path / "state")
    done = restore_docs(source, "--out", out, *STRICT[1:], *told, "--jobs", "1", *options)
    (entry,) = done.report["documents"]
    assert done.code == 6 and "unexpected ValueError in detect (fakes.py" in entry["failure"]["what"]
    assert "ValueError in detect" in done.stderr + (tmp_path / "log").read_text()
    assert QUOTED not in done.stdout + done.stderr + caplog.text
    assert not files_that_tell(out, tmp_path / "state") and QUOTED not in (tmp_path / "log").read_text()


def test_a_bug_on_a_worker_quotes_nothing(tmp_path: Path) -> None:
    pages, world = draw_page(tmp_path / "a.pdf", pages=2), tmp_path / "world"
    started = [*program(tmp_path, "QuotingDetector"), pages, "--out", world / "out", "--state", world / "state"]
    done = run([*started, *STRICT, "--jobs", "2", "-vv", "--log-file", world / "log", "--report", PLAIN[-1]])
    assert done.returncode == 6 and "unexpected ValueError in detect" in done.stderr, done.stderr
    assert QUOTED not in done.stdout + done.stderr and not files_that_tell(world)


def test_a_bug_of_the_run_itself_quotes_nothing(tmp_path, restore_docs, monkeypatch, caplog):
    def stumble(*_: object) -> None:
        raise KeyError(QUOTED)

    monkeypatch.setattr(Run, "__call__", stumble)
    source = draw_page(tmp_path / "a.png")
    done = restore_docs(source, "--out", tmp_path / "out", *STRICT[:1], "--jobs", "1")
    assert done.code == 1 and "unexpected KeyError in stumble" in done.stderr
    assert QUOTED not in done.stdout + done.stderr + caplog.text
    with pytest.raises(KeyError):  # whoever hides nothing sees all of it
        restore_docs(source, "--out", tmp_path / "plain", "--jobs", "1")


def test_the_detector_quotes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = object.__new__(PaddleOcrDetector)
    monkeypatch.setattr(PaddleOcrDetector, "_look", fakes.QuotingDetector.detect)
    monkeypatch.setattr(PaddleOcrDetector, "words", QUOTED, raising=False)
    with pytest.raises(StageError, match="ValueError in detect") as caught:
        detector.detect(np.zeros((9, 9, 3), np.uint8), PageRef("a.png", 0))
    assert QUOTED not in str(caught.value)


@pytest.mark.parametrize(
    ("error", "told"),
    [(KeyError(QUOTED), "KeyError"), (SyntaxError(KeyError(QUOTED)), "SyntaxError"), (OSError(7, QUOTED), "OSError")],
    ids=lambda part: type(part).__name__,
)
def test_an_image_library_quotes_nothing(tmp_path, monkeypatch, error, told):
    def stumble(*_: object) -> None:
        raise error

    path = draw_page(tmp_path / "a.png")
    monkeypatch.setattr(ImageFile.ImageFile, "load", stumble)
    with pytest.raises((InputError, StageError), match=f"is damaged.*{told}") as caught:
        rasterize_page(PageRef(str(path), 0), RasterSettings())
    assert QUOTED not in str(caught.value)
