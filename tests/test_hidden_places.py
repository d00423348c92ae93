"""With --anonymize: where names are kept, who may read them, and what ends without a word of them."""

from __future__ import annotations

import errno
import json
import os
import random
import stat
from pathlib import Path

import pytest
from conftest import draw_page
from test_anonymity import SECRET, names_in

from pipeline.errors import OutputError
from workflows.config import RunSettings
from workflows.pages.anonymity import EPOCH, hidden_places, hide_names, without_places
from workflows.storage.folder_lock import FolderLock
from workflows.storage.inputs import find_sources
from workflows.storage.output_state import state_place

STRICT = ("--anonymize", "--jobs", "1", "--remover", "fill", "--detector", "annotated")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_names_are_for_their_owner_only(tmp_path, restore_docs, looks_clean):
    source, there = draw_page(tmp_path / "a.png"), tmp_path / "there"
    there.mkdir(mode=0o755)
    before = os.umask(0o022)
    try:
        for state in (tmp_path / "new" / "state", there):
            assert restore_docs(source, "--out", tmp_path / f"out-{state.name}", *STRICT, "--state", state).code == 0
            assert mode(state / "names.json") == 0o600
    finally:
        os.umask(before)
    assert mode(tmp_path / "new" / "state") == 0o700 and mode(there) == 0o755


@pytest.mark.parametrize("option", ["--state", "--log-file", "--metrics"])
@pytest.mark.parametrize("place", ["out", "out/inside/it", "link/inside"])
def test_what_tells_of_the_sources_is_kept_out_of_the_output_folder(tmp_path, restore_docs, option, place):
    source = draw_page(tmp_path / "a.png")
    (tmp_path / "link").symlink_to("out")
    done = restore_docs(source, "--out", tmp_path / "out", *STRICT, option, tmp_path / place)
    assert done.code == 2 and option in done.stderr and "outside" in done.stderr
    assert not (tmp_path / "out").exists()


def test_without_it_they_may_lie_there_and_beside_it_they_may_with_it(tmp_path):
    inside = RunSettings(state=tmp_path / "out" / "s", log_file=tmp_path / "out" / "log")
    assert state_place(str(tmp_path / "out"), inside) == str(tmp_path / "out" / "s")
    beside = RunSettings(state=tmp_path / "s", log_file=tmp_path / "log", metrics=tmp_path / "m", anonymize=True)
    assert state_place(str(tmp_path / "out"), beside) == str(tmp_path / "s")


@pytest.mark.parametrize("with_documents", [False, True])
def test_zones_are_numbered_and_not_named(tmp_path, restore_docs, looks_clean, caplog, with_documents):
    source, zones = draw_page(tmp_path / "a.png"), tmp_path / "zones.json"
    place = {"unit": "fraction", "rectangle": [0, 0, 0.3, 0.26], "action": "remove"}
    more = {"documents": "*.png"} if with_documents else {}
    zones.write_text(json.dumps({"zones": [{"name": f"{SECRET} signature", **place, **more}]}))
    done = restore_docs(source, "--out", tmp_path / "out", *STRICT, "--zones", zones, "--json", "-vv")
    (page,) = done.document("document-0001.png")["pages"]
    assert done.code == 0 and list(page["reasons"]) == ["zone:zone 1"]
    off = {"unit": "pt", "rectangle": [9000, 9000, 9001, 9001], "action": "remove"}
    zones.write_text(json.dumps({"zones": [{"name": f"{SECRET} signature", **off}]}))
    failed = restore_docs(source, "--out", tmp_path / "out", *STRICT, "--zones", zones, "--json", "-vv")
    assert failed.code == 6 and "the zone 'zone 1' lies outside" in failed.stderr
    for told in (done, failed):
        assert SECRET not in told.stdout + told.stderr + caplog.text
    assert not names_in(tmp_path / "out") and not names_in(tmp_path / "out-state")


def test_files_that_settings_name_are_not_named_in_reports():
    settings = RunSettings(anonymize=True, template=Path("/home/jane/blank.pdf"), detector_model="/home/jane/model")
    places = hidden_places(settings, Path("/x/state"))
    report = {"ended_early": {"what": "/home/jane/blank.pdf is damaged"}, "documents": ["/x/state/inputs/a.pdf: /home"]}
    assert without_places(report, places) == {
        "ended_early": {"what": "what --template names is damaged"}, "documents": ["a.pdf: /home"],
    }  # fmt: skip


class BarredFolder:
    """A folder that may be listed and not entered, and names too long: what tests that run as root cannot make."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._stat = os.stat
        monkeypatch.setattr("os.stat", self.stat)

    def stat(self, path, **options):
        if f"{SECRET}-barred{os.sep}" in os.fspath(path):
            raise PermissionError(errno.EACCES, "Permission denied", os.fspath(path))
        return self._stat(path, **options)


@pytest.mark.parametrize("strict", [True, False])
def test_what_the_system_refuses_to_look_at_is_listed(tmp_path, restore_docs, monkeypatch, looks_clean, strict):
    folder = tmp_path / "in" / f"{SECRET}-barred"
    folder.mkdir(parents=True)
    draw_page(folder / "a.png")
    long = tmp_path / ("x" * 300 + SECRET + ".pdf")
    good = draw_page(tmp_path / "good.png")
    BarredFolder(monkeypatch)
    options = STRICT if strict else STRICT[1:]
    words = (tmp_path / "in", folder / "a.png", long)
    done = restore_docs(*words, good, "--out", tmp_path / "out", *options)
    failed = [entry for entry in done.report["documents"] if entry["failure"]]
    assert done.code == 6 and {entry["failure"]["kind"] for entry in failed} == {"InputError"}
    assert len(failed) == 3  # the picture and its side-car in the folder, the picture by name counts once
    none = restore_docs(*words, "--out", tmp_path / "none", *options)
    assert none.code == 3 and "Traceback" not in none.stderr
    if strict:
        assert SECRET not in done.stdout + done.stderr + none.stderr
    else:
        assert "Permission denied" in done.stderr and "too long" in done.stderr


def test_an_output_inside_an_input_is_refused_without_its_name(tmp_path, restore_docs):
    folder = tmp_path / SECRET
    folder.mkdir()
    source = draw_page(tmp_path / "a.png")
    strict = restore_docs(source, folder, "--out", folder / "out", *STRICT)
    assert strict.code == 2 and "input 2" in strict.stderr and SECRET not in strict.stderr
    plain = restore_docs(source, folder, "--out", folder / "out", *STRICT[1:])
    assert plain.code == 2 and SECRET in plain.stderr


def test_a_run_that_is_refused_changes_nothing(tmp_path, restore_docs, looks_clean):
    words = (draw_page(tmp_path / "a.png"), "--out", tmp_path / "out", *STRICT)
    assert restore_docs(*words).code == 0
    state = tmp_path / "out-state"
    before = (state / "names.json").read_bytes()
    with FolderLock(state, "out"):
        refused = restore_docs(draw_page(tmp_path / "b.png"), *words)
    assert refused.code == 5 and "another run" in refused.stderr
    assert (state / "names.json").read_bytes() == before and not (state / "inputs").exists()


def test_numbers_do_not_tell_the_order_of_names(tmp_path, restore_docs, looks_clean, monkeypatch):
    monkeypatch.setattr(random.SystemRandom, "shuffle", lambda self, items: items.reverse())
    sources = [draw_page(tmp_path / f"{name}.png") for name in "abc"]
    done = restore_docs(*sources, "--out", tmp_path / "out", *STRICT)
    names = json.loads((tmp_path / "out-state" / "names.json").read_text())
    assert {name: Path(source).stem for name, source in names.items()} == {
        "document-0001": "c", "document-0002": "b", "document-0003": "a",
    }  # fmt: skip
    assert [entry["source"] for entry in done.report["documents"]] == [f"document-000{n}.png" for n in (1, 2, 3)]
    monkeypatch.undo()
    orders = set()
    for number in range(40):
        (state := tmp_path / f"state-{number}").mkdir()
        hide_names(find_sources([str(source) for source in sources]), state)
        orders.add(tuple(json.loads((state / "names.json").read_text()).values()))
    assert len(orders) > 1  # all alike once in 6 ** 39


def test_times_are_hidden_and_links_gone_however_a_run_ends(tmp_path, restore_docs, looks_clean, monkeypatch):
    def full(*_: object) -> None:
        raise OutputError("the disk is full", "")

    out = tmp_path / "out"
    source = draw_page(tmp_path / "a.png")
    (out / "sub").mkdir(parents=True)
    monkeypatch.setattr("workflows.commands.run_command.write_report", full)
    done = restore_docs(source, "--out", out, *STRICT)
    assert done.code == 5 and (out / "document-0001.png").is_file()
    assert {int(path.stat().st_mtime) for path in (out, *out.rglob("*"))} == {EPOCH}
    assert not (tmp_path / "out-state" / "inputs").exists()


def test_ink_is_counted_to_one_digit(tmp_path, restore_docs, looks_clean):
    source = draw_page(tmp_path / "a.png")
    words = (source, "--jobs", "1", "--remover", "fill", "--detector", "annotated", "--verify")
    (plain,) = restore_docs(*words, "off", "--out", tmp_path / "plain").document("a.png")["pages"]
    (strict,) = restore_docs(*words, "on", "--out", tmp_path / "out", "--anonymize").document("1.png")["pages"]
    told, (ink,) = str(strict["changed_pixels"]), strict["reasons"].values()
    assert told[0] != "0" and set(told[1:]) == {"0"} and told == str(ink)
    count = plain["changed_pixels"]
    assert told != str(count) and abs(int(told) - count) < count / 2
