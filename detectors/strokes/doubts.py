"""Pages with hardly any handwriting: there, what looks written but may be print or part of a picture stays."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from detectors.strokes.darkness import darkness
from pipeline.masks import grow
from pipeline.pens import APART, stroke_colours
from pipeline.types import Array

TOGETHER = 12  # px: handwriting so near to other handwriting is one piece with it, and what is so near is around it
INK = 128  # of 255: a pixel is ink from this likelihood on
FEWEST = 100  # px: less is a speck
LIKELY = 110  # of 255: handwriting is so likely, on average, all over a piece that is sure
PRINT = 0.12  # of the likelihood of ink in a piece is that of print in one that may be print, ...
AMONG = 0.15  # ... and of the ink in and around it so much is print in its colour, ...
FEW = 0.15  # ... and no more of the page's ink looks written; of a page that is written on one piece tells another
PALE = 0.3  # of the darkness of a piece: what is darker around it is no paper; ...
CALM = 0.6  # ... and so much of what is around handwriting is paper, other than in pictures, ...
DIM = 0.75  # ... whose paper is not so much darker than the page's
MOST = 0.5  # of what looks written on a page must be sure for the rest to be believed


def doubtful(image: Array, levels: Array, ink: Array, gone: int = 0) -> Array:
    """Which of the handwritten ``ink`` is most likely none, (H, W) bool; nothing on a page that is written on.

    The network knows Latin print. Of Chinese, of coloured print and of pictures it takes bits for handwriting, but is
    not sure, or sees print all around. So it does with bits of real handwriting: these are believed if most of what
    looks written on the page is beyond doubt.

    ``image`` (H, W, 3) uint8 RGB, ``levels`` (H, W, 2) uint8 likelihoods of print and handwriting, ``ink`` (H, W) bool.
    ``gone`` is how many pixels of handwriting the page had that are not on it any more.
    """
    near = grow(ink, TOGETHER)
    count, label = cv2.connectedComponents(near.view(np.uint8), connectivity=8)
    place = np.nonzero(near)
    part = _Part(label[place], ink[place], levels[place].astype(np.int64), image[place], darkness(image)[place], count)
    printed = (cv2.add(*cv2.split(levels)) >= INK) & ~ink
    area = part.size(part.ink)
    unsure = (area < FEWEST) | (part.mean(part.levels[:, 1], part.ink) < LIKELY)
    paper = ~grow(ink | printed, 2)[place]
    unsure |= (part.calm(paper) < CALM) | (part.light() < DIM * np.median(image))
    if area.sum() + gone <= FEW * (np.count_nonzero(ink | printed) + gone):
        unsure |= part.like(printed[place])
    unsure[0] = False
    found = np.zeros(ink.shape, bool)
    if area[~unsure].sum() + gone < MOST * (area.sum() + gone):
        found[place] = part.ink & unsure[part.label]
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Part:
    """The pixels in and around what looks written, N of them in ``count`` pieces, of which number 0 is none.

    ``label`` (N,) int, ``ink`` (N,) bool, ``levels`` (N, 2) int, ``image`` (N, 3) uint8 RGB, ``dark`` (N,) uint8.
    """

    label: Array
    ink: Array
    levels: Array
    image: Array
    dark: Array
    count: int

    def size(self, where: Array) -> Array:
        """How many pixels ``where`` (N,) bool of each piece, (count,) int."""
        return np.bincount(self.label[where], minlength=self.count)

    def mean(self, values: Array, where: Array) -> Array:
        """The mean of values (N,) ``where`` (N,) bool of each piece, (count,) float64; 0 if nowhere."""
        sums = np.bincount(self.label[where], values[where], self.count)
        return np.asarray(sums / np.maximum(self.size(where), 1))

    def colour(self, where: Array) -> Array:
        """The colour ``where`` (N,) bool of each piece, (count, 3) float64 RGB; NaN if nowhere."""
        return stroke_colours(self.image[None], self.label[None], where[None], self.count)

    def calm(self, paper: Array) -> Array:
        """How much of the ``paper`` (N,) bool around each piece is about as light as paper, (count,)."""
        limit = PALE * self.mean(self.dark, self.ink)
        return self.mean(self.dark < limit[self.label], paper)

    def light(self) -> Array:
        """The grey level of the paper that each piece is on, (count,)."""
        return self.mean(self.image.mean(axis=1) + self.dark, np.ones(len(self.dark), bool))

    def like(self, printed: Array) -> Array:
        """Which pieces may be print as the ``printed`` ink (N,) bool around them is, (count,) bool."""
        beside, area = self.size(printed), self.size(self.ink)
        share = self.mean(self.levels[:, 0], self.ink) >= PRINT * self.mean(self.levels.sum(axis=1), self.ink)
        apart = np.linalg.norm(self.colour(self.ink & (self.levels[:, 1] >= INK)) - self.colour(printed), axis=1)
        return np.asarray(share & (beside >= AMONG * (area + beside)) & ~(apart > APART))
