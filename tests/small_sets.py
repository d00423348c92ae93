"""Small data sets with truth, in both layouts: a page with two words over a rule, and one with a picture."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from pipeline.types import Array

WORDS = ((30, 40, 130, 60), (30, 100, 170, 124))  # x0, y0, x1, y1
SIZE = (220, 300)


def draw_sides(seed: int, *, colour: tuple[int, int, int] = (40, 40, 90)) -> tuple[Array, Array]:
    """(page, page without its words), (220, 300, 3) uint8 RGB: paper with grain, a rule through the first word."""
    rng = np.random.default_rng(seed)
    blank = (235 + rng.normal(0, 2, (*SIZE, 1))).clip(0, 255).repeat(3, 2).astype(np.uint8)
    cv2.line(blank, (10, 57), (280, 57), (90, 30, 30), 1)
    cv2.rectangle(blank, (200, 80), (280, 190), (120, 160, 200), -1)
    page = blank.copy()
    for x0, y0, x1, y1 in WORDS:
        for x in range(x0 + 3, x1 - 3, 9):
            page[y0 + 3 : y1 - 3, x : x + 4] = colour
    return page, blank


def write(path: Path, image: Array) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    assert cv2.imwrite(str(path), image[..., ::-1] if image.ndim == 3 else image)
    return path


def corners(box: tuple[int, int, int, int]) -> list[list[int]]:
    x0, y0, x1, y1 = box
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]


def pairs_set(root: Path, names: tuple[str, ...] = ("a", "b"), kinds: tuple[str, str] = ("print", "print")) -> Path:
    """A data set in the pairs layout; with a word of kind "hand", the other stays and ``gt_all`` has neither."""
    for seed, name in enumerate(names):
        page, blank = draw_sides(seed)
        truth = page.copy()
        for (x0, y0, x1, y1), kind in zip(WORDS, kinds, strict=True):
            if "hand" not in kinds or kind == "hand":
                truth[y0:y1, x0:x1] = blank[y0:y1, x0:x1]
        write(root / "input" / f"{name}.png", page)
        write(root / "gt" / f"{name}.png", truth)
        if "hand" in kinds:
            write(root / "gt_all" / f"{name}.png", blank)
        write(root / "mask" / f"{name}.png", (page != truth).any(axis=2).astype(np.uint8) * 255)
        words = [
            {"text": "word", "box": list(box), "kind": kind, "poly": corners(box)}
            for box, kind in zip(WORDS, kinds, strict=True)
        ]
        told = {"words": words, "ignore": [corners((210, 100, 260, 130))], "group": name, "lang": "eng"}
        (root / "json").mkdir(exist_ok=True)
        (root / "json" / f"{name}.json").write_text(json.dumps(told))
    return root


def scut_set(root: Path, names: tuple[str, ...] = ("img_1.jpg", "img_2.png")) -> Path:
    """A data set in SCUT's layout, of 512 x 512 px as there; JPEG and PNG."""
    for seed, name in enumerate(names):
        page, blank = (np.pad(side, ((0, 292), (0, 212), (0, 0)), mode="edge") for side in draw_sides(seed))
        write(root / "all_images" / name, page)
        write(root / "all_labels" / name, blank)
        lines = [",".join(str(value) for point in corners(box) for value in point) for box in WORDS]
        (root / "all_gts").mkdir(exist_ok=True)
        (root / "all_gts" / f"{Path(name).stem}.txt").write_text("\n".join(lines) + "\n")
    return root
