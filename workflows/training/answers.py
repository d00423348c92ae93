"""What questionnaires ask to be marked: boxes to tick, printed answers to ring. And dark labels with light letters."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.types import Array
from workflows.training.colours import draw_tone
from workflows.training.figures import Slot
from workflows.training.ink import lay_ink
from workflows.training.pens import MARKS_IN_BOXES, pen_mark, pen_ring

MakeLine = Callable[[int], Array]  # a line of type of that height, (height, W) float32 coverage
_MOST_LETTER_WIDTHS = 2.5  # of its height: what is wider is a word whose letters touch


class Answers(NamedTuple):
    """Where marks are asked for: boxes to put one in, and characters to draw a ring around."""

    boxes: list[Slot]
    letters: list[Slot]


def draw_boxes(sheets: Sequence[Array], rng: np.random.Generator) -> list[Slot]:
    """Draw a column or a row of empty boxes on pictures of one place, (S, S, 3) float32, in place; where they are."""
    side, size = sheets[0].shape[0], int(rng.integers(7, 34))
    x, y = (int(v) for v in rng.integers(4, max(side - size - 4, 5), 2))
    across, step = rng.random() < 0.5, size + int(rng.integers(4, 40))
    boxes = []
    for _ in range(int(rng.integers(1, 6))):
        if max(x, y) + size >= side:
            break
        boxes.append((x, y, x + size, y + size))
        x, y = (x + step, y) if across else (x, y + step)
    colour, weight = _contrast(sheets[0], (x, y, x + size, y + size), rng), int(rng.choice([1, 1, 2]))
    for sheet in sheets:
        for x0, y0, x1, y1 in boxes:
            cv2.rectangle(sheet, (x0, y0), (x1 - 1, y1 - 1), colour.tolist(), weight)
    return boxes


def print_letters(printed: Array, make_line: MakeLine, rng: np.random.Generator) -> list[Slot]:
    """Print a row of single characters, as answers to choose from, on (S, S, 3) float32, in place; where they are."""
    side, height = printed.shape[0], int(np.exp(rng.uniform(np.log(9), np.log(44))))
    x, y = int(rng.integers(4, side // 2)), int(rng.integers(4, max(side - height - 4, 5)))
    step = int(height * rng.uniform(1.8, 4))
    colour = _contrast(printed, (x, y, side, y + height), rng)
    letters = []
    for _ in range(int(rng.integers(2, 6))):
        letter = cut_letter(make_line(height))
        if x + letter.shape[1] >= side:
            break
        lay_ink(printed, letter, (x, y), colour)
        letters.append((x, y, x + letter.shape[1], y + letter.shape[0]))
        x += max(step, letter.shape[1] + 4)
    return letters


def print_label(printed: Array, blank: Array, line: Array, rng: np.random.Generator) -> None:
    """A tiny dark label that its light letters nearly fill, as on buttons and maps; in place, its ground on both."""
    side, margin = printed.shape[0], int(rng.integers(1, 3))
    line = line[:, : side // 2]
    height, width = (length + 2 * margin for length in line.shape)
    x, y = int(rng.integers(0, max(side - width, 1))), int(rng.integers(0, max(side - height, 1)))
    ground = np.array(draw_tone(rng, 0, 110), np.float32)
    for sheet in (printed, blank):
        sheet[y : y + height, x : x + width] = ground
    lay_ink(printed, line, (x + margin, y + margin), np.full(3, rng.uniform(215, 255), np.float32))


def cut_letter(line: Array) -> Array:
    """The first character of a line, (H, W) float32 coverage, as far as a gap tells where it ends."""
    inked = np.flatnonzero(line.max(axis=0) > 0.1)
    if not inked.size:
        return line
    gaps = inked[:-1][np.diff(inked) > 1]
    end = int(gaps[0] if gaps.size else inked[-1]) + 1
    return line[:, inked[0] : min(end, int(inked[0] + _MOST_LETTER_WIDTHS * line.shape[0]))]


def mark_answers(answers: Answers, rng: np.random.Generator) -> list[tuple[Array, tuple[int, int]]]:
    """Marks in some of the boxes and rings around one letter or two: ink coverage and its upper left corner each."""
    marks = []
    for x0, y0, x1, y1 in answers.boxes:
        if rng.random() < 0.5:
            draw = MARKS_IN_BOXES[int(rng.integers(len(MARKS_IN_BOXES)))]
            mark = pen_mark(max(8, int((x1 - x0) * rng.uniform(0.7, 1.5))), rng, draw)
            middle = np.array([x0 + x1, y0 + y1]) / 2 + rng.normal(0, 0.12 * (x1 - x0), 2)
            marks.append((mark, _corner(mark, middle)))
    for number in rng.permutation(len(answers.letters))[: int(rng.integers(0, 3))]:
        x0, y0, x1, y1 = answers.letters[int(number)]
        longer = max(x1 - x0, y1 - y0)
        ring = pen_ring((max(x1 - x0, longer // 2), max(y1 - y0, longer // 2)), rng)
        marks.append((ring, _corner(ring, np.array([x0 + x1, y0 + y1]) / 2 + rng.normal(0, 0.08 * longer, 2))))
    return marks


def _corner(mark: Array, middle: Array) -> tuple[int, int]:
    return int(middle[0] - mark.shape[1] / 2), int(middle[1] - mark.shape[0] / 2)


def _contrast(sheet: Array, slot: Slot, rng: np.random.Generator) -> Array:
    """Dark where a sheet is light, and light where it is dark, (3,) float32."""
    x0, y0, x1, y1 = slot
    part = sheet[y0:y1, x0:x1]
    dark = not part.size or float(part.mean()) > 110
    return np.array(draw_tone(rng, 0, 80) if dark else draw_tone(rng, 200, 255), np.float32)
