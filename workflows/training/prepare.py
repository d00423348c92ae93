"""Making a training set: PDFs, fonts and pictures that lie on this machine become shards.

Pages are drawn with and without their text (pipeline.pairs) and cut into pieces, fonts become lines of ink, pictures
become backgrounds. The same material and seed make the same files.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import InputError, RestoreError
from pipeline.masks import soft_mask
from pipeline.pairs import count_pages, measure_richness, render_pair
from pipeline.types import Array
from workflows.training.legible import OcrReader, Reader
from workflows.training.material import Typeface, draw_line, find_fonts
from workflows.training.pieces import PIECE_SIDE_PX, choose_pieces
from workflows.training.shards import SUFFIX, LineKind, ShardWriter

PICTURE_SIDE_PX = 768
PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp")
SHARD_BYTES = 12_000_000  # a shard of pages is closed when it has this many
SHARES = {"print": 0.14, "hand": 0.1, "picture": 0.1}  # of max_bytes; the pages have the rest

Report = Callable[[str], None]


class PrepareSettings(BaseModel):
    """What a training set is made from, and how much of it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    pdfs: tuple[str, ...] = Field(description="born-digital PDFs: files, folders or patterns")
    print_fonts: tuple[Path, ...] = Field(description="folders with fonts that look printed")
    hand_fonts: tuple[Path, ...] = Field(description="folders with fonts that look handwritten")
    pictures: tuple[Path, ...] = Field(default=(), description="folders with pictures that hold no text")
    out: Path = Field(description="the folder the shards are written to")
    seed: int = Field(default=0, description="another seed draws other pages, pieces and lines")
    pieces: int = Field(default=1100, ge=0, description="pieces of pages, at most")
    pages_per_pdf: int = Field(default=5, ge=1, description="pages of one PDF, at most")
    pieces_per_page: int = Field(default=3, ge=1, description="pieces of one page, at most")
    print_lines: int = Field(default=2500, ge=0, description="lines of type")
    hand_lines: int = Field(default=1500, ge=0, description="lines of handwriting")
    picture_count: int = Field(default=120, ge=0, description="pictures, at most")
    max_bytes: int = Field(default=50_000_000, ge=100_000, description="size of all shards together")
    check_blanks: bool = Field(default=True, description="leave out what can still be read without its text")
    dpis: tuple[int, ...] = Field(default=(150, 200, 250, 300), min_length=1, description="drawn for each page")


@dataclass(slots=True)
class Prepared:
    """What was made: how many of each kind, the files, and what was left out and why."""

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(("pair", "print", "hand", "picture"), 0))
    files: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def prepare(settings: PrepareSettings, report: Report = lambda line: None) -> Prepared:
    """Write ``pages-000.shard`` and following, ``lines.shard`` and ``pictures.shard`` into ``settings.out``.

    ``report`` is told about each step, and about all that is left out. Material that is broken or unfit is left out.

    Raises:
        InputError: nothing usable was found, or the folder holds shards already.
        OutputError: a shard cannot be written.
    """
    if any(settings.out.glob(f"*{SUFFIX}")):
        raise InputError(f"{settings.out} holds shards already", "name a new folder, or remove them")
    done = Prepared()
    reader = OcrReader() if settings.check_blanks else None
    _write_pages(settings, reader, done, report)
    _write_lines(settings, done, report)
    _write_pictures(settings, reader, done, report)
    if not done.files:
        reason = f"; the last one: {done.notes[-1]}" if done.notes else ""
        remedy = "name folders with born-digital PDFs, fonts and pictures"
        raise InputError(f"nothing usable was found, {len(done.notes)} files were left out{reason}", remedy)
    return done


def _skip(done: Prepared, report: Report, note: str) -> None:
    done.notes.append(note)
    report(f"left out: {note}")


def _finish(writer: ShardWriter, done: Prepared, report: Report) -> None:
    if writer.count:
        writer.close()
        done.files.append(writer.path)
        report(f"wrote {writer.path}: {writer.count} entries, {writer.size_bytes / 1e6:.1f} MB")


# --- pages -----------------------------------------------------------------------------------------------------------


def _write_pages(settings: PrepareSettings, reader: Reader | None, done: Prepared, report: Report) -> None:
    room = settings.max_bytes * (1 - sum(SHARES.values()))
    writer, number = ShardWriter(settings.out / f"pages-000{SUFFIX}"), 0
    for path, page_index in _page_order(settings, done, report):
        if done.counts["pair"] >= settings.pieces or room <= 0:
            break
        before = writer.size_bytes
        try:
            for piece in _cut(path, page_index, settings):
                left = reader.read(piece[1]) if reader else ""
                if left:
                    _skip(done, report, f"{piece[3]}: {left!r} can be read without its text")
                elif done.counts["pair"] < settings.pieces:
                    writer.add_pair(*piece)
                    done.counts["pair"] += 1
        except RestoreError as error:
            _skip(done, report, str(error))
        room -= writer.size_bytes - before
        if writer.size_bytes > SHARD_BYTES:
            _finish(writer, done, report)
            number += 1
            writer = ShardWriter(settings.out / f"pages-{number:03}{SUFFIX}")
    _finish(writer, done, report)


def find_pdfs(sources: tuple[str, ...]) -> list[Path]:
    """All PDFs that ``sources`` name, files, folders (however deep) and patterns alike, sorted."""
    found: set[Path] = set()
    for source in sources:
        path = Path(source).expanduser()
        if path.is_dir():
            found.update(path.rglob("*.pdf"))
        else:
            found.update([path] if path.is_file() else _matches(path))
    return sorted(path for path in found if path.is_file())


def _matches(pattern: Path) -> Iterator[Path]:
    return Path(pattern.anchor).glob(str(pattern.relative_to(pattern.anchor)))


def _page_order(settings: PrepareSettings, done: Prepared, report: Report) -> Iterator[tuple[Path, int]]:
    """One page of each PDF before a second of any, the richest third of each dozen PDFs first."""
    paths = find_pdfs(settings.pdfs)
    random.Random(f"{settings.seed}/order").shuffle(paths)
    later: list[tuple[int, Path, int]] = []
    for start in range(0, len(paths), 12):
        found = []
        for path in paths[start : start + 12]:
            try:
                pages = _richest_pages(path, settings)
            except InputError as error:
                _skip(done, report, str(error))
                continue
            found += [(value, path, page) for value, page in pages[:1]]
            later += [(turn, path, page) for turn, (_, page) in enumerate(pages) if turn]
        found.sort(reverse=True)
        yield from ((path, page) for _, path, page in found[:4])
        later += [(0, path, page) for _, path, page in found[4:]]
    yield from ((path, page) for _, path, page in sorted(later, key=lambda entry: entry[0]))


def _richest_pages(path: Path, settings: PrepareSettings) -> list[tuple[float, int]]:
    """(worth, page) of the pages to take from a PDF, those with the most colour and drawing first."""
    count = count_pages(path)
    looked_at = random.Random(f"{settings.seed}/{path.name}").sample(
        range(count), min(count, 2 * settings.pages_per_pdf)
    )
    found = [(measure_richness(path, page), page) for page in looked_at]
    return sorted(found, reverse=True)[: settings.pages_per_pdf]


def _cut(path: Path, page_index: int, settings: PrepareSettings) -> Iterator[tuple[Array, Array, Array, str]]:
    """Pieces of a page: with text, without it, (512, 512, 3) uint8 RGB, its soft mask, float32, and their source."""
    state = random.Random(f"{settings.seed}/{path.name}/{page_index}")
    dpi = state.choice(settings.dpis)
    pair = render_pair(path, page_index, dpi)
    for x, y in choose_pieces(pair, settings.pieces_per_page, state):
        window = slice(y, y + PIECE_SIDE_PX), slice(x, x + PIECE_SIDE_PX)
        soft = soft_mask(_inside(pair.boxes, x, y), PIECE_SIDE_PX, PIECE_SIDE_PX)
        yield pair.text[window], pair.blank[window], soft, f"{path.name} p{page_index + 1} {dpi}dpi {x},{y}"


def _inside(boxes: tuple[Array, ...], x: int, y: int) -> list[Array]:
    """The outlines that reach into the piece at (x, y), (4, 2) in pixels of the piece."""
    moved = [box - np.array([x, y], np.float32) for box in boxes]
    return [box for box in moved if (box.max(axis=0) > 0).all() and (box.min(axis=0) < PIECE_SIDE_PX).all()]


# --- lines -----------------------------------------------------------------------------------------------------------


def _write_lines(settings: PrepareSettings, done: Prepared, report: Report) -> None:
    writer = ShardWriter(settings.out / f"lines{SUFFIX}")
    jobs: tuple[tuple[LineKind, tuple[Path, ...], int], ...] = (
        ("print", settings.print_fonts, settings.print_lines),
        ("hand", settings.hand_fonts, settings.hand_lines),
    )
    for kind, folders, wanted in jobs:
        state = random.Random(f"{settings.seed}/{kind}")
        limit = writer.size_bytes + settings.max_bytes * SHARES[kind]
        families = _families(folders, state, done, report)
        for faces in itertools.islice(itertools.cycle(families), 3 * wanted):
            if done.counts[kind] >= wanted or writer.size_bytes >= limit:
                break
            face = state.choice(faces)
            line = draw_line(face, state)
            if line is not None:
                writer.add_line(kind, line[0], f"{face.path.name}: {line[1]}")
                done.counts[kind] += 1
    _finish(writer, done, report)


def _families(folders: tuple[Path, ...], state: random.Random, done: Prepared, report: Report) -> list[list[Typeface]]:
    """The fonts by family, in an order of chance: one with many styles must not crowd out the others."""
    families: dict[str, list[Typeface]] = {}
    for path in find_fonts(folders):
        try:
            face = Typeface(path)
        except InputError as error:
            _skip(done, report, str(error))
        else:
            families.setdefault(face.family, []).append(face)
    ordered = [families[name] for name in sorted(families)]
    state.shuffle(ordered)
    return ordered


# --- pictures --------------------------------------------------------------------------------------------------------


def _write_pictures(settings: PrepareSettings, reader: Reader | None, done: Prepared, report: Report) -> None:
    writer = ShardWriter(settings.out / f"pictures{SUFFIX}")
    found = {path for folder in settings.pictures for path in ([folder] if folder.is_file() else folder.rglob("*"))}
    paths = sorted(path for path in found if path.suffix.lower() in PICTURE_SUFFIXES and path.is_file())
    random.Random(f"{settings.seed}/pictures").shuffle(paths)
    for path in paths:
        if (
            done.counts["picture"] >= settings.picture_count
            or writer.size_bytes >= settings.max_bytes * SHARES["picture"]
        ):
            break
        try:
            image = _read_picture(path)
            left = reader.read(image) if reader else ""
            if left:
                raise ValueError(f"{left!r} can be read on it")
        except (OSError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
            _skip(done, report, f"{path}: {error}")
            continue
        writer.add_picture(image, path.name)
        done.counts["picture"] += 1
    _finish(writer, done, report)


def _read_picture(path: Path) -> Array:
    """A picture as (H, W, 3) uint8 RGB, upright, on white, 768 px a side at most.

    Raises ValueError when it is tiny or empty.
    """
    with Image.open(path) as opened:
        upright = ImageOps.exif_transpose(opened).convert("RGBA")
    if min(upright.size) < 64:
        raise ValueError(f"{upright.width} x {upright.height} px is too small")
    upright.thumbnail((PICTURE_SIDE_PX, PICTURE_SIDE_PX), Image.Resampling.LANCZOS)
    image = Image.new("RGBA", upright.size, "white")
    image.alpha_composite(upright)
    pixels = np.asarray(image.convert("RGB"))
    if pixels.std(axis=(0, 1)).max() < 3:
        raise ValueError("there is nothing on it")
    return pixels
