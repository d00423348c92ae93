"""What a file is by its content, how many pages it has, and why it cannot be read."""

from __future__ import annotations

import pickle
from io import BytesIO
from pathlib import Path

import numpy as np
import pikepdf
import pytest
from PIL import Image

from pipeline.documents import (
    DocumentKind,
    RasterSettings,
    describe_unsupported,
    identify,
    inspect_document,
    rasterize_page,
)
from pipeline.errors import InputError
from pipeline.types import PageRef

DEFAULT = RasterSettings()


def pdf_bytes(pages: int = 3, **catalog: object) -> bytes:
    pdf = pikepdf.new()
    for index in range(pages):
        pdf.add_blank_page(page_size=(72 + index, 72))
    for key, value in catalog.items():
        pdf.Root[f"/{key}"] = value
    out = BytesIO()
    pdf.save(out, object_stream_mode=pikepdf.ObjectStreamMode.disable)
    return out.getvalue()


def image_bytes(kind: str, frames: int = 1) -> bytes:
    pictures = [Image.fromarray(np.full((8, 9), 40 * i, np.uint8)) for i in range(frames)]
    out = BytesIO()
    pictures[0].save(out, kind, **({"save_all": True, "append_images": pictures[1:]} if frames > 1 else {}))
    return out.getvalue()


def write(folder: Path, content: bytes, name: str = "file.pdf") -> str:
    path = folder / name
    path.write_bytes(content)
    return str(path)


@pytest.mark.parametrize("kind", list(DocumentKind))
def test_content_decides_and_not_the_name(tmp_path: Path, kind: DocumentKind) -> None:
    content = pdf_bytes(1) if kind is DocumentKind.PDF else image_bytes(kind.value)
    path = write(tmp_path, content, "scan.txt")
    assert identify(path) is kind
    info = inspect_document(path, DEFAULT)
    assert (info.path, info.kind, info.page_count) == (path, kind, 1)
    assert kind.suffix in kind.suffixes


def test_garbage_before_the_header_is_put_up_with(tmp_path: Path) -> None:
    path = write(tmp_path, b"\r\nHTTP/1.1 200 OK\r\n" * 20 + pdf_bytes())
    assert inspect_document(path, DEFAULT).page_count == 3
    assert identify(write(tmp_path, b"x" * 1024 + pdf_bytes())) is None


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "0 bytes"),
        (b"GIF89a....", "GIF"),
        (b"BM1234567", "BMP"),
        (b"\0\0\0\x1cftypheic", "HEIC"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
        (b"PK\x03\x04", "ZIP"),
        (b"just some text", "no kind of document"),
    ],
)
def test_what_is_no_document_is_named(tmp_path: Path, content: bytes, words: str) -> None:
    path = write(tmp_path, content)
    assert identify(path) is None
    assert words in describe_unsupported(path)
    with pytest.raises(InputError, match=words) as caught:
        inspect_document(path, DEFAULT)
    assert path in str(caught.value)
    with pytest.raises(InputError, match=words):
        rasterize_page(PageRef(path, 0), DEFAULT)


def test_file_that_is_not_there(tmp_path: Path) -> None:
    path = str(tmp_path / "nowhere.pdf")
    assert identify(path) is None
    assert "No such file" in describe_unsupported(path)
    for missing in (path, str(tmp_path)):
        with pytest.raises(InputError, match="is not there"):
            inspect_document(missing, DEFAULT)


def test_passwords(tmp_path: Path) -> None:
    path = tmp_path / "secret.pdf"
    with pikepdf.open(BytesIO(pdf_bytes())) as pdf:
        pdf.save(path, encryption=pikepdf.Encryption(user="sesame", owner="o"))
    with pytest.raises(InputError, match=r"needs a password \(give it with --password\)"):
        inspect_document(str(path), DEFAULT)
    with pytest.raises(InputError, match=r"does not open it \(check --password\)") as caught:
        inspect_document(str(path), RasterSettings(password="hunter2"))
    assert "hunter2" not in str(caught.value)
    assert inspect_document(str(path), RasterSettings(password="sesame")).page_count == 3
    with pytest.raises(InputError, match="password"):  # the open document is not handed to who does not know it
        rasterize_page(PageRef(str(path), 0), DEFAULT)


def test_owner_password_alone_does_not_hinder_reading(tmp_path: Path) -> None:
    path = tmp_path / "restricted.pdf"
    with pikepdf.open(BytesIO(pdf_bytes())) as pdf:
        pdf.save(path, encryption=pikepdf.Encryption(user="", owner="o"))
    assert inspect_document(str(path), DEFAULT).page_count == 3


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"%PDF-1.4\n%%EOF\n", "cannot be opened as a PDF"),
        (pdf_bytes()[:200], "cut short|cannot be opened"),
        (pdf_bytes(0), "has no pages"),
        (pdf_bytes().replace(b"/Count 3", b"/Count 2"), "damaged page tree"),
        (pdf_bytes().replace(b"/Count 3", b"/Count 7"), "claims to have 7 pages, but 3 were found"),
        (pdf_bytes(NeedsRendering=True), "dynamic XFA form.*print it"),
    ],
)
def test_damaged_pdf_says_what_is_wrong(
    tmp_path: Path, content: bytes, cause: str, capfd: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, content)
    with pytest.raises(InputError, match=cause) as caught:
        inspect_document(path, DEFAULT)
    assert path in str(caught.value)
    error = caught.value
    error.__cause__ = error.__context__ = None  # as every task does before an error leaves it: MuPDF's do not pickle
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert capfd.readouterr() == ("", "")


def test_page_tree_in_a_circle_is_refused(tmp_path: Path) -> None:
    pdf = pikepdf.open(BytesIO(pdf_bytes()))
    pdf.Root.Pages.Kids.append(pdf.Root.Pages)
    path = tmp_path / "circle.pdf"
    pdf.save(path)
    with pytest.raises(InputError, match="page tree"):
        inspect_document(str(path), DEFAULT)


def test_broken_cross_reference_is_repaired_and_logged(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = pdf_bytes()
    path = write(tmp_path, content[: content.rindex(b"xref", 0, content.rindex(b"startxref"))])
    assert inspect_document(path, DEFAULT).page_count == 3
    assert "repair" in caplog.text


@pytest.mark.parametrize("kind", ["PDF", "TIFF"])
def test_too_many_pages(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, pdf_bytes() if kind == "PDF" else image_bytes(kind, frames=3))
    assert inspect_document(path, RasterSettings(max_pages=3)).page_count == 3
    with pytest.raises(InputError, match=r"3 pages, more than the limit of 2 \(raise --max-pages"):
        inspect_document(path, RasterSettings(max_pages=2))


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_animation_is_no_page(tmp_path: Path, kind: str) -> None:
    with pytest.raises(InputError, match="animation of 2 pictures"):
        inspect_document(write(tmp_path, image_bytes(kind, frames=2)), DEFAULT)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_image_larger_than_the_limit_is_refused_undecoded(tmp_path: Path, kind: str) -> None:
    path = write(tmp_path, image_bytes(kind))
    assert inspect_document(path, RasterSettings(max_pixels=72)).page_count == 1
    with pytest.raises(InputError, match=r"9 x 8 pixels, more than the limit of 71 \(raise --max-pixels\)"):
        inspect_document(path, RasterSettings(max_pixels=71))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_image_that_is_only_a_header(tmp_path: Path, kind: str) -> None:
    with pytest.raises(InputError, match="is damaged"):
        inspect_document(write(tmp_path, image_bytes(kind)[:12]), DEFAULT)
