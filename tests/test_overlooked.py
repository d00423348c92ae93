"""Text that the classical mask misses and the stroke network is sure of goes, and nothing else does."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from detectors.strokes.overlooked import overlooked
from detectors.strokes.segmenters import CombinedSegmenter
from pipeline.selection import InkSelection
from pipeline.types import TextRegion

LINE = np.array([[20, 20], [380, 20], [380, 60], [20, 60]], np.float32)
NOTHING = np.zeros((80, 400), bool)


def a_line(grey=30):
    """A line of letters, where their ink is, and how likely it is ink to a network that is sure."""
    page, strokes = np.full((80, 400, 3), 230, np.uint8), np.zeros((80, 400), np.uint8)
    for image, level in ((page, (grey, grey, grey)), (strokes, 255)):
        cv2.putText(image, "other nights she did not", (30, 50), cv2.FONT_HERSHEY_SIMPLEX, 0.9, level, 2, cv2.LINE_AA)
    return page, strokes > 100, strokes


def test_half_of_each_letter_is_found_with_its_rim():
    page, ink, likely = a_line()
    upper = ink.copy()
    upper[41:] = False
    found = overlooked(page, likely, likely > 60, upper, NOTHING, [LINE])
    lower = ink.copy()
    lower[:43] = False
    assert (found & lower).sum() > 0.9 * lower.sum()
    assert found.sum() > (found & ink).sum(), "anti-aliased pixels are ink, too"
    assert not found[:39].any()


def test_what_is_unsure_or_known_or_no_text_is_not():
    page, ink, likely = a_line()
    assert not overlooked(page, likely, likely > 60, ink, NOTHING, [LINE]).any()
    assert not overlooked(page, np.minimum(likely, 200), likely > 60, NOTHING, NOTHING, [LINE]).any(), (
        "the network is not sure"
    )
    assert not overlooked(page, likely, likely > 60, NOTHING, NOTHING, [np.add(LINE, (0, 300))]).any(), (
        "no text was found there"
    )
    assert not overlooked(page, likely, likely > 60, NOTHING, NOTHING, []).any()


def test_what_touches_a_shape_that_stays_is_a_part_of_it():
    page, ink, likely = a_line()
    stays = np.zeros_like(ink)
    stays[:, 28:60] = ink[:, 28:60]
    found = overlooked(page, likely, likely > 60, NOTHING, stays, [LINE])
    assert not found[:, 28:50].any() and found[:, 100:].any()


def test_an_underline_at_the_edge_of_its_line_stays():
    page, likely = np.full((80, 400, 3), 230, np.uint8), np.zeros((80, 400), np.uint8)
    page[54:57, 30:370], likely[54:57, 30:370] = 20, 255
    assert not overlooked(page, likely, likely > 60, NOTHING, NOTHING, [LINE]).any()


def test_the_middle_of_a_mark_that_is_filled_in_stays():
    page, likely = np.full((80, 400, 3), 230, np.uint8), np.zeros((80, 400), np.uint8)
    page[25:55, 100:130], likely[36:44, 111:119] = 20, 255
    assert not overlooked(page, likely, likely > 60, NOTHING, NOTHING, [LINE]).any()
    page[25:55, 100:130] = 230
    page[36:44, 111:119] = 20
    assert overlooked(page, likely, likely > 60, NOTHING, NOTHING, [LINE]).any(), "a full stop of that size"


class Sure:
    """Stands in for the network: it is sure of all that is dark."""

    def read(self, image, wanted=None):
        dark = (image.max(axis=2) < 90).astype(np.uint8) * 255
        return np.dstack([dark, np.zeros_like(dark)])


@pytest.mark.parametrize(
    ("lead", "above", "below", "marker"),
    [(36, 0, 6, (250, 160, 80)), (40, 0, 6, (170, 115, 220)), (40, 3, 6, (95, 165, 235))],
)
def test_no_letter_is_left_where_a_highlight_cuts_its_line(lead, above, below, marker):
    """Beyond the edge of a text marker the classical mask leaves some 200 to 450 px of the letters."""
    page = np.full((160, 600, 3), 246, np.uint8)
    tops = (22, 22 + lead)
    for top, left, words in zip(
        tops, (90, 130), ("they could find their way", "But on other nights she did"), strict=True
    ):
        page[top + above : top + 36 - below, left:540] = marker
        place = (60, top + 28)
        cv2.putText(page, words, place, cv2.FONT_HERSHEY_SIMPLEX, 0.9, (25, 25, 25), 2, cv2.LINE_AA)
    page = cv2.GaussianBlur(page, (0, 0), 0.8)
    box = np.array([[50, 0], [540, 0], [540, lead], [50, lead]], np.float32)
    regions = tuple(TextRegion(box + np.float32([0, top - 2])) for top in tops)
    ink = CombinedSegmenter(reader=Sure()).segment(page, regions, InkSelection("all", "regions"))
    assert ((page.max(axis=2) < 90) & ~ink).sum() < 20
