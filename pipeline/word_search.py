"""Finding words of a list in text that was read: in any case, with or without accents, split, or a letter misread."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pipeline.lookalikes import fold_letters

# For each so many letters a word is also found with one letter wrong, missing or too many; up to so many mistakes
LONG_WORD, _MOST_MISTAKES = 6, 2


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
        several look-alikes was read (O or 0); long words may have a mistake or two.
        """
        letters, places = _squeeze(text)
        for word in self._words:
            for start, end in _occurrences(letters, word):
                first, last = places[start], places[end - 1]
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


def _occurrences(text: str, word: str) -> list[tuple[int, int]]:
    """(start, end) of a word in a text; with as many mistakes as its length allows, for then a part of it is right."""
    mistakes = min(_MOST_MISTAKES, len(word) // LONG_WORD)
    if not mistakes:
        return [(start, start + len(word)) for start in _all(text, word)]
    size = len(word) // (mistakes + 1)
    starts = {
        start - place + shift
        for place in (part * size for part in range(mistakes + 1))
        for start in _all(text, word[place : place + size])
        for shift in range(-mistakes, mistakes + 1)
    }
    ends = [
        (start, start + length)
        for start in sorted(starts)
        for length in range(len(word) - mistakes, len(word) + mistakes + 1)
        if start >= 0 and start + length <= len(text)
    ]
    return [(start, end) for start, end in ends if _distance(text[start:end], word) <= mistakes]


def _distance(one: str, other: str) -> int:
    """Levenshtein's: how many letters must be changed, put in or taken out to make one of the other."""
    row = list(range(len(other) + 1))
    for count, letter in enumerate(one, 1):
        diagonal, row[0] = row[0], count
        for place, wanted in enumerate(other, 1):
            diagonal, row[place] = row[place], min(row[place] + 1, row[place - 1] + 1, diagonal + (letter != wanted))
    return row[-1]


def _all(text: str, part: str) -> Iterator[int]:
    at = text.find(part)
    while at >= 0:
        yield at
        at = text.find(part, at + 1)
