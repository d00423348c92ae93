"""Small pictures of a page for the report and for a dry run: what goes, for which reason; what stays; what is unsure.

Colour is never alone: where a picture shows more than one kind of mark, each patch carries the short code that the
legend in ``marks.py`` gives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from pipeline.errors import StageError
from pipeline.marks import STAYS, UNSURE, Mark, legend
from pipeline.types import Array

PREVIEW_SIDE = 840
"""Longest side of a preview in pixels: a page stays recognizable, its picture is some 10 to 150 kB."""

_MOST_BADGES = 60
"""Codes shown for each reason of a page, at its largest patches; more would hide the page."""

_Box = tuple[int, int, int, int]


def draw_overlay(image: Array, goes: Mapping[str, Array], stays: Array | None = None) -> Array:
    """The page, faded to grey, with marks on it. Deterministic.

    Args:
        image: (H, W, 3) uint8 RGB.
        goes: reason -> (H, W) bool, the pixels that go for it; "unsure" is one. Empty masks are fine.
        stays: (H, W) bool, ink that was looked at and stays.

    Returns:
        (H, W, 3) uint8 RGB. Ink is painted in its mark's colour on a pale patch; patches carry codes when there is
        more than one kind of mark, or an unsure one.
    """
    pole = 255 if np.median(image[::4, ::4].mean(axis=2)) >= 96 else 0
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    faded = np.round(grey * 0.4 + pole * 0.6).astype(np.uint8)
    canvas: Array = np.repeat(faded[..., None], 3, axis=2)
    painted = [(mark, goes[reason]) for reason, mark in legend(goes).items() if goes[reason].any()]
    if stays is not None:
        canvas[stays] = STAYS.colour
    reach = max(2, round(max(grey.shape) / 350))
    for mark, mask in painted:
        _tint(canvas, mask, (mark.colour, pole, reach))
    for mark, mask in painted:
        canvas[mask] = mark.colour
    if len(painted) > 1 or (painted and painted[0][0] == UNSURE):
        canvas = _with_codes(canvas, painted, reach)
    return canvas


def _tint(canvas: Array, mask: Array, look: tuple[tuple[int, int, int], int, int]) -> None:
    """Lay a pale patch around the ink, in place: 70 % of it shows, so that what is below can still be made out."""
    colour, pole, reach = look
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    patch = cv2.dilate(mask.astype(np.uint8), kernel).astype(bool)
    pale = np.array(colour, np.float32) * 0.25 + pole * 0.75
    canvas[patch] = np.round(canvas[patch] * 0.3 + pale * 0.7).astype(np.uint8)


def _with_codes(canvas: Array, painted: Sequence[tuple[Mark, Array]], reach: int) -> Array:
    """Put each mark's code beside its patches, largest first, none over another; unsure ones get a frame."""
    picture = Image.fromarray(canvas)
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(size=max(11, 5 * reach))
    taken: Array = np.zeros(canvas.shape[:2], bool)
    for _, mask in painted:
        taken |= mask
    badges: Array = np.zeros_like(taken)
    for mark, mask in painted[::-1]:
        for patch in _patches(mask, reach)[:_MOST_BADGES]:
            if mark == UNSURE:
                pen.rectangle(patch, outline=mark.colour, width=max(2, reach // 2))
            box = _freest(_badge_places(pen.textbbox((0, 0), mark.code, font=font), patch, taken.shape), taken)
            if badges[box[1] : box[3], box[0] : box[2]].any():
                continue
            badges[box[1] : box[3], box[0] : box[2]] = True
            pen.rounded_rectangle(box, radius=3, fill=(255, 255, 255), outline=mark.colour, width=2)
            middle = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
            pen.text(middle, mark.code, fill=(17, 24, 39), font=font, anchor="mm")
    return np.array(picture)


def _patches(mask: Array, reach: int) -> list[_Box]:
    """Boxes of ink that stands together as a word or a line does, largest first, with a little room around."""
    step = max(1, reach // 2)
    size = max(1, mask.shape[1] // step), max(1, mask.shape[0] // step)
    coarse = cv2.resize(mask.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA) > 0
    padded = np.pad(coarse, 12).astype(np.uint8)
    joined = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones((5, 11), np.uint8))[12:-12, 12:-12]
    _, _, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(joined))
    boxes = sorted(stats[1:].tolist(), key=lambda box: (-box[4], box[1], box[0]))
    grown = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in boxes], int).reshape(-1, 4) * step
    return [(left - reach, top - reach, right + reach, bottom + reach) for left, top, right, bottom in grown.tolist()]


def _badge_places(text: tuple[float, float, float, float], patch: _Box, page: tuple[int, ...]) -> list[_Box]:
    """Where a badge may stand: left of its patch, right of it, above it, or else on its left end."""
    width, height = round(text[2] - text[0]) + 8, round(text[3] - text[1]) + 7
    middle = (patch[1] + patch[3] - height) // 2
    corners = [(patch[0] - width, middle), (patch[2], middle), (patch[0], patch[1] - height)]
    inside = [(x, y) for x, y in corners if 0 <= x <= page[1] - width and 0 <= y <= page[0] - height]
    inside.append((min(max(0, patch[0]), max(0, page[1] - width)), min(max(0, middle), max(0, page[0] - height))))
    return [(x, y, x + width, y + height) for x, y in inside]


def _freest(places: Sequence[_Box], taken: Array) -> _Box:
    """The place that hides the least of what is marked; the first of equals."""
    return min(places, key=lambda box: np.count_nonzero(taken[box[1] : box[3], box[0] : box[2]]))


def with_legend(picture: Array, marks: Sequence[Mark]) -> Array:
    """The picture with a strip below it that explains the marks, for pictures that stand alone (a dry run).

    ``picture`` is (H, W, 3) uint8 RGB; the result is as wide and a few lines higher.
    """
    height, width = picture.shape[:2]
    size = max(12, round(max(height, width) / 70))
    font = ImageFont.load_default(size=size)
    strip = Image.new("RGB", (width, size * 3 * max(1, len(marks))), (255, 255, 255))
    pen = ImageDraw.Draw(strip)
    x, y, line = size, size, size * 2
    for mark in marks:
        words = f"{mark.code}  {mark.label}" if mark.code else mark.label
        length = int(pen.textlength(words, font=font)) + 3 * size
        if x > size and x + length > width:
            x, y = size, y + line
        pen.rectangle((x, y, x + size, y + size), fill=mark.colour)
        pen.text((x + size * 1.5, y + size / 2), words, fill=(17, 24, 39), font=font, anchor="lm")
        x += length
    return np.concatenate([picture, np.asarray(strip)[: y + line]])


def make_thumbnail(image: Array, side: int = PREVIEW_SIDE) -> Array:
    """An (H, W, 3) uint8 RGB image, or an (H, W) bool mask, with its longest side at most ``side``; never enlarged.

    A pixel of a smaller mask is set where at least a fifth of what it stands for is: thin strokes do not vanish.
    """
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    if scale == 1.0:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    if image.dtype == bool:
        return cv2.resize(image.astype(np.uint8) * 255, size, interpolation=cv2.INTER_AREA) >= 51
    return cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA)


def conceal_shapes(mask: Array) -> Array:
    """An (H, W) bool mask in coarse blocks that cover it: neither letters nor the lengths of words can be read off it.

    Blocks are 1/32 of the longer side, and gaps of up to two blocks in a row are closed.
    """
    height, width = mask.shape
    block = max(1, -(-max(height, width) // 32))
    padded = np.pad(mask, ((0, -height % block), (0, -width % block)))
    cells = padded.reshape(padded.shape[0] // block, block, -1, block).any(axis=(1, 3))
    row = np.ones((1, 4), np.uint8)
    closed = cv2.morphologyEx(np.pad(cells, 4).astype(np.uint8), cv2.MORPH_CLOSE, row)[4:-4, 4:-4].astype(bool)
    return (closed | cells).repeat(block, axis=0).repeat(block, axis=1)[:height, :width]


def encode_preview(image: Array, quality: int = 72) -> bytes:
    """An (H, W, 3) uint8 RGB image as the bytes of a JPEG: no metadata, full colour resolution, same in, same out.

    Raises StageError if OpenCV cannot encode it.
    """
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_OPTIMIZE, 1]
    options += [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    done, data = cv2.imencode(".jpg", cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2BGR), options)
    if not done:
        raise StageError("a preview could not be encoded", "run without previews", "write")
    return data.tobytes()


@dataclass(frozen=True, slots=True, eq=False)
class PageViews:
    """What a page's previews are made from, all of one size.

    ``after`` and ``before`` are (H, W, 3) uint8 RGB, the masks (H, W) bool as for ``draw_overlay``. ``before`` is
    left out where nothing of it may be shown; the overlay is then drawn in coarse blocks on ``after``.
    """

    after: Array
    before: Array | None = None
    goes: Mapping[str, Array] = field(default_factory=lambda: MappingProxyType({}))
    stays: Array | None = None


def make_previews(views: PageViews, side: int = PREVIEW_SIDE) -> dict[str, bytes]:
    """The previews of one page as JPEG bytes, under ``before`` (unless left out), ``after`` and ``overlay``."""
    secret = views.before is None

    def shrink(mask: Array | None) -> Array | None:
        if mask is None:
            return None
        return make_thumbnail(conceal_shapes(mask) if secret else mask, side)

    after = make_thumbnail(views.after, side)
    before = after if views.before is None else make_thumbnail(views.before, side)
    goes = {reason: small for reason, mask in views.goes.items() if (small := shrink(mask)) is not None}
    stays = None if secret else shrink(views.stays)
    overlay = draw_overlay(before, goes, stays)
    if secret:  # blocks hide what is below; the cleaned page may shine through
        overlay = cv2.addWeighted(overlay, 0.6, after, 0.4, 0)
    made = {} if secret else {"before": encode_preview(before)}
    return made | {"after": encode_preview(after), "overlay": encode_preview(overlay)}
