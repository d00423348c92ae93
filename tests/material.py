"""Training material for tests, drawn on the spot: type, handwriting, pages and pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from workflows.training.shards import ShardWriter


def draw_line(text: str, font: int, rng: np.random.Generator) -> np.ndarray:
    (width, height), below = cv2.getTextSize(text, font, 1.5, 2)
    line = np.zeros((height + below + 4, width + 4), np.uint8)
    cv2.putText(line, text, (2, height + 1), font, 1.5, 255, int(rng.integers(1, 4)), cv2.LINE_AA)
    rows, columns = np.nonzero(line)
    return line[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]


def write_shards(folder: Path, seed: int = 0) -> Path:
    """A folder with one small shard of everything."""
    rng = np.random.default_rng(seed)
    words = ["Name", "Total 42.50", "yes", "x", "Invoice 7", "because the tree"]
    with ShardWriter(folder / "small.shard") as writer:
        for word in words:
            writer.add_line("print", draw_line(word, cv2.FONT_HERSHEY_COMPLEX, rng), "test")
            writer.add_line("hand", draw_line(word, cv2.FONT_HERSHEY_SCRIPT_SIMPLEX, rng), "test")
        for index in range(2):
            blank = np.full((320, 320, 3), 255, np.uint8)
            cv2.rectangle(blank, (20, 20), (280, 140 + 40 * index), (0, 0, 0), 2)
            text = blank.copy()
            for row in range(8):
                cv2.putText(text, words[row % 6], (30, 40 + 36 * row), cv2.FONT_HERSHEY_DUPLEX, 0.8, (20, 20, 60), 1)
            soft = np.zeros((320, 320), np.float32)
            soft[30:300, 30:200] = 0.5
            writer.add_pair(text, blank, soft, "test")
        writer.add_picture(rng.integers(0, 255, (90, 120, 3), np.uint8), "test")
    return folder
