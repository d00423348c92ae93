"""A sheet of training samples to look at before training: page, without handwriting, without text, labels."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from pipeline.errors import OutputError
from workflows.training.shards import Shards
from workflows.training.synthesis import LABEL_COLOURS, Synthesizer


def preview_samples(shards: Sequence[Path], out: Path, *, count: int, side: int, seed: int) -> float:
    """Write a PNG of ``count`` samples, two a row; returns samples made per second by one process.

    Raises InputError for shards that cannot be read, OutputError when the picture cannot be written.
    """
    synthesizer = Synthesizer(Shards(shards), side, seed)
    begun = time.perf_counter()
    samples = [synthesizer.sample(index) for index in range(count)]
    rate = count / (time.perf_counter() - begun)
    strips = [np.concatenate([s.image, s.printed, s.blank, LABEL_COLOURS[s.labels]], axis=1) for s in samples]
    if len(strips) % 2:
        strips.append(np.full_like(strips[0], 255))
    rows = [np.concatenate(strips[k : k + 2], axis=1) for k in range(0, len(strips), 2)]
    if not cv2.imwrite(str(out), np.concatenate(rows)[..., ::-1]):
        raise OutputError(f"{out} cannot be written", "name a .png in a folder that is there")
    return rate
