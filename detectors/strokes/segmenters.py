"""The stroke segmenters that use the network: alone, and with the classical mask beside it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detectors.strokes.boxes import check_boxes, letters_like_boxes
from detectors.strokes.bubbles import Bubbles, find_bubbles, without_letters
from detectors.strokes.colours import in_pen_colours
from detectors.strokes.crossings import print_under_pens
from detectors.strokes.darkness import dark_marks
from detectors.strokes.doubts import doubtful
from detectors.strokes.enclosed import enclosing_frames
from detectors.strokes.following import followed
from detectors.strokes.learned import StrokeReader
from detectors.strokes.lines import lines_in
from detectors.strokes.on_colours import no_letters
from detectors.strokes.overlooked import overlooked
from detectors.strokes.regions import CORE, NEAR, SURE, deep, place
from detectors.strokes.repeats import repeated_print
from detectors.strokes.round_marks import find_marks
from detectors.strokes.sizes import LARGEST, Reader, page_factors, read_page, read_tall
from detectors.strokes.targets import targets
from detectors.strokes.weights import SHIPPED
from pipeline.highlights import ink_on_highlights
from pipeline.masks import grow, polygon_mask
from pipeline.selection import InkSelection
from pipeline.strokes import stroke_mask
from pipeline.threads import map_in_threads
from pipeline.types import Array, TextRegion

INK = 128  # of 255: a pixel is ink from this likelihood on, printed or handwritten
POSSIBLE = 25  # a pixel may be ink from this likelihood on ...
POSSIBLE_REACH = 3  # ... somewhere within so many px
HARDLY = 12  # ... and is the end of a handwritten stroke from this one on, where it hangs on ink that is surely one
HAND_SIDE = 31  # px: of the ink in a square of this side ...
HAND_SHARE = 0.25  # ... so much must look handwritten for any of it to be; a tip of a printed letter does not
AGREEMENT = 0.9  # the network is asked what is no ink where it finds so much of what the classical mask calls ink


@dataclass(frozen=True, slots=True, eq=False)
class Classical:
    """The classical ``mask``, what of it are ``bubbles``, and all ``dark`` marks in and near it, (H, W) bool each.

    ``targets`` (H, W) bool stay on the page whatever the network says.
    """

    mask: Array
    bubbles: Bubbles
    targets: Array
    dark: Array


class LearnedSegmenter:
    """Ink is what the network says is ink."""

    name = "learned"

    def __init__(self, weights: Path | None = None, threads: int = 1, reader: Reader | None = None) -> None:
        """``weights`` None are those that are shipped; ``reader`` replaces the network. Raises SetupError.

        ``threads`` says how many parts of a page are looked at side by side.
        """
        self._threads = threads
        self._reader = reader or StrokeReader(weights or SHIPPED, threads=threads)

    def segment(self, image: Array, regions: tuple[TextRegion, ...], selection: InkSelection) -> Array:
        """See ``StrokeSegmenter.segment``."""
        outlines = [region.polygon for region in regions]
        near = grow(polygon_mask(outlines, *image.shape[:2]), NEAR)
        # the kinds of ink are told apart by what is around them, so that then all is read
        part = near if selection.remove == "all" and not selection.whole_page else None
        levels, classical = self._look(image, outlines, part, selection)
        if selection.remove == "handwriting":
            ink = written(image, levels, selection)
        else:
            ink = (
                (likelihood(levels) >= INK)
                if classical is None
                else _veto(image, classical, outlines, levels, self._threads)
            )
            ink = ink_on_highlights(image, ink, self._threads)
            ink = ink | (likelihood(levels) >= INK) if selection.whole_page else ink
            ink = ink if classical is None else ink & ~classical.targets
            ink = ink & ~handwriting(levels) if selection.remove == "print" else ink
        return ink if selection.whole_page else ink & self._bounds(near, selection)

    def _look(
        self, image: Array, outlines: list[Array], wanted: Array | None, selection: InkSelection
    ) -> tuple[Array, Classical | None]:
        """What the network says of what is ``wanted``, and the classical mask where this segmenter needs it."""
        levels = read_page(self._reader, image, outlines, wanted)
        tall = levels if selection.remove == "handwriting" else read_tall(self._reader, image, outlines, levels)
        return tall, None

    def _bounds(self, near: Array, selection: InkSelection) -> Array | bool:
        return near


class CombinedSegmenter(LearnedSegmenter):
    """The classical mask, less what the network is sure is no ink, in regions where the two agree on the rest.

    Where the network finds only part of the text (covers, posters) it is not asked, nor in the middle of a line, where
    it takes long strokes of Chinese letters for rules. That takes out rules and frames that the classical mask eats
    with the letters they touch; what it costs in text stands in ``docs/models.md``. What the network is sure of in a
    line of text, and contrast misses, is ink as well (``overlooked``).
    """

    name = "combined"

    def _look(
        self, image: Array, outlines: list[Array], wanted: Array | None, selection: InkSelection
    ) -> tuple[Array, Classical | None]:
        if selection.remove == "handwriting":
            return super()._look(image, outlines, wanted, selection)
        # side by side, as the network leaves Python's lock to the classical mask, whose many small calls take turns
        # for it; which of the two has more to do depends on the page, so that both may have all threads
        jobs: tuple[Callable[[], Any], ...] = (
            partial(_classical, image, outlines, self._threads),
            partial(read_page, self._reader, image, outlines, wanted),
        )
        classical, levels = map_in_threads(lambda job: job(), jobs, self._threads)
        return levels, classical

    def _bounds(self, near: Array, selection: InkSelection) -> Array | bool:
        # the classical mask knows how far ink reaches out of its region; of handwriting there is none
        return near if selection.remove == "handwriting" else True


def _classical(image: Array, outlines: list[Array], threads: int) -> Classical:
    mask = stroke_mask(image, outlines, threads)
    dark = dark_marks(image, mask)
    marks = find_marks(dark)
    return Classical(mask, find_bubbles(image, mask, outlines, marks), targets(marks, dark), dark)


def _veto(image: Array, seen: Classical, outlines: list[Array], levels: Array, threads: int) -> Array:
    """The classical mask less what the network is sure is no ink, bubbles and check boxes; with what it misses."""
    classical = seen.mask
    ink = classical & ~_no_ink(image, classical, outlines, levels)
    sure = likelihood(levels) >= SURE
    bubbles = without_letters(seen.bubbles, seen.dark, sure)
    jobs = (
        partial(check_boxes, ink & ~bubbles, sure, seen.dark),
        partial(enclosing_frames, seen.dark, sure),
        partial(letters_like_boxes, seen.dark),
    )
    boxes, enclosing, letters = map_in_threads(lambda job: job(), jobs, threads)
    stays = bubbles | boxes
    ink = (ink & ~stays) | (classical & letters & ~bubbles)
    ink = ink | overlooked(image, likelihood(levels), seen.dark, ink, stays, outlines)
    return ink & ~enclosing


def _no_ink(image: Array, classical: Array, outlines: list[Array], levels: Array) -> Array:
    """What the network is believed to be no ink of the ``classical`` mask, (H, W) bool."""
    likely = likelihood(levels)
    possible = grow(likely > POSSIBLE, POSSIBLE_REACH)
    vetoed, doubted, wrong = (np.zeros(classical.shape, bool) for _ in range(3))
    largest = LARGEST * page_factors(outlines)[0]
    for outline in outlines:
        window, inside = place(outline, classical.shape)
        found, height = classical[window] & inside, min(cv2.minAreaRect(outline.astype(np.float32))[1])
        agreed = int(np.count_nonzero(found & possible[window]))
        around = grow(inside, NEAR)
        if height < largest and agreed >= AGREEMENT * max(int(np.count_nonzero(found)), 1):
            vetoed[window] |= around & ~possible[window]
            doubted[window] |= deep(inside, CORE * height)
        else:
            doubted[window] |= around
            if height < largest:
                wrong[window] |= no_letters(image[window], found, inside, likely[window], possible[window], height)
    vetoed &= ~doubted
    return wrong | (vetoed & _touching(classical, possible)) if vetoed.any() else wrong


def likelihood(levels: Array) -> Array:
    """How likely every pixel is ink of either kind, (H, W) uint8, from likelihoods (H, W, 2) uint8 of both."""
    printed, written = cv2.split(levels)  # numpy's sum over so short an axis takes ten times as long
    return cv2.add(printed, written)  # at most 255


def handwriting(levels: Array) -> Array:
    """Which ink is handwriting, (H, W) bool, from likelihoods (H, W, 2) uint8 of print and handwriting."""
    ink = (likelihood(levels) >= INK).astype(np.float32)
    written = levels[..., 1] > levels[..., 0]
    side = (HAND_SIDE, HAND_SIDE)
    share = cv2.blur(ink * written, side) / np.maximum(cv2.blur(ink, side), 1e-6)
    return written & (share > HAND_SHARE)


def written(image: Array, levels: Array, selection: InkSelection) -> Array:
    """The handwriting of a page, (H, W) bool, and nothing that only looks like it to the network.

    ``image`` (H, W, 3) uint8 RGB, ``levels`` (H, W, 2) uint8 likelihoods of print and handwriting; ``selection``
    says whether what is doubtful is believed.
    """
    ink = whole_strokes(levels)
    ink = ink & ~mistaken(image, levels, ink, selection)
    under = print_under_pens(image, levels, ink)
    ink = ink | in_pen_colours(image, levels, ink)
    return (ink | followed(image, levels, ink)) & ~under


def mistaken(image: Array, levels: Array, ink: Array, selection: InkSelection) -> Array:
    """What looks handwritten to the network and is not, (H, W) bool: lines, print and pictures. See ``written``."""
    found = repeated_print(image, ink)
    if not selection.strict:
        found = found | doubtful(image, levels, ink & ~found, selection.gone)
    return found | lines_in(image, ink & ~found)


def whole_strokes(levels: Array) -> Array:
    """Handwritten ink, (H, W) bool, followed along its strokes to where it is hardly likely any more: hairlines, tips.

    ``levels`` are likelihoods (H, W, 2) uint8 of print and handwriting. On the sample pages that leaves 3.6 % of the
    handwriting's ink instead of 5.0 %, and the page 1 dB better.
    """
    likely = likelihood(levels)
    sure = (likely >= INK) & handwriting(levels)
    hardly = ((likely >= HARDLY) & (levels[..., 1] > levels[..., 0])) | sure
    return _touching(hardly, sure)


def _touching(ink: Array, seed: Array) -> Array:
    """The connected pieces of ``ink`` (H, W) bool that ``seed`` has a pixel of.

    A piece the network sees nothing of stays ink: a dash may be a minus, or a letter in Chinese. What it takes out are
    parts of rules and frames that hang on letters.
    """
    count, label = cv2.connectedComponents(ink.view(np.uint8), connectivity=8)
    touched = np.zeros(count, bool)
    touched[label[ink & seed]] = True
    return ink & np.take(touched, label)
