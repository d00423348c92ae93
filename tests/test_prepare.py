"""Training material made from a few PDFs, fonts and pictures drawn on the spot."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pydantic
import pymupdf
import pytest
from PIL import Image

from pipeline.errors import InputError
from workflows.training.legible import OcrReader
from workflows.training.pieces import PIECE_SIDE_PX
from workflows.training.prepare import PrepareSettings, find_pdfs, prepare
from workflows.training.shards import Shards


def write_pdf(path: Path, pages: int = 2, text: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with pymupdf.open() as document:
        for number in range(pages):
            page = document.new_page(width=400, height=500)
            page.draw_rect((20, 20, 380, 120 + 40 * number), fill=(0.9, 0.8, 0.6))
            page.draw_line((20, 300), (380, 300), color=(0, 0, 1))
            if text:
                for row in range(20):
                    page.insert_text((40, 60 + 20 * row), f"Line {row} of page {number}", fontsize=14)
        document.save(path)
    return path


def write_font(path: Path, name: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pymupdf.Font(name).buffer)
    return path


def write_picture(path: Path, size: tuple[int, int] = (1000, 300)) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.linear_gradient("L").convert("RGB").resize(size).save(path)
    return path


@pytest.fixture
def material(tmp_path: Path) -> Path:
    write_pdf(tmp_path / "pdf" / "deep" / "a.pdf")
    write_pdf(tmp_path / "pdf" / "b.pdf")
    write_font(tmp_path / "print" / "sans.otf", "helv")
    write_font(tmp_path / "hand" / "pen.otf", "tiit")
    write_picture(tmp_path / "pictures" / "wide.jpg")
    return tmp_path


def settings_for(folder: Path, **changed: Any) -> PrepareSettings:
    given = {
        "pdfs": (str(folder / "pdf"),),
        "print_fonts": (folder / "print",),
        "hand_fonts": (folder / "hand",),
        "pictures": (folder / "pictures",),
        "out": folder / "shards",
        "pieces": 6,
        "print_lines": 12,
        "hand_lines": 8,
        "check_blanks": False,
    }
    return PrepareSettings(**{**given, **changed})


def test_everything_is_made(material: Path) -> None:
    told: list[str] = []
    done = prepare(settings_for(material), told.append)

    assert done.counts == {"pair": 6, "print": 12, "hand": 8, "picture": 1}
    assert [path.name for path in done.files] == ["pages-000.shard", "lines.shard", "pictures.shard"]
    assert done.notes == [] and len(told) == 3
    shards = Shards([material / "shards"])
    assert [shards.count(kind) for kind in ("pair", "print", "hand", "picture")] == [6, 12, 8, 1]
    assert {source.split()[0] for source in shards.sources["pair"]} == {"a.pdf", "b.pdf"}
    assert all(source.startswith("sans.otf: ") for source in shards.sources["print"])
    assert shards.picture(0).shape == (230, 768, 3)


def test_pieces_hold_text_and_its_soft_mask(material: Path) -> None:
    prepare(settings_for(material, dpis=(200,)))
    shards = Shards([material / "shards"])
    for index in range(shards.count("pair")):
        (text, blank), soft = shards.pair(index), shards.soft(index)
        assert text.shape == blank.shape == (PIECE_SIDE_PX, PIECE_SIDE_PX, 3)
        changed = (text != blank).any(axis=2)
        assert changed.mean() > 0.005
        assert (soft[changed] > 0.2).mean() > 0.99, "the mask lies on the words"
        assert soft.mean() < 0.6


def test_lines_are_cut_to_their_ink(material: Path) -> None:
    prepare(settings_for(material))
    shards = Shards([material / "shards"])
    for kind in ("print", "hand"):
        for index in range(shards.count(kind)):
            line = shards.line(kind, index)
            assert line.dtype == np.uint8 and line.max() > 127
            assert all(edge.any() for edge in (line[0], line[-1], line[:, 0], line[:, -1]))


def test_the_same_seed_makes_the_same_files_and_another_one_others(material: Path) -> None:
    made = [
        prepare(settings_for(material, out=material / name, seed=seed))
        for name, seed in zip("xyz", (3, 3, 4), strict=True)
    ]
    first, again, other = ([path.read_bytes() for path in done.files] for done in made)
    assert first == again
    assert first[:2] != other[:2] and all(one != another for one, another in zip(first[:2], other[:2], strict=True))


def test_what_is_broken_is_left_out_and_named(material: Path) -> None:
    (material / "pdf" / "broken.pdf").write_bytes(b"%PDF-1.4 no more")
    (material / "pdf" / "empty.pdf").write_bytes(b"")
    write_pdf(material / "pdf" / "bare.pdf", text=False)
    (material / "print" / "broken.ttf").write_bytes(b"no font")
    (material / "pictures" / "broken.png").write_bytes(b"no picture")
    write_picture(material / "pictures" / "tiny.png", (20, 20))
    Image.new("RGB", (100, 100), "red").save(material / "pictures" / "red.png")
    done = prepare(settings_for(material, pieces=100))

    assert done.counts["pair"] > 0 and done.counts["print"] == 12 and done.counts["picture"] == 1
    named = " ".join(done.notes)
    for name in ("broken.pdf", "empty.pdf", "bare.pdf", "broken.ttf", "broken.png", "tiny.png", "red.png"):
        assert name in named
    assert "a.pdf" not in named


def test_nothing_usable_is_an_error_that_says_why(tmp_path: Path) -> None:
    write_pdf(tmp_path / "pdf" / "bare.pdf", text=False)
    with pytest.raises(InputError, match=r"nothing usable.*bare\.pdf.*no text.*born-digital"):
        prepare(settings_for(tmp_path))
    assert not (tmp_path / "shards").exists()


def test_shards_are_not_mixed_with_older_ones(material: Path) -> None:
    prepare(settings_for(material))
    with pytest.raises(InputError, match=r"holds shards already.*new folder"):
        prepare(settings_for(material))


def test_the_set_is_no_larger_than_asked_for(material: Path) -> None:
    for index in range(12):
        write_picture(material / "pictures" / f"{index}.png", (700, 700))
    done = prepare(settings_for(material, pieces=1000, print_lines=5000, hand_lines=5000, max_bytes=150_000))
    assert sum(path.stat().st_size for path in done.files) < 300_000
    assert all(done.counts.values())


def test_large_page_sets_fill_several_shards(material: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflows.training.prepare.SHARD_BYTES", 1)
    done = prepare(settings_for(material, pieces=4, pieces_per_page=2))
    assert [path.name for path in done.files][:2] == ["pages-000.shard", "pages-001.shard"]
    assert Shards([material / "shards"]).count("pair") == 4


def test_pdfs_come_from_files_folders_and_patterns(material: Path) -> None:
    a, b = material / "pdf" / "deep" / "a.pdf", material / "pdf" / "b.pdf"
    assert find_pdfs((str(material / "pdf"),)) == [b, a]
    assert find_pdfs((str(a), str(a))) == [a]
    assert find_pdfs((f"{material}/pdf/*.pdf",)) == [b]
    assert find_pdfs((f"{material}/**/*.pdf",)) == [b, a]
    assert find_pdfs((str(material / "nowhere"),)) == []


def test_misspelt_settings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(pydantic.ValidationError, match="pieces_per_sheet"):
        settings_for(tmp_path, pieces_per_sheet=3)


# --- blanks that can be read ------------------------------------------------------------------------------------------


class FakeReader:
    """Reads whatever has red in it."""

    def read(self, image: np.ndarray) -> str:
        return "STOP" if ((image[..., 0] > 200) & (image[..., 1] < 50)).any() else ""


def test_what_can_be_read_without_its_text_is_left_out(material: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workflows.training.prepare.OcrReader", FakeReader)
    with pymupdf.open(material / "pdf" / "b.pdf") as document:
        for page in document:
            page.draw_rect(page.rect, fill=(1, 0, 0), overlay=False)
        document.save(material / "pdf" / "red.pdf")
    Image.linear_gradient("L").point(lambda value: value // 2).save(material / "pictures" / "a.png")
    red, dark = Image.linear_gradient("L"), Image.new("L", (256, 256))
    Image.merge("RGB", (red, dark, dark)).save(material / "pictures" / "b.png")
    done = prepare(settings_for(material, pieces=50, check_blanks=True))

    shards = Shards([material / "shards"])
    assert not any(source.startswith("red.pdf") for source in shards.sources["pair"]) and done.counts["pair"]
    assert sorted(shards.sources["picture"]) == ["a.png", "wide.jpg"]
    assert any("red.pdf p1" in note and "'STOP' can be read" in note for note in done.notes)
    assert any("b.png: 'STOP' can be read on it" in note for note in done.notes)


def test_letters_drawn_as_shapes_are_read_and_drawings_are_not() -> None:
    reader = OcrReader()
    image = np.full((512, 512, 3), 255, np.uint8)
    assert reader.read(image) == ""
    for radius in (20, 40, 60):
        cv2.circle(image, (150, 150), radius, (200, 0, 0), 3)
    cv2.rectangle(image, (250, 60), (450, 200), (0, 0, 0), 2)
    assert reader.read(image) == ""
    cv2.putText(image, "Configure", (60, 350), cv2.FONT_HERSHEY_DUPLEX, 2, (0, 0, 0), 3)
    assert reader.read(image) == "Configure"
