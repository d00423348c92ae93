"""Whether text that was removed can be read still where it stood: in outlines, or in places smoother than the ground.

No detector sees such shapes, and a reader that is shown a place and asked what it says reads them. Alone that is no
proof, as it reads something into any ground; but if it reads what stood there, then so can others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from pipeline.readings import LEAST_SHARED, Reading, says_the_same
from pipeline.residue import has_shapes, is_dark
from pipeline.types import Array, TextRegion
from workflows.pages.polygons import as_regions

Reader = Callable[[Array, Sequence[TextRegion]], Sequence[Reading]]


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
    _said: dict[int, Reading] = field(default_factory=dict)

    def legible(self, page: Array, among: Callable[[Array], bool]) -> list[Array]:
        """Those polygons that still say what they said, on a page as ``before``; of those only that ``among`` wants."""
        places = [number for number, p in enumerate(self.polygons) if among(p) and has_shapes(page, p)]
        said = self._ask(self.read_upright, page, places)
        wordy = [number for number, reading in said.items() if sum(map(str.isalnum, reading.text)) >= LEAST_SHARED]
        self._said.update(self._ask(self.read, self.before, [number for number in wordy if number not in self._said]))
        turned = [number for number in wordy if self._said[number].falls]
        said |= self._ask(self.read, page, turned)
        return [self.polygons[number] for number in wordy if says_the_same(self._said[number], said[number])]

    def _ask(self, read: Reader, page: Array, numbers: Sequence[int]) -> dict[int, Reading]:
        """What polygons say; readers know dark on light."""
        dark = [number for number in numbers if is_dark(self.before, self.polygons[number])]
        light = [number for number in numbers if number not in dark]
        answers: dict[int, Reading] = {}
        for shown, asked in ((page, light), (255 - page, dark) if dark else (page, dark)):
            readings = read(shown, as_regions([self.polygons[number] for number in asked])) if asked else ()
            answers |= dict(zip(asked, readings, strict=True))
        return answers
