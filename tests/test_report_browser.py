"""The report in a real browser, from a file, as a person opens it. Needs Debian's ``chromium``."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pymupdf
import pytest
from PIL import Image
from previews import document_entry, full_report, page_entry, report_of, write_previews
from processes import run

from workflows.reporting.report_page import write_report_page

CHROMIUM = shutil.which("chromium")
QUIET = ["disable-gpu", "disable-quic", "no-first-run", "disable-background-networking"]
QUIET += ["disable-component-update", "disable-sync", "no-sandbox", "headless"]

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here: apt-get install chromium"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    driver = pytest.importorskip("playwright.sync_api", reason="playwright is not installed: pip install '.[test]'")
    with driver.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=CHROMIUM, args=[f"--{word}" for word in QUIET])
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    write_report_page(full_report(folder / "previews"), folder / "previews", folder / "report.html")
    return folder / "report.html"


class Opened:
    """An open report, and all that the browser had to say about it."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.page = browser.new_page(**{"viewport": {"width": 1360, "height": 1000}} | options)
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url[:60]))
        self.page.goto(path.as_uri())

    def shown(self) -> list[str]:
        parts = self.page.locator("[data-groups][id*='-p']")
        return [part.get_attribute("id") for part in parts.all() if part.is_visible()]


@pytest.fixture
def report(browser: Any, full: Path) -> Iterator[Opened]:
    opened = Opened(browser, full)
    yield opened
    opened.page.close()
    # what no test may see: a complaint, or a request for anything but the file itself and what is inside it
    assert opened.complaints == []
    assert [url for url in opened.requests if not url.startswith("data:")] == [full.as_uri()[:60]]


def split(report: Opened, index: int = 0) -> float:
    """Where the shown part of the before picture ends, in percent of its width, as the browser lays it out."""
    shown = report.page.locator(".compare .before").nth(index).evaluate("part => getComputedStyle(part).clipPath")
    return 100 - float(shown.split("(")[1].split()[1].rstrip("%)").removeprefix("calc(").rstrip("%"))


def test_the_mouse_drags_the_slider_and_the_pictures_follow(report: Opened, tmp_path: Path) -> None:
    figure = report.page.locator(".compare").first
    figure.scroll_into_view_if_needed()
    box = figure.bounding_box()
    inks = []
    for share in (0.95, 0.02):
        report.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        report.page.mouse.down()
        report.page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2, steps=8)
        report.page.mouse.up()
        assert abs(split(report) - 100 * share) < 4
        figure.screenshot(path=tmp_path / "figure.png")
        grey = np.asarray(Image.open(tmp_path / "figure.png").convert("L"))
        inks.append(int((grey[60:, 30 : int(0.6 * grey.shape[1])] < 60).sum()))
    assert inks[0] > 4 * inks[1] + 500, "the before picture has lines of text, the after picture has none"


def test_arrow_keys_move_the_slider_and_it_says_where_it_is(report: Opened) -> None:
    slider = report.page.get_by_role("slider").nth(1)
    slider.focus()
    for _ in range(10):
        report.page.keyboard.press("ArrowRight")
    assert slider.get_attribute("aria-valuetext") == "60 % before, 40 % after" and split(report, 1) == 60
    report.page.keyboard.press("Home")
    assert split(report, 1) == 0 and split(report, 0) == 50
    assert "page" in slider.get_attribute("aria-label")
    outline = report.page.locator(".compare").nth(1).evaluate("part => getComputedStyle(part).outlineStyle")
    assert outline == "solid", "focus must be seen"


def test_the_keyboard_reaches_every_control_and_link(report: Opened) -> None:
    report.page.evaluate(
        "window.reached = [];"
        "addEventListener('focusin', ({target}) => reached.push(target.tagName + ':' + (target.type || '')))"
    )
    for _ in range(18):
        report.page.keyboard.press("Tab")
    reached = set(report.page.evaluate("reached"))
    assert {"A:", "INPUT:radio", "INPUT:checkbox", "INPUT:range", "SUMMARY:"} <= reached


def test_filtering(report: Opened) -> None:
    assert len(report.shown()) == 4
    assert report.page.get_by_role("status").inner_text() == "4 of 4 pages shown"
    for name, pages in (("Review", ["d2-p2"]), ("Failed", ["d3-p1"]), ("Restored", ["d2-p1"])):
        report.page.locator(".filter label").filter(has_text=name).click()
        assert report.shown() == pages
        assert report.page.get_by_role("status").inner_text() == "1 of 4 pages shown"
        assert len([h for h in report.page.locator("h3").all() if h.is_visible()]) == 1
    report.page.keyboard.press("Home")
    report.page.locator("input[value=restored]").focus()
    report.page.keyboard.press("ArrowRight")  # from the last choice round to the first
    assert len(report.shown()) == 4


def test_a_link_to_a_page_that_the_filter_hides_shows_it(report: Opened) -> None:
    report.page.locator(".filter label").filter(has_text="Restored").click()
    report.page.get_by_role("link", name="a.pdf").first.click()
    target = report.page.locator("#d2-p2")
    target.wait_for(state="visible")
    assert report.page.locator("input[value=all]").is_checked()


@pytest.mark.parametrize(("width", "scheme"), [(1360, "light"), (1360, "dark"), (390, "light")])
def test_nothing_is_cut_off_and_text_can_be_read(browser: Any, full: Path, width: int, scheme: str) -> None:
    opened = Opened(browser, full, viewport={"width": width, "height": 900}, color_scheme=scheme)
    try:
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        ground = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, ground[4:-1].split(","))) < 200) == (scheme == "dark")
        assert opened.page.evaluate(FAINTEST) >= 4.5, "contrast of text to what is behind it"
        for image in opened.page.locator("img").all():
            assert image.evaluate("image => image.complete && image.naturalWidth > 0")
            assert 0 < image.bounding_box()["width"] <= width
    finally:
        opened.page.close()


# WCAG 2.1 contrast ratio of every element that holds text of its own, to the nearest background behind it
FAINTEST = """() => {
  const parse = (colour) => (colour.match(/[\\d.]+/g) || []).map(Number);
  const linear = (v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4;
  const light = (c) => c.slice(0, 3).map((v) => linear(v / 255))
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  let least = 99;
  for (const part of document.querySelectorAll("body *")) {
    const own = [...part.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!own || !part.checkVisibility() || part.closest("script, .unseen, .skip, .handle")) continue;
    let behind = part;
    while (behind && (parse(getComputedStyle(behind).backgroundColor)[3] ?? 1) < .5) behind = behind.parentElement;
    const ground = behind ? parse(getComputedStyle(behind).backgroundColor) : [255, 255, 255];
    const [low, high] = [light(parse(getComputedStyle(part).color)), light(ground)].sort((a, b) => a - b);
    least = Math.min(least, (high + .05) / (low + .05));
  }
  return least;
}"""


def test_print_shows_every_page_with_both_pictures(report: Opened, tmp_path: Path) -> None:
    report.page.locator(".filter label").filter(has_text="Review").click()
    report.page.pdf(path=tmp_path / "report.pdf", format="A4", print_background=True)
    with pymupdf.open(tmp_path / "report.pdf") as printed:
        text = " ".join(page.get_text() for page in printed)
        pictures = sum(len(page.get_image_info()) for page in printed)
    assert pictures == 6
    for words in ("a.pdf", "b.pdf", "c.jpg", "Before", "After", "What went", "scan it again", "lossless"):
        assert words in text, words
    assert "Large pictures" not in text and "shown" not in text


def test_without_scripts_both_pictures_stand_side_by_side(browser: Any, full: Path) -> None:
    opened = Opened(browser, full, java_script_enabled=False)
    try:
        panes = [pane.bounding_box() for pane in opened.page.locator(".compare").first.locator(".pane").all()]
        assert panes[1]["x"] >= panes[0]["x"] + panes[0]["width"]
        assert not opened.page.get_by_role("slider").first.is_visible()
    finally:
        opened.page.close()


def test_a_hostile_name_runs_nothing(browser: Any, tmp_path: Path) -> None:
    name = "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">.pdf"
    names = write_previews(tmp_path / "previews", "a")
    page = page_entry(1, "NEEDS_REVIEW", notes=[name], previews=names)
    write_report_page(
        report_of(document_entry(name, "NEEDS_REVIEW", (page,))), tmp_path / "previews", tmp_path / "report.html"
    )
    opened = Opened(browser, tmp_path / "report.html")
    try:
        assert opened.page.title() == "restore-docs report" and opened.complaints == []
        assert name in opened.page.locator("h3").inner_text()
    finally:
        opened.page.close()


def test_the_policy_stops_what_the_page_does_not_bring_along(browser: Any, full: Path, tmp_path: Path) -> None:
    extra = "<script>document.title='owned'</script><img src='file:///x.png'><style>body{color:red}</style></body>"
    (tmp_path / "changed.html").write_text(full.read_text(encoding="utf-8").replace("</body>", extra), encoding="utf-8")
    opened = Opened(browser, tmp_path / "changed.html")
    try:
        assert opened.page.title() == "restore-docs report"
        assert len([words for words in opened.complaints if "Content Security Policy" in words]) == 3
    finally:
        opened.page.close()


@pytest.fixture(scope="module", params=["plain", "anonymized"])
def real(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> tuple[str, Path]:
    """The report of a run of the program on one of its examples, and how it was run."""
    world = tmp_path_factory.mktemp(request.param)
    source = Path(__file__).parents[1] / "examples" / "letter.png"
    words = [source, "--out", world / "out", "--jobs", "1", *(["--anonymize"] if request.param != "plain" else [])]
    done = run([sys.executable, "-c", "from workflows.cli import main; main()", *words])
    assert done.returncode in (0, 6), done.stderr
    return request.param, world / "out" / "report.html"


def test_the_report_of_a_real_run(browser: Any, real: tuple[str, Path], tmp_path: Path) -> None:
    how, path = real
    entries = json.loads(path.with_name("report.json").read_text())["documents"]
    assert [entry["pages"][0]["status"] for entry in entries] == ["RESTORED"]
    opened = Opened(browser, path)
    try:
        assert opened.shown() == ["d1-p1"]
        sliders = opened.page.get_by_role("slider")
        pictures = opened.page.locator("article img")
        assert sliders.count() == (how == "plain") and pictures.count() == (3 if how == "plain" else 2)
        for image in pictures.all():
            assert image.evaluate("image => image.complete && image.naturalWidth > 200")
        if how == "plain":
            assert _dark(opened, 0.98, tmp_path) > 3 * _dark(opened, 0.02, tmp_path)
        else:
            assert "letter.png" not in path.read_text(encoding="utf-8")
        opened.page.locator(".filter label").filter(has_text="Review").click()
        assert opened.shown() == []
        opened.page.locator(".filter label").filter(has_text="Restored").click()
        assert opened.shown() == ["d1-p1"]
        opened.page.screenshot(path=tmp_path / "report.png", full_page=True)
        with Image.open(tmp_path / "report.png") as shot:
            assert shot.height > 1000
        assert opened.complaints == []
        assert [url for url in opened.requests if not url.startswith("data:")] == [path.as_uri()[:60]]
    finally:
        opened.page.close()


def _dark(opened: Opened, share: float, folder: Path) -> int:
    """Dark pixels of the letter's picture once its slider was dragged to a share of its width."""
    figure = opened.page.locator(".compare").first
    figure.scroll_into_view_if_needed()
    box = figure.bounding_box()
    opened.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    opened.page.mouse.down()
    opened.page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2, steps=8)
    opened.page.mouse.up()
    assert abs(split(opened) - 100 * share) < 4
    figure.screenshot(path=folder / "figure.png")
    with Image.open(folder / "figure.png") as shot:
        grey = np.asarray(shot.convert("L"))
    return int((grey[60:, 30 : int(0.9 * grey.shape[1])] < 110).sum())
