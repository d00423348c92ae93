"""Text that is left on a blank: letters inside pictures, or drawn as outlines, which no operator shows.

The trainers would learn from it that such text is none. A detector alone finds text in every circle and tick; what
counts here is what can be read.
"""

from __future__ import annotations

from typing import Any, Protocol

import cv2
import numpy as np

from pipeline.errors import SetupError
from pipeline.types import Array
from workflows.training.pieces import PIECE_SIDE_PX

SURE = 0.9  # the reader's own score; drawings are read as letters too, but not surely
FEWEST_SIGNS = 2  # circles are O, ticks are I: a word has two different letters or digits
EDGE_CONTRAST, FEWEST_EDGES = 12, 60  # an image with fewer edge pixels than letters have is not looked at


class Reader(Protocol):
    """Reads what is written on an image."""

    def read(self, image: Array) -> str:
        """The first text that is surely legible on an image, (H, W, 3) uint8 RGB; "" when there is none."""
        ...


class OcrReader:
    """Reads with RapidOCR, on one thread, so that the same image gives the same answer everywhere."""

    def __init__(self) -> None:
        """Load the models. Raises SetupError when they cannot be loaded."""
        try:
            from rapidocr import RapidOCR

            options = {
                "Global.use_cls": False,
                "Global.log_level": "error",
                "Det.limit_side_len": PIECE_SIDE_PX,  # no piece is enlarged before it is looked at
                "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            }
            self._engine: Any = RapidOCR(params=options)
        except Exception as error:  # whatever RapidOCR and onnxruntime raise
            remedy = "reinstall rapidocr and onnxruntime, or set check_blanks to false"
            raise SetupError(f"the reader that checks the blanks cannot be loaded: {error}", remedy) from error

    def read(self, image: Array) -> str:
        """See ``Reader.read``."""
        edges = cv2.Laplacian(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.CV_16S)
        if int((np.abs(edges) > EDGE_CONTRAST).sum()) < FEWEST_EDGES:
            return ""
        found = self._engine(np.ascontiguousarray(image[..., ::-1]))
        for text, score in zip(found.txts or (), found.scores or (), strict=True):
            if score >= SURE and len({sign for sign in text.casefold() if sign.isalnum()}) >= FEWEST_SIGNS:
                return str(text)
        return ""
