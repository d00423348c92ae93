"""With --anonymize, what is chosen by a source's name is found by it, and the name goes nowhere."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import bars_left, draw_page
from PIL import Image
from test_anonymity import SECRET, names_in

from pipeline.zones import read_zones, write_zones_of

STRICT = ("--anonymize", "--jobs", "1", "--remover", "fill")
BARS = {"unit": "fraction", "rectangle": [0, 0, 0.3, 0.26]}  # the first of ``draw_page``'s two


def written(out: Path, name: str) -> np.ndarray:
    return np.asarray(Image.open(out / name).convert("RGB"))


def assert_untold(tmp_path: Path, done, caplog) -> None:
    """The secret is in the names' file, and nowhere else."""
    assert SECRET not in done.stdout + done.stderr + caplog.text
    assert not names_in(tmp_path / "out")
    assert names_in(tmp_path / "out-state") == {str(tmp_path / "out-state" / "names.json")}


@pytest.mark.parametrize("place", ["beside", "folder", "file"])
def test_regions_are_found_by_the_true_name(tmp_path, restore_docs, looks_clean, caplog, place):
    (tmp_path / "in").mkdir()
    source = draw_page(tmp_path / "in" / f"{SECRET}.png")
    side_car = source.with_name(source.name + ".json")
    options = []
    if place != "beside":
        moved = tmp_path / "regions" / f"{SECRET}.json"
        moved.parent.mkdir()
        side_car.rename(moved)
        options = ["--regions", moved if place == "file" else moved.parent]
    words = (source, "--out", tmp_path / "out", "--detector", "annotated", *STRICT, *options)
    done = restore_docs(*words)
    assert done.code == 0, done.stderr
    assert bars_left(written(tmp_path / "out", "document-0001.png")) == 0
    assert_untold(tmp_path, done, caplog)
    assert restore_docs(*words).document("document-0001.png")["reused"]


def test_regions_that_are_changed_count_at_the_next_run(tmp_path, restore_docs, looks_clean):
    source = draw_page(tmp_path / "a.png")
    words = (source, "--out", tmp_path / "out", "--detector", "annotated", *STRICT)
    assert restore_docs(*words).code == 0
    (tmp_path / "a.png.json").write_text('{"pages": [{"page_number": 1, "regions": []}]}')
    again = restore_docs(*words)
    assert not again.document("document-0001.png")["reused"]
    assert bars_left(written(tmp_path / "out", "document-0001.png")) == 2


def test_a_source_without_regions_fails_under_its_hidden_name(tmp_path, restore_docs, looks_clean, caplog):
    (tmp_path / "in").mkdir()
    source = draw_page(tmp_path / "in" / f"{SECRET}.png")
    source.with_name(source.name + ".json").unlink()
    broken = draw_page(tmp_path / "in" / f"{SECRET}-2.png")
    broken.with_name(broken.name + ".json").write_text(f'{{"pages": "{SECRET}"}}')
    done = restore_docs(source, broken, "--out", tmp_path / "out", "--detector", "annotated", *STRICT)
    assert done.code == 6
    failures = [done.document(f"document-000{n}.png")["failure"] for n in (1, 2)]
    assert [failure["kind"] for failure in failures] == ["InputError"] * 2
    assert ["no text regions" in failure["what"] for failure in failures].count(True) == 1
    assert_untold(tmp_path, done, caplog)


def test_zones_are_for_the_documents_that_were_meant(tmp_path, restore_docs, looks_clean, caplog):
    (tmp_path / "in").mkdir()
    for name in (f"{SECRET}-intake.png", f"{SECRET}-letter.png"):
        draw_page(tmp_path / "in" / name)
    zones = tmp_path / "zones.json"
    zones.write_text(json.dumps({"zones": [{"action": "remove", "documents": f"{SECRET}-intake*", **BARS}]}))
    words = [tmp_path / "in", "--out", tmp_path / "out", "--detector", "annotated", *STRICT, "--zones", zones]
    done = restore_docs(*words)
    assert done.code == 0, done.stderr
    names = json.loads((tmp_path / "out-state" / "names.json").read_text())
    left = {Path(names[p.stem]).stem: bars_left(written(p.parent, p.name)) for p in (tmp_path / "out").glob("*.png")}
    assert left == {f"{SECRET}-intake": 1, f"{SECRET}-letter": 2}
    assert_untold(tmp_path, done, caplog)
    reused = restore_docs(*words)
    assert all(entry["reused"] for entry in reused.report["documents"] if entry["outputs"])
    zones.write_text(json.dumps({"zones": [{"action": "remove", "documents": f"{SECRET}-letter*", **BARS}]}))
    again = restore_docs(*words)
    left = {Path(names[p.stem]).stem: bars_left(written(p.parent, p.name)) for p in (tmp_path / "out").glob("*.png")}
    assert again.code == 0 and left == {f"{SECRET}-intake": 2, f"{SECRET}-letter": 1}


def test_zones_of_a_document_are_the_same_under_any_name(tmp_path):
    source, target = tmp_path / "zones.json", tmp_path / "one.json"
    entries = [
        {"name": "one", "action": "remove", "documents": ["in*.pdf", "x"], "rectangle": [0, 0, 9, 9]},
        {"name": "two", "action": "keep", "documents": "out*.pdf", "rectangle": [0, 0, 9, 9]},
        {"name": "all", "action": "keep", "pages": [1, "3-"], "rectangle": [0, 0, 9, 9]},
    ]
    source.write_text(json.dumps({"unit": "pt", "zones": entries}), encoding="utf-8-sig")
    write_zones_of("intake.pdf", source, target)
    assert [zone.is_for("document-0007.pdf") for zone in read_zones(target)] == [True, False, True]
    assert [zone.pages for zone in read_zones(target)] == [zone.pages for zone in read_zones(source)]
    assert "in*" not in target.read_text() and "out*" not in target.read_text()


def test_a_zones_file_that_is_changed_counts_in_a_worker_that_lives_on(tmp_path, restore_docs):
    source, zones = draw_page(tmp_path / "a.png"), tmp_path / "zones.json"
    words = (source, "--out", tmp_path / "out", "--detector", "annotated", "--remover", "fill", "--zones", zones)
    for top, left in ((0, 1), (0.5, 2)):
        place = {"unit": "fraction", "rectangle": [0, top, 0.3, top + 0.26]}
        zones.write_text(json.dumps({"zones": [{"action": "remove", **place}]}))
        assert restore_docs(*words).code == 0
        assert bars_left(written(tmp_path / "out", "a.png")) == left
        time.sleep(0.01)


def test_a_scanner_is_not_known_by_its_tables(tmp_path, restore_docs, looks_clean):
    source = draw_page(tmp_path / "a.jpg")
    tables = [[7 + (n * 5) % 31 for n in range(64)], [9 + (n * 3) % 41 for n in range(64)]]
    Image.open(source).save(source, qtables=tables)
    words = (source, "--detector", "annotated", "--jobs", "1", "--remover", "fill", "--verify")
    assert restore_docs(*words, "off", "--out", tmp_path / "plain").code == 0
    assert restore_docs(*words, "on", "--out", tmp_path / "strict", "--anonymize").code == 0
    with Image.open(tmp_path / "plain" / "a.jpg") as plain, Image.open(source) as first:
        assert plain.quantization[0] == first.quantization[0] == tables[0]
    Image.new("RGB", (8, 8)).save(tmp_path / "any.jpg", quality=85)
    with Image.open(tmp_path / "strict" / "document-0001.jpg") as strict, Image.open(tmp_path / "any.jpg") as other:
        assert list(strict.quantization.values()) == list(other.quantization.values())[: len(strict.quantization)]
