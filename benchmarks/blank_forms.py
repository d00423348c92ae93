"""Synthetic blank forms, filled in by pen or typewriter and scanned, with the truth of what was filled in."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import pymupdf
from PIL import Image, ImageDraw, ImageFont

from pipeline.types import Array
from workflows.training.degrade import degrade
from workflows.training.pens import pen_colour, pen_mark, roughen

DPI = 200
SCALE = DPI / 72
BLANK_DPIS = (100, 150, 200, 300)
TURN, SCALES = 3.0, (0.55, 1.3)  # degrees; of the scan's side
CLEAR, FAINT = 30, 12  # grey levels by which filled-in ink darkens the page
WORDS = [
    "name",
    "address",
    "date",
    "birth",
    "signature",
    "account",
    "number",
    "branch",
    "office",
    "please",
    "complete",
    "using",
    "black",
    "ink",
    "only",
    "return",
    "this",
    "form",
    "with",
    "all",
    "pages",
    "applicant",
    "insured",
    "person",
    "employer",
    "city",
    "postal",
    "code",
    "telephone",
    "country",
    "amount",
    "total",
    "declare",
    "statements",
    "true",
    "permit",
    "reference",
    "section",
    "part",
    "details",
    "income",
    "tax",
    "year",
    "student",
    "course",
    "marks",
    "question",
    "answer",
]
VALUES = (
    "Anna Keller", "12.03.1984", "Main Street 45", "DE89 3704 0044", "yes", "1,250.00", "42", "John P. Miller",
    "Zurich", "+41 44 123 45", "none", "x", "B. Okafor", "2021-11-30", "No. 7731", "Ok", "Dr. Lee",
)  # fmt: skip

Slot = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A blank and a scan of it, filled in, both (H, W, 3) uint8 RGB; masks (H, W) bool of the scan.

    ``filled`` is what was filled in, ``traces`` that and what of it hardly shows, ``form`` the form's own print.
    """

    blank: Array
    scan: Array
    filled: Array
    traces: Array
    form: Array


class _Sheet:
    """A page that is drawn from top to bottom; ``slots`` are where it is filled in, in points."""

    def __init__(self, state: random.Random) -> None:
        self.document = pymupdf.open()
        self.page: Any = self.document.new_page(width=595, height=842)
        self.state, self.font, self.y = state, state.choice(["helv", "tiro", "cour"]), 105.0
        self.slots: list[Slot] = []

    def words(self, count: int) -> str:
        return " ".join(self.state.choice(WORDS) for _ in range(count)).capitalize()

    def write(self, x: float, y: float, text: str, size: float, font: str = "") -> None:
        self.page.insert_text((x, y), text, fontsize=size, fontname=font or self.font)

    def head(self) -> None:
        self.write(50, 60, self.words(3), self.state.uniform(14, 22), "hebo")
        self.write(50, 80, self.words(8), 9)
        if self.state.random() < 0.4:
            fill = (0.9, 0.93, 1) if self.state.random() < 0.5 else None
            self.page.draw_rect((400, 30, 560, 85), color=(0, 0, 0), fill=fill)
            self.write(405, 42, "For office use", 7)
            self.slots.append((405, 50, 555, 80))

    def line(self) -> None:
        label = self.words(2) + ":"
        self.write(50, self.y + 14, label, 10)
        x = 60 + pymupdf.get_text_length(label, self.font, 10)
        self.page.draw_line((x, self.y + 16), (545, self.y + 16), width=self.state.uniform(0.4, 1))
        self.slots.append((x + 5, self.y - 4, 530, self.y + 16))
        self.y += 26

    def box(self) -> None:
        height, colour = self.state.uniform(28, 50), self.state.choice([(0, 0, 0), (0.2, 0.3, 0.6), (0.5, 0.5, 0.5)])
        fill = self.state.choice([None, None, (0.92, 0.92, 0.92), (1, 0.97, 0.85)])
        frame = (50, self.y, 545, self.y + height)
        self.page.draw_rect(frame, color=colour, fill=fill, width=self.state.uniform(0.5, 1.2))
        self.write(54, self.y + 8, self.words(3), 6.5)
        self.slots.append((60, self.y + 8, 535, self.y + height))
        self.y += height + 8

    def two(self) -> None:
        for left, right in ((50, 290), (305, 545)):
            self.page.draw_rect((left, self.y, right, self.y + 26), width=0.7)
            self.write(left + 3, self.y + 8, self.words(1), 6)
            self.slots.append((left + 30, self.y + 4, right - 5, self.y + 25))
        self.y += 33

    def comb(self) -> None:
        self.write(50, self.y + 13, self.words(1), 9)
        for cell in range(18):
            self.page.draw_rect((150 + cell * 20, self.y, 170 + cell * 20, self.y + 20), width=0.5)
        self.slots.append((150, self.y, 510, self.y + 20))
        self.y += 28

    def table(self) -> None:
        rows, columns, top = self.state.randint(2, 4), self.state.randint(3, 5), self.y
        width = 495 / columns
        self.page.draw_rect((50, top, 545, top + 16), fill=(0.8, 0.8, 0.8), color=(0, 0, 0))
        for column in range(columns):
            self.write(54 + column * width, top + 12, self.words(1), 9, "hebo")
        for row in range(rows + 2):
            self.page.draw_line((50, top + row * 18), (545, top + row * 18), width=0.6)
        for column in range(columns + 1):
            x = 50 + column * width
            self.page.draw_line((x, top), (x, top + (rows + 1) * 18), width=0.6)
        for row in range(1, rows + 1):
            top_of_row = top + row * 18
            spans = [(54 + column * width, 48 + (column + 1) * width) for column in range(columns)]
            cells = [(left, top_of_row, right, top_of_row + 18) for left, right in spans]
            self.slots.extend(cells)
        self.y += (rows + 1) * 18 + 10

    def paragraph(self) -> None:
        for _ in range(self.state.randint(2, 4)):
            self.write(50, self.y + 9, self.words(11)[:95], 8.5)
            self.y += 11
        self.y += 6

    def checks(self) -> None:
        for x in range(50, 510, 115):
            self.page.draw_rect((x, self.y + 2, x + 10, self.y + 12), width=0.8)
            self.write(x + 14, self.y + 11, self.words(1), 9)
            self.slots.append((x, self.y + 1, x + 12, self.y + 13))
        self.y += 22

    def picture(self, dpi: int) -> Array:
        drawn = self.page.get_pixmap(dpi=dpi)
        return np.frombuffer(drawn.samples, np.uint8).reshape(drawn.height, drawn.width, 3)


def _draw_form(seed: int) -> _Sheet:
    sheet = _Sheet(random.Random(seed))
    sheet.head()
    parts = (sheet.line, sheet.box, sheet.table, sheet.paragraph, sheet.checks, sheet.two, sheet.comb)
    while sheet.y < 760:
        sheet.state.choice(parts)()
    return sheet


def make_case(seed: int) -> Case:
    """A form of one's own for each seed: filled in, turned, scaled, and degraded as scans are."""
    rng = np.random.default_rng(seed)
    sheet = _draw_form(seed)
    image = sheet.picture(DPI)
    filled = _fill_in(image, sheet.slots, rng)
    matrix, size, scale = _placement(image, rng)
    way = {"flags": cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR, "borderValue": (255,) * 3}
    blur = 0.4 / scale if scale < 1 else 0.01
    soft = [cv2.GaussianBlur(page.astype(np.float32), (0, 0), blur) for page in (filled, image)]
    pair = [cv2.warpAffine(page, matrix, size, **way) for page in soft]
    (scan, _), (with_ink, without) = degrade(pair, rng)
    darker = (without.astype(np.float32) - with_ink.astype(np.float32)).max(axis=2)
    grey = without.mean(axis=2)
    paper = cv2.medianBlur(grey.clip(0, 255).astype(np.uint8), 101).astype(np.float32)
    blank = sheet.picture(int(rng.choice(BLANK_DPIS)))
    return Case(blank, scan, darker > CLEAR, darker > FAINT, (paper - grey) > 40)


def _placement(image: Array, rng: np.random.Generator) -> tuple[Array, tuple[int, int], float]:
    """Where the sheet lies on the scanner: (2, 3) affine matrix, the scan's (width, height), its scale."""
    height, width = image.shape[:2]
    angle, scale = rng.uniform(-TURN, TURN), rng.uniform(*SCALES)
    matrix = np.diag([scale, scale]) @ cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0)
    matrix[:, 2] += rng.uniform(-15, 15, 2)
    return matrix, (int(width * scale), int(height * scale)), scale


def _fill_in(image: Array, slots: list[Slot], rng: np.random.Generator) -> Array:
    """The page with seven of ten slots filled in, all by hand or all by machine, and a mark across it: float32."""
    page, typed = image.astype(np.float32), rng.random() < 0.3
    for slot in slots:
        if rng.random() < 0.3:
            continue
        cover, colour, grain = np.zeros(image.shape[:2], np.uint8), *pen_colour(rng)
        if slot[2] - slot[0] < 20:
            _tick(cover, slot, rng)
        elif typed:
            cover, colour, grain = _typed(cover, slot, rng), np.full(3, 20, np.float32), 0.0
        else:
            _written(cover, slot, rng)
        x, y, width, height = cv2.boundingRect(cover)
        if width:
            place = slice(y, y + height), slice(x, x + width)
            _ink(page[place], roughen(cover[place].astype(np.float32) / 255, grain, rng), colour)
    mark, (colour, _) = pen_mark(int(60 * SCALE), rng), pen_colour(rng)
    y, x = int(rng.uniform(0.1, 0.7) * page.shape[0]), int(rng.uniform(0.1, 0.6) * page.shape[1])
    mark = mark[: page.shape[0] - y, : page.shape[1] - x]
    _ink(page[y : y + mark.shape[0], x : x + mark.shape[1]], mark, colour)
    return page


def _ink(page: Array, cover: Array, colour: Array) -> None:
    """Lay ink on a page, in place; it lightens nothing below it."""
    cover = cover[..., None]
    page[:] = np.minimum(page, page * (1 - cover) + colour * cover)


def _tick(cover: Array, slot: Slot, rng: np.random.Generator) -> None:
    side = max(8, int((slot[3] - slot[1]) * SCALE * 1.1))
    mark = (pen_mark(side, rng) * 255).astype(np.uint8)
    y = int((slot[1] + slot[3]) / 2 * SCALE) - mark.shape[0] // 2
    x = int((slot[0] + slot[2]) / 2 * SCALE) - mark.shape[1] // 2
    if min(x, y) >= 0 and y + mark.shape[0] <= cover.shape[0] and x + mark.shape[1] <= cover.shape[1]:
        cover[y : y + mark.shape[0], x : x + mark.shape[1]] = mark


def _typed(cover: Array, slot: Slot, rng: np.random.Generator) -> Array:
    height = (slot[3] - slot[1]) * SCALE
    picture = Image.fromarray(cover)
    font = ImageFont.load_default(size=max(9, int(min(height * 0.7, 10 * SCALE))))
    place = int(slot[0] * SCALE) + 6, int(slot[3] * SCALE - min(height, 14 * SCALE) * 1.05)
    ImageDraw.Draw(picture).text(place, VALUES[rng.integers(len(VALUES))], font=font, fill=255)
    return np.array(picture)


def _written(cover: Array, slot: Slot, rng: np.random.Generator) -> None:
    height = min((slot[3] - slot[1]) * SCALE, 18 * SCALE)
    text, size = VALUES[rng.integers(len(VALUES))], height / 22 * rng.uniform(0.7, 1.15) * 0.8
    place = int(slot[0] * SCALE) + int(rng.integers(0, 15)), int(slot[3] * SCALE - rng.uniform(-0.15, 0.35) * height)
    font = cv2.FONT_HERSHEY_SCRIPT_COMPLEX if rng.random() < 0.6 else cv2.FONT_HERSHEY_SCRIPT_SIMPLEX
    cv2.putText(cover, text, place, font, size, 255, int(rng.integers(2, 4)), cv2.LINE_AA)
    cover[:, min(int(slot[2] * SCALE) + 20, cover.shape[1] - 1) :] = 0
