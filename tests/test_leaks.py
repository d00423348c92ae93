"""What was removed is gone: every place a document can hold a secret in, times every search, on the real program."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from canaries import ACCENTED, ANY_DOCUMENT, NAME_SECRET, PASSWORD, SECRET, Place, all_places, picture, write_side_car
from conftest import Outcome
from hypothesis import given, settings
from hypothesis import strategies as st
from leak_guess import search_width
from leak_ocr import NO_TESSERACT, whole_page
from leak_runs import Left, Variant, run_program, start_program, sweep_names
from leak_search import PDF_SEARCHES, every_file, search_pikepdf, search_raw, words_in_bytes
from leak_sweep import PIXEL_SEARCHES, PREVIEWS, SLOW_SEARCHES, STRICT_SEARCHES, searches_for, sweep, told
from leak_table import FOUND, claimed, table
from leaky_writers import LEAKY_WRITERS, LeakyWriter, LeavesPaleInk, LeavesTheInk, PaintsABox, Talks
from PIL import Image
from xray_check import XrayError, bad_redactions, install_xray

from workflows.pages import tasks

Program = Callable[..., Outcome]
WORDS = (SECRET, ACCENTED)
QUICK = ("--regions", "{regions}", "--detector", "annotated", "--jobs", "1", "--remover", "fill")

# what text, ink, fields, complaints and a refusal can tell, and a password
FEW = ("text-layer", "malformed-content", "undecodable-picture", "encrypted", "jpeg-pixels", "jpeg-metadata")
VISIBLE = tuple(name for name, place in all_places().items() if place.visible)
STRICT = ("--anonymize", "--state", "state")
PLAIN = Variant("plain", (*QUICK, "--dpi", "100", "--mask", "classical"))
SLOW_VARIANTS = (
    # every document where nothing may be told (and in the quick lane); else what is drawn of others is the same
    Variant("anonymize", ("--regions", f"{{regions}}/{ANY_DOCUMENT}", *STRICT, *QUICK[2:]),
            strict=True, places=(*VISIBLE, *FEW)),
    Variant("hand-made-regions", (*QUICK[:4], "--jobs", "1", "-vv", "--json"), places=(*VISIBLE, *FEW)),
    Variant("as-it-is-used", ("--jobs", "2", "--lossless", "-v"), places=(*VISIBLE, *FEW)),
    Variant("anonymize-as-it-is-used", ("--jobs", "2", *STRICT, "-vv", "--json"), strict=True),
)  # fmt: skip

ANY = ("--regions", f"{{regions}}/{ANY_DOCUMENT}", *QUICK[2:4], *STRICT, "--remover", "fill", "-vv")
FEW_VARIANTS = (
    Variant("log-and-metrics", (*ANY, "--jobs", "1", "--json", "--log-file", "told/log", "--metrics", "told/m"),
            strict=True, places=FEW),
    Variant("chosen-by-text", (*ANY, "--jobs", "1", "--match", f"{SECRET[:6]}.*", "--entities", "email,phone"),
            strict=True, places=("text-layer", "png-pixels", "undecodable-picture")),
    # a worker is at home elsewhere
    Variant("on-a-cluster", (*ANY, "--state", "{world}/state", "--out", "{world}/out"),
            strict=True, places=FEW, cluster=True),
    Variant("poppler", (*PLAIN.options, "--rasterizer", "pdf2image"),
            places=(*FEW, "ocr-layer", "covered-text", "cropped-away", "optional-content", "invisible-text")),
)  # fmt: skip
KILLED_AT_WORK = Variant("killed", (*ANY, "--jobs", "2"), strict=True)

PLACES = sorted(all_places())
REFUSED = {name for name, place in all_places().items() if place.fails}


def check(left: Left) -> None:
    """Every document came out, but those that are refused, and no search finds anything in anything."""
    stderr = (left.world / "stderr").read_text()
    assert left.code == 6, stderr
    assert {"stdout", "stderr", "out/report.json"} <= {str(p.relative_to(left.world)) for p in every_file(left.world)}
    written = {place: left.outputs(place) for place in left.inputs}
    assert {place for place, paths in written.items() if not paths} == REFUSED & set(written), stderr
    assert all(path.stat().st_size > 0 for paths in written.values() for path in paths)
    assert not left.findings, told(left.findings)
    temporary = [path for path in every_file(left.world / "tmp") if path.stat().st_size]  # Dask leaves empty locks
    assert not temporary


def test_every_place_is_clear_to_every_search(tmp_path: Path) -> None:
    left = run_program(PLAIN, tmp_path / "world")
    check(left)
    # names may stand, and the search for names must be able to find one
    named = {finding.path for finding in sweep_names(every_file(left.world), left.world)}
    assert {f"out/{NAME_SECRET} résumé.pdf", "out/report.json", "stderr"} <= named


@pytest.mark.parametrize("name", PLACES)
def test_each_search_sees_the_secret_in_what_went_in(name: str, tmp_path: Path) -> None:
    place = all_places()[name]
    path = make(place, tmp_path)
    if "password" in place.seen_by:
        assert search_pikepdf(path, WORDS, PASSWORD) and not search_raw(path, WORDS)
        return
    found = {search for search, look in searches_for(path, cleaned=False).items() if look(path, WORDS)}
    assert place.seen_by - {"xray"} <= found


def make(place: Place, folder: Path) -> Path:
    """Its document, alone."""
    path = place.path(folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    place.make(path)
    return path


def test_every_search_has_a_place_and_a_leaky_writer() -> None:
    searches = {"raw", "picture", *PDF_SEARCHES, *PIXEL_SEARCHES}
    assert searches | {"xray"} <= {search for place in all_places().values() for search in place.seen_by}
    caught = {search for writer in LEAKY_WRITERS for search in writer.finders}
    assert searches | {"xray", "anatomy", "name", *SLOW_SEARCHES, *STRICT_SEARCHES} == caught


def test_the_documented_table_is_the_one_that_is_tested() -> None:
    documented = (Path(__file__).parents[1] / "docs" / "leaks.md").read_text(encoding="utf-8")
    assert f"\n\n{table()}\n\n" in documented, "python tests/leak_table.py prints it"
    assert FOUND in table({("docinfo", "pypdf")}) and FOUND not in table()
    # what the slow lane's whole-page and x-ray tests look at is what the table says
    assert {name for name, place in all_places().items() if "ocr-whole-page" in claimed(place)} == {
        name for name, place in all_places().items() if place.visible and not place.fails
    }


@pytest.mark.parametrize("writer", LEAKY_WRITERS, ids=lambda writer: writer.__name__)
def test_a_leaky_writer_is_caught(
    writer: type[LeakyWriter], tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _findings_with(writer, tmp_path, restore_docs, monkeypatch)
    slow = {"xray", *SLOW_SEARCHES}
    assert writer.finders - slow <= found, found
    assert not writer.blind & found, found


def _findings_with(writer: type[LeakyWriter], folder: Path, program: Program, patch: pytest.MonkeyPatch) -> set[str]:
    """The searches that find something once ``writer`` has written the document it is made for."""
    place, world = all_places()[writer.place], folder / "world"
    source = make(place, folder)
    write_side_car(folder / f"{source.name}.json", place.pages, place.visible)
    (world / "tmp").mkdir(parents=True)
    patch.setattr(tasks, "assemble", writer(source))
    patch.setattr("tempfile.tempdir", str(world / "tmp"))
    quick = ("--remover", "fill", "--mask", "classical", "--dpi", "100", "--jobs", "1", "--report", "json")
    done = program(source, "--out", world / "out", "--detector", "annotated", *quick)
    assert done.code == 0, done.stderr
    (world / "stderr").write_text(done.stderr)
    more = [STRICT_SEARCHES] if {*STRICT_SEARCHES} & (writer.finders | writer.blind) else []
    return {finding.search for finding in sweep(every_file(world), world, WORDS, *more)}


def test_no_width_is_told_by_paper_that_nothing_was_removed_from(tmp_path: Path) -> None:
    for seed in range(60):
        paper = np.random.default_rng(seed).normal(236, 2.5, np.asarray(picture()).shape)
        Image.fromarray(np.rint(paper).clip(0, 255).astype(np.uint8)).save(tmp_path / "a.png")
        assert not search_width(tmp_path / "a.png", WORDS), seed


def test_what_a_leaky_writer_says_is_found_in_log_and_temporary_file(
    tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    _findings_with(Talks, tmp_path, restore_docs, monkeypatch)
    world = tmp_path / "world"
    assert search_raw(world / "stderr", WORDS)
    (temporary,) = every_file(world / "tmp")
    assert "utf-16-be" in str(search_raw(temporary, WORDS))


@settings(deadline=None)
@given(st.binary(max_size=40), st.binary(max_size=40))
def test_a_secret_is_found_at_any_place_of_a_coded_text(before: bytes, after: bytes) -> None:
    content = before + SECRET.encode() + after
    for coded in (base64.b64encode(content), base64.a85encode(content), content.hex().upper().encode(), content[::-1]):
        assert words_in_bytes(coded, WORDS)


@pytest.mark.parametrize("codec", ["utf-8", "latin-1", "utf-16-le", "utf-16-be", "utf-16", "utf-32", "pdfdoc"])
@pytest.mark.parametrize("word", ["VolkhardTson", "Größenwahn"])
def test_a_secret_is_found_in_every_encoding(codec: str, word: str) -> None:
    content = b"\x01" + word.encode(codec)
    assert words_in_bytes(content, ("VOLKHARDTSON", "Größenwahn"))
    assert not words_in_bytes(content[:-4], ("VOLKHARDTSON", "Größenwahn"))


# -- the slow lane --------------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("variant", SLOW_VARIANTS, ids=lambda variant: variant.name)
def test_all_searches_are_clear_as_the_program_is_used(variant: Variant, tmp_path: Path) -> None:
    left = run_program(variant, tmp_path / "world", timeout=800)
    if variant.strict:
        searched = {place: _searches_of(place, left) for place in left.inputs}
        print(f"\n{variant.name}\n{table(_found_in_outputs(left))}")  # to be seen with -s
        assert searched == {place: {*claimed(all_places()[place])} - {"xray", *SLOW_SEARCHES} for place in left.inputs}
    check(left)
    pages = [path for place in left.inputs if all_places()[place].visible for path in left.outputs(place)]
    if NO_TESSERACT:
        pytest.skip(f"all other searches were clear, but whole pages were not read: {NO_TESSERACT}")
    found = sweep(pages, left.world, WORDS, SLOW_SEARCHES)
    assert not found, told(found)


def _searches_of(place: str, left: Left) -> set[str]:
    return {search for path in left.outputs(place) for search in searches_for(path, STRICT_SEARCHES)}


def _found_in_outputs(left: Left) -> set[tuple[str, str]]:
    """(place, search) of everything that was found in an output."""
    owners = {str(path.relative_to(left.world)): place for place in left.inputs for path in left.outputs(place)}
    return {(owners[finding.path], finding.search) for finding in left.findings if finding.path in owners}


@pytest.mark.slow
@pytest.mark.parametrize("variant", FEW_VARIANTS, ids=lambda variant: variant.name)
def test_all_searches_are_clear_whatever_else_is_asked_for(variant: Variant, tmp_path: Path) -> None:
    if "pdf2image" in variant.options and shutil.which("pdftoppm") is None:
        pytest.skip("Poppler is not installed: apt-get install poppler-utils")
    left = run_program(variant, tmp_path / "world")
    check(left)
    there = {str(path.relative_to(left.world)) for path in left.files}
    told_to = {"log-and-metrics": {"told/log", "told/m"}, "on-a-cluster": {"cluster/restore-docs-worker.log"}}
    assert told_to.get(variant.name, set()) <= there
    if variant.cluster:
        assert (left.world / "cluster" / "restore-docs-worker.log").stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize("variant", [PLAIN, KILLED_AT_WORK], ids=lambda variant: variant.name)
def test_a_run_that_is_killed_leaves_only_cleaned_pages(variant: Variant, tmp_path: Path) -> None:
    world = tmp_path / "world"
    inputs, process = start_program(variant, world)
    state = world / "state" if variant.strict else world / "out" / ".restore-docs"
    while process.poll() is None and not every_file(state / "work"):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)  # and what it started
    process.wait()
    assert process.returncode == -signal.SIGKILL, "it was still at work"
    left = Left(variant, world, inputs, process.returncode)
    found = sweep([path for path in left.files if PREVIEWS not in path.parts], world, WORDS)
    assert not found, told(found)
    if variant.strict:
        assert (state / "dask").is_dir(), "Dask's own files were swept, too"
        named = sweep_names([path for path in left.files if not path.is_relative_to(state)], world)
        assert not named, told(named)


@pytest.fixture(scope="module")
def xray(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return install_xray(tmp_path_factory.mktemp("xray") / "venv")
    except (XrayError, OSError) as error:
        pytest.skip(f"x-ray cannot be installed: {error}")


@pytest.mark.slow
def test_xray_finds_nothing_in_outputs_and_something_in_inputs(tmp_path: Path, xray: Path) -> None:
    left = run_program(PLAIN, tmp_path / "world")
    pdfs = [path for place in PLACES for path in left.outputs(place) if path.suffix == ".pdf"]
    assert len(pdfs) > 20 and not bad_redactions(xray, pdfs)
    covered = [left.inputs[place] for place in PLACES if "xray" in all_places()[place].seen_by]
    assert covered and len(bad_redactions(xray, covered)) == len(covered)


@pytest.mark.slow
def test_xray_finds_what_a_box_painter_leaves(
    xray: Path, tmp_path: Path, restore_docs: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    _findings_with(PaintsABox, tmp_path, restore_docs, monkeypatch)
    assert bad_redactions(xray, list((tmp_path / "world" / "out").glob("*.pdf")))


@pytest.mark.slow
@pytest.mark.skipif(bool(NO_TESSERACT), reason=NO_TESSERACT)
@pytest.mark.parametrize(
    ("writer", "how"), [(LeavesTheInk, "as it is"), (LeavesPaleInk, "grey, all that is not paper")]
)
def test_tesseract_reads_what_leaky_writers_leave_on_whole_pages(
    writer: type[LeavesTheInk], how: str, tmp_path: Path
) -> None:
    page = tmp_path / "page.png"
    writer(tmp_path / "source").spoil(page)
    found = {told.removesuffix(", the whole page") for told in whole_page(page, WORDS)}
    assert how in found and ("as it is" in found) == (writer is LeavesTheInk)
    picture().save(page)
    assert not whole_page(page, WORDS)


@pytest.mark.slow
@pytest.mark.skipif(bool(NO_TESSERACT), reason=NO_TESSERACT)
def test_tesseract_reads_whole_pages_that_went_in(tmp_path: Path) -> None:
    (search,) = SLOW_SEARCHES.values()
    assert search(make(all_places()["png-pixels"], tmp_path), WORDS)
    assert search(make(all_places()["jpeg-pixels"], tmp_path), WORDS)
