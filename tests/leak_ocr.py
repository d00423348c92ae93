"""Searches in what is drawn: OCR of a page, and of what can be made visible in it by stretching its contrast.

The recognizer is PP-OCRv6 small from the rapidocr wheel, which the program needs anyway: it works offline. It is asked
about the place where the secret stood, so that nothing depends on detection; whole pages are for `whole_page`.
"""

from __future__ import annotations

import difflib
import importlib.util
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pymupdf
from canaries import HEIGHT_PT, LINE, WIDTH_PT
from PIL import Image

DPI = 144
NO_TESSERACT = "" if shutil.which("tesseract") else "Tesseract is not installed: apt-get install tesseract-ocr"
TELLING = 5
"""So many letters of a word in a row, as read, give it away."""


def pages_of(path: Path) -> list[np.ndarray]:
    """Every page or frame as (H, W, 3) uint8 RGB."""
    if path.suffix.lower() == ".pdf":
        with pymupdf.open(path) as document:
            return [pixels_of(page) for page in document]
    pages = []
    with Image.open(path) as image:
        for index in range(getattr(image, "n_frames", 1)):
            image.seek(index)
            pages.append(np.asarray(image.convert("RGB")))
    return pages


def pixels_of(page: Any) -> np.ndarray:
    """A PDF page as (H, W, 3) uint8 RGB."""
    pixmap = page.get_pixmap(dpi=DPI)
    return np.frombuffer(pixmap.samples, np.uint8).reshape(pixmap.height, pixmap.width, 3)


def line_of(page: np.ndarray) -> np.ndarray:
    """The line on which the secret stood."""
    y, x = page.shape[0] / HEIGHT_PT, page.shape[1] / WIDTH_PT
    x0, y0, x1, y1 = LINE
    return page[round(y0 * y) : round(y1 * y), round(x0 * x) : round(x1 * x)]


def channels_of(part: np.ndarray) -> dict[str, np.ndarray]:
    """(H, W) float32 by name: its brightness, and each colour where there is any."""
    grey = part.astype(np.float32).mean(axis=2)
    if np.array_equal(part[..., 0], part[..., 1]) and np.array_equal(part[..., 0], part[..., 2]):
        return {"grey": grey}
    return {"grey": grey} | {f"channel {n}": part[..., n].astype(np.float32) for n in range(3)}


def stretched(part: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """What makes faint traces visible, by name: (H, W, 3) uint8, all of the part's contrast used."""
    for name, values in channels_of(part).items():
        if np.ptp(values) == 0:
            continue
        full = (values - values.min()) / np.ptp(values) * 255
        yield f"{name}, stretched", _rgb(full)
        # beside black print, whatever is paler stays pale, and Tesseract takes it for paper
        yield f"{name}, all that is not paper", _rgb(255.0 * (np.abs(values - np.median(values)) < 0.5))
        low, high = np.percentile(values, (2, 98))
        if high > low:
            yield f"{name}, stretched hard", _rgb((values - low) / (high - low) * 255)
        yield f"{name}, CLAHE", _rgb(cv2.createCLAHE(40.0, (3, 8)).apply(full.astype(np.uint8)))
        flat = np.abs(values - cv2.GaussianBlur(values, (0, 0), 12))
        yield f"{name}, away from its surroundings", _rgb(255 - 255 * flat / max(flat.max(), 1e-6))
        busy = cv2.GaussianBlur((values - cv2.GaussianBlur(values, (0, 0), 1.5)) ** 2, (0, 0), 1.5) ** 0.5
        yield f"{name}, grain", _rgb(255 * busy / max(busy.max(), 1e-6))


def _rgb(values: np.ndarray) -> np.ndarray:
    return np.repeat(np.clip(values, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


def tells(read: str, word: str) -> bool:
    """Whether what was read gives the word away: `TELLING` of its letters in a row."""
    letters = "".join(filter(str.isalnum, read)).upper()
    match = difflib.SequenceMatcher(None, letters, word.upper(), autojunk=False).find_longest_match()
    return match.size >= TELLING


def search_ocr(path: Path, words: Sequence[str]) -> tuple[str, ...]:
    """What can be read on the line of any page."""
    return _tellings([("as it is", line_of(page)) for page in pages_of(path)], words)


def search_stretched(path: Path, words: Sequence[str]) -> tuple[str, ...]:
    """What can be read on the line of any page once its contrast is stretched, in each of several ways."""
    looks = [look for page in pages_of(path) for look in stretched(line_of(page))]
    return _tellings(looks, words)


def _tellings(looks: list[tuple[str, np.ndarray]], words: Sequence[str]) -> tuple[str, ...]:
    read = [(name, recognize(picture)) for name, picture in looks]
    return tuple(f"{text!r}, {name}" for name, text in read for word in words if tells(text, word))


def recognize(line: np.ndarray) -> str:
    """What the recognizer reads in a picture of one line, (H, W, 3) uint8 RGB."""
    session, letters = _recognizer()
    width = max(48, round(48 * line.shape[1] / line.shape[0]))
    scaled = cv2.resize(line[..., ::-1], (width, 48), interpolation=cv2.INTER_AREA).astype(np.float32)
    (scores,) = session.run(None, {session.get_inputs()[0].name: (scaled / 127.5 - 1).transpose(2, 0, 1)[None]})
    best = scores[0].argmax(axis=1)
    kept = [index for index, before in zip(best, [0, *best[:-1]], strict=True) if index and index != before]
    return "".join(letters[index] for index in kept)


@lru_cache(maxsize=1)
def _recognizer() -> tuple[Any, list[str]]:
    spec = importlib.util.find_spec("rapidocr")
    assert spec is not None and spec.submodule_search_locations
    path = Path(spec.submodule_search_locations[0], "models", "PP-OCRv6_rec_small.onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    # index 0 is "no letter", and the space comes last
    return session, ["", *session.get_modelmeta().custom_metadata_map["character"].splitlines(), " "]


def whole_page(path: Path, words: Sequence[str]) -> tuple[str, ...]:
    """What Tesseract reads anywhere on a page, as it is and stretched. Raises FileNotFoundError without Tesseract."""
    found = []
    for page in pages_of(path):
        for name, look in (("as it is", page), *stretched(page)):
            png = cv2.imencode(".png", cv2.resize(look, None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC))[1].tobytes()
            words_read = subprocess.run(
                ["tesseract", "-", "-", "--psm", "11", "--dpi", "288"], input=png, capture_output=True, check=True
            ).stdout.decode()
            found += [f"{name}, the whole page" for word in words for read in words_read.split() if tells(read, word)]
    return tuple(found)
