"""Regions as lines of running text: which stands beside which, which line follows which, and their text as one.

Lines are formed apart for each direction text runs in (right, down, left, up). In the frame of a direction a region
joins the line whose last region it stands beside: their heights overlap by half of the smaller, are alike, and the
gap is at most 2.5 times the height; wider gaps part columns. A line is followed by the nearest one below it whose
extent overlaps its own, that is at most 1.5 heights away and of a like height; columns are thereby followed down, and
rows of a form are lines of their own. Lines of text that runs down follow each other to the left, as in Chinese.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, product
from typing import NamedTuple

import numpy as np

from pipeline.lookalikes import plain_marks
from pipeline.readings import Reading, run_corners
from pipeline.types import Array, TextRegion

_WIDEST_GAP, _FARTHEST_LINE = 2.5, 1.5
_OVERLAP, _ALIKE = 0.5, 0.5
# Characters stand apart in so many words or more of at most so many letters each, and so many in the mean: some
# spaces between cells are not read
_CELLS, _MOST, _MEAN = 4, 3, 1.7
# What may be one value in cells has so many signs at most, spaces and all, and so many letters a word in the mean
_SHORT, _SHORT_WORDS = 60, 3.5
_WORD = re.compile(r"\S+")


class Sign(NamedTuple):
    """One character of a page: its region and its place in the region's text."""

    region: int
    place: int


_NO_SIGNS: tuple[Sign | None, ...] = ()


@dataclass(frozen=True)
class Passage:
    """Text that is searched as one. ``signs`` has for each character where it is from; None for what was put in.

    ``borders`` are the places in ``text`` at which another region or line begins; a match that does not reach across
    one of them is found in a shorter passage, too. Of a passage that is ``all_or_nothing`` only a match of all its
    text counts.
    """

    text: str
    signs: tuple[Sign | None, ...]
    borders: tuple[int, ...] = ()
    all_or_nothing: bool = False

    def counts(self, start: int, end: int) -> bool:
        """Whether a match of ``text[start:end]`` says something that a shorter passage does not."""
        if self.all_or_nothing:
            return start == 0 and end >= len(self.text.rstrip(".,;:"))
        return not self.borders or self.crossed(start, end) is not None

    def crossed(self, start: int, end: int) -> int | None:
        """The first border that ``text[start:end]`` reaches across."""
        return next((border for border in self.borders if start < border < end), None)


@dataclass(frozen=True)
class _Placed:
    """A region in the frame of its line: ``low``..``high`` along it, ``top``..``bottom`` across."""

    index: int
    low: float
    high: float
    top: float
    bottom: float

    @property
    def height(self) -> float:
        return self.bottom - self.top


def passages(regions: Sequence[TextRegion], readings: Sequence[Reading]) -> list[Passage]:
    """Return everything to search: each region, then lines of several, then pairs of lines that follow each other.

    Neighbours are joined twice, with a space and without, for a reader may have lost or made one; a hyphen at a
    line's end is left out a third time. Text in which characters stand apart, as in the cells of a form, is there a
    second time without its spaces; so is a region of a few short words, but only as a whole. All text is
    ``plain_marks``'.
    """
    single = [_region_passage(index, reading) for index, reading in enumerate(readings)]
    lines = form_lines(regions, readings)
    beside, below = [], []
    for line in lines:
        if len(line) > 1:
            beside += [_join([single[i] for i in line], gap) for gap in (" ", "")]
    for first, second in _following(lines, regions, readings):
        upper, lower = _join([single[i] for i in first], " "), _join([single[i] for i in second], " ")
        below += [_join([upper, lower], gap, inner=False) for gap in (" ", "")]
        if upper.text.rstrip().endswith("-"):
            bare = len(upper.text.rstrip()) - 1
            below.append(_join([Passage(upper.text[:bare], upper.signs[:bare]), lower], "", inner=False))
    tight = [_tight(passage) for passage in single if _is_broken_up(passage.text)]
    return single + _closed_up(single) + tight + beside + _closed_up(beside) + below


def _is_broken_up(text: str) -> bool:
    """Whether a text may be one value in cells: some words, short ones."""
    words = text.split()
    return len(text) <= _SHORT and len(words) > 1 and sum(map(str.isalnum, text)) <= _SHORT_WORDS * len(words)


def _tight(passage: Passage) -> Passage:
    kept = [place for place, character in enumerate(passage.text) if not character.isspace()]
    text = "".join(passage.text[place] for place in kept)
    return Passage(text, tuple(passage.signs[place] for place in kept), all_or_nothing=True)


def _closed_up(texts: Sequence[Passage]) -> list[Passage]:
    """Those passages in which single characters stand apart, without the spaces between them."""
    found = []
    for passage in texts:
        text = passage.text
        gaps = {place for start, end in _cells(text) for place in range(start, end) if text[place].isspace()}
        if gaps:
            kept = [place for place in range(len(text)) if place not in gaps]
            found.append(Passage("".join(text[p] for p in kept), tuple(passage.signs[p] for p in kept)))
    return found


def form_lines(regions: Sequence[TextRegion], readings: Sequence[Reading]) -> list[tuple[int, ...]]:
    """Return the regions that say something as lines, each a tuple of places in ``regions`` in reading order."""
    found = []
    for _, group in groupby(sorted(_placed(regions, readings), key=lambda item: item[0]), key=lambda item: item[0]):
        found += _lines_of([placed for _, placed in group])
    return [tuple(placed.index for placed in line) for line in found]


def _cells(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of the runs of words that are cells of one or two characters."""
    words = [(match, sum(c.isalnum() for c in match.group())) for match in _WORD.finditer(text)]
    for short, group in groupby(words, key=lambda word: word[1] <= _MOST):
        run = list(group)
        if short and len(run) >= _CELLS and sum(count for _, count in run) <= _MEAN * len(run):
            yield run[0][0].start(), run[-1][0].end()


def _region_passage(index: int, reading: Reading) -> Passage:
    return Passage(plain_marks(reading.text), tuple(Sign(index, place) for place in range(len(reading.text))))


def _join(parts: Sequence[Passage], gap: str, inner: bool = True) -> Passage:
    """One passage of several; ``inner`` keeps the borders they have."""
    text, signs, borders = "", _NO_SIGNS, []
    for part in parts:
        if text:
            text, signs = text + gap, signs + (None,) * len(gap)
            borders.append(len(text))
        borders += [len(text) + border for border in part.borders] if inner else []
        text, signs = text + part.text, signs + part.signs
    return Passage(text, signs, tuple(borders))


def _placed(regions: Sequence[TextRegion], readings: Sequence[Reading]) -> Iterator[tuple[int, _Placed]]:
    """(quarter turns of the direction its text runs in, place in that direction's frame) of each region with text."""
    runs = [run_corners(region.polygon) for region in regions]
    ways = [_way(corners, reading) for corners, reading in zip(runs, readings, strict=True)]
    quarters = [int(np.round(np.arctan2(y, x) / (np.pi / 2))) % 4 for x, y in ways]
    for quarter in range(4):
        mine = [i for i, q in enumerate(quarters) if q == quarter and readings[i].text.strip()]
        if not mine:
            continue
        angle = float(np.median([_angle(ways[i], quarter) for i in mine])) + quarter * np.pi / 2
        along, across = (np.cos(angle), np.sin(angle)), (-np.sin(angle), np.cos(angle))
        for i in mine:
            u, v = runs[i] @ np.array(along), runs[i] @ np.array(across)
            # of a region that is askew the box is too high: its own height is
            half = min(np.ptp(v), np.linalg.norm(runs[i][3] - runs[i][0])) / 2
            middle = (v.min() + v.max()) / 2
            yield quarter, _Placed(i, float(u.min()), float(u.max()), float(middle - half), float(middle + half))


def _way(corners: Array, reading: Reading) -> Array:
    way = corners[1] - corners[0] + corners[2] - corners[3]
    return -way if reading.falls else way


def _angle(way: Array, quarter: int) -> float:
    """How far a direction is from its quarter turn, in radians."""
    off = np.arctan2(way[1], way[0]) - quarter * np.pi / 2
    return float((off + np.pi) % (2 * np.pi) - np.pi)


def _lines_of(placed: Sequence[_Placed]) -> list[list[_Placed]]:
    lines: list[list[_Placed]] = []
    for region in sorted(placed, key=lambda p: (p.low, p.top, p.index)):
        fitting = [line for line in lines if _beside(line[-1], region)]
        if fitting:
            min(fitting, key=lambda line: (abs(line[-1].top - region.top), region.low - line[-1].high)).append(region)
        else:
            lines.append([region])
    return sorted(lines, key=lambda line: (line[0].top, line[0].low, line[0].index))


def _beside(left: _Placed, right: _Placed) -> bool:
    smaller, larger = sorted((left.height, right.height))
    overlap = min(left.bottom, right.bottom) - max(left.top, right.top)
    gap = right.low - left.high
    return overlap >= _OVERLAP * smaller and smaller >= 0.4 * larger and -larger <= gap <= _WIDEST_GAP * larger


def _following(
    lines: Sequence[tuple[int, ...]], regions: Sequence[TextRegion], readings: Sequence[Reading]
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Pairs of a line and the one that follows it, and of a line up to a region and the next from what is below that.

    The latter is how text runs on in a cell of a table, or in one of two columns.
    """
    places = {placed.index: (quarter, placed) for quarter, placed in _placed(regions, readings)}
    boxes = [_around([places[i] for i in line]) for line in lines]
    for first, (quarter, upper) in enumerate(boxes):
        below = sorted(
            (lower.top - upper.bottom, second)
            for second, (other, lower) in enumerate(boxes)
            if other == quarter and second != first and _below(upper, lower)
        )
        if below:
            yield lines[first], lines[below[0][1]]
        # the lines of other columns, at about the same height
        for _, second in (near for near in below if near[0] <= below[0][0] + upper.height / 2):
            for last, start in product(range(len(lines[first])), range(len(lines[second]))):
                head, tail = lines[first][: last + 1], lines[second][start:]
                whole = (head, tail) == (lines[first], lines[below[0][1]])
                if not whole and _apart(places[head[-1]][1], places[tail[0]][1]) < 0:
                    yield head, tail


def _around(line: Sequence[tuple[int, _Placed]]) -> tuple[int, _Placed]:
    placed = [item for _, item in line]
    tall = float(np.median([item.height for item in placed]))
    middle = float(np.mean([(item.top + item.bottom) / 2 for item in placed]))
    low, high = min(item.low for item in placed), max(item.high for item in placed)
    return line[0][0], _Placed(placed[0].index, low, high, middle - tall / 2, middle + tall / 2)


def _below(upper: _Placed, lower: _Placed) -> bool:
    smaller, larger = sorted((upper.height, lower.height))
    gap = lower.top - upper.bottom
    alike = smaller >= _ALIKE * larger and -0.5 * smaller <= gap <= _FARTHEST_LINE * smaller
    return alike and _apart(upper, lower) < 0


def _apart(upper: _Placed, lower: _Placed) -> float:
    """How far two regions of different lines are from standing one over the other, along the line."""
    return max(upper.low, lower.low) - min(upper.high, lower.high)
