"""Codes for machines on a page, QR codes, bar codes and their like: they may say again what was removed.

They are read by ZXing, also enlarged; a QR code that is too damaged to be read is still found by OpenCV's detector,
by its three corners. What neither finds, a phone held over the page will hardly read.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from pipeline.choosing import TextPolicy
from pipeline.entities import find_entities
from pipeline.masks import polygon_mask
from pipeline.patterns import find_pattern
from pipeline.residue import window_of
from pipeline.types import Array

_ENLARGED, _MOST_PIXELS = 2, 40_000_000  # small codes of blurred scans are read when enlarged, unless that is too large
_LEAST_SIDE = 8.0  # px: no smaller is a code
_RIM = 2  # px of blur around a code


@dataclass(frozen=True, slots=True, eq=False)
class Code:
    """A code on a page: its ``kind`` in words, its outline (4, 2) float32 (x, y) in pixels, and what it says.

    ``text`` is None where it was found but cannot be read.
    """

    kind: str
    polygon: Array
    text: str | None


def find_codes(image: Array) -> tuple[Code, ...]:
    """The codes on a page (H, W, 3) uint8 RGB, each once, from top to bottom."""
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    found: list[Code] = []
    for code in (*_read(grey, 1), *_read(grey, _ENLARGED), *_corners_only(grey)):
        middle = tuple(map(float, code.polygon.mean(axis=0)))
        if min(cv2.minAreaRect(code.polygon)[1]) < _LEAST_SIDE:
            continue
        if not any(cv2.pointPolygonTest(known.polygon, middle, False) >= 0 for known in found):
            found.append(code)
    return tuple(sorted(found, key=lambda code: tuple(code.polygon.min(axis=0)[::-1])))


def _read(grey: Array, scale: int) -> Iterator[Code]:
    import zxingcpp

    if scale > 1 and grey.size * scale * scale > _MOST_PIXELS:
        return
    seen = grey if scale == 1 else cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)
    for result in zxingcpp.read_barcodes(seen):
        place = result.position
        corners = (place.top_left, place.top_right, place.bottom_right, place.bottom_left)
        polygon = np.array([(corner.x, corner.y) for corner in corners], np.float32) / scale
        yield Code(str(result.format), polygon, result.text)


def _corners_only(grey: Array) -> Iterator[Code]:
    found, polygons = cv2.QRCodeDetector().detectMulti(grey)
    for polygon in polygons if found else ():
        yield Code("QR Code", polygon.astype(np.float32), None)


def code_mask(image: Array, code: Code) -> Array:
    """All that belongs to a code on a page, (H, W) bool: its outline, and the bars and modules that reach out of it."""
    height, width = image.shape[:2]
    inside = polygon_mask([code.polygon], height, width)
    reach = round(min(cv2.minAreaRect(code.polygon)[1]))
    window = window_of(code.polygon, inside.shape, margin=reach)
    if window is None:
        return inside
    grey = cv2.cvtColor(np.ascontiguousarray(image[window.slices]), cv2.COLOR_RGB2GRAY)
    _, dark = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY_INV | cv2.THRESH_OTSU)
    count, label = cv2.connectedComponents(dark)
    part = inside[window.slices]
    touching = np.bincount(label[part], minlength=count)
    own = touching * 4 >= np.bincount(label.ravel(), minlength=count)  # a frame around it is none of its bars
    own[0] = False
    whole = inside.copy()
    whole[window.slices] |= (own & (touching > 0))[label]
    return cv2.dilate(whole.astype(np.uint8), np.ones((2 * _RIM + 1,) * 2, np.uint8)).astype(bool)


def says_what_goes(code: Code, policy: TextPolicy) -> bool:
    """Whether what a code says holds what is looked for; nothing does in a code that cannot be read.

    A ``keep`` pattern that matches anything in it keeps all of it. Raises as ``choose_text`` does.
    """
    text = code.text
    if text is None:
        return False
    for number, pattern in enumerate(policy.keep, 1):
        if find_pattern(pattern, text, f"--keep pattern {number}"):
            return False
    if any(find_pattern(one, text, f"--match pattern {n}") for n, one in enumerate(policy.patterns, 1)):
        return True
    return bool(find_entities(text, policy.entities)) or any(True for _ in policy.word_list.find(text))
