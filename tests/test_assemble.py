"""Documents put together: in order, nothing but pixels in them, whole or not there."""

from __future__ import annotations

import errno
import resource
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pikepdf
import pymupdf
import pytest
from sheets import (
    DEFAULT,
    LOSSLESS,
    PDF,
    PNG,
    TIFF,
    drawing,
    ink,
    jpeg_page,
    make_page,
    numbered,
    photograph,
    read,
    write,
)

from pipeline.assemble import assemble, encode_page
from pipeline.documents import DocumentKind, RasterSettings, inspect_document
from pipeline.errors import OutputError
from pipeline.types import Colour, Page, PageRef


@pytest.mark.parametrize("kind", [PDF, TIFF])
def test_pages_come_in_order_whatever_their_sort(tmp_path: Path, kind: DocumentKind) -> None:
    pages = [
        make_page(ink(50, 41), Colour.BILEVEL),
        jpeg_page(2)[0],
        make_page(drawing(60, 43)),
        make_page(photograph(301, 203, 1), size_pt=(60, 200)),
        make_page(ink(70, 45), Colour.BILEVEL),
    ]
    path = write(tmp_path, kind, pages)
    assert inspect_document(str(path), RasterSettings()).page_count == 5
    for index, page in enumerate(pages):
        again = read(path, index)
        assert again.colour is page.colour
        assert again.image.shape == page.image.shape or index == 3  # pixels that are not square
        assert (again.width_pt, again.height_pt) == pytest.approx((page.width_pt, page.height_pt), rel=2e-3)
        if index in (0, 2, 4):
            np.testing.assert_array_equal(again.image, page.image)


def test_hundreds_of_pages_in_few_open_files(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        path = write(tmp_path, PDF, numbered(300))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    with pymupdf.open(path) as document:
        assert [round(page.rect.height / 0.36) for page in document] == list(range(20, 320))


_PEAK = """
import resource, sys
from pathlib import Path
from pipeline.assemble import assemble
from pipeline.documents import DocumentKind
folder, kind = Path(sys.argv[1]), DocumentKind(sys.argv[2])
peaks = []
for count in (1, 30):
    assemble([folder / str(i) for i in range(count)], kind, folder / "out")
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
print(peaks[1] - peaks[0])
"""


@pytest.mark.parametrize("kind", [PDF, TIFF])
def test_memory_does_not_grow_with_the_document(tmp_path: Path, kind: DocumentKind) -> None:
    random = np.random.default_rng(1)
    for index in range(30):
        pixels = random.integers(0, 256, (1200, 1000), dtype=np.uint8)
        encode_page(make_page(pixels), kind, LOSSLESS, tmp_path / str(index))
    command = [sys.executable, "-c", _PEAK, str(tmp_path), kind.value]
    grown_kb = int(subprocess.run(command, capture_output=True, check=True, cwd=Path(__file__).parents[1]).stdout)
    assert (tmp_path / "out").stat().st_size > 30_000_000
    assert grown_kb < 10_000


@pytest.mark.parametrize("kind", list(DocumentKind))
def test_same_pages_same_bytes(tmp_path: Path, kind: DocumentKind) -> None:
    pages = [jpeg_page(2)[0], *numbered(2)][: 3 if kind.has_pages else 1]
    contents = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        contents.append(write(tmp_path / name, kind, pages).read_bytes())
    assert contents[0] == contents[1]


@pytest.mark.parametrize("kind", list(DocumentKind))
def test_nothing_but_pixels_gets_in(tmp_path: Path, kind: DocumentKind) -> None:
    page = jpeg_page(2)[0]
    secret = Page(PageRef("/data/jane-doe/secret.pdf", 0), page.image, 100, 75, page.colour, page.jpeg)
    path = write(tmp_path, kind, [secret, secret] if kind.has_pages else [secret])
    content = path.read_bytes()
    for canary in (b"jane-doe", b"secret", b"img2pdf", b"pikepdf", b"Pillow", b"Date", b"/Info", b"Metadata", b"Exif"):
        assert canary not in content, canary
    if kind is PDF:
        with pikepdf.open(path) as pdf:
            assert set(pdf.Root.keys()) == {"/Type", "/Pages"}
            assert "/Info" not in pdf.trailer
            for pdf_page in pdf.pages:
                assert set(pdf_page.keys()) == {"/Type", "/Parent", "/MediaBox", "/Resources", "/Contents"}


def test_only_documents_have_several_pages(tmp_path: Path) -> None:
    for kind, count in ((PNG, 2), (PDF, 0)):
        with pytest.raises(ValueError, match=f"{count} pages"):
            assemble([tmp_path / "x"] * count, kind, tmp_path / "y")


# -- whole or not there


def breaking(error: Exception) -> Any:
    def write_half(_: Sequence[Path], out: BinaryIO) -> None:
        out.write(b"half")
        raise error

    return write_half


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk is full"),
        (OSError(errno.EACCES, "Permission denied"), "--out"),
        (OverflowError("a TIFF holds 4 GB"), "4 GB.*--format pdf"),
        (ValueError("not a little-endian TIFF"), "run it again"),
    ],
)
def test_failure_leaves_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    output = write(tmp_path, TIFF, numbered(1))
    before = output.read_bytes()
    names = sorted(tmp_path.iterdir())
    monkeypatch.setattr("pipeline.tiff.join", breaking(error))
    with pytest.raises(OutputError, match=words) as caught:
        assemble([tmp_path / "part-0.tif"], TIFF, output)
    assert str(output) in str(caught.value)
    assert output.read_bytes() == before
    assert sorted(tmp_path.iterdir()) == names


def test_interruption_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encode_page(numbered(1)[0], TIFF, DEFAULT, tmp_path / "part.tif")
    monkeypatch.setattr("pipeline.tiff.join", breaking(KeyboardInterrupt()))  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        assemble([tmp_path / "part.tif"], TIFF, tmp_path / "out.tif")
    assert [x.name for x in tmp_path.iterdir()] == ["part.tif"]


@pytest.mark.parametrize("kind", [PDF, TIFF, PNG])
def test_disk_that_takes_no_more(tmp_path: Path, kind: DocumentKind) -> None:
    page = make_page(photograph(300, 300))
    part = tmp_path / "part"
    encode_page(page, kind, LOSSLESS, part)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(OutputError, match="out cannot be written"):
            assemble([part], kind, tmp_path / "out")
        with pytest.raises(OutputError, match="out cannot be written"):
            encode_page(page, kind, LOSSLESS, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [x.name for x in tmp_path.iterdir()] == ["part"]


def test_places_that_cannot_be_written_to(tmp_path: Path) -> None:
    page = numbered(1)[0]
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for place, words in (
        (tmp_path / "nowhere" / "a.pdf", "create it"),
        (tmp_path / "file" / "a.pdf", "a file is where a folder should be"),
        (tmp_path / "folder", "a folder is in the way"),
        (tmp_path / ("x" * 300), "shorten it"),
    ):
        with pytest.raises(OutputError, match=words):
            encode_page(page, PDF, DEFAULT, place)
    assert sorted(x.name for x in tmp_path.iterdir()) == ["file", "folder"]


def test_work_file_that_is_gone_or_damaged(tmp_path: Path) -> None:
    for kind in (PDF, TIFF):
        good = tmp_path / f"good{kind.suffix}"
        encode_page(numbered(1)[0], kind, DEFAULT, good)
        with pytest.raises(OutputError, match=r"gone-part is gone \(run it again\)"):
            assemble([good, tmp_path / "gone-part"], kind, tmp_path / "out")
        bad = tmp_path / "bad"
        bad.write_bytes(b"no such file format")
        with pytest.raises(OutputError, match="damaged: run it again"):
            assemble([good, bad], kind, tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_file_mode_follows_the_umask(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    output = write(tmp_path, PDF, numbered(1))
    assert output.stat().st_mode == (tmp_path / "plain").stat().st_mode
