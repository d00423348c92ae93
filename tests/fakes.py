"""Named fakes for failure injection: each breaks one thing, in one way."""

from __future__ import annotations

import ctypes
import errno
import os
import signal
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from detectors.base import DetectorSettings
from detectors.registry import create_detector
from pipeline.errors import SetupError, StageError
from pipeline.types import Array, PageRef, RestoredTile, TextRegion, Tile
from remover.base import RemoverSettings


class BlindDetector:
    """Finds nothing, ever."""

    name = "blind"

    def __init__(self, settings: DetectorSettings) -> None:
        del settings

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        return ()


class FarsightedDetector(BlindDetector):
    """Sees what PaddleOCR's detector sees, but nothing on a picture of one width: a page at its full size."""

    blind_at = 700

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        if image.shape[1] == self.blind_at:
            return ()
        return create_detector("paddleocr", DetectorSettings()).detect(image, ref)


class RaisingDetector(BlindDetector):
    """Breaks on page 2 of any document, as a bug would."""

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        if ref.page_number == 2:
            raise ZeroDivisionError("the second page is not to my taste")
        return ()


class QuotingDetector(BlindDetector):
    """Breaks as a bug would, with words of the document in what it says."""

    words = "VOLKHARDTSON of Klein-Nordende"

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        raise ValueError(self.words)


class HungryDetector(BlindDetector):
    """Runs out of memory."""

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        raise MemoryError


class UnequippedDetector(BlindDetector):
    """Misses its weights."""

    def __init__(self, settings: DetectorSettings) -> None:
        raise SetupError("the weights of the unequipped detector are missing", "install them")


class InterruptedDetector(BlindDetector):
    """Somebody presses Ctrl-C while it looks at page 2."""

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        if ref.page_number == 2:
            raise KeyboardInterrupt
        return ()


class PhantomDetector(BlindDetector):
    """Sees text on blank paper: a region in which there is no ink."""

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        return (TextRegion(np.float32([[150, 150], [190, 150], [190, 170], [150, 170]])),)


class ForeignError(Exception):
    """An exception as some C libraries have them: it cannot be pickled."""

    def __reduce__(self) -> str:
        raise TypeError("this exception does not travel")


class OpaqueDetector(BlindDetector):
    """Fails on page 2 with an error of ours that was caused by one that cannot be pickled."""

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        if ref.page_number == 2:
            raise StageError("the model choked on the page", "try another", "detect", 2) from ForeignError(
                "C++ says no"
            )
        return ()


class KillingDetector(BlindDetector):
    """Takes its whole worker process down on page 2."""

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        if ref.page_number == 2:
            os._exit(1)
        return ()


class NoiseRemover:
    """Predicts noise everywhere: only what is composited under the mask may show it."""

    name = "noise"
    tile_side = 512
    needs_structure = False
    needs_soft_mask = False

    def __init__(self, settings: RemoverSettings) -> None:
        del settings

    def remove(self, tiles: Sequence[Tile]) -> tuple[RestoredTile, ...]:
        rng = np.random.default_rng(0)
        return tuple(RestoredTile(t.box, rng.integers(0, 256, t.image.shape, dtype=np.uint8)) for t in tiles)


class LosingRemover(NoiseRemover):
    """Gives back one tile too few."""

    name = "losing"

    def remove(self, tiles: Sequence[Tile]) -> tuple[RestoredTile, ...]:
        return super().remove(tiles)[:-1]


class StructureRemover(NoiseRemover):
    """Predicts the structure map it is given."""

    name = "structure"
    needs_structure = True

    def remove(self, tiles: Sequence[Tile]) -> tuple[RestoredTile, ...]:
        return tuple(RestoredTile(t.box, np.rint(255 * np.asarray(t.structure)).astype(np.uint8)) for t in tiles)


class IdleRemover(NoiseRemover):
    """Predicts what is there already: nothing is removed."""

    name = "idle"

    def remove(self, tiles: Sequence[Tile]) -> tuple[RestoredTile, ...]:
        return tuple(RestoredTile(tile.box, tile.image) for tile in tiles)


class TroublesomeDetector(BlindDetector):
    """On the second page it takes its process down, on the third it sleeps for ever in C, on the fourth it raises."""

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        if ref.page_number == 2:
            os.kill(os.getpid(), signal.SIGKILL)
        if ref.page_number == 3:
            ctypes.PyDLL(None).sleep(10**6)  # with Python's lock: no other thread of the process runs again
        if ref.page_number == 4:
            raise ZeroDivisionError("the fourth page is not to my taste")
        return ()


class RelapsingDetector(BlindDetector):
    """Takes its process down at the last of six pages that it sees, and at the first other one that it sees again."""

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        looks, go = Path(ref.document).parent / "looks", Path(ref.document).parent / "go"
        with looks.open("a") as file:
            file.write(f"{ref.page_number}\n")
        seen = looks.read_text().split()
        last_of_six = len(seen) == 6
        again = len(set(seen[:6])) == 6 and ref.page_number != int(seen[5]) and not go.exists()
        if again and not last_of_six:
            go.touch()
        if last_of_six or again:
            os.kill(os.getpid(), signal.SIGKILL)
        return ()


class WaitingRemover(NoiseRemover):
    """Waits for a sign, ``go`` in its working folder: pages pile up before it."""

    def remove(self, tiles: Sequence[Tile]) -> tuple[RestoredTile, ...]:
        deadline = time.monotonic() + 100
        while not Path("go").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        return super().remove(tiles)


class FlakyDetector(BlindDetector):
    """A network share that is out for a moment: on page 2, once."""

    failures = 1

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        if ref.page_number == 2 and FlakyDetector.failures:
            FlakyDetector.failures -= 1
            raise OSError(errno.ESTALE, "Stale file handle")
        return ()


class SlowDetector(BlindDetector):
    """Takes its time: there is some to interrupt it in."""

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        time.sleep(0.3)
        return ()


def stuttering(real: Callable[..., Any], error: Exception, times: int = 1) -> Callable[..., Any]:
    """A call that fails so many times, and then does what it did before: a share or a store that is out for a moment.

    For a class's method, too. ``failed`` of what is given back counts.
    """

    def stutter(*arguments: Any, **options: Any) -> Any:
        if stutter.failed < times:  # type: ignore[attr-defined]
            stutter.failed += 1  # type: ignore[attr-defined]
            raise error
        return real(*arguments, **options)

    stutter.failed = 0  # type: ignore[attr-defined]
    return stutter


class HangingDetector(BlindDetector):
    """Hangs on page 2, with Python's lock, and counts how often it was asked to look at it."""

    def detect(self, image: Array, ref: PageRef) -> tuple[TextRegion, ...]:
        if ref.page_number == 2:
            with open(os.environ["ATTEMPTS"], "a") as file:  # noqa: PTH123 - in whichever process
                file.write("x")
            ctypes.PyDLL(None).sleep(10**6)
        return ()
