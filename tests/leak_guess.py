"""A search that reads nothing: it asks whether what is left of a line fits the secret better than it fits other words.

Someone who knows the font, the place and a list of names needs no letters: a few specks one grey level off, or a
stretch of paper without grain in the shape of the word, are enough to choose from the list. OCR sees nothing there.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pymupdf
from canaries import picture
from canary_pdfs import LINE_TEXT, blank
from leak_ocr import channels_of, line_of, pages_of, pixels_of

OTHERS = 120
TELLING = 4.5
"""Standard deviations by which the secret must stand out among other words; by chance once in 150,000."""

_LETTERS = np.array(list("ABCDEFGHIJKLMNOPRSTUVWZ"))


def search_guess(path: Path, words: Sequence[str]) -> tuple[str, ...]:
    """How far the secret stands out among words of its length that might have stood on the line of each page."""
    found = []
    for page in pages_of(path):
        for line in channels_of(line_of(page)).values():
            for drawn in ("pdf", "picture"):
                for name, trace in _traces(line).items():
                    stands_out = _stands_out(trace, _candidates(words[0], drawn, line.shape))
                    if stands_out > TELLING:
                        found.append(f"the {name} fit it by {stands_out:.1f} standard deviations")
    return tuple(dict.fromkeys(found))


def _traces(line: np.ndarray) -> dict[str, np.ndarray]:
    """What removal may leave: pixels that are not the paper's, and places that are too quiet."""
    detail = (line - cv2.GaussianBlur(line, (0, 0), 1.5)) ** 2
    quiet = -np.sqrt(cv2.GaussianBlur(detail, (0, 0), 1.5))
    return {
        "specks": np.abs(line - np.median(line)),
        "specks in grain": np.abs(line - cv2.medianBlur(line, 5)),
        "quiet places": quiet,
    }


def _stands_out(trace: np.ndarray, candidates: np.ndarray) -> float:
    """By how many standard deviations the first candidate fits the trace better than the others do."""
    if trace.std() == 0:
        return 0.0
    fits = (candidates @ ((trace - trace.mean()) / trace.std()).ravel() / trace.size).max(axis=1)
    return float((fits[0] - fits[1:].mean()) / max(fits[1:].std(), 1e-6))


@lru_cache(maxsize=8)
def _candidates(word: str, drawn: str, size: tuple[int, int]) -> np.ndarray:
    """(1 + OTHERS, 2, N) float32: outlines and bodies of the word's letters, then of others, each standardized.

    They are drawn as the documents of ``canaries`` draw them.
    """
    draw = np.random.default_rng(11)
    others = ("".join(draw.choice(_LETTERS, len(word))) for _ in range(OTHERS))
    return np.stack([_shapes(each, drawn, size) for each in (word, *others)])


def _shapes(word: str, drawn: str, size: tuple[int, int]) -> np.ndarray:
    ink = 255 - cv2.resize(line_of(_page_with(word, drawn)).astype(np.float32).mean(axis=2), size[::-1])
    outlines = cv2.GaussianBlur(np.abs(cv2.Laplacian(ink, cv2.CV_32F)), (0, 0), 0.8)
    both = np.stack([outlines.ravel(), cv2.GaussianBlur(ink, (0, 0), 1.5).ravel()])
    return (both - both.mean(axis=1, keepdims=True)) / both.std(axis=1, keepdims=True)


def _page_with(word: str, drawn: str) -> np.ndarray:
    if drawn == "picture":
        return np.asarray(picture(word).convert("RGB"))
    out = BytesIO()
    before, after = LINE_TEXT.split(b"(")[0], LINE_TEXT.split(b")")[1]
    blank(before + b"(" + word.encode() + b")" + after).save(out)
    with pymupdf.open(stream=out.getvalue(), filetype="pdf") as document:
        return pixels_of(document[0])
