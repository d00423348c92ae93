"""One page of a PDF as a pair of a benchmark: with and without its text, perhaps written on, perhaps scanned.

What is written is read back and checked: its sides may differ at the words only.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.errors import OutputError, StageError
from pipeline.metrics import BACKGROUND_GAP, WORD_REACH
from pipeline.pairs import MARGIN_PX, Pair, near_words, render_pair
from pipeline.types import Array
from workflows.evaluation.samples import read_image

STROKE_LEVELS = 6  # by which a pixel of a scan must differ, before noise and compression, to be a stroke's
HAND, PRINT = "hand", "print"

FindText = Callable[[Array], Sequence[Array]]


@dataclass(frozen=True, slots=True)
class PairSettings:
    """How pairs are made: ``dpi``, ``seed``, and whether pages are ``scanned`` and ``written`` on.

    ``fonts`` are paths of fonts that look handwritten. ``out`` is the folder that gets ``input/``, ``gt/``, ``mask/``
    and ``json/``, with handwriting also ``gt_all/``.
    """

    out: Path
    dpi: int = 200
    seed: int = 0
    scanned: bool = False
    written: bool = False
    fonts: tuple[Path, ...] = ()


@dataclass(slots=True, eq=False)
class _Sides:
    """A pair in the making; images (H, W, 3) float32 RGB, then uint8 RGB.

    ``page`` is what is scored, ``truth`` the page without what should go, ``bare`` without any text where that is
    something else.
    """

    page: Array
    truth: Array
    bare: Array | None
    words: list[dict[str, Any]]
    polygons: list[Array]
    ignored: list[Array]
    strokes: Array


def make_pair(path: Path, page_index: int, name: str, settings: PairSettings, find_text: FindText | None) -> int:
    """Write the pair of a page (0-based) under ``name``; returns how many words it has.

    ``find_text`` gives polygons of text on a page without text operators: text in pictures, which is not scored.

    Raises:
        StageError: the page holds no exact truth, or the pair does not pass its check; nothing is left of it.
        InputError: the PDF cannot be read. OutputError: the pair cannot be written.
    """
    pair = render_pair(path, page_index, settings.dpi, annotations=True)
    # of the file's name, not its folder: the same PDFs elsewhere give the same pairs
    rng = np.random.default_rng([settings.seed, zlib.crc32(path.name.encode()), page_index])
    sides = _start(pair, find_text)
    if settings.written:
        _write_on(sides, settings, rng)
    if settings.scanned:
        _scan(sides, rng)
    told = {
        "id": name, "source": path.name, "page": page_index + 1, "group": path.stem, "lang": "eng",
        "kind": _kind(settings), "dpi": settings.dpi, "seed": settings.seed,
        "h": sides.page.shape[0], "w": sides.page.shape[1], "ext": "png",
        "words": [word | _place(polygon) for word, polygon in zip(sides.words, sides.polygons, strict=True)],
        "ignore": [np.round(polygon, 1).tolist() for polygon in sides.ignored],
    }  # fmt: skip
    files = _write(sides, told, name, settings.out)
    try:
        check_pair(settings.out, name, exact=not settings.scanned)
    except StageError as error:
        for file in files:
            file.unlink(missing_ok=True)
        raise StageError(
            f"{path}, page {page_index + 1}: {error.what}", error.remedy, "check", page_index + 1
        ) from None
    return len(sides.words)


def check_pair(folder: Path, name: str, *, exact: bool) -> None:
    """Read a pair back and make sure that its sides differ at the words only, as the annotation places them.

    Page and truth may differ at what should go; where that is handwriting, the truth and ``gt_all`` at the print.
    ``exact``: 4 px from their polygons at most (one more than the pair was made by, for they are rounded when they are
    written), and at the mask's very pixels; else, for scans, no farther than the background begins, 24 px, with the
    mask within 6 px. Raises StageError.
    """
    told = json.loads((folder / "json" / f"{name}.json").read_text("utf-8"))
    written = any(word["kind"] == HAND for word in told["words"])
    page, truth = (read_image(folder / side / f"{name}.png") for side in ("input", "gt"))
    strokes = read_image(folder / "mask" / f"{name}.png")[..., 0] > 0
    goes = [np.array(word["poly"]) for word in told["words"] if word["kind"] == HAND or not written]
    height, width = strokes.shape
    reach = MARGIN_PX + 1 if exact else WORD_REACH + BACKGROUND_GAP
    differs = (page != truth).any(axis=2)
    _refuse("page and truth differ", differs & ~near_words(goes, height, width, reach))
    _refuse("the mask marks pixels", strokes & ~near_words(goes, height, width, min(reach, WORD_REACH)))
    if exact:
        _refuse("the mask is not where page and truth differ,", differs ^ strokes)
    if not (differs & strokes).any():
        raise StageError("page and truth are the same", "use another page", "check")
    if written:
        bare = read_image(folder / "gt_all" / f"{name}.png")
        stays = [np.array(word["poly"]) for word in told["words"] if word["kind"] != HAND]
        _refuse("gt and gt_all differ", (truth != bare).any(axis=2) & ~near_words(stays, height, width, reach))


def _refuse(what: str, astray: Array) -> None:
    if astray.any():
        y, x = np.argwhere(astray)[0]
        raise StageError(f"{what} at {x}, {y} px, away from all words", "please report this", "check")


def _kind(settings: PairSettings) -> str:
    return {(False, False): "clean", (True, False): "scan", (False, True): HAND, (True, True): "handscan"}[
        settings.scanned, settings.written
    ]


def _start(pair: Pair, find_text: FindText | None) -> _Sides:
    words = [{"text": text, "kind": PRINT} for text in pair.texts]
    ignored = [] if find_text is None else [np.asarray(p, np.float64) for p in find_text(pair.blank)]
    polygons = [np.asarray(box, np.float64) for box in pair.boxes]
    return _Sides(pair.text, pair.blank, None, words, polygons, ignored, pair.changed)


def _write_on(sides: _Sides, settings: PairSettings, rng: np.random.Generator) -> None:
    """Take the printed page as the truth, and a page that somebody has written on as the input."""
    from workflows.training.material import Typeface
    from workflows.training.pages import write_on

    faces = [Typeface(path) for path in settings.fonts]
    written, pieces = write_on(sides.page.astype(np.float32), faces, settings.dpi, rng)
    sides.page, sides.truth, sides.bare = _levels(written), sides.page, sides.truth
    sides.words += [{"text": piece.text, "kind": HAND} for piece in pieces]
    sides.polygons += [piece.polygon for piece in pieces]
    sides.strokes = (sides.page != sides.truth).any(axis=2)


def _scan(sides: _Sides, rng: np.random.Generator) -> None:
    from workflows.training.pages import scan

    images = [image.astype(np.float32) for image in (sides.page, sides.truth, sides.bare) if image is not None]
    scanned, quiet, moved = scan(images, [*sides.polygons, *sides.ignored], rng)
    sides.page, sides.truth = scanned[:2]
    sides.bare = scanned[2] if len(scanned) > 2 else None
    sides.strokes = np.abs(quiet[0] - quiet[1]).max(axis=2) >= STROKE_LEVELS
    sides.polygons, sides.ignored = moved[: len(sides.polygons)], moved[len(sides.polygons) :]


def _levels(image: Array) -> Array:
    return np.rint(image).clip(0, 255).astype(np.uint8)


def _place(polygon: Array) -> dict[str, Any]:
    low, high = np.floor(polygon.min(axis=0)).astype(int), np.ceil(polygon.max(axis=0)).astype(int)
    return {"box": [int(v) for v in (*low, *high)], "poly": np.round(polygon, 1).tolist()}


def _write(sides: _Sides, told: dict[str, Any], name: str, out: Path) -> list[Path]:
    """Write all files of a pair, the annotation last: a pair that has one is whole."""
    images = {
        "input": sides.page,
        "gt": sides.truth,
        "gt_all": sides.bare,
        "mask": sides.strokes.astype(np.uint8) * 255,
    }
    files = []
    try:
        for folder, image in images.items():
            if image is not None:
                file = out / folder / f"{name}.png"
                file.parent.mkdir(parents=True, exist_ok=True)
                stored = image[..., ::-1] if image.ndim == 3 else image
                file.write_bytes(cv2.imencode(".png", np.ascontiguousarray(stored))[1].tobytes())
                files.append(file)
        annotation = out / "json" / f"{name}.json"
        annotation.parent.mkdir(parents=True, exist_ok=True)
        annotation.write_text(json.dumps(told, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{out} cannot be written to: {error.strerror}", "check space and permissions") from None
    return [annotation, *files]
