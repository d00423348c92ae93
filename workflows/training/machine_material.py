"""Shards of what a machine has by itself, for a look at the synthesis before there is any material to train on."""

from __future__ import annotations

import random
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import InputError
from pipeline.types import Array
from workflows.training.material import WORDS, Typeface, draw_line, find_fonts
from workflows.training.shards import SUFFIX, ShardWriter

FONT_FOLDERS = (  # where systems keep their fonts; those that are not there hold none
    *(Path(name) for name in ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "/System/Library/Fonts")),
    *(Path.home() / name for name in (".fonts", ".local/share/fonts", "Library/Fonts")),
    Path("C:/Windows/Fonts"),
)
_FONTS, _LINES = 16, 80  # enough to look at, and drawn in a few seconds
_DRAWN_FONTS = (cv2.FONT_HERSHEY_COMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_TRIPLEX)


def write_machine_shards(folder: Path, seed: int, fonts: tuple[Path, ...] = FONT_FOLDERS) -> str:
    """Write a shard of lines of type into ``folder``; says what they are of. Handwriting is left to pens.

    Lines are of some of the fonts in the folders ``fonts``, by chance, or drawn where there are none that can be used.
    """
    state = random.Random(seed)
    faces = _open_some(find_fonts(fonts), state)
    lines = [draw_line(state.choice(faces), state) for _ in range(_LINES)] if faces else []
    found = [line[0] for line in lines if line is not None]
    told = f"{len(faces)} of this machine's fonts"
    if not found:
        found = [_draw(state) for _ in range(_LINES)]
        told = "drawn letters, as this machine has no fonts"
    with ShardWriter(folder / f"machine{SUFFIX}") as writer:
        for line in found:
            writer.add_line("print", line, told)
    return told


def _open_some(paths: list[Path], state: random.Random) -> list[Typeface]:
    state.shuffle(paths)
    faces: list[Typeface] = []
    for path in paths:
        if len(faces) == _FONTS:
            break
        try:
            face = Typeface(path)
        except InputError:
            continue  # there are others
        if face.words:
            faces.append(face)
    return faces


def _draw(state: random.Random) -> Array:
    """A line of type as ink coverage, (H, W) uint8, of letters made of strokes."""
    text = " ".join(state.choices(WORDS["latin"].split(), k=state.randint(1, 4)))
    font, weight = state.choice(_DRAWN_FONTS), state.randint(1, 4)
    (width, height), below = cv2.getTextSize(text, font, 1.5, weight)
    line = np.zeros((height + below + 2 * weight, width + 2 * weight), np.uint8)
    cv2.putText(line, text, (weight, height + weight), font, 1.5, 255, weight, cv2.LINE_AA)
    rows, columns = np.nonzero(line)
    return line[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
