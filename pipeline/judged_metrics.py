"""Arithmetic on what others have seen: words a reader has read, and features a network has computed."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.types import Array

FEWEST_SIGNS = 2  # letters or digits: a single one is read into every speck
LEAST_REACH, REACH = 6.0, 0.3  # px, and heights of the word, by which what is read may lie outside its box
ALIKE = 0.8  # how alike (difflib's ratio) a word and what is read in its place must be


@dataclass(frozen=True, slots=True)
class ReadWord:
    """A word on a page: its text, and its box (x0, y0, x1, y1) in pixels."""

    text: str
    box: tuple[float, float, float, float]


def words_read(words: Sequence[ReadWord], seen: Sequence[ReadWord]) -> tuple[frozenset[int], int]:
    """Which of ``words`` (by index) are among what a reader has ``seen``, each at its place, and how many can be.

    Only letters and digits count, in lower case; words with fewer than two of them cannot be read. A word is read when
    it occurs in what is seen in its place, or is like it; half the signs suffice of words that are mostly Chinese,
    Japanese or Korean.
    """
    centres = np.array([((w.box[0] + w.box[2]) / 2, (w.box[1] + w.box[3]) / 2) for w in seen]).reshape(-1, 2)
    texts = [_plain(word.text) for word in seen]
    found, countable = set(), 0
    for index, word in enumerate(words):
        text = _plain(word.text)
        if len(text) < FEWEST_SIGNS:
            continue
        countable += 1
        there = [texts[k] for k in np.flatnonzero(_near(centres, word.box))]
        if there and _is_read(text, there):
            found.add(index)
    return frozenset(found), countable


def frechet_distance(first: Array, second: Array) -> float:
    """Fréchet distance of two sets of features, (N, D) and (M, D) floats: FID (Heusel et al., 2017) for Inception's.

    |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) of their means and (unbiased) covariances; 0 is alike, there is no unit.
    With few images the covariances are poor and the figure is too high: compare sets of one size only. The trace of the
    root is taken as the sum of the singular values of A1 A2', where S = A' A: the same number, and no matrix root.
    Raises ValueError for fewer than two images in a set.
    """
    if min(len(first), len(second)) < 2:
        raise ValueError("a Fréchet distance needs two images at least on each side")
    means = [np.asarray(features, np.float64).mean(axis=0) for features in (first, second)]
    one, other = (
        (np.asarray(features, np.float64) - mean) / np.sqrt(len(features) - 1)
        for features, mean in zip((first, second), means, strict=True)
    )
    root = np.linalg.svd(one @ other.T, compute_uv=False).sum()
    apart = means[0] - means[1]
    return max(0.0, float(apart @ apart + (one * one).sum() + (other * other).sum() - 2 * root))


def _near(centres: Array, box: tuple[float, float, float, float]) -> Array:
    x0, y0, x1, y1 = box
    reach = max(LEAST_REACH, REACH * (y1 - y0))
    x, y = centres[:, 0], centres[:, 1]
    return (x > x0 - reach) & (x < x1 + reach) & (y > y0 - reach) & (y < y1 + reach)


def _is_read(text: str, there: Sequence[str]) -> bool:
    together = "".join(there)
    if _ideographs(text) >= 0.5 * len(text):
        return sum((Counter(text) & Counter(together)).values()) >= 0.5 * len(text)
    candidates = [seen for seen in (*there, together) if seen]
    return text in together or any(difflib.SequenceMatcher(None, text, s).ratio() >= ALIKE for s in candidates)


def _plain(text: str) -> str:
    return re.sub(r"[\W_]+", "", text.lower())


def _ideographs(text: str) -> int:
    return sum("\u3040" <= sign <= "\u9fff" or "\uac00" <= sign <= "\ud7af" for sign in text)
