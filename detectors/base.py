"""What every detector is: something that finds where on a page text stands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from pipeline.errors import UsageError
from pipeline.types import Array, PageRef, TextRegion

SHIPPED_MODEL = "PP-OCRv6_small_det"

Engine = Literal["onnxruntime", "paddle"]
Device = Literal["auto", "cpu", "cuda"]


class Detector(Protocol):
    """Finds text regions on one page.

    ``name`` is its name in the registry. A detector is made once per worker process and must give the same regions
    for the same page every time.
    """

    name: str

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        """Return the text regions of a page, in reading order (top to bottom, then left to right).

        ``image`` is the whole page, (H, W, 3) uint8 RGB; ``ref`` names it, for detectors that look regions up and for
        messages. Polygons are in page pixels, inside the page: 0 <= x <= W, 0 <= y <= H. No text is an empty tuple,
        never an error. Raises StageError when the page cannot be looked at, SetupError when the model cannot be
        loaded.
        """
        ...


@dataclass(frozen=True, slots=True)
class DetectorSettings:
    """Everything a detector can be told; each detector reads what concerns it. Checked when made: UsageError.

    PaddleOCR: ``model`` is a PaddleOCR detection model's name (one that is not shipped is downloaded by PaddleOCR),
    ``model_dir`` a local folder with that model ("" = shipped or downloaded), ``engine`` what runs it, ``device``
    where ("auto" = CUDA when the engine has it), ``threads`` the CPU threads of one detector: on the pages tried it
    finds the same regions whatever their number. ``thresh`` is DBNet's pixel threshold, ``box_thresh`` the mean score a
    region must reach, ``unclip_ratio`` how far the shrunken region is grown back (Liao et al. 2020, section 3.5).
    Annotated: ``regions`` is a side-car file or a folder of them ("" = beside the document).
    """

    model: str = SHIPPED_MODEL
    model_dir: str = ""
    engine: Engine = "onnxruntime"
    device: Device = "auto"
    threads: int = 1
    thresh: float = 0.3
    box_thresh: float = 0.5
    unclip_ratio: float = 1.7
    regions: str = ""

    def __post_init__(self) -> None:
        if self.engine not in ("onnxruntime", "paddle"):
            raise UsageError(f"there is no detection engine {self.engine!r}", "use onnxruntime or paddle")
        if self.device not in ("auto", "cpu", "cuda"):
            raise UsageError(f"there is no device {self.device!r}", "use auto, cpu or cuda")
        if self.threads < 1:
            raise UsageError(f"a detector cannot run on {self.threads} threads", "use 1 or more")
        for name in ("thresh", "box_thresh"):
            value = getattr(self, name)
            if not 0.0 < value < 1.0:
                raise UsageError(f"{name} {value} is outside (0, 1)")
        if not 0.0 < self.unclip_ratio <= 5.0:
            raise UsageError(f"unclip_ratio {self.unclip_ratio} is outside (0, 5]")
