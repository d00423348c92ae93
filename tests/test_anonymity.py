"""With --anonymize: no name leaves the state folder, and no document with a doubt is written."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import fakes
import numpy as np
import pytest

from detectors.registry import DETECTORS
from pipeline.errors import UsageError
from workflows.commands.settings_file import load_settings
from workflows.config import RunSettings
from workflows.pages.anonymity import EPOCH

SECRET = "jane-doe-4711"


def draw_letter(path: Path) -> Path:
    page = np.full((500, 700, 3), 245, np.uint8)
    page = np.clip(page + np.random.default_rng(3).normal(0, 2, page.shape), 0, 255).astype(np.uint8)
    cv2.putText(page, "Dear Jane Doe", (60, 120), cv2.FONT_HERSHEY_DUPLEX, 1.2, (30, 30, 30), 2, cv2.LINE_AA)
    cv2.putText(page, "see you on Monday", (60, 220), cv2.FONT_HERSHEY_DUPLEX, 1.0, (30, 30, 30), 2, cv2.LINE_AA)
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), page)
    return path


def names_in(folder: Path, secret: str = SECRET) -> set[str]:
    """Files whose name or bytes hold the secret."""
    held = {p for p in folder.rglob("*") if secret in p.name}
    return {str(p) for p in held | {p for p in folder.rglob("*") if p.is_file() and secret.encode() in p.read_bytes()}}


def test_names_stay_in_the_state_folder(tmp_path, restore_docs, caplog):
    draw_letter(tmp_path / "in" / f"{SECRET}.png")
    (tmp_path / "in" / f"{SECRET}.pdf").write_bytes(b"%PDF-1.7 broken")
    (tmp_path / "in" / f"{SECRET}.txt").write_text("no document")
    out, state = tmp_path / "out", tmp_path / "memory"
    done = restore_docs(tmp_path / "in", "--out", out, "--anonymize", "--state", state, "--jobs", "1")
    assert done.code == 6  # one document is broken
    assert SECRET not in done.stdout + done.stderr + caplog.text
    assert not names_in(out) and names_in(state) == {str(state / "names.json")}
    names = json.loads((state / "names.json").read_text())
    assert sorted(names) == ["document-0001", "document-0002", "document-0003"]
    assert all(SECRET in source for source in names.values())
    written = sorted(p.name for p in out.iterdir())
    (number,) = (name for name, source in names.items() if source.endswith(".png"))
    assert written == [f"{number}.png", "report.html", "report.json"]
    assert {int(p.stat().st_mtime) for p in (*out.iterdir(), out)} == {EPOCH}
    assert [entry["source"].split(".")[0] for entry in done.report["documents"]] == sorted(names)
    assert str(tmp_path) not in (out / "report.json").read_text()


def test_names_are_the_same_from_run_to_run(tmp_path, restore_docs):
    draw_letter(tmp_path / "in" / "b.png")
    words = (tmp_path / "in", "--out", tmp_path / "out", "--anonymize", "--jobs", "1")
    assert restore_docs(*words).code == 0
    draw_letter(tmp_path / "in" / "a.png")  # sorts before the other
    again = restore_docs(*words)
    names = json.loads((tmp_path / "out-state" / "names.json").read_text())
    assert again.code == 0 and Path(names["document-0001"]).name == "b.png"
    assert again.document("document-0001.png")["reused"] and not again.document("document-0002.png")["reused"]


class StubbornText(fakes.BlindDetector):
    """Sees the same text on every image, whatever was done to it."""

    def detect(self, image, ref):
        from pipeline.types import TextRegion

        return (TextRegion(np.float32([[50, 80], [450, 80], [450, 135], [50, 135]])),)


def test_a_document_with_text_left_is_not_written(tmp_path, restore_docs, monkeypatch):
    monkeypatch.setitem(DETECTORS, "fake", StubbornText)
    monkeypatch.setattr("workflows.pages.looking.is_text", lambda *_: True)
    source = draw_letter(tmp_path / "letter.png")
    strict = restore_docs(source, "--out", tmp_path / "out", "--anonymize", "--detector", "fake", "--jobs", "1")
    assert strict.code == 6 and strict.document("document-0001.png")["status"] == "FAILED"
    assert strict.document("document-0001.png")["failure"]["kind"] == "TextLeft"
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["report.html", "report.json"]
    plain = restore_docs(source, "--out", tmp_path / "plain", "--detector", "fake", "--jobs", "1")
    assert plain.code == 6 and plain.document("letter.png")["status"] == "NEEDS_REVIEW"
    assert (tmp_path / "plain" / "letter.png").exists()
    (entry,) = plain.document("letter.png")["pages"]
    assert entry["removed_again"] == 2 and entry["residual_boxes"]


@pytest.mark.parametrize(
    "lax",
    [{"verify": "off"}, {"on_page_error": "keep-original"}, {"dry_run": True}, {"export_regions": "found"}],
    ids=lambda lax: next(iter(lax)),
)
def test_lax_settings_do_not_go_with_it(lax):
    with pytest.raises(UsageError, match="--anonymize"):
        load_settings({"anonymize": True, **lax}, None)


def test_the_report_shows_nothing_that_was_looked_for():
    settings = RunSettings(anonymize=True, match=("Jane Doe",), words=Path("/home/me/jane.txt"), state=Path("/x"))
    shown = json.dumps(settings.public())
    assert "Jane" not in shown and "jane" not in shown and "/x" not in shown


def test_a_detector_model_is_shown_only_if_it_is_the_one_that_comes_with_the_program():
    shown = RunSettings(anonymize=True, detector_model="/home/jane/model").public()["detector_model"]
    assert shown == "(not shown)"
    assert RunSettings(anonymize=True).public()["detector_model"].startswith("PP-OCR")
