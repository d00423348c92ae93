"""The command line itself: help, versions, errors, streams, and what importing it costs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import pytest
from conftest import Outcome, draw_page

from workflows.commands import doctor
from workflows.config import RunSettings
from workflows.exit_codes import MEANINGS, ExitCode

Program = Callable[..., Outcome]
ANNOTATED = ("--detector", "annotated", "--jobs", "1")


def test_help_shows_every_setting_and_both_levels(restore_docs: Program) -> None:
    done = restore_docs("--help")
    assert done.code == 0
    for name in RunSettings.model_fields:
        assert "--" + name.replace("_", "-") in done.stdout, name
    for word in ("doctor", "--version", "INPUT"):
        assert word in done.stdout


def test_help_loads_no_framework() -> None:
    heavy = ("torch", "numpy", "cv2", "paddleocr", "onnxruntime", "dask", "distributed", "pymupdf", "skimage")
    program = (
        "import sys, contextlib, io\nfrom workflows.cli import app\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n    try: app(['--help'])\n    except SystemExit: pass\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_run_is_the_default_command(tmp_path: Path, restore_docs: Program) -> None:
    source = draw_page(tmp_path / "a.png")
    assert restore_docs("run", source, "--out", tmp_path / "one", *ANNOTATED).code == 0
    assert restore_docs("--jobs", "1", "--detector", "annotated", source, "--out", tmp_path / "two").code == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--dpi", "high"), "--dpi"),
        (("--detector", "padleocr"), "paddleocr"),
        (("--remover", "fil"), "'fill'"),
        (("--nonsense",), "--nonsense"),
        (("--lossless", "--format", "jpg"), "--format png"),
        (("--regions", "nowhere.json", "--detector", "annotated"), "nowhere.json"),
        (("--config", "nowhere.toml"), "nowhere.toml"),
    ],
)
def test_usage_errors_exit_with_2_and_name_the_remedy(
    tmp_path: Path, restore_docs: Program, words: tuple[str, ...], says: str
) -> None:
    source = draw_page(tmp_path / "a.png")
    done = restore_docs(source, "--out", tmp_path / "out", *words)
    assert done.code == 2 and says in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "out").exists(), "nothing was begun"


def test_missing_weights_exit_with_4(tmp_path: Path, restore_docs: Program) -> None:
    source = draw_page(tmp_path / "a.png")
    done = restore_docs(source, "--out", tmp_path / "out", "--weights", tmp_path / "none.pth")
    assert done.code == 4 and "none.pth" in done.stderr


def test_json_is_events_on_stdout_and_the_last_one_the_totals(tmp_path: Path, restore_docs: Program) -> None:
    source = draw_page(tmp_path / "a.pdf", pages=2)
    done = restore_docs(source, tmp_path / "no.pdf", "--out", tmp_path / "out", "--json", *ANNOTATED)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["event"] for event in events] == ["opened", "page", "page", "document", "totals"]
    assert events[-1]["documents"] == done.report["totals"]["documents"]
    assert events[-1]["documents"]["FAILED"] == 1 and done.code == 6


def test_quiet_says_nothing_when_all_is_well_and_the_error_when_not(tmp_path: Path, restore_docs: Program) -> None:
    source = draw_page(tmp_path / "a.png")
    done = restore_docs(source, "--out", tmp_path / "out", "-q", *ANNOTATED)
    assert (done.code, done.stdout, done.stderr) == (0, "", "")
    done = restore_docs(tmp_path / "no.png", "--out", tmp_path / "out", "-q", *ANNOTATED)
    assert done.code == 3 and "no.png" in done.stderr and done.stdout == ""


def test_only_files_that_are_no_documents_is_nothing_to_do_and_says_so(tmp_path: Path, restore_docs: Program) -> None:
    (tmp_path / "a.txt").write_text("hello")
    done = restore_docs(tmp_path / "a.txt", "--out", tmp_path / "out", *ANNOTATED)
    assert done.code == 3 and done.document("a.txt")["status"] == "SKIPPED"


def test_the_report_holds_no_password(tmp_path: Path, restore_docs: Program) -> None:
    source = draw_page(tmp_path / "a.pdf")
    done = restore_docs(source, "--out", tmp_path / "out", "--password", "hunter2", "-v", *ANNOTATED)
    assert "hunter2" not in json.dumps(done.report) + done.stdout + done.stderr


def test_doctor_is_content_here_and_says_what_is_missing(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = restore_docs("doctor", "-o", tmp_path)
    assert done.code == 0 and "weights found" in done.stdout and "MISSING" not in done.stdout
    monkeypatch.setattr(doctor.shutil, "which", lambda name: None)
    without_poppler = restore_docs("doctor", "-o", tmp_path)
    assert without_poppler.code == 0 and "poppler-utils" in without_poppler.stdout
    without_folder = restore_docs("doctor", "-o", tmp_path / "none")
    assert without_folder.code == 4 and "MISSING write access" in without_folder.stdout


def test_doctor_notices_a_distribution_that_would_shadow_ours(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Rival:
        metadata: ClassVar = {"Name": "other-pipelines"}
        files: ClassVar = [Path("pipeline/__init__.py")]

    monkeypatch.setattr(doctor, "distributions", lambda: [Rival()])
    done = restore_docs("doctor", "-o", tmp_path)
    assert done.code == 4 and "pip uninstall other-pipelines" in done.stdout


def test_the_table_of_exit_codes_is_complete_and_in_the_readme() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    assert set(MEANINGS) == set(ExitCode)
    for code, meaning in MEANINGS.items():
        assert f"| {int(code)} | {meaning} |" in readme


LEAVING = """
import atexit, sys
from workflows.commands.command_exits import leave_quickly
class Slow:
    def __del__(self): print("taken apart")
keep = Slow()
atexit.register(lambda: print("registered before"))
def program():
    atexit.register(lambda: print("cleared away"))
    print("no line end", end=";")
    {how}
leave_quickly(program)
"""


@pytest.mark.parametrize(
    ("how", "code"),
    [("sys.exit(6)", 6), ("sys.exit(0)", 0), ("sys.exit()", 0), ("pass", 0)],
)
def test_the_end_clears_away_and_keeps_output_and_code_but_takes_nothing_apart(how: str, code: int) -> None:
    ended = subprocess.run([sys.executable, "-c", LEAVING.format(how=how)], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "no line end;cleared away\n", "")


@pytest.mark.parametrize(("how", "code"), [("1 / 0", 1), ("sys.exit('words')", 1)])
def test_an_unforeseen_end_is_left_to_the_interpreter(how: str, code: int) -> None:
    ended = subprocess.run([sys.executable, "-c", LEAVING.format(how=how)], capture_output=True, text=True)
    assert ended.returncode == code and "registered before" in ended.stdout
    assert "ZeroDivisionError" in ended.stderr or "words" in ended.stderr


def test_a_reader_that_is_gone_is_no_success() -> None:
    reader = f"{sys.executable} -c 'pass'"
    writer = LEAVING.format(how="print('x' * 200000)")
    ended = subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" | {reader}; exit "${{PIPESTATUS[0]}}"', sys.executable, writer],
        capture_output=True,
    )
    assert ended.returncode != 0
