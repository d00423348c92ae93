"""A row of a data set, read: the page, its truth, where text is, and which of its pixels are ink."""

from __future__ import annotations

import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from pipeline.errors import InputError
from pipeline.judged_metrics import ReadWord
from pipeline.types import Array
from workflows.evaluation.rows import Row

LEAST_DIFFERENCE = 20  # grey levels; SCUT's truth is retouched by hand and compressed, and differs a little everywhere
ORIENTATION_TAG = 0x0112
SCUT_REACH = 5  # px by which ink may leave its polygon there
ALL_DIFFERENCE = 6  # levels by which a pixel of ``gt_all`` differs from the page where there was ink


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One page with its truth; images are (H, W, 3) uint8 RGB.

    ``words`` are polygons of the text that should go, ``ignored`` of what neither counts, ``strokes`` (H, W) bool is
    the ink that should go, None where a data set has neither polygons nor masks. ``texts`` are the words that should go
    as a reader would have to read them, ``keeps`` those that should stay, ``kept`` their polygons. ``handwriting``:
    only what is written by hand should go.
    """

    row: Row
    before: Array
    truth: Array
    words: tuple[Array, ...]
    strokes: Array | None
    ignored: tuple[Array, ...] = ()
    texts: tuple[ReadWord, ...] = ()
    keeps: tuple[ReadWord, ...] = ()
    kept: tuple[Array, ...] = ()
    group: str = ""
    language: str = "eng"
    handwriting: bool = False


def read_image(path: Path) -> Array:
    """(H, W, 3) uint8 RGB.

    Raises InputError for what cannot be read, and for what is shown otherwise than it is stored, turned or transparent:
    polygons and truth are of what is stored, and a run's output is of what is shown.
    """
    try:
        data = np.fromfile(path, np.uint8)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "check the path") from None
    image = cv2.imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION) if data.size else None
    if image is None:
        raise InputError(f"{path} is no image that can be read", "replace it")
    _require_plain(data, path)
    return np.ascontiguousarray(image[..., ::-1])


def _require_plain(data: Array, path: Path) -> None:
    try:
        with Image.open(io.BytesIO(data.tobytes())) as image:
            # of a PNG without the tag at its start Pillow would decode all of it in search of one
            tagged = image.format != "PNG" or "exif" in image.info
            turned = tagged and image.getexif().get(ORIENTATION_TAG, 1) != 1
            clear = image.has_transparency_data and np.asarray(image.convert("RGBA"))[..., 3].min() < 255
    except (OSError, SyntaxError, ValueError):
        return  # OpenCV reads more kinds than Pillow, and those have neither
    if turned:
        raise InputError(f"{path} is to be turned when it is shown (EXIF)", "save it upright, and its truth alike")
    if clear:
        raise InputError(f"{path} is transparent in places", "save it on white, as a run would see it")


def read_sample(row: Row, everything: bool = False) -> Sample:
    """Read a row. ``everything``: also print should go where a data set is about handwriting (``gt_all``).

    Raises InputError, naming the file, for anything that is missing, broken, or does not fit together.
    """
    if row.problem:
        raise InputError(f"{row.image}: {row.problem}", "correct the list or the data set")
    before = read_image(row.image)
    return _read_pair(row, before, everything) if row.layout == "pairs" else _read_scut(row, before)


def _found(row: Row, folder: str) -> Path:
    path = row.beside(folder)
    if path is None:
        raise InputError(f"{row.image} has no file of its name in {row.image.parent.parent / folder}", "add it")
    return path


def _truth(row: Row, folder: str, before: Array) -> Array:
    path = _found(row, folder)
    truth = read_image(path)
    if truth.shape != before.shape:
        sizes = f"{truth.shape[1]} x {truth.shape[0]} and {before.shape[1]} x {before.shape[0]} px"
        raise InputError(f"{path} and {row.image} differ in size: {sizes}", "replace one of them")
    return truth


# --- pairs -----------------------------------------------------------------------------------------------------------


def _read_pair(row: Row, before: Array, everything: bool) -> Sample:
    told = _read_json(_found(row, "json"))
    by_hand = any(word["kind"] == "hand" for word in told["words"])
    only_hand = by_hand and not everything
    # pairs without a third side have no other truth, whatever is asked for
    bare = everything and (row.image.parent.parent / "gt_all").is_dir()
    truth = _truth(row, "gt_all" if bare else "gt", before)
    strokes = np.abs(before.astype(np.int16) - truth).max(axis=2) >= ALL_DIFFERENCE if bare else _mask(row, before)
    goes = [word for word in told["words"] if word["kind"] == "hand" or not only_hand]
    stays = [word for word in told["words"] if word["kind"] != "hand" and only_hand]
    return Sample(
        row,
        before,
        truth,
        tuple(_polygon(word) for word in goes),
        strokes,
        () if only_hand else tuple(_polygon(word) for word in told.get("ignore", [])),
        tuple(_text(word) for word in goes),
        tuple(_text(word) for word in stays),
        tuple(_polygon(word) for word in stays),
        str(told.get("group", "")),
        str(told.get("lang", "eng")),
        only_hand,
    )


def _mask(row: Row, before: Array) -> Array:
    path = _found(row, "mask")
    mask = read_image(path)[..., 0] > 0
    if mask.shape != before.shape[:2]:
        raise InputError(f"{path} is {mask.shape[1]} x {mask.shape[0]} px, unlike its page", "replace it")
    return mask


def _read_json(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_text("utf-8-sig"))
        for word in told["words"]:
            _polygon(word), _text(word), word.setdefault("kind", "print")
        for ignored in told.get("ignore", []):
            _polygon(ignored)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}", "replace it") from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as error:
        what = f"{path} is no annotation of a pair: {type(error).__name__} {error}"
        raise InputError(
            what, 'it looks like {"words": [{"text": "", "box": [x0, y0, x1, y1], "poly": ...}]}'
        ) from None
    return dict(told)


def _polygon(word: Any) -> Array:
    """A word's polygon, or its box's; ``ignore`` may hold bare lists of points."""
    if isinstance(word, dict):
        x0, y0, x1, y1 = word["box"]
        points = word.get("poly") or [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
    else:
        points = word
    polygon = np.array(points, np.float64)
    if polygon.ndim != 2 or polygon.shape[1] != 2 or len(polygon) < 3 or not np.isfinite(polygon).all():
        raise ValueError("a polygon has three points at least, each [x, y]")
    return polygon


def _text(word: dict[str, Any]) -> ReadWord:
    x0, y0, x1, y1 = (float(value) for value in word["box"])
    return ReadWord(str(word.get("text") or ""), (x0, y0, x1, y1))


# --- SCUT ------------------------------------------------------------------------------------------------------------


def _read_scut(row: Row, before: Array) -> Sample:
    truth = _truth(row, "all_labels", before)
    listed = row.beside("all_gts")
    if listed is None:
        return Sample(row, before, truth, (), None)
    words = read_polygons(listed)
    inside = np.zeros(before.shape[:2], np.uint8)
    for word in words:
        cv2.fillPoly(inside, [word.astype(np.int32)], 1)
    near = cv2.dilate(inside, np.ones((2 * SCUT_REACH + 1,) * 2, np.uint8)).astype(bool)
    strokes = near & (np.abs(before.astype(np.int16) - truth).max(axis=2) > LEAST_DIFFERENCE)
    return Sample(row, before, truth, words, strokes)


def read_polygons(path: Path) -> tuple[Array, ...]:
    """The polygons of an annotation in SCUT's form: a line each, x1,y1,x2,y2,..., perhaps with text after them.

    (N, 2) float64 each. Raises InputError, with the line, for one that is no polygon.
    """
    number = r"[-+]?\d+(?:\.\d+)?"
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}", "replace it") from None
    polygons = []
    for index, line in enumerate(lines, 1):
        if not line.strip():
            continue
        start = re.match(rf"\s*{number}(?:\s*,\s*{number})*", line)
        values = [float(value) for value in re.findall(number, start[0])] if start else []
        if len(values) < 6:
            raise InputError(f"{path}, line {index} is no polygon", "a line is x1,y1,x2,y2,x3,y3,...")
        polygons.append(np.array(values[: len(values) // 2 * 2], np.float64).reshape(-1, 2))
    return tuple(polygons)
