from __future__ import annotations

import base64
import hashlib
import json
import re
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import pytest
from previews import FAILURE, document_entry, full_report, page_entry, report_of, write_previews

from pipeline.errors import OutputError
from workflows.reporting import report_page
from workflows.reporting.report_page import MOST_PICTURED, render_report_page, write_report_page
from workflows.reporting.report_words import setting, spent, verdict, visible

VOID = {"meta", "link", "img", "input", "rect", "polygon", "br"}


class Outline(HTMLParser):
    """What a test asks of a page: its elements, its text, and that every element is closed where it should be."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not self.open or self.open[-1] not in ("style", "script"):
            self.text += " ".join(data.split()) + " " if data.strip() else ""

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def full(tmp_path: Path) -> tuple[dict, Path]:
    folder = tmp_path / "previews"
    return full_report(folder), folder


def test_a_full_report_has_all_its_parts(full: tuple[dict, Path]) -> None:
    page = Outline(render_report_page(*full))
    for words in ("Review these first", "What failed, and what to do", "scan it again", "Not documents", "7 min 13 s"):
        assert words in page.text, words
    assert "1 document failed" in page.text and "1 page needs review" in page.text
    assert "email (personal data)" in page.text and "text may be left" in page.text
    assert len(page.all("article")) == 2 and len(page.all("img")) == 6
    assert len([a for a in page.all("input") if a["type"] == "range"]) == 2
    assert [a["value"] for a in page.all("input") if a["type"] == "radio"] == ["all", "review", "failed", "restored"]
    counts = dict(re.findall(r'value="(\w+)"[^>]*><span>\w+ <b>(\d+)</b>', render_report_page(*full)))
    assert counts == {"all": "4", "review": "1", "failed": "1", "restored": "1"}


def test_the_legend_names_each_mark_once(full: tuple[dict, Path]) -> None:
    for page in (page for document in full[0]["documents"] for page in document.get("pages", [])):
        page["reasons"] = {"entity:email": 90, "unsure": 40}
    (words,) = re.findall(r'<ul class="legend".*?</ul>', render_report_page(*full), re.DOTALL)
    assert len(re.findall(r"\bunsure\b", words)) == 1 and len(re.findall(r"\bstays\b", words)) == 1


def test_documents_to_review_come_first_and_the_report_is_left_as_it_was(full: tuple[dict, Path]) -> None:
    before = json.dumps(full[0])
    headings = re.findall(r"<h3[^>]*><bdi>(.*?)</bdi>", render_report_page(*full))
    assert headings == ["a.pdf", "b.pdf", "c.jpg"]
    assert json.dumps(full[0]) == before


def test_every_picture_and_control_has_words_and_every_link_a_target(full: tuple[dict, Path]) -> None:
    page = Outline(render_report_page(*full))
    assert all(image["alt"] and image["width"] and image["height"] for image in page.all("img"))
    assert all(a.get("aria-label") for a in page.all("input") if a["type"] == "range")
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(ids) == len(set(ids))
    targets = [str(a["href"])[1:] for a in page.all("a")]
    labels = [a["aria-labelledby"] for _, a in page.elements if a.get("aria-labelledby")]
    assert targets and set(targets) | set(labels) <= set(ids)
    levels = [int(name[1]) for name, _ in page.elements if re.fullmatch(r"h[1-6]", name)]
    assert levels[0] == 1 and all(later <= earlier + 1 for earlier, later in pairwise(levels))


def test_the_page_loads_nothing_and_its_policy_fits_its_script_and_style(full: tuple[dict, Path]) -> None:
    text = render_report_page(*full)
    assert not re.search(r"https?:|//[a-z]", re.sub(r"data:image/\w+;base64,[\w+/=]+", "", text).replace("// ", ""))
    page = Outline(text)
    assert all(str(image["src"]).startswith("data:image/jpeg;base64,") for image in page.all("img"))
    assert not any("style" in a or any(name.startswith("on") for name in a) for _, a in page.elements)
    (policy,) = [a["content"] for a in page.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy and policy.startswith("default-src 'none'; img-src data:;") and "unsafe" not in policy
    for tag in ("style", "script"):
        inside = text.partition(f"<{tag}>")[2].partition(f"</{tag}>")[0]
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy


HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;{{ 7 * 7 }}.pdf"


def test_hostile_names_and_words_are_only_text(tmp_path: Path) -> None:
    names = write_previews(tmp_path / "previews", "a")
    page = page_entry(
        1,
        "NEEDS_REVIEW",
        notes=[HOSTILE],
        previews=names,
        reasons={HOSTILE: 3},
        checks=[{"name": HOSTILE, "found": 1}],
        failure={"kind": HOSTILE, "stage": HOSTILE, "what": HOSTILE, "remedy": HOSTILE},
    )
    report = report_of(document_entry(HOSTILE, "NEEDS_REVIEW", (page,)), document_entry(HOSTILE, "SKIPPED"))
    report["settings"][HOSTILE] = HOSTILE
    seen = Outline(render_report_page(report, tmp_path / "previews"))
    assert len(seen.all("script")) == 1 and len(seen.all("img")) == 3
    assert HOSTILE in str(seen.all("img")[0]["alt"])
    assert seen.text.count("alert(1)") >= 8 and "{{ 7 * 7 }}" in seen.text


def test_characters_that_hide_are_shown_and_never_break_the_file(tmp_path: Path) -> None:
    name = "a\udcff\x00\x1b[31m\u202efdp.exe"
    assert visible(name) == "a\\udcff\\x00\\x1b[31m\\u202efdp.exe"
    write_report_page(report_of(document_entry(name, "FAILED")), tmp_path, tmp_path / "report.html")
    assert "a\\udcff\\x00\\x1b[31m\\u202efdp.exe" in (tmp_path / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "report",
    [
        {},
        report_of(),
        report_of(document_entry("a.pdf", "FAILED")),
        report_of(document_entry("a.pdf", "RESTORED", (page_entry(1),))),
        {"documents": [{"source": "a.pdf", "status": "RESTORED", "pages": [{"page_number": 1, "status": "RESTORED"}]}]},
        {"documents": [{"source": "a.pdf"}], "totals": {}, "settings": {}},
    ],
)
def test_parts_may_be_missing(report: dict, tmp_path: Path) -> None:
    page = Outline(render_report_page(report, tmp_path / "none"))
    assert page.all("img") == [] and "Summary" in page.text
    assert [element for element in page.all("input") if element["type"] == "range"] == []


@pytest.mark.parametrize("kept", ["before", "after", "overlay"])
def test_one_picture_is_enough(tmp_path: Path, kept: str) -> None:
    names = write_previews(tmp_path, "a")
    report = report_of(document_entry("a.pdf", "RESTORED", (page_entry(1, previews={kept: names[kept]}),)))
    page = Outline(render_report_page(report, tmp_path))
    assert len(page.all("img")) == 1 and [a for a in page.all("input") if a["type"] == "range"] == []


def test_nothing_but_pictures_of_the_previews_folder_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "previews"
    names = write_previews(folder, "a")
    (tmp_path / "secret.jpg").write_bytes((folder / names["after"]).read_bytes())
    (folder / "text.jpg").write_text("no picture")
    (folder / "cut.jpg").write_bytes(b"\xff\xd8\xff")
    (folder / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    for name in ("../secret.jpg", str(tmp_path / "secret.jpg"), "link.jpg", "text.jpg", "cut.jpg", "gone.jpg", "."):
        report = report_of(document_entry("a.pdf", "RESTORED", (page_entry(1, previews={"after": name}),)))
        assert "<img" not in render_report_page(report, folder), name


def test_an_anonymizing_run_never_shows_a_page_as_it_was(full: tuple[dict, Path]) -> None:
    report, folder = full
    report["settings"]["anonymize"] = True
    page = render_report_page(report, folder)
    before = base64.b64encode((folder / "a2-before.jpg").read_bytes()).decode()
    assert before not in page and 'type="range"' not in page and page.count("<img") == 4


def test_a_large_run_shows_pages_to_review_first_and_lists_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report_page, "MOST_PICTURED", 2)
    names = write_previews(tmp_path, "a")
    pages = [page_entry(number, previews=names) for number in range(1, 6)]
    pages[3] = page_entry(4, "NEEDS_REVIEW", previews=names, regions_left=1)
    text = render_report_page(report_of(document_entry("a.pdf", "NEEDS_REVIEW", tuple(pages))), tmp_path)
    assert re.findall(r'<article class="page" id="d1-p(\d)"', text) == ["1", "4"]
    assert re.findall(r'<tr id="d1-p(\d)"', text) == ["2", "3", "5"]
    assert "2 of 5 pages have pictures here, those to review first (at most 2)" in Outline(text).text
    assert MOST_PICTURED >= 20


def test_residual_places_are_outlined(full: tuple[dict, Path]) -> None:
    report, folder = full
    points = [a["points"] for a in Outline(render_report_page(report, folder)).all("polygon")]
    assert set(points) == {"10.00,10.00 50.00,10.00 50.00,20.00 10.00,20.00"} and len(points) == 6


def test_same_report_same_bytes_and_no_half_written_page(full: tuple[dict, Path], tmp_path: Path) -> None:
    out = tmp_path / "out" / "report.html"
    out.parent.mkdir()
    write_report_page(*full, out)
    first = out.read_bytes()
    write_report_page(*full, out)
    assert out.read_bytes() == first and [path.name for path in out.parent.iterdir()] == ["report.html"]


def test_a_page_that_cannot_be_written_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(OutputError, match=r"report\.html"):
        write_report_page(report_of(), tmp_path, tmp_path / "report.html")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize(
    ("more", "tone", "words"),
    [
        ({}, "good", "1 page done"),
        ({"status": "UNCHANGED"}, "good", "No text was found."),
        ({"status": "NEEDS_REVIEW"}, "warn", "1 page needs review"),
        ({"status": "KEPT_ORIGINAL"}, "bad", "1 page failed and was written with its text"),
        ({"verify": "off"}, "warn", "Verification was off"),
        ({"verify": "auto", "detector": "annotated"}, "warn", "Verification was off"),
        ({"verify": "auto", "detector": "paddleocr"}, "good", "1 page done"),
        ({"dry_run": True}, "warn", "nothing was removed"),
        ({"ended_early": FAILURE}, "bad", "stopped before its end"),
    ],
)
def test_the_verdict_says_what_matters_most(more: dict, tone: str, words: str) -> None:
    status = more.pop("status", "RESTORED")
    ended = more.pop("ended_early", None)
    report = report_of(document_entry("a.pdf", status, (page_entry(1, status),)), **more)
    told = verdict(report | {"ended_early": ended})
    assert told.tone == tone and words in " ".join(told.sentences)


def test_a_failed_document_and_an_empty_run_are_no_success() -> None:
    assert verdict(report_of(document_entry("a.pdf", "FAILED"))).tone == "bad"
    assert verdict(report_of()).tone == verdict({}).tone == "warn"


def test_checks_say_what_came_of_what_they_found(tmp_path: Path) -> None:
    checks = [{"name": "detector", "found": 2}, {"name": "strokes", "found": 0}]
    names = write_previews(tmp_path, "a")
    for status, words in (("RESTORED", "2 found removed again"), ("NEEDS_REVIEW", "2 found text may be left")):
        left = int(status == "NEEDS_REVIEW")
        page = page_entry(1, status, checks=checks, removed_again=1, previews=names, regions_left=left)
        text = Outline(render_report_page(report_of(document_entry("a.pdf", status, (page,))), tmp_path)).text
        assert words in text and "0 found clear" in text


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0.0 s"),
        (0.44, "0.4 s"),
        (59.97, "1 min 0 s"),
        (433, "7 min 13 s"),
        (3599.6, "1 h 00 min"),
        (7500, "2 h 05 min"),
    ],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert spent(seconds) == words


def test_settings_in_words() -> None:
    assert [setting(v) for v in (None, "", True, False, 3, ["a"])] == ["–", "–", "yes", "no", "3", '["a"]']


def test_what_is_documented_is_what_the_report_holds_and_nothing_else() -> None:
    from pipeline.results import Check, DocumentResult, DocumentStatus, Failure, PageResult, PageStatus
    from pipeline.types import PageRef
    from workflows.config import RunSettings
    from workflows.reporting import report

    failure = Failure("StageError", "detect", "it broke", "mend it")
    page = PageResult(PageRef("a.pdf", 0), checks=(Check("detector", 1),), failure=failure)
    made = report.build_report([DocumentResult("a.pdf", (), (page,), failure)], RunSettings(), 1.0, failure)
    document, entry = made["documents"][0], made["documents"][0]["pages"][0]
    held = {
        "The run": set(made),
        "totals": set(made["totals"]),
        "A document": set(document),
        "A page": set(entry) | {f"checks[].{key}" for key in entry["checks"][0]},
        "A failure": set(entry["failure"]),
    }
    schema = (Path(__file__).parents[1] / "docs" / "report.md").read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### (.+)\n((?:(?!^###).*\n?)*)", schema, re.MULTILINE))
    documented = {name: set(re.findall(r"^\| `([^`]+)` \|", sections[name], re.MULTILINE)) for name in held}
    assert documented == held
    assert not [status for status in (*PageStatus, *DocumentStatus) if f"`{status}`" not in schema]
