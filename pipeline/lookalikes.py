"""What a reader takes for one another: O and 0, l and 1, letters with and without accents. All maps keep lengths.

They make a search find what was read wrongly; nothing is ever shown to anyone in their spelling.
"""

from __future__ import annotations

import re
import unicodedata

_AS_DIGIT = str.maketrans("OoQDIl|!iSsBZzGbgqT", "0000111115582266997")
_LOOKS = {"0": "o", "1": "l", "i": "l", "|": "l", "!": "l", "5": "s", "8": "b", "2": "z", "6": "g", "9": "g", "q": "g"}
_LETTERS = re.compile(r"[^\W\d_]+|[|!]+")
_SURELY = frozenset("OoQDIl|SBZ")
_TOKEN = re.compile(r"\S+")
_UNSURE_DIGITS = re.compile(r"[\dOoQDIl|SBZ]{1,6}[.,]?")
# What else is written for these in one font or another
_PLAIN = str.maketrans("‐‑‒–—−﹣·‧\u00a0\u2007\u202f\u3000“”‘’`´", "-------..    \"\"''''")
_PLAIN |= {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)}  # full-width forms, which readers mix in


def plain_marks(text: str) -> str:
    """Return the text with its many dashes, dots, quotes, spaces and full-width forms as plain ones; same length."""
    text = text.translate(_PLAIN)
    return "".join(str(unicodedata.digit(c)) if not c.isascii() and c.isdigit() else c for c in text)


def read_as_digits(text: str) -> str:
    """Return the text with letters that look like digits as digits, in words that are mostly digits; same length.

    A word is what stands between spaces. It is numeric when half of its letters and digits are digits, or when it has
    a digit and nothing but look-alikes beside. One of at most six look-alikes next to a numeric one is, too.
    Letters that stand together are all digits or none: "as12" is a word and a number whose space was lost.
    """
    words = [(match.start(), match.group()) for match in _TOKEN.finditer(text)]
    numeric = [_mostly_digits(word) for _, word in words]
    out = list(text)
    for index, (start, word) in enumerate(words):
        beside = any(numeric[max(0, index - 1) : index + 2])
        if numeric[index] or (beside and _UNSURE_DIGITS.fullmatch(word)):
            out[start : start + len(word)] = _LETTERS.sub(_as_digits, word)
    return "".join(out)


def _as_digits(letters: re.Match[str]) -> str:
    digits = letters.group().translate(_AS_DIGIT)
    return digits if digits.isdecimal() else letters.group()


def _mostly_digits(word: str) -> bool:
    signs = [c for c in word if c.isalnum() or c in "|!"]
    digits = sum(c.isdigit() for c in signs)
    return digits > 0 and (2 * digits >= len(signs) or all(c.isdigit() or c in _SURELY for c in signs))


def fold_letters(text: str) -> str:
    """Return the text in lower case, without accents, one letter for all that look like it; same length."""
    return "".join(_fold(c) for c in text)


def _fold(character: str) -> str:
    base = unicodedata.normalize("NFKD", character)[:1].lower()[:1] or character
    return _LOOKS.get(base, base)
