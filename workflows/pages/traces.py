"""Whether text that was removed can be read still where it stood: in outlines, or in places smoother than the ground.

No detector sees such shapes, and a reader that is shown a place and asked what it says reads them. Alone that is no
proof, as it reads something into any ground; but if it reads what stood there, then so can others.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from pipeline.readings import Reading, cut_run, part_of, run_corners, run_size, says_the_same
from pipeline.residue import LEGIBLE_WORD, is_dark, shapes_in
from pipeline.types import Array, TextRegion
from workflows.pages.polygons import as_regions

PIECE = 6  # times its height: so much of a line on a busy ground is read at a time, for a word may be left in garbage

Reader = Callable[[Array, Sequence[TextRegion]], Sequence[Reading]]


@dataclass(frozen=True, slots=True, eq=False)
class Piece:
    """A part of a polygon, by its ``number``: ``outline`` (N, 2), between two shares of its run."""

    number: int
    outline: Array
    low: float = 0.0
    high: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Traces:
    """Looks for traces of what ``polygons`` (N, 2) said on a page ``before`` (H, W, 3) uint8 RGB it was cleaned.

    ``read`` says what regions of an image say; ``read_upright`` does so for text that does not stand on its head, in
    half the time.
    """

    before: Array
    polygons: tuple[Array, ...]
    read: Reader
    read_upright: Reader
    _said: dict[int, Reading] = field(default_factory=dict, repr=False)  # a document's words

    def legible(self, page: Array, among: Callable[[Array], bool]) -> list[Array]:
        """Those polygons ``among`` wants that say some of what they said, on a page like ``before``."""
        wanted = [number for number, polygon in enumerate(self.polygons) if among(polygon)]
        pieces = [piece for number in wanted for piece in _cut(page, number, self.polygons[number])]
        wordy = [pair for pair in self._ask(self.read_upright, page, pieces) if _is_wordy(pair[1])]
        self._learn(piece.number for piece, _ in wordy)
        wordy = [pair for pair in wordy if self._said[pair[0].number].score >= LEGIBLE_WORD]  # it was no picture
        on_their_heads = [piece for piece, _ in wordy if self._said[piece.number].falls]
        told = [*wordy, *self._ask(self.read, page, on_their_heads)]
        same = {p.number for p, says in told if says_the_same(part_of(self._said[p.number], p.low, p.high), says)}
        return [self.polygons[number] for number in sorted(same)]

    def _learn(self, numbers: Iterable[int]) -> None:
        """Read what polygons said at first, each once."""
        new = [Piece(number, self.polygons[number]) for number in dict.fromkeys(numbers) if number not in self._said]
        self._said.update((piece.number, says) for piece, says in self._ask(self.read, self.before, new))

    def _ask(self, read: Reader, page: Array, pieces: Sequence[Piece]) -> list[tuple[Piece, Reading]]:
        """What pieces say; readers know dark on light."""
        dark = [piece for piece in pieces if is_dark(self.before, piece.outline)]
        light = [piece for piece in pieces if piece not in dark]
        answers: list[tuple[Piece, Reading]] = []
        for turned, asked in ((False, light), (True, dark)):
            if asked:
                readings = read(255 - page if turned else page, as_regions([piece.outline for piece in asked]))
                answers += zip(asked, readings, strict=True)
        return answers


def _cut(page: Array, number: int, polygon: Array) -> list[Piece]:
    """What of a polygon to read on a page: nothing, all, or pieces that overlap by half."""
    shapes = shapes_in(page, polygon)
    if not shapes.any:
        return []
    corners = run_corners(polygon)
    length, height = run_size(corners)
    count = round(length / (PIECE * height))
    if not shapes.busy or count < 2:
        return [Piece(number, polygon)]
    lows = [k / (2 * count) for k in range(2 * count - 1)]
    return [Piece(number, cut_run(corners, low, low + 1 / count), low, low + 1 / count) for low in lows]


def _is_wordy(reading: Reading) -> bool:
    return sum(map(str.isalnum, reading.text)) >= 2
