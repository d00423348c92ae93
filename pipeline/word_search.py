"""Finding words of a list in text that was read: in any case, with or without accents, split, or a letter misread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipeline.lookalikes import fold_letters

# Words of at least so many letters are also found with one letter wrong
LONG_WORD = 6


class _Squeezed(NamedTuple):
    """A text without anything but letters and digits; ``places`` are theirs in the text."""

    letters: str
    places: tuple[int, ...]


class WordList:
    """Words and phrases to find. What has neither letter nor digit is left out."""

    def __init__(self, words: Sequence[str]) -> None:
        squeezed = (_squeeze(word).letters for word in words)
        self._words = tuple(dict.fromkeys(word for word in squeezed if word))

    def find(self, text: str) -> Iterator[tuple[int, int]]:
        """Yield (start, end) of the words in a text, each from a word's boundary to one.

        Spaces, hyphens and other marks inside a word or between the words of a phrase do not matter, nor which of
        several look-alikes was read (O or 0); long words may have one other letter.
        """
        letters, places = _squeeze(text)
        for word in self._words:
            for start in _occurrences(letters, word):
                first, last = places[start], places[start + len(word) - 1]
                if _is_boundary(text, first) and _is_boundary(text, last + 1):
                    yield first, last + 1


def _squeeze(text: str) -> _Squeezed:
    folded = fold_letters(text)
    # by the folded text: what looks like a letter (a bar for an l) is one
    places = tuple(place for place, character in enumerate(folded) if character.isalnum())
    return _Squeezed("".join(folded[place] for place in places), places)


def _is_boundary(text: str, place: int) -> bool:
    """Whether the characters before and at a place are not both of one word."""
    return place == 0 or place == len(text) or not (text[place - 1].isalnum() and text[place].isalnum())


def _occurrences(text: str, word: str) -> list[int]:
    """Where a word stands in a text; a long one with at most one other letter, for then one of its halves is right."""
    if len(word) < LONG_WORD:
        return list(_all(text, word))
    half = len(word) // 2
    starts = {*_all(text, word[:half]), *(at - half for at in _all(text, word[half:]))}
    fitting = (start for start in sorted(starts) if 0 <= start <= len(text) - len(word))
    return [s for s in fitting if sum(a != b for a, b in zip(text[s : s + len(word)], word, strict=True)) <= 1]


def _all(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)
