"""Samples to train on: a piece of a page as scanned, and the same piece without handwriting and without any text.

A sample depends on the shards, the seed and its number alone, so a run that was stopped goes on with the same ones.
Sheets come from real pages' pieces, from ``sheets`` or from pictures; type and handwriting are laid over them, and
what ``degrade`` does is done to all three alike. What differs then is ink.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.types import Array
from workflows.training.answers import Answers, draw_boxes, mark_answers, print_label, print_letters
from workflows.training.degrade import degrade
from workflows.training.figures import Slot
from workflows.training.ink import lay_ink, recolour
from workflows.training.markers import draw_markers
from workflows.training.pens import pen_colour, pen_mark, roughen
from workflows.training.shards import LineKind, Shards
from workflows.training.sheets import Sheet, draw_sheet
from workflows.training.stamps import draw_stamp, lay_stamp, stamp_colour

NEITHER, PRINTED, HANDWRITTEN = 0, 1, 2
LABEL_COLOURS = np.array([[255, 255, 255], [30, 60, 200], [220, 40, 40]], np.uint8)  # RGB, in that order, for people

LEAST_DIFFERENCE = 8  # grey levels in some channel by which a pixel with ink differs from the same without
_FROM_PAIRS, _FROM_SHEETS = 0.5, 0.8  # the rest is pictures
_WITH_HAND = 0.6
_RECOLOURED = 0.2  # of real pieces: what is in colour was not therefore written by hand
_MARKED = 0.3  # ... with text markers over the text
_HAND_MARKED = 0.15  # ... where handwriting is marked, too
_STAMPED, _ASKING, _LABELLED = 0.08, 0.2, 0.08  # ... with a stamp below the print (and above), answers to mark, labels


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """A training sample; images are (S, S, 3) uint8 RGB.

    ``image`` is the page as scanned, ``printed`` the same scan had nobody written on it, ``blank`` had it no text at
    all. ``labels`` (S, S) uint8 says of each pixel 0 neither, 1 printed ink, 2 handwritten ink, rims included.
    """

    image: Array
    printed: Array
    blank: Array
    labels: Array


class Synthesizer:
    """Makes samples of ``side`` x ``side`` px out of shards."""

    def __init__(self, shards: Shards, side: int, seed: int) -> None:
        self._shards, self._side, self._seed = shards, side, seed

    def sample(self, index: int) -> Sample:
        """The sample of that number."""
        rng = np.random.default_rng([self._seed, index])
        printed, blank = self._print(rng)
        printed, blank = self._stamp(printed, blank, rng)
        answers = self._ask(printed, blank, rng)
        image = self._write(printed, answers, rng) if rng.random() < _WITH_HAND else printed
        sheets = [image, printed, blank]
        if rng.random() < _MARKED:
            through = draw_markers(_differ(image if rng.random() < _HAND_MARKED else printed, blank), rng)
            sheets = [sheet * through for sheet in sheets]
        (scanned, no_hand, no_text), quiet = degrade(sheets, rng)
        labels = np.full(blank.shape[:2], NEITHER, np.uint8)
        labels[_differ(quiet[1], quiet[2])] = PRINTED
        labels[_differ(quiet[0], quiet[1])] = HANDWRITTEN
        return Sample(scanned, no_hand, no_text, labels)

    def _print(self, rng: np.random.Generator) -> tuple[Array, Array]:
        """A sheet with type on it, and without; (S, S, 3) float32 of 0 to 255 each, and not the same array."""
        choice = rng.random()
        if choice < _FROM_PAIRS and self._shards.count("pair"):
            text, blank = self._piece(rng)
            return (self._set_type(text, [], rng) if rng.random() < 0.15 else text), blank
        pictures = []
        if choice > _FROM_SHEETS and self._shards.count("picture"):
            count = int(rng.choice([1, 1, 1, 2, 4]))  # several lie side by side and on one another
            pictures = [self._crop(self._shards.picture(self._any("picture", rng)), rng) for _ in range(count)]
        sheet: Sheet = draw_sheet(self._side, rng, pictures)
        stamped, blank = self._stamp(sheet.image.copy(), sheet.image, rng)
        return self._set_type(stamped, sheet.slots, rng), blank

    def _stamp(self, printed: Array, blank: Array, rng: np.random.Generator) -> tuple[Array, Array]:
        """The sheets with a rubber stamp now and then, its words on the printed one only; drawn in place."""
        if rng.random() >= _STAMPED:
            return printed, blank
        count = int(rng.integers(0, 3)) if self._shards.count("print") else 0
        frame, words = draw_stamp([self._line("print", 48, rng) for _ in range(count)], rng)
        corner = tuple(int(v) for v in rng.integers(-frame.shape[0] // 3, self._side - frame.shape[0] // 3, 2))
        colour = stamp_colour(rng)
        for sheet in (printed, blank):
            lay_stamp(sheet, frame, (corner[0], corner[1]), colour)
        lay_stamp(printed, words, (corner[0], corner[1]), colour)
        return printed, blank

    def _ask(self, printed: Array, blank: Array, rng: np.random.Generator) -> Answers:
        """Draw what asks to be marked, and dark labels, on both sheets, in place."""
        boxes, letters = [], []
        has_type = self._shards.count("print") > 0
        if rng.random() < _ASKING:
            boxes = draw_boxes([printed, blank], rng)
        if has_type and rng.random() < _ASKING:
            letters = print_letters(printed, lambda height: self._line("print", height, rng), rng)
        if has_type and rng.random() < _LABELLED:
            for _ in range(int(rng.integers(1, 5))):
                print_label(printed, blank, self._line("print", int(rng.integers(7, 22)), rng), rng)
        return Answers(boxes, letters)

    def _piece(self, rng: np.random.Generator) -> tuple[Array, Array]:
        text, blank = self._shards.pair(self._any("pair", rng))
        side = min(round(self._side / np.exp(rng.uniform(np.log(0.7), np.log(1.5)))), *text.shape[:2])
        for _ in range(3):  # a crop with text on it, if there is one
            x, y = rng.integers(0, text.shape[1] - side + 1), rng.integers(0, text.shape[0] - side + 1)
            crops = [part[y : y + side, x : x + side] for part in (text, blank)]
            if not np.array_equal(crops[0], crops[1]):
                break
        way = cv2.INTER_AREA if side > self._side else cv2.INTER_CUBIC
        size = (self._side, self._side)
        scaled = [cv2.resize(crop, size, interpolation=way).astype(np.float32) for crop in crops]
        if rng.random() < _RECOLOURED:
            top, end = np.sort(rng.integers(0, self._side + 1, 2)) if rng.random() < 0.7 else (0, self._side)
            recolour(scaled[0][top:end], scaled[1][top:end], _ink_colour(rng))
        if rng.random() < 0.05:  # light on dark throughout
            scaled = [255 - part for part in scaled]
        return scaled[0], scaled[1]

    def _crop(self, picture: Array, rng: np.random.Generator) -> Array:
        side = int(min(picture.shape[:2]) * rng.uniform(0.3, 1))
        x, y = rng.integers(0, picture.shape[1] - side + 1), rng.integers(0, picture.shape[0] - side + 1)
        return picture[y : y + side, x : x + side]

    def _any(self, kind: str, rng: np.random.Generator) -> int:
        return int(rng.integers(self._shards.count(kind)))

    def _set_type(self, sheet: Array, places: list[Slot], rng: np.random.Generator) -> Array:
        image = sheet.copy()
        if not self._shards.count("print"):
            return image
        slots = [slot for slot in places if rng.random() < 0.7][:40]
        for slot in slots:
            self._fill_slot(image, slot, rng)
        if rng.random() < (0.15 if slots else 0.9):
            self._paragraph(image, rng)
        for _ in range(int(rng.choice([0, 1, 1, 2]))):  # a heading, a page number, a word on a picture
            self._fill_slot(image, self._anywhere(rng), rng)
        return image

    def _fill_slot(self, image: Array, slot: Slot, rng: np.random.Generator) -> None:
        x0, y0, x1, y1 = slot
        height = max(5, int((y1 - y0) * rng.uniform(0.35, 0.95)))
        line = self._line("print", height, rng)
        if rng.random() < 0.05:
            line = np.rot90(line)
        x = x0 + int(rng.integers(-3, max(1, x1 - x0 - line.shape[1]) + 3))
        y = y1 - line.shape[0] - int(rng.integers(-2, max(1, y1 - y0 - line.shape[0]) + 1))
        lay_ink(image, line[:, : max(x1 - x, 4)], (x, y), _print_colour(image, slot, rng))

    def _paragraph(self, image: Array, rng: np.random.Generator) -> None:
        height = int(np.exp(rng.uniform(np.log(6), np.log(40))))
        y, left = int(rng.integers(-height, self._side)), int(rng.integers(-40, self._side // 2))
        colour = _print_colour(image, (max(left, 0), max(y, 0), self._side, self._side), rng)
        for _ in range(int(rng.integers(1, 9))):
            x = left
            while x < self._side and y < self._side:
                line = self._line("print", height, rng)
                lay_ink(image, line, (x, y), colour)
                x += line.shape[1] + height // 2
            y += int(height * rng.uniform(1.1, 1.8))

    def _anywhere(self, rng: np.random.Generator) -> Slot:
        height = int(np.exp(rng.uniform(np.log(7), np.log(220))))
        x, y = int(rng.integers(-height, self._side)), int(rng.integers(-height // 2, self._side))
        return x, y, self._side, y + height

    def _line(self, kind: LineKind, height: int, rng: np.random.Generator) -> Array:
        """A line of that height, (height, W) float32 coverage in [0, 1]."""
        line = self._shards.line(kind, self._any(kind, rng))
        width = max(2, round(line.shape[1] * height / line.shape[0] * rng.uniform(0.9, 1.1)))
        way = cv2.INTER_AREA if height < line.shape[0] else cv2.INTER_CUBIC
        return cv2.resize(line, (width, height), interpolation=way).astype(np.float32) / 255

    def _write(self, printed: Array, answers: Answers, rng: np.random.Generator) -> Array:
        """The sheet after somebody took a pen to it: answers are marked, and more is written anywhere."""
        image = printed.copy()
        colour, grainy = pen_colour(rng)
        for mark, corner in mark_answers(answers, rng):
            lay_ink(image, roughen(mark, grainy, rng) * rng.uniform(0.8, 1), corner, colour)
        for _ in range(int(rng.integers(1, 7))):
            colour, grainy = pen_colour(rng)
            if rng.random() < 0.6 and self._shards.count("hand"):
                height = int(np.exp(rng.uniform(np.log(14), np.log(110))))
                coverage = lean_line(self._line("hand", height, rng), rng)
            else:
                coverage = pen_mark(int(np.exp(rng.uniform(np.log(8), np.log(130)))), rng)
            x = int(rng.integers(-coverage.shape[1] // 2, self._side - 10))
            y = int(rng.integers(-coverage.shape[0] // 2, self._side - 5))
            lay_ink(image, roughen(coverage, grainy, rng) * rng.uniform(0.7, 1), (x, y), colour)
        return image


def _differ(one: Array, other: Array) -> Array:
    return np.abs(one - other).max(axis=2) > LEAST_DIFFERENCE


def _print_colour(image: Array, slot: Slot, rng: np.random.Generator) -> Array:
    """Dark on light or light on dark, mostly black or white, sometimes coloured; (3,) float32."""
    x0, y0, x1, y1 = (max(v, 0) for v in slot)
    part = image[y0:y1, x0:x1]
    light = float(part.mean()) if part.size else 255.0
    dark_ink = light > 128 if rng.random() < 0.8 else light > 70
    base = rng.uniform(0, 60) if dark_ink else rng.uniform(200, 255)
    if dark_ink and rng.random() < 0.12:
        return _ink_colour(rng)
    if rng.random() < 0.3:
        spread = rng.uniform(0, 150, 3) if dark_ink else rng.uniform(160, 255, 3)
        return spread.astype(np.float32)
    if dark_ink and rng.random() < 0.12:
        base = min(light - 35, rng.uniform(60, 200))  # faint
    return np.full(3, base, np.float32)


def _ink_colour(rng: np.random.Generator) -> Array:
    """A colour of printed ink, (3,) float32: a pen's as likely as any, for colour must not tell the two apart."""
    return pen_colour(rng)[0] if rng.random() < 0.6 else rng.uniform(0, 170, 3).astype(np.float32)


def lean_line(line: Array, rng: np.random.Generator) -> Array:
    """Turn a line as a hand does not keep it level."""
    angle = rng.normal(0, 4) if rng.random() < 0.9 else rng.uniform(-90, 90)
    if abs(angle) < 1:
        return line
    height, width = line.shape
    turn = np.deg2rad(angle)
    wide = int(width * abs(np.cos(turn)) + height * abs(np.sin(turn))) + 2
    high = int(width * abs(np.sin(turn)) + height * abs(np.cos(turn))) + 2
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1)
    matrix[:, 2] += (wide / 2 - width / 2, high / 2 - height / 2)
    return cv2.warpAffine(line, matrix, (wide, high), flags=cv2.INTER_LINEAR)
