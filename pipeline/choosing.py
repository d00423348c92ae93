"""Choosing text by what it says: which part of each region goes, and why.

The order in which policies are heeded: what a ``keep`` pattern matches stays, whatever else speaks for its going;
then what a pattern, an entity or a word matches goes; then what was read unsurely goes; the rest stays.

Unsure are words (what stands between spaces), not lines: a word goes when the mean confidence of its characters is
below ``least_score``, it has a letter or a digit, and it could be what is looked for. When only kinds made of figures
are looked for, that takes a character that is, or looks like, a digit. A region in which nothing at all was read goes
whole, and so does its beginning or end when nothing was read there over 1.5 times its height. Nothing is unsure when
nothing is looked for, or ``least_score`` is 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby, pairwise

import numpy as np

from pipeline.entities import BY_STRENGTH, KINDS, find_entities, looks_broken, looks_whole
from pipeline.errors import UsageError, require_known
from pipeline.lines import Passage, Sign, passages
from pipeline.lookalikes import read_as_digits
from pipeline.patterns import check_pattern, find_pattern
from pipeline.readings import Reading, cut_run, run_corners, run_size
from pipeline.types import Array, TextRegion
from pipeline.word_search import WordList

Marks = dict[Sign, str]

# On 15 forms in small type, degraded: 351 of 360 values go instead of 349 without it, 62 of 630 texts beside are hurt
# instead of 58; up to 0.85 that stays so, at 0.95 it is 352 and 70
LEAST_SCORE = 0.75
_FIGURES = frozenset({"amount", "credit-card", "date", "national-id", "phone", "ssn"})
_LIKE_DIGIT = re.compile(r"[\dOoQDIl|!SsBZzGq]")
# So much more than the characters goes, in heights of the line: strokes lean and blur over their borders
_WIDEN = 0.08
# So much beyond the region's outline, too, which cuts through the rim of some strokes
_BEYOND = 0.05
# Stands for ink that was not read, over so many heights of the line at least
_NOT_READ, _UNREAD = "\ufffd", 1.5
# Of a space beside them goes so much
_SPACE_SHARE = 0.6


@dataclass(frozen=True, eq=False)
class TextPolicy:
    """What is looked for in the text. Checked when made: UsageError.

    ``patterns`` and ``keep`` are regular expressions (Python's), ``entities`` kinds of ``pipeline.entities.KINDS``,
    ``words`` words or phrases, matched in any case between word boundaries, also when split. ``least_score`` in
    [0, 1] is the confidence below which a word is taken for a match; 0 turns that off.
    """

    patterns: tuple[str, ...] = ()
    entities: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    keep: tuple[str, ...] = ()
    least_score: float = LEAST_SCORE

    def __post_init__(self) -> None:
        for pattern in (*self.patterns, *self.keep):
            check_pattern(pattern)
        for kind in self.entities:
            require_known("entity", kind, KINDS)
        if not 0.0 <= self.least_score <= 1.0:
            raise UsageError(f"least_score {self.least_score} is outside [0, 1]")

    @property
    def looks_for_something(self) -> bool:
        """Whether any text is asked to go; a policy that only keeps lets everything stay."""
        return bool(self.patterns or self.entities or self.words)

    @property
    def only_figures(self) -> bool:
        """Whether all that is looked for has figures in it."""
        return not (self.patterns or self.words) and set(self.entities) <= _FIGURES

    @cached_property
    def word_list(self) -> WordList:
        """``words``, ready to be searched for."""
        return WordList(self.words)


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a region, ``polygon`` (4, 2) float32 in page pixels, and why it goes or stays.

    Reasons to go: "match", "entity:email" (or another kind), "word", "unsure"; to stay: "keep", "no match".
    """

    polygon: Array
    reason: str


@dataclass(frozen=True, eq=False)
class TextChoice:
    """What goes and what stays of the regions' text, in the regions' order, each along its run."""

    goes: tuple[Part, ...]
    stays: tuple[Part, ...]


def choose_text(regions: Sequence[TextRegion], readings: Sequence[Reading], policy: TextPolicy) -> TextChoice:
    """Return which parts of the regions go. ``readings`` are those of the regions, one each.

    Parts that go reach a little beyond their characters and beyond the region's outline (so they may leave the page
    by a pixel or two), and to the region's end when they have its first or last character; together the parts of a
    region cover it. A match may run over several regions of a line and from a line to
    the next (see ``pipeline.lines``); each region gives its part. Raises SetupError for entities whose extra is
    missing, StageError for a pattern that takes too long.
    """
    going, kept = _mark(regions, readings, policy)
    goes: list[Part] = []
    stays: list[Part] = []
    for index, (region, reading) in enumerate(zip(regions, readings, strict=True)):
        why = [
            "keep" if Sign(index, place) in kept else going.get(Sign(index, place), "")
            for place in range(len(reading.text))
        ]
        why = _without_gaps(why, reading.text)
        in_doubt = "unsure" if policy.looks_for_something and policy.least_score > 0 else ""
        if not why:
            why = [in_doubt]
        elif in_doubt:
            reading, why = _with_unread(region.polygon, reading, why)
        for part, leaves in _cut(region.polygon, reading, why):
            (goes if leaves else stays).append(part)
    return TextChoice(tuple(goes), tuple(stays))


def _without_gaps(why: list[str], text: str) -> list[str]:
    """The reasons, with those of spaces between characters that go for one reason the same: what goes is one piece."""
    filled = list(why)
    for match in re.finditer(r"\s+", text):
        before, after = match.start() - 1, match.end()
        if before >= 0 and after < len(text) and why[before] not in ("", "keep") and why[before] == why[after]:
            filled[match.start() : match.end()] = [why[before]] * len(match.group())
    return filled


def _with_unread(polygon: Array, reading: Reading, why: list[str]) -> tuple[Reading, list[str]]:
    """The reading with a sign for a long part before or after its text in which nothing was read; it is unsure."""
    length, height = run_size(run_corners(polygon))
    least = _UNREAD * height / length
    low, high = float(reading.spans[:, 0].min()), float(reading.spans[:, 1].max())
    first, last = ("high", "low") if reading.falls else ("low", "high")
    room = {"low": (0.0, low), "high": (high, 1.0)}
    before = [room[first]] if room[first][1] - room[first][0] >= least else []
    after = [room[last]] if room[last][1] - room[last][0] >= least else []
    spans = np.array([*before, *reading.spans, *after], np.float32)
    text = _NOT_READ * len(before) + reading.text + _NOT_READ * len(after)
    scores = np.array([*(0 for _ in before), *reading.scores, *(0 for _ in after)], np.float32)
    return Reading(text, reading.score, spans, scores), [*("unsure" for _ in before), *why, *("unsure" for _ in after)]


def _mark(regions: Sequence[TextRegion], readings: Sequence[Reading], policy: TextPolicy) -> tuple[Marks, set[Sign]]:
    """Why each character that goes does, and the characters that a keep pattern matches."""
    texts = passages(regions, readings) if policy.looks_for_something or policy.keep else []
    going: Marks = {}
    for passage in texts:
        for start, end in _pattern_spans(policy.patterns, passage, "--match"):
            _note(going, passage, start, end, "match")
    for kind in sorted(set(policy.entities), key=BY_STRENGTH.index):
        for sign in _entity_signs(texts, kind):
            going.setdefault(sign, f"entity:{kind}")
    for passage in texts:
        for start, end in policy.word_list.find(passage.text):
            _note(going, passage, start, end, "word")
    for sign in _unsure_signs(readings, policy):
        going.setdefault(sign, "unsure")
    kept: Marks = {}
    for passage in texts:
        for start, end in _pattern_spans(policy.keep, passage, "--keep"):
            _note(kept, passage, start, end, "keep")
    return going, set(kept)


def _note(marks: Marks, passage: Passage, start: int, end: int, reason: str) -> None:
    for sign in passage.signs[start:end]:
        if sign is not None:
            marks.setdefault(sign, reason)


def _pattern_spans(patterns: Iterable[str], passage: Passage, option: str) -> Iterator[tuple[int, int]]:
    """Matches in a passage, as read and with look-alikes as digits; in a joined one, only those across a border."""
    for number, pattern in enumerate(patterns, 1):
        for text in dict.fromkeys((passage.text, read_as_digits(passage.text))):
            for start, end in find_pattern(pattern, text, f"{option} pattern {number}"):
                if passage.counts(start, end):
                    yield start, end


def _entity_signs(texts: Sequence[Passage], kind: str) -> list[Sign]:
    """The characters of one kind of entity.

    One across a border counts unless what it has on either side is an entity by itself: then the other side is only
    what happens to stand there. Where the text is visibly broken ("info@exam-", ".org") it counts nevertheless.
    """
    whole: set[Sign] = set()
    found: dict[Sign, None] = {}
    for passage in texts:
        for start, end, _ in find_entities(passage.text, (kind,)):
            border = passage.crossed(start, end)
            if not passage.counts(start, end):
                continue
            if border is not None and _stands_alone(passage, (start, border, end), whole):
                continue
            signs = [sign for sign in passage.signs[start:end] if sign is not None]
            if looks_whole(passage.text[start:end], kind):
                whole.update(signs)
            found.update(dict.fromkeys(signs))
    return list(found)


def _stands_alone(passage: Passage, places: tuple[int, int, int], whole: set[Sign]) -> bool:
    """Whether one side of a match, given with the border it crosses, is an entity that needs no other side."""
    start, border, end = places
    if looks_broken(passage.text, border):
        return False
    first = [sign for sign in passage.signs[start:border] if sign is not None]
    second = [sign for sign in passage.signs[border:end] if sign is not None]
    return any(side and {side[0], side[-1]} <= whole for side in (first, second))


def _unsure_signs(readings: Sequence[Reading], policy: TextPolicy) -> Iterator[Sign]:
    if not policy.looks_for_something:
        return
    for index, reading in enumerate(readings):
        for match in re.finditer(r"\S+", reading.text):
            word, scores = match.group(), reading.scores[match.start() : match.end()]
            could_be = _LIKE_DIGIT.search(word) if policy.only_figures else any(c.isalnum() for c in word)
            if could_be and any(c.isalnum() for c in word) and float(scores.mean()) < policy.least_score:
                yield from (Sign(index, place) for place in range(match.start(), match.end()))


def _cut(polygon: Array, reading: Reading, why: Sequence[str]) -> Iterator[tuple[Part, bool]]:
    """(part, whether it goes) from the region's beginning to its end; ``why`` is the reason of each character."""
    corners = run_corners(polygon)
    runs = [(reason, len(list(group))) for reason, group in groupby(why)]
    length, height = run_size(corners)
    borders = _borders(reading, runs, _WIDEN * height / length)
    pieces = list(zip(runs, borders[:-1], borders[1:], strict=True))
    for (reason, _), low, high in reversed(pieces) if reading.falls else pieces:
        low, high = (1 - high, 1 - low) if reading.falls else (low, high)
        if high > low:
            part, leaves = cut_run(corners, low, high), reason not in ("", "keep")
            beyond = height * _BEYOND * np.array([low == 0, high == 1, 1, 1])
            yield Part(_grow(part, beyond) if leaves else part, reason or "no match"), leaves


def _grow(part: Array, beyond: Array) -> Array:
    """A part with its sides moved outwards by so many pixels: those at its beginning, end, top and bottom."""
    along, across = part[1] - part[0], part[3] - part[0]
    along, across = along / max(1e-6, np.hypot(*along)), across / max(1e-6, np.hypot(*across))
    before, after, above, below = beyond
    moves = ((-before, -above), (after, -above), (after, below), (-before, below))
    return (part + np.array([x * along + y * across for x, y in moves])).astype(np.float32)


def _borders(reading: Reading, runs: Sequence[tuple[str, int]], widen: float) -> list[float]:
    """Where the pieces begin and end along the text, one more than there are ``runs``; 0 and 1 are the outer ones.

    A piece that goes is widened at the cost of one that stays; next to a space, by most of it.
    """
    borders, place = [0.0], 0
    spans = 1 - reading.spans[:, ::-1] if reading.falls else reading.spans
    for (left, count), (right, _) in pairwise(runs):
        place += count
        border = float(spans[place][0] + spans[place - 1][1]) / 2
        left_goes, right_goes = left not in ("", "keep"), right not in ("", "keep")
        if left_goes != right_goes:
            beside = place if left_goes else place - 1
            room = float(spans[beside][1] - spans[beside][0])
            by = _SPACE_SHARE * room if reading.text[beside] == " " else min(widen, room / 4)
            border += by if left_goes else -by
        borders.append(float(np.clip(border, borders[-1], 1.0)))
    return [*borders, 1.0]
