"""The tools of a worker process, each made once: detector, stroke segmenter, stroke network, remover.

They are made from the run's settings and the files these name, and put together here for what needs several of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detectors.base import Detector, DetectorSettings
from detectors.models import local_model_name
from detectors.registry import create_detector
from detectors.strokes.base import StrokeSegmenter
from detectors.strokes.blanks import blanks, round_blanks
from detectors.strokes.registry import DEFAULT_SEGMENTER, create_segmenter
from pipeline.masks import polygon_mask, soft_mask
from pipeline.pens import clear_paper
from pipeline.selection import InkSelection
from pipeline.stitching import stitch
from pipeline.structure import structure_at
from pipeline.surroundings import keep_to_surroundings
from pipeline.tiling import TILE_MARGIN, PageMaps, cut_tiles, plan_tiles
from pipeline.types import Array, PageRef, RestoredTile, TextRegion
from remover.base import Remover, RemoverSettings
from remover.registry import create_remover
from workflows.config import RunSettings
from workflows.pages.kept_tools import kept
from workflows.pages.polygons import as_regions
from workflows.pages.selecting import reread
from workflows.pages.sight import Ink, Tools
from workflows.storage.places import local_path

LIKELY = 128  # of 255: a pixel is ink from this likelihood on


def find_ink(image: Array, regions: Sequence[TextRegion], settings: RunSettings, everywhere: bool = False) -> Array:
    """Which pixels are ink of the kind that goes, (H, W) bool; ``everywhere``: on the whole page."""
    if settings.mask == "polygons" and not everywhere:
        return polygon_mask([region.polygon for region in regions], *image.shape[:2])
    name = DEFAULT_SEGMENTER if settings.mask in ("strokes", "polygons") else settings.mask
    segmenter = make_segmenter(name, stroke_weights_of(settings), threads_of(settings))
    where = "page" if everywhere else settings.ink
    if where == "page" and name == "classical":  # it knows regions only
        segmenter = make_segmenter(DEFAULT_SEGMENTER, stroke_weights_of(settings), threads_of(settings))
    return segmenter.segment(image, tuple(regions), InkSelection(settings.remove, where, strict=settings.anonymize))


def put_back(image: Array, mask: Array, tiles: Sequence[RestoredTile], settings: RunSettings) -> Array:
    """The image (H, W, 3) uint8 RGB with what a remover predicts under the mask (H, W) bool."""
    stitched = stitch(image, mask, tiles, TILE_MARGIN)
    if settings.remove == "all" and settings.mask != "polygons":  # polygons hold paper as well as ink
        return keep_to_surroundings(image, stitched, mask, threads_of(settings))
    return clear_paper(image, stitched, mask) if settings.remove == "handwriting" else stitched


def remove_under(image: Array, mask: Array, remover: Remover, settings: RunSettings) -> Array:
    """The image (H, W, 3) uint8 RGB without what is under the mask (H, W) bool, by a remover."""
    boxes = plan_tiles(mask, remover.tile_side)
    if not boxes:
        return image
    soft = None
    if remover.needs_soft_mask:
        outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        soft = soft_mask([outline[:, 0].astype(np.float32) for outline in outlines if len(outline) > 2], *mask.shape)
    structure = structure_at(image, boxes) if remover.needs_structure else None
    tiles = cut_tiles(image, PageMaps(mask, mask, soft, structure), boxes)
    return put_back(image, mask, remover.remove(tiles), settings)


def verification_tools(ref: PageRef, settings: RunSettings, removed: int = 0) -> Tools:
    """What a page is verified with. Whatever finds its text at first, PaddleOCR looks for what is left.

    ``removed`` is how many pixels of ink were removed.
    """
    selection = InkSelection(settings.remove, settings.ink, removed, settings.anonymize)
    remover = make_remover(settings.remover, remover_settings(settings))
    plain = create_remover("fill", remover_settings(settings))
    by_eye = "paddleocr" if settings.detector == "annotated" else settings.detector
    detector = make_detector(by_eye, detector_settings(settings))
    threads = threads_of(settings)
    segmenter = make_segmenter(DEFAULT_SEGMENTER, stroke_weights_of(settings), threads)

    def by_text(image: Array, polygons: Sequence[Array]) -> tuple[Sequence[Array], Sequence[Array]]:
        return reread(image, as_regions(polygons), settings, make_text_reader(threads).read_lines)

    return Tools(
        detect=lambda image: detector.detect(image, ref),
        read_ink=lambda image, wanted: read_ink(image, wanted, settings, selection),
        find_ink=lambda image, regions: segmenter.segment(image, tuple(regions), selection),
        read_text=lambda image, regions: make_text_reader(threads).read(image, regions),
        remove=lambda image, mask: remove_under(image, mask, remover, settings),
        fill=lambda image, mask: remove_under(image, mask, plain, settings),
        reread=by_text if settings.match or settings.entities or settings.words else None,
        whole_regions=settings.anonymize,
        find_staying=lambda image, wanted: find_staying(image, wanted, settings),
        by_ink=settings.remove != "all",
        read_upright=lambda image, regions: make_text_reader(threads).read(image, regions, upright=True),
    )


def read_ink(image: Array, wanted: Array | None, settings: RunSettings, selection: InkSelection) -> Ink:
    """How likely each pixel of an image (H, W, 3) uint8 RGB is ink of the kind that goes, where it is ``wanted``."""
    # which kind of ink it is, the network tells by what is around it: parts of the page alone would not do
    part = wanted if selection.remove == "all" else None
    levels = make_reader(stroke_weights_of(settings), threads_of(settings)).read(image, part)
    stays = kept_ink(image, levels, selection)
    goes = np.where(stays, 0, levels_of(levels, selection))
    if selection.remove == "print":
        goes = np.where(round_blanks(image, goes >= LIKELY), 0, goes)
    return Ink(goes, stays)


def find_staying(image: Array, wanted: Array, settings: RunSettings) -> Array:
    """Blanks to fill in, and ink of the kind that stays, among what is ``wanted`` (H, W) bool, (H, W) bool."""
    from detectors.strokes.segmenters import likelihood

    reader = make_reader(stroke_weights_of(settings), threads_of(settings))
    if settings.remove == "all":
        return blanks(image, wanted, lambda part: likelihood(reader.read(image, part)))
    levels = reader.read(image)
    other = InkSelection("print" if settings.remove == "handwriting" else "handwriting", settings.ink)
    return (np.asarray(levels_of(levels, other) >= LIKELY) & wanted) | round_blanks(image, wanted)


def levels_of(levels: Array, selection: InkSelection) -> Array:
    """How likely each pixel is ink that goes, (H, W) int from 0 to 255; ``levels`` is what ``StrokeReader`` reads."""
    from detectors.strokes.segmenters import handwriting

    every = levels.sum(axis=2, dtype=np.int32)
    if selection.remove == "all":
        return every
    written = handwriting(levels)
    return np.where(written if selection.remove == "handwriting" else ~written, every, 0)


def kept_ink(image: Array, levels: Array, selection: InkSelection) -> Array:
    """What looks like ink that goes and stays nevertheless, (H, W) bool: lines and print that look handwritten."""
    from detectors.strokes.segmenters import mistaken, whole_strokes

    if selection.remove != "handwriting":
        return np.zeros(levels.shape[:2], bool)
    return mistaken(image, levels, whole_strokes(levels), selection)


def _model_files(name: str, settings: DetectorSettings) -> list[Path]:
    return sorted(Path(settings.model_dir).glob("inference.*")) if settings.model_dir else []


def _stroke_files(name: str, weights: Path | None, threads: int) -> list[Path]:
    return [] if weights is None else [weights]


def _reader_files(weights: Path | None, threads: int) -> list[Path]:
    return [] if weights is None else [weights]


def _remover_files(name: str, settings: RemoverSettings) -> list[Path]:
    return [] if settings.weights is None else [settings.weights]


@kept(_model_files, size=2)
def make_detector(name: str, settings: DetectorSettings) -> Detector:
    """The detector of this process, made once."""
    return create_detector(name, settings)


@kept(_stroke_files, size=2)
def make_segmenter(name: str, weights: Path | None, threads: int) -> StrokeSegmenter:
    """The stroke segmenter of this process, made once."""
    # the classical one has no network and needs no torch
    more = {} if name == "classical" else {"weights": weights}
    return create_segmenter(name, threads=threads, **more)


@kept(_reader_files, size=1)
def make_reader(weights: Path | None, threads: int) -> Any:
    """The stroke network of this process, for verification: a ``StrokeReader``."""
    from detectors.strokes.learned import StrokeReader
    from detectors.strokes.weights import SHIPPED

    return StrokeReader(weights or SHIPPED, threads=threads)


@lru_cache(maxsize=1)
def make_text_reader(threads: int) -> Any:
    """The recognizer of this process: a ``TextReader``."""
    from detectors.reading import TextReader

    return TextReader(threads)


@kept(_remover_files, size=1)
def make_remover(name: str, settings: RemoverSettings) -> Remover:
    """The remover of this process, made once."""
    return create_remover(name, settings)


def load_tools(settings: RunSettings) -> None:
    """Make what every page needs, so that no page's time goes into it. What fails here fails again where it is used."""
    name = DEFAULT_SEGMENTER if settings.mask in ("strokes", "polygons") else settings.mask
    with suppress(Exception):
        make_detector(settings.detector, detector_settings(settings))
    with suppress(Exception):
        make_segmenter(name, stroke_weights_of(settings), threads_of(settings))
    with suppress(Exception):
        make_remover(settings.remover, remover_settings(settings))


def stroke_weights_of(settings: RunSettings) -> Path | None:
    """The stroke network's weights where they can be read; None are those that come with the program."""
    return settings.stroke_weights and local_path(settings.stroke_weights)


def threads_of(settings: RunSettings) -> int:
    """The threads of one page; "auto" is one, where nobody has said how many cores there are for it."""
    return 1 if settings.threads == "auto" else settings.threads


def detector_settings(settings: RunSettings) -> DetectorSettings:
    """What a run's settings mean to a detector."""
    local = Path(settings.detector_model)
    is_folder = local.is_dir()
    return DetectorSettings(
        model=local_model_name(local) if is_folder else settings.detector_model,
        model_dir=str(local) if is_folder else "",
        engine=settings.detector_engine,
        # --device is the remover's: the core install detects on the CPU, whatever the remover runs on
        threads=threads_of(settings),
        regions=str(settings.regions or ""),
    )


def remover_settings(settings: RunSettings) -> RemoverSettings:
    """What a run's settings mean to a remover."""
    return RemoverSettings(
        weights=settings.weights and local_path(settings.weights),
        device=settings.device,
        threads=threads_of(settings),
        precision=settings.precision,
        batch_size=settings.batch_size,
        engine=settings.engine,
    )
