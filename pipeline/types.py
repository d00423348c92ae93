"""The vocabulary that travels between the stages: frozen values, checked when they are made.

Frame everywhere: (x, y) in pixels of the page, origin at the top left, boxes half open.
Images are (H, W, 3) uint8 RGB, masks (H, W) bool, soft masks (H, W) float32 in [0, 1].
Arrays received are read-only by agreement.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np

Array = np.ndarray


class Colour(StrEnum):
    """What a page is made of, so that it can be written as what it was."""

    BILEVEL = "bilevel"
    GREY = "grey"
    RGB = "rgb"


@dataclass(frozen=True, slots=True)
class Box:
    """A half-open pixel rectangle [x0, x1) x [y0, y1); never empty."""

    x0: int
    y0: int
    x1: int
    y1: int

    def __post_init__(self) -> None:
        if not (self.x0 < self.x1 and self.y0 < self.y1):
            raise ValueError(f"empty box {self.x0, self.y0, self.x1, self.y1}")

    @property
    def width(self) -> int:
        """In pixels."""
        return self.x1 - self.x0

    @property
    def height(self) -> int:
        """In pixels."""
        return self.y1 - self.y0

    @property
    def slices(self) -> tuple[slice, slice]:
        """(rows, columns), to index an array whose origin is the page's; the box must lie inside it."""
        return slice(self.y0, self.y1), slice(self.x0, self.x1)

    def moved(self, x: int, y: int) -> Box:
        """The same rectangle, so many pixels further right and down."""
        return Box(self.x0 + x, self.y0 + y, self.x1 + x, self.y1 + y)


@dataclass(frozen=True, slots=True)
class PageRef:
    """Where a page comes from. ``page_index`` is 0-based; ``document`` is the path the rasterizer opens."""

    document: str
    page_index: int

    def __post_init__(self) -> None:
        if self.page_index < 0:
            raise ValueError(f"page_index {self.page_index} is negative")

    @property
    def page_number(self) -> int:
        """1-based, for people."""
        return self.page_index + 1


@dataclass(frozen=True, slots=True)
class JpegTables:
    """The quantization a source JPEG was made with, so that a cleaned page can be written alike.

    ``tables`` are 64-entry tables in zigzag-free (natural) order as Pillow gives them;
    ``subsampling`` is Pillow's code (0 = 4:4:4, 1 = 4:2:2, 2 = 4:2:0, -1 = unknown or grey).
    """

    tables: tuple[tuple[int, ...], ...]
    subsampling: int


@dataclass(frozen=True, slots=True, eq=False)
class Page:
    """One rasterized page.

    ``image`` is (H, W, 3) uint8 RGB. ``width_pt``/``height_pt`` is the displayed size (rotation and UserUnit applied).
    ``colour`` is what it is made of, ``jpeg`` how the one scan on it was stored, ``complaints`` what was odd.
    """

    ref: PageRef
    image: Array
    width_pt: float
    height_pt: float
    colour: Colour
    jpeg: JpegTables | None = None
    complaints: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.image.ndim != 3 or self.image.shape[2] != 3 or self.image.dtype != np.uint8 or not self.image.size:
            raise ValueError(f"a page image is (H, W, 3) uint8, not {self.image.shape} {self.image.dtype}")
        if not (self.width_pt > 0 and self.height_pt > 0):
            raise ValueError(f"page size {self.width_pt} x {self.height_pt} pt is not positive")

    @property
    def height(self) -> int:
        """In pixels."""
        return int(self.image.shape[0])

    @property
    def width(self) -> int:
        """In pixels."""
        return int(self.image.shape[1])


@dataclass(frozen=True, slots=True, eq=False)
class TextRegion:
    """A polygon that says where to look for text; which pixels are ink is decided later, per pixel.

    ``polygon`` is (N, 2) float32 (x, y), N >= 3, not closed. ``score`` is the detector's confidence in [0, 1].
    """

    polygon: Array
    score: float = 1.0

    def __post_init__(self) -> None:
        if self.polygon.ndim != 2 or self.polygon.shape[1] != 2 or len(self.polygon) < 3:
            raise ValueError(f"a polygon is (N >= 3, 2), not {self.polygon.shape}")
        if self.polygon.dtype != np.float32 or not np.isfinite(self.polygon).all():
            raise ValueError("a polygon is finite float32")
        if not 0.0 <= self.score <= 1.0:
            raise ValueError(f"score {self.score} is outside [0, 1]")


@dataclass(frozen=True, slots=True, eq=False)
class Tile:
    """A square crop of a page, with all that a remover may want to see.

    ``box`` is its place in page coordinates. It may reach past the page: what lies outside is reflected.
    ``image`` (S, S, 3) uint8 RGB; ``text_mask`` (S, S) bool, the pixels to replace;
    ``polygon_mask`` (S, S) bool, the regions they were found in. For removers that ask for them, else None:
    ``soft_mask`` (S, S) float32 [0, 1], the regions with a soft rim; ``structure`` (S, S, 3) float32 [0, 1].
    """

    box: Box
    image: Array
    text_mask: Array
    polygon_mask: Array
    soft_mask: Array | None = None
    structure: Array | None = None

    def __post_init__(self) -> None:
        side = (self.box.height, self.box.width)
        if self.image.shape != (*side, 3) or self.image.dtype != np.uint8:
            raise ValueError(f"tile image {self.image.shape} {self.image.dtype} does not fit its box {side}")
        for mask, dtype in ((self.text_mask, np.bool_), (self.polygon_mask, np.bool_), (self.soft_mask, np.float32)):
            if mask is not None and (mask.shape != side or mask.dtype != dtype):
                raise ValueError(f"tile mask {mask.shape} {mask.dtype} is not {side} {np.dtype(dtype)}")
        if self.structure is not None and self.structure.shape != (*side, 3):
            raise ValueError(f"structure map {self.structure.shape} does not fit its box {side}")


@dataclass(frozen=True, slots=True, eq=False)
class RestoredTile:
    """A remover's raw prediction for one tile: ``image`` (S, S, 3) uint8 RGB in the tile's own ``box``.

    Only the stitcher composites, under the text mask; a remover need not keep the pixels outside it.
    """

    box: Box
    image: Array

    def __post_init__(self) -> None:
        if self.image.shape != (self.box.height, self.box.width, 3) or self.image.dtype != np.uint8:
            raise ValueError(f"restored tile {self.image.shape} {self.image.dtype} does not fit its box")


@dataclass(frozen=True, slots=True, eq=False)
class PreparedPage:
    """A page that is ready for the remover: regions found, ink decided, tiles cut.

    ``text_mask`` (H, W) bool is what will be replaced; no tiles means no text, and the page stays as it is.
    ``regions_without_ink`` counts regions in which no pixel was taken for ink: text may be left there.
    ``allowed`` (H, W) bool is where text was to go; None is everywhere. ``form`` (H, W) bool is print of a blank form
    that stays, None without one. ``goes`` is ``text_mask`` by reason, ``stays``
    (H, W) bool what was found and stays, ``notes`` what the report should say, ``doubts`` why a person should look.
    ``seconds`` maps stage names to the time they took.
    """

    page: Page
    regions: tuple[TextRegion, ...]
    text_mask: Array
    tiles: tuple[Tile, ...]
    seconds: dict[str, float]
    regions_without_ink: int = 0
    allowed: Array | None = None
    goes: Mapping[str, Array] = field(default_factory=dict)
    stays: Array | None = None
    notes: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    form: Array | None = None

    def __post_init__(self) -> None:
        if self.text_mask.shape != self.page.image.shape[:2] or self.text_mask.dtype != np.bool_:
            raise ValueError(f"text mask {self.text_mask.shape} does not fit the page {self.page.image.shape}")
        if bool(self.tiles) != bool(self.text_mask.any()):
            raise ValueError("tiles are cut where, and only where, the text mask is set")
