"""Documents that carry a secret, one for each place in which a document can hold one.

The pages are small and alike: a frame, the printed word FORM, and a line for text. Where a place shows on the page,
the secret stands on that line (``visible``); everywhere else the page as drawn does not show it. Each document has a
side-car for ``--detector annotated``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

SECRET = "VOLKHARDTSON"
"""What must be gone. Long enough not to turn up in compressed data by chance, and easy for OCR."""

ACCENTED = "Żołędźgräfin"
"""A second secret, planted beside the first where a format takes any character: encodings differ on it."""

BOTH = f"{SECRET} {ACCENTED}"

NAME_SECRET = "KLINGBEILMANN"
"""What only the names of a file and of its folder hold. The plain program repeats names, `--anonymize` must not."""

PASSWORD = "PFEFFERKORNUS"
"""What opens the one encrypted document."""

ANY_DOCUMENT = "any-document.json"

WIDTH_PT, HEIGHT_PT = 200, 80
LINE = (14.0, 40.0, 188.0, 64.0)
"""The line for text: x0, y0, x1, y1 in points from the top left. Pictures have `SCALE` pixels to a point."""

LABEL = (14.0, 9.0, 62.0, 27.0)
SCALE = 2


@dataclass(frozen=True)
class Place:
    """One place: how a document with the secret in it is made, and which searches must see it there.

    ``visible`` is the number of pages (from the first) whose line shows the secret; ``pages`` how many there are.
    ``fails``: the program refuses the document, and writes none.
    """

    name: str
    suffix: str
    make: Callable[[Path], None]
    seen_by: frozenset[str]
    visible: int = 0
    pages: int = 1
    file_name: str = ""
    fails: bool = False

    def path(self, folder: Path) -> Path:
        """Where its document lies in ``folder``."""
        return folder / (self.file_name or f"{self.name}{self.suffix}")


PLACES: dict[str, Place] = {}


def place(
    suffix: str, seen_by: str, *, visible: int = 0, pages: int = 1, file_name: str = "", fails: bool = False
) -> Callable[[Callable[[Path], None]], Callable[[Path], None]]:
    """Register a maker under its own name; ``seen_by`` names searches, separated by spaces."""

    def register(make: Callable[[Path], None]) -> Callable[[Path], None]:
        name = make.__name__.replace("_", "-")
        PLACES[name] = Place(name, suffix, make, frozenset(seen_by.split()), visible, pages, file_name, fails)
        return make

    return register


def all_places() -> dict[str, Place]:
    """Every place by name."""
    import canary_forms
    import canary_pdfs
    import canary_pictures

    assert canary_forms and canary_pdfs and canary_pictures  # importing them registers their places
    return PLACES


def plant(documents: Path, side_cars: Path, only: Collection[str] = ()) -> dict[str, Path]:
    """Write the document of every place into one folder, and its text regions into another; the paths by place.

    ``only`` names the places, where they are not all.
    """
    paths = {}
    for name, where in all_places().items():
        if only and name not in only:
            continue
        paths[name] = where.path(documents)
        paths[name].parent.mkdir(parents=True, exist_ok=True)
        where.make(paths[name])
        write_side_car(side_cars / f"{paths[name].name}.json", where.pages, where.visible)
    # for a run that does not know names: one for all, with a region on the line of every page
    write_side_car(side_cars / ANY_DOCUMENT, 2, 2)
    return paths


def write_side_car(path: Path, pages: int, visible: int) -> None:
    """Write text regions as ``--detector annotated`` reads them: the label on each page, the line on the first few."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"pages": [_regions(n, n < visible) for n in range(pages)]}))


def _regions(index: int, visible: bool) -> dict[str, object]:
    boxes = [LABEL, LINE] if visible else [LABEL]
    polygons = [[[x0, y0], [x1, y0], [x1, y1], [x0, y1]] for x0, y0, x1, y1 in boxes]
    regions = [{"polygon": polygon} for polygon in polygons]
    return {"page_number": index + 1, "width": WIDTH_PT, "height": HEIGHT_PT, "regions": regions}


def picture(text: str = "", *, paper: int = 255, grain: float = 0.0, scale: int = SCALE) -> Image.Image:
    """The page as a grey picture; ``text`` stands on the line, the paper has noise of ``grain`` grey levels."""
    drawn = Image.new("L", (WIDTH_PT * scale, HEIGHT_PT * scale), paper)
    pen = ImageDraw.Draw(drawn)
    pen.rectangle((4 * scale, 4 * scale, (WIDTH_PT - 4) * scale, (HEIGHT_PT - 4) * scale), outline=40, width=scale)
    pen.text((16 * scale, 10 * scale), "FORM", fill=20, font=ImageFont.load_default(13 * scale))
    pen.text((LINE[0] * scale, (LINE[1] + 2) * scale), text, fill=20, font=ImageFont.load_default(15 * scale))
    if grain:
        noise = np.random.default_rng(3).normal(0, grain, drawn.size[::-1])
        return Image.fromarray(np.clip(np.asarray(drawn) + noise, 0, 255).astype(np.uint8))
    return drawn
