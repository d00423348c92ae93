"""Pages that hold no text by construction, and the same with a few texts set on them."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.errors import RestoreError
from pipeline.pairs import count_pages, measure_richness, render_pair
from pipeline.types import Array
from workflows.training.degrade import degrade

TEXTS = {
    "tiny": ("tiny secret 4711", 9),
    "faint": ("Faint secret 42", 26),
    "vertical": ("Vertical text", 26),
    "inverse": ("White on dark", 26),
    "single": ("A", 28),
    "plain": ("Left behind", 26),
}
FAINT = 18  # grey levels
DPI = 100
LOOKED_AT = 6  # pages of a PDF, for the one with most on it


def sample_blanks(samples: Path) -> Iterator[tuple[str, Array]]:
    """(name, page (H, W, 3) uint8 RGB) of all sample pages whose text was taken out when they were made."""
    for folder in ("clean/gt", "scan/gt"):
        for source in sorted((samples / "pairs" / folder).iterdir()):
            yield f"{folder}/{source.stem}", np.ascontiguousarray(cv2.imread(str(source))[..., ::-1])


def printed_pages(samples: Path) -> Iterator[tuple[str, Array]]:
    """(name, page) of all sample pages that hold print and no handwriting: it was added to them, or to no page."""
    for folder in ("hand/gt", "handscan/gt", "clean/input", "scan/input"):
        for source in sorted((samples / "pairs" / folder).iterdir()):
            yield f"{folder}/{source.stem}", np.ascontiguousarray(cv2.imread(str(source))[..., ::-1])


def drawn_blanks(folder: Path, count: int, seed: int) -> Iterator[tuple[str, Array]]:
    """(name, page) of ``count`` PDF pages drawn without their text, one of a PDF, every second one as if scanned.

    Of two PDFs a page is drawn by lot, of the next two the page with most drawings and colour among ``LOOKED_AT``.
    """
    state = random.Random(seed)
    done = 0
    for path in _in_turns(folder, state):
        if done == count:
            return
        try:
            pages = state.sample(range(total := count_pages(path)), min(total, LOOKED_AT))
            if done % 4 > 1:
                pages.sort(key=lambda index: -measure_richness(path, index))
            image = render_pair(path, pages[0], DPI).blank
        except (RestoreError, IndexError, ValueError):  # no text, or it cannot be told from the rest
            continue
        if min(image.shape[:2]) < 500:
            continue
        done += 1
        name = f"{path.stem}, page {pages[0] + 1}"
        if done % 2:
            yield f"drawn/{name}", image
        else:
            rng = np.random.default_rng([seed, done])
            yield f"as scanned/{name}", degrade([image.astype(np.float32)], rng)[0][0]


def _in_turns(folder: Path, state: random.Random) -> Iterator[Path]:
    """The PDFs of a folder in drawn order; packages (``PACKAGE__NAME.pdf``, or folders) take turns."""
    groups: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*.pdf")):
        groups.setdefault(path.stem.split("__")[0] if "__" in path.stem else str(path.parent), []).append(path)
    for files in groups.values():
        state.shuffle(files)
    for turn in itertools.zip_longest(*groups.values()):
        yield from (path for path in turn if path is not None)


def all_blanks(samples: Path, pdfs: Path | None, count: int, seed: int) -> Iterator[tuple[str, Array]]:
    """All of them, the samples first."""
    return itertools.chain(sample_blanks(samples), drawn_blanks(pdfs, count, seed) if pdfs else ())


def set_text(image: Array, kind: str, rng: np.random.Generator) -> tuple[Array, Array]:
    """The page with one text of ``TEXTS`` where it varies least, and where that text's ink is, (H, W) bool."""
    text, size = TEXTS[kind]
    font = ImageFont.load_default(size=size)  # Pillow's own: the same everywhere
    _, top, right, bottom = (round(value) for value in font.getbbox(text))
    picture = Image.new("L", (right + 12, bottom - top + 12))
    ImageDraw.Draw(picture).text((6, 6 - top), text, font=font, fill=255)
    stamp = np.rot90(np.array(picture)).copy() if kind == "vertical" else np.array(picture)
    x, y = _flattest(image, stamp.shape[1], stamp.shape[0], rng)
    place = (slice(y, y + stamp.shape[0]), slice(x, x + stamp.shape[1]))
    page, cover = image.astype(np.float32), stamp[..., None].astype(np.float32) / 255
    if kind == "inverse":
        page[place] = 40 + cover * 195
    elif kind == "faint":
        page[place] -= FAINT * cover
    else:
        page[place] += cover * (35 - page[place])
    ink = np.zeros(image.shape[:2], bool)
    ink[place] = stamp > 128
    return page.round().clip(0, 255).astype(np.uint8), ink


def _flattest(image: Array, width: int, height: int, rng: np.random.Generator) -> tuple[int, int]:
    """A place for a rectangle where the page varies least, of 400 tried; none is dark."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    best = (np.inf, 0, 0)
    for _ in range(400):
        x, y = int(rng.integers(30, grey.shape[1] - width - 30)), int(rng.integers(30, grey.shape[0] - height - 30))
        part = grey[y - 8 : y + height + 8, x - 8 : x + width + 8]
        best = min(best, (float(part.std()) + 1000 * (part.mean() < 120), x, y))
    return best[1], best[2]
