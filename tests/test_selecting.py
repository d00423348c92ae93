"""Choosing what goes: by kind, by text, by place and by a blank form, in one order."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import draw_page

from pipeline.errors import StageError, UsageError
from pipeline.readings import Reading
from pipeline.types import Colour, Page, PageRef, TextRegion
from workflows.config import RunSettings
from workflows.pages.selecting import choosing, reread, select_ink

WIDTH, HEIGHT = 400, 300
LINES = {"Jane Doe jane@example.org": 40, "Total 42": 120, "Keep me jane@example.org": 200}


def region(top):
    return TextRegion(np.float32([[20, top], [380, top], [380, top + 30], [20, top + 30]]))


REGIONS = tuple(region(top) for top in LINES.values())


def read(image, regions):
    readings = []
    for one in regions:
        text = next(t for t, top in LINES.items() if top == one.polygon[0, 1])
        edges = np.linspace(0, 1, len(text) + 1, dtype=np.float32)
        readings.append(
            Reading(text, 0.98, np.stack([edges[:-1], edges[1:]], axis=1), np.full(len(text), 0.98, np.float32))
        )
    return regions, tuple(readings)


def find_ink(image, regions, everywhere):
    """Ink fills the lines; a tick stands far from them, which is found only when looked for everywhere."""
    ink = np.zeros((HEIGHT, WIDTH), bool)
    for top in LINES.values():
        ink[top + 5 : top + 25, 20:380] = True
    if everywhere:
        ink[270:280, 50:60] = True
    return ink


def page():
    image = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    return Page(PageRef("a.png", 0), image, WIDTH * 0.36, HEIGHT * 0.36, Colour.RGB)


def select(**options):
    return select_ink(page(), REGIONS, RunSettings(**options), find_ink, read)


def zones(tmp_path, *entries):
    path = tmp_path / "zones.json"
    path.write_text(json.dumps({"unit": "fraction", "zones": list(entries)}))
    return path


def share(chosen, top, left=20, right=380):
    return chosen.ink[top + 5 : top + 25, left:right].mean()


def test_everything_goes_when_nothing_is_chosen():
    chosen = select()
    assert chosen.ink.sum() == find_ink(None, (), False).sum() and list(chosen.goes) == ["all"]
    assert chosen.allowed is None and not chosen.stays.any()


def test_only_the_part_of_a_line_that_matches_goes():
    chosen = select(match=("Jane Doe",))
    assert set(chosen.goes) == {"match"}
    assert share(chosen, 40, 24, 130) > 0.95 and share(chosen, 40, 160) == 0
    assert share(chosen, 120) == 0 and share(chosen, 200) == 0
    assert chosen.stays[125, 200] and not chosen.stays[50, 60]
    assert chosen.allowed is not None and chosen.allowed[55, 60] and not chosen.allowed[130, 200]


def test_kinds_of_text_go_and_kept_text_stays():
    everything = select(entities="email")
    assert set(everything.goes) == {"entity:email"} and share(everything, 40, 180) > 0.9
    assert share(everything, 200, 160) > 0.9
    kept = select(entities="email", keep=("Keep me.*",))
    assert share(kept, 40, 180) > 0.9 and share(kept, 200) == 0


def test_keeping_alone_lets_all_else_go():
    chosen = select(keep=("Total",))
    assert share(chosen, 40) == 1 and share(chosen, 120, 24, 200) < 0.2
    assert not choosing(RunSettings(keep=("Total",)), ())


def test_a_zone_takes_ink_that_no_detector_calls_text(tmp_path):
    bottom = {"name": "tick", "action": "remove", "pages": "all", "rectangle": [0, 0.85, 1, 1]}
    chosen = select(zones=zones(tmp_path, bottom))
    assert chosen.ink[270:280, 50:60].all() and chosen.ink.sum() == 100
    assert list(chosen.goes) == ["zone:tick"]


def test_a_kept_zone_wins_over_text_that_matches(tmp_path):
    top = {"name": "head", "action": "keep", "pages": "all", "rectangle": [0, 0, 1, 0.3]}
    chosen = select(match=(r"\w+@\w+",), zones=zones(tmp_path, top))
    assert share(chosen, 40) == 0 and share(chosen, 200, 200, 320) > 0.5


def test_choosers_add_up(tmp_path):
    middle = {"name": "sum", "action": "remove", "pages": "all", "rectangle": [0, 0.35, 1, 0.6]}
    chosen = select(match=("Jane Doe",), zones=zones(tmp_path, middle))
    assert set(chosen.goes) == {"match", "zone:sum"}
    assert share(chosen, 120) == 1 and share(chosen, 40, 24, 130) > 0.95 and share(chosen, 200) == 0


def test_a_blank_form_leaves_what_is_printed_on_it(tmp_path):
    rng = np.random.default_rng(0)
    blank = np.full((1400, 1000, 3), 250, np.uint8)
    for y in range(80, 1360, 90):
        cv2.line(blank, (60, y), (940, y), (60, 60, 60), 2)
        for x in range(70, 900, 160):
            word = "".join(rng.choice(list("ABCDEFGHKLMNPRSTUVWXYZ"), 5))
            cv2.putText(blank, word, (x, y - 14), cv2.FONT_HERSHEY_DUPLEX, 0.8, (30, 30, 30), 2)
    scanned = blank.copy()
    cv2.putText(scanned, "filled in", (300, 620), cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, 1.4, (40, 40, 160), 3)
    written = (scanned != blank).any(axis=2)
    cv2.imwrite(str(tmp_path / "blank.png"), blank[..., ::-1])
    sheet = Page(PageRef("a.png", 0), scanned, 360, 504, Colour.RGB)
    settings = RunSettings(template=tmp_path / "blank.png")
    chosen = select_ink(sheet, (), settings, lambda image, *_: np.zeros(image.shape[:2], bool), read)
    assert chosen.ink[written].mean() > 0.8  # not where it crosses a printed rule
    assert not chosen.ink[~cv2.dilate(written.astype(np.uint8), np.ones((9, 9))).astype(bool)].any()
    assert list(chosen.goes) == ["template"] and "of its print found" in chosen.notes[0]
    printed = blank.min(axis=2) < 100
    assert chosen.form is not None and chosen.form[printed & ~written].all() and not chosen.form[chosen.ink].any()
    assert chosen.allowed is not None and (chosen.allowed == ~chosen.form).all()


def test_words_come_from_a_file(tmp_path):
    listed = tmp_path / "words.txt"
    listed.write_text("# names\njane doe\n\n")
    assert share(select(words=listed), 40, 24, 130) > 0.95
    (tmp_path / "empty.txt").write_text("# nothing\n")
    with pytest.raises(UsageError, match="lists no words"):
        select(words=tmp_path / "empty.txt")


def test_what_was_read_for_is_looked_for_again():
    found, unsure = reread(page().image, REGIONS, RunSettings(entities="email", keep=("Keep me.*",)), read)
    assert len(found) == 1 and 30 < found[0][:, 1].mean() < 80 and unsure == ()
    assert reread(page().image, REGIONS, RunSettings(), read) == ((), ())
    strict = RunSettings(entities="email", least_score=0.99)
    assert [len(polygons) for polygons in reread(page().image, REGIONS, strict, read)] == [2, 3]


def test_a_pattern_that_is_none_is_refused():
    with pytest.raises(UsageError, match="not valid"):
        select(match=("(",))


def test_regions_are_exported_and_read_back(tmp_path, restore_docs):
    source = draw_page(tmp_path / "a.png")
    first = restore_docs(source, "--out", tmp_path / "one", "--detector", "annotated", "--jobs", "1",
                         "--export-regions", tmp_path / "found")  # fmt: skip
    assert first.code == 0
    (Path(f"{source}.json") if Path(f"{source}.json").exists() else source.with_suffix(".json")).unlink()
    second = restore_docs(source, "--out", tmp_path / "two", "--detector", "annotated", "--jobs", "1",
                          "--regions", tmp_path / "found")  # fmt: skip
    assert second.code == 0
    assert (tmp_path / "one" / "a.png").read_bytes() == (tmp_path / "two" / "a.png").read_bytes()


def test_a_dry_run_removes_nothing_and_says_so(tmp_path, restore_docs):
    source = draw_page(tmp_path / "a.png")
    done = restore_docs(source, "--out", tmp_path / "out", "--detector", "annotated", "--jobs", "1", "--dry-run")
    assert done.code == 0 and not (tmp_path / "out" / "a.png").exists()
    shown = cv2.imread(str(tmp_path / "out" / "a.would-go.png"))
    assert shown.shape[0] >= cv2.imread(str(source)).shape[0] and (shown != 255).any()
    (entry,) = done.document("a.png")["pages"]
    assert entry["changed_pixels"] == 0 and entry["reasons"]["all"] > 0
    assert any("nothing was removed" in note for note in entry["notes"])


@pytest.mark.parametrize(("option", "number"), [("match", 2), ("keep", 1)])
def test_a_pattern_without_end_fails_the_page_and_is_named(option, number, monkeypatch):
    monkeypatch.setattr("pipeline.patterns.LIMIT_SECONDS", 0.2)
    endless = {"match": ("Jane", r"(.|.)+\W\W$"), "keep": (r"(.|.)+\W\W$",)}
    with pytest.raises(StageError, match=f"--{option} pattern {number} takes more than 0.2 s"):
        select(**{option: endless[option]})
