"""Which pixel grid a PDF page is rasterized on: an even one, or a scan's own, which keeps its pixels bit for bit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from pymupdf import mupdf

from pipeline.types import Box

DEFAULT_DPI = 200.0
"""For pages that are no scans: enough for small print, and what the detectors were measured at."""

_MAX_ASPECT = 4.0
"""Pixels more oblong than this are no scanner's (fax has 2.1) but a stretched background."""

_MAX_PIECE_DPI = 600.0
"""For scans pieced together: one small, fine piece, such as a stamp, does not decide for the page alone."""

_MIN_COVER = 0.90
"""Share of the page's area that an image covers to be called a scan of it; the rest is the scanner's margin."""

_SQUARE_WITHIN = 0.02
"""Pixels whose sides differ by less are square: page boxes are rounded to whole points."""

_MAX_MARKS = 3_000
"""A page with more drawing operations than this is no scan, and need not be followed to its end."""


@dataclass(frozen=True, slots=True)
class ImageMark:
    """One image as it is drawn on a page.

    ``matrix`` (a, b, c, d, e, f) maps the unit square to the displayed page in points; ``width`` and ``height``
    are the image's own pixels and ``bits`` its bits per component; ``opaque`` says that nothing shows through it.
    """

    matrix: tuple[float, float, float, float, float, float]
    width: int
    height: int
    bits: int
    opaque: bool

    @property
    def turned(self) -> bool:
        """Whether its rows run down the page."""
        return abs(self.matrix[1]) > abs(self.matrix[0])

    @property
    def upright(self) -> bool:
        """Whether its edges are parallel to the page's (turned by quarters, mirrored or not)."""
        a, b, c, d, _, _ = self.matrix
        slack = 1e-3 * max(abs(a), abs(b), abs(c), abs(d))
        return (abs(b) < slack and abs(c) < slack) or (abs(a) < slack and abs(d) < slack)

    @property
    def bounds_pt(self) -> tuple[float, float, float, float]:
        """(x0, y0, x1, y1) of what it covers."""
        a, b, c, d, e, f = self.matrix
        xs, ys = (0.0, a, c, a + c), (0.0, b, d, b + d)
        return e + min(xs), f + min(ys), e + max(xs), f + max(ys)

    @property
    def per_point(self) -> tuple[float, float]:
        """Its pixels per point, along the page's x and y."""
        a, b, c, d, _, _ = self.matrix
        wide, high = max(1e-6, (a * a + b * b) ** 0.5), max(1e-6, (c * c + d * d) ** 0.5)
        along, across = self.width / wide, self.height / high
        return (across, along) if self.turned else (along, across)

    @property
    def aspect(self) -> float:
        """How oblong its pixels are as drawn, >= 1."""
        return max(self.per_point) / min(self.per_point)


@dataclass(frozen=True, slots=True)
class PageMarks:
    """What of a page's drawing matters here: its images from the last one that hides all before it, and whether
    anything else visible is drawn with them."""

    images: tuple[ImageMark, ...]
    drawn_over: bool


@dataclass(frozen=True, slots=True)
class Grid:
    """A pixel grid over a displayed page.

    A point (x, y) of the page lands on pixel (x * scale_x + offset_x, y * scale_y + offset_y) of a plane of which
    ``box`` is the page. ``scan`` is the one image that the page shows, if it shows nothing else; ``one_bit`` says
    that all it shows is 1-bit images, at their own resolution, and ``opaque`` that these are no stencils.
    """

    scale_x: float
    scale_y: float
    offset_x: float
    offset_y: float
    box: Box
    scan: ImageMark | None = None
    one_bit: bool = False
    opaque: bool = False


class _MarksDevice(mupdf.FzDevice2):  # type: ignore[misc]
    """Follows a page's drawing without drawing; decodes no pixels."""

    def __init__(self, area_pt: float, cookie: Any) -> None:
        super().__init__()
        self.images: list[ImageMark] = []
        self.drawn_over = False
        self._area_pt = area_pt
        self._cookie = cookie
        self._seen = 0
        for name in ("fill_path", "stroke_path", "fill_text", "stroke_text", "fill_shade"):
            getattr(self, f"use_virtual_{name}")()
        self.use_virtual_fill_image()
        self.use_virtual_fill_image_mask()

    def _other(self, *_: Any) -> None:
        self._count()
        self.drawn_over = True

    fill_path = stroke_path = fill_text = stroke_text = fill_shade = _other

    def fill_image(self, _: Any, image: Any, matrix: Any, alpha: float, *__: Any) -> None:
        self._add(image, matrix, opaque=alpha >= 1.0 and not image.mask)

    def fill_image_mask(self, _: Any, image: Any, matrix: Any, *__: Any) -> None:
        self._add(image, matrix, opaque=False)

    def _add(self, image: Any, matrix: Any, opaque: bool) -> None:
        self._count()
        place = (matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f)
        mark = ImageMark(place, int(image.w), int(image.h), int(image.bpc), opaque)
        x0, y0, x1, y1 = mark.bounds_pt
        if opaque and mark.upright and (x1 - x0) * (y1 - y0) >= _MIN_COVER * self._area_pt:
            # all before it is hidden, such as the text of an OCR layer that lies under the scan
            self.images.clear()
            self.drawn_over = False
        self.images.append(mark)

    def _count(self) -> None:
        self._seen += 1
        if self._seen > _MAX_MARKS:
            self.drawn_over = True
            self._cookie.m_internal.abort = 1


def trace_marks(page: Any, width_pt: float, height_pt: float) -> PageMarks:
    """Runs through a page's drawing (a MuPDF ``FzPage`` of the displayed size in points) for its images."""
    cookie = mupdf.FzCookie()
    device = _MarksDevice(width_pt * height_pt, cookie)
    mupdf.fz_run_page(page, device, mupdf.FzMatrix(), cookie)
    mupdf.fz_close_device(device)
    return PageMarks(tuple(device.images), device.drawn_over)


def choose_grid(marks: PageMarks, width_pt: float, height_pt: float, dpi: float | None) -> Grid:
    """The grid for a page of this displayed size; ``dpi`` None leaves the resolution to us.

    A page that is one scan keeps the scan's own grid, with or without something drawn over it. A scan with pixels
    that are not square, a skewed one, and one that is pieced together from several images get the highest resolution
    among them; all other pages :data:`DEFAULT_DPI`. A ``dpi`` that is a scan's own gives the scan's own grid, too.
    """
    own = _own_grid(marks, width_pt, height_pt)
    if dpi is None:
        return own or even_grid(DEFAULT_DPI, width_pt, height_pt)
    even = even_grid(dpi, width_pt, height_pt)
    if own is not None and (own.box.width, own.box.height) == (even.box.width, even.box.height):
        return own
    return even


def _own_grid(marks: PageMarks, width_pt: float, height_pt: float) -> Grid | None:
    area_pt = width_pt * height_pt
    large = [m for m in marks.images if _share(m, area_pt) >= _MIN_COVER and m.aspect <= _MAX_ASPECT]
    scan = max(large, key=lambda mark: max(mark.per_point), default=None)
    if scan is not None and (not marks.drawn_over or max(scan.per_point) * 72.0 >= DEFAULT_DPI):
        grid = _scan_grid(scan, width_pt, height_pt)
    else:
        covered = sum(_share(mark, area_pt) for mark in marks.images)
        if marks.drawn_over or covered < _MIN_COVER:
            return None
        finest = 72.0 * max(max(mark.per_point) for mark in marks.images)
        grid = even_grid(min(max(finest, DEFAULT_DPI), _MAX_PIECE_DPI), width_pt, height_pt)
    alone = scan if len(marks.images) == 1 and not marks.drawn_over else None
    one_bit = not marks.drawn_over and all(mark.bits == 1 for mark in marks.images)
    return replace(grid, scan=alone, one_bit=one_bit, opaque=all(mark.opaque for mark in marks.images))


def even_grid(dpi: float, width_pt: float, height_pt: float) -> Grid:
    """A grid of ``dpi`` pixels per inch, in whole pixels that fill the page exactly."""
    width, height = max(1, round(width_pt * dpi / 72.0)), max(1, round(height_pt * dpi / 72.0))
    return Grid(width / width_pt, height / height_pt, 0.0, 0.0, Box(0, 0, width, height))


def _scan_grid(scan: ImageMark, width_pt: float, height_pt: float) -> Grid:
    if not scan.upright or scan.aspect - 1.0 >= _SQUARE_WITHIN:
        return even_grid(max(scan.per_point) * 72.0, width_pt, height_pt)
    x0, y0, x1, y1 = scan.bounds_pt
    width, height = (scan.height, scan.width) if scan.turned else (scan.width, scan.height)
    scale_x, scale_y = width / (x1 - x0), height / (y1 - y0)
    left, right = _edges(-x0 * scale_x, (width_pt - x0) * scale_x, width)
    top, bottom = _edges(-y0 * scale_y, (height_pt - y0) * scale_y, height)
    box = Box(left, top, max(left + 1, right), max(top + 1, bottom))
    return Grid(scale_x, scale_y, -x0 * scale_x, -y0 * scale_y, box)


def _edges(low: float, high: float, length: int) -> tuple[int, int]:
    """A page's edges on a scan's grid, in whole pixels; within a pixel of the scan's own edge they are that edge."""
    first = 0 if abs(low) <= 1.0 else round(low)
    last = length if abs(high - length) <= 1.0 else round(high)
    return first, last


def _share(mark: ImageMark, area_pt: float) -> float:
    a, b, c, d, _, _ = mark.matrix
    return abs(a * d - b * c) / area_pt
