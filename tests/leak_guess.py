"""Searches that read nothing: they ask whether what is left of a line fits the secret better than other words.

Someone who knows the font, the place and a list of names needs no letters: a few specks one grey level off, or a
stretch of paper without grain in the shape of the word, are enough to choose from the list. OCR sees nothing there.
Where not even the letters' shapes are left, the end of what was filled may still tell how wide the word was.
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

TELLING_STEP = 10.0
"""Standard deviations by which a step of the paper stands out where the word ends; 9.1 at most on 900 clean lines."""

_LENGTHS = range(4, 13)
_BESIDE = 16  # px on either side that are compared
_PAD = 8  # px that a fill may reach beyond the word
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


def search_width(path: Path, words: Sequence[str]) -> tuple[str, ...]:
    """How far the paper changes where the secret ends, if it changes less at the ends of words of other lengths."""
    found = []
    for page in pages_of(path):
        for line in channels_of(line_of(page)).values():
            for drawn in ("pdf", "picture"):
                end, *others = _ends(words[0], drawn, line.shape)
                for name, profile in _profiles(line).items():
                    steps = _steps(profile)
                    own, elsewhere = (_highest(steps, [end]), _highest(steps, others))
                    if own > max(TELLING_STEP, elsewhere):
                        found.append(f"{name} end where it does, a step of {own:.1f} standard deviations")
    return tuple(dict.fromkeys(found))


def _profiles(line: np.ndarray) -> dict[str, np.ndarray]:
    """What may differ between paper and fill, along the line: (W,) each."""
    detail = line - cv2.GaussianBlur(line, (0, 0), 1.5)
    return {
        "grey levels": line.mean(axis=0),
        "grain": (detail**2).mean(axis=0),
        "specks": (np.abs(line - np.median(line)) > 0.5).mean(axis=0),
    }


def _steps(profile: np.ndarray) -> np.ndarray:
    """(W,): by how much what is left of each place differs from what is right of it, in standard deviations of that."""
    before, after = (np.convolve(profile, kernel, "same") for kernel in (_RIGHT, _RIGHT[::-1]))
    steps = np.abs(before - after)
    steps[: 2 * _BESIDE] = steps[-2 * _BESIDE :] = np.median(steps)  # the ends of the line are no ends of words
    apart = np.abs(steps - np.median(steps))
    return (steps - np.median(steps)) / max(float(np.median(apart)) / 0.6745, 1e-3)


_RIGHT = np.concatenate([np.zeros(_BESIDE), np.full(_BESIDE, 1 / _BESIDE), [0]])


def _highest(steps: np.ndarray, ends: Sequence[int]) -> float:
    return float(max(steps[max(0, end - 2) : end + _PAD + 1].max(initial=0) for end in ends))


@lru_cache(maxsize=8)
def _ends(word: str, drawn: str, size: tuple[int, int]) -> tuple[int, ...]:
    """Where the word ends on the line, and where words of other lengths would that end elsewhere, in px."""
    draw = np.random.default_rng(12)
    others = ["".join(draw.choice(_LETTERS, length)) for length in _LENGTHS for _ in range(OTHERS // len(_LENGTHS))]
    ends = [_end(each, drawn, size) for each in (word, *others)]
    apart = [end for end in ends[1:] if abs(end - ends[0]) > 2 * _PAD]
    return (ends[0], *apart)


def _end(word: str, drawn: str, size: tuple[int, int]) -> int:
    line = cv2.resize(line_of(_page_with(word, drawn)).astype(np.float32).mean(axis=2), size[::-1])
    return int(np.flatnonzero((line < 200).any(axis=0)).max()) + 1
