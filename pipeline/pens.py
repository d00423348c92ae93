"""What lies under the strokes of a pen: its ink is see-through, so a page is never darker there than it shows."""

from __future__ import annotations

import cv2
import numpy as np

from pipeline.types import Array

DARKER = 25  # percent of a stroke's pixels are darker than its colour: its rims are paler than it is
APART = 60.0  # grey levels between pen and print, in their colours: closer together they cannot be told apart
FEWEST = 500  # pixels of print tell its colour
DARK = 0.6  # of the page's median: print is darker
LIGHT = 0.75  # ... and paper at least so light: pictures and dark cells are left to the remover
SLACK = 0.15  # of the way from pen to print: so far along, a pixel may still be pen alone ...
NOISES = 3.0  # ... and further by so many of the paper's standard deviations
_PAPER_SIDE = 25  # px, at half size
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)


def stroke_colours(image: Array, label: Array, where: Array, count: int) -> Array:
    """The colour of each stroke, (count, 3) float64 RGB; NaN where there is none.

    ``image`` (H, W, 3) uint8 RGB, ``label`` (H, W) int the number of each pixel's stroke, ``where`` (H, W) bool the
    pixels that tell.
    """
    rows, columns = np.nonzero(where)
    order = np.argsort(label[rows, columns], kind="stable")
    rows, columns = rows[order], columns[order]
    cuts = np.searchsorted(label[rows, columns], np.arange(count + 1))
    colours = np.full((count, 3), np.nan)
    for k in range(count):
        part = slice(cuts[k], cuts[k + 1])
        if cuts[k + 1] > cuts[k]:
            colours[k] = np.percentile(image[rows[part], columns[part]], DARKER, axis=0)
    return colours


def towards(image: Array, start: Array, end: Array) -> Array:
    """How far along from ``start`` to ``end`` colours (N, 3) lie, (N,): 0 at the start, 1 at the end."""
    away = end - start
    length = np.linalg.norm(away, axis=1)
    return np.asarray(((image - start) * away).sum(axis=1) / np.maximum(length, 1) ** 2)


def clear_paper(before: Array, after: Array, mask: Array) -> Array:
    """``after`` with no more print under pen strokes than ``before`` shows through them, (H, W, 3) uint8 RGB.

    Where a stroke has the pen's own colour there is paper behind it, and the further its colour is on the way to that
    of print, the darker may be what is there. A network that fills in strokes across print goes on with the print
    between letters, too, and leaves a smear. Pens as dark as print hide it: what was made up under them stays.

    ``before`` and ``after`` (H, W, 3) uint8 RGB are the page with and without the strokes, ``mask`` (H, W) bool is
    their ink. Pixels outside the mask are not changed.
    """
    outside = ~cv2.dilate(mask.view(np.uint8), np.ones((5, 5), np.uint8)).view(bool)
    light = after @ _LUMA
    median = float(np.median(light))
    printed = outside & (light < DARK * median)
    if not mask.any() or np.count_nonzero(printed) < FEWEST:
        return after
    toner = np.percentile(after[printed], DARKER, axis=0)
    count, label = cv2.connectedComponents(mask.view(np.uint8), connectivity=8)
    pens = stroke_colours(before, label, mask, count)
    rows, columns = np.nonzero(mask)
    pen = pens[label[rows, columns]]
    apart, smooth = np.linalg.norm(toner - pen, axis=1), _paper(after)
    noise = 1.48 * float(np.median(np.abs(light - smooth @ _LUMA)[outside & ~printed]))
    slack = SLACK + NOISES * noise / np.maximum(apart, 1)
    along = np.clip(towards(before[rows, columns], pen, toner) + slack, 0, 1)
    paper, now = smooth[rows, columns].astype(np.float32), after[rows, columns].astype(np.float32)
    least = paper @ _LUMA * (1 - along) + float(toner @ _LUMA) * along
    known = (apart > APART) & (paper @ _LUMA > LIGHT * median)
    missing = np.where(known, least - now @ _LUMA, 0) / np.maximum(paper @ _LUMA - now @ _LUMA, 1)
    result = after.copy()
    result[rows, columns] = np.rint(now + (paper - now) * np.clip(missing, 0, 1)[:, None]).astype(np.uint8)
    return result


def _paper(image: Array) -> Array:
    half = cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return cv2.resize(cv2.medianBlur(half, _PAPER_SIDE), image.shape[1::-1], interpolation=cv2.INTER_LINEAR)
