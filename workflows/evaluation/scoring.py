"""One page's figures. Each is a numerator and a denominator: means over pages and pooled shares are one thing then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import nan

import numpy as np

from pipeline import metrics
from pipeline.detection_metrics import AREA_PRECISION, IGNORED_SHARE, outside
from pipeline.errors import InputError
from pipeline.judged_metrics import ReadWord
from pipeline.metrics import DetectionScore
from pipeline.types import Array
from workflows.evaluation.samples import Sample

WHOLE = {
    "psnr": metrics.psnr,
    "mssim": metrics.mssim,
    "ssim": metrics.ssim,
    "ms_ssim": metrics.ms_ssim,
    "mse": metrics.mse,
    "age": metrics.age,
    "peps": metrics.peps,
    "pceps": metrics.pceps,
}
LEGACY = {
    "psnr_legacy": metrics.psnr_legacy,
    "mssim_legacy": metrics.mssim_legacy,
    "mse_legacy": metrics.mse_legacy,
    "age_legacy": metrics.age_legacy,
    "peps_legacy": metrics.peps_legacy,
    "pceps_legacy": metrics.pceps_legacy,
}
# and the share of what is found by which it must lie in print that stays to be left out
PROTOCOLS = {
    "deteval": (metrics.detection_deteval, AREA_PRECISION),
    "iou": (metrics.detection_iou, IGNORED_SHARE),
}
WRONG = 20  # levels from which a pixel of the background counts as wrong


@dataclass(frozen=True, slots=True)
class Share:
    """A figure of one page, or of several: ``value`` is the quotient, NaN of nothing."""

    over: float
    under: float = 1.0

    @property
    def value(self) -> float:
        """What is printed."""
        return self.over / self.under if self.under else nan


@dataclass(frozen=True, slots=True)
class Scored:
    """A page's figures by name; ``notes`` (status, what verification left, seconds) are told but not averaged."""

    name: str
    group: str
    figures: dict[str, Share]
    notes: dict[str, str | float] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, float]:
        """The figures as numbers, F included."""
        return with_f({name: share.value for name, share in self.figures.items()})


def score_image(sample: Sample, output: Array) -> dict[str, Share]:
    """The figures of an output (H, W, 3) uint8 RGB that need nothing but arrays.

    Raises InputError when it has another size than the page, or is smaller than figures can be had of.
    """
    if output.shape != sample.before.shape:
        sizes = [f"{image.shape[1]} x {image.shape[0]} px" for image in (output, sample.before)]
        raise InputError(
            f"the output for {sample.row.image} is {sizes[0]}, the page {sizes[1]}", "keep the page's size"
        )
    if min(output.shape[:2]) < metrics.WINDOW:
        raise InputError(f"{sample.row.image} is too small to be scored", f"{metrics.WINDOW} px a side at least")
    truth, areas, image = sample.truth, None, output
    if sample.strokes is not None:
        areas = metrics.text_areas(sample.words, sample.strokes, sample.ignored)
        image = metrics.with_truth(output, truth, areas.ignored)
    found = {name: figure(image, truth) for name, figure in WHOLE.items()}
    small = metrics.resize_legacy(image), metrics.resize_legacy(truth)
    found |= {name: figure(*small) for name, figure in LEGACY.items()}
    if areas is not None:
        found |= {
            "tpsnr": metrics.psnr_within(image, truth, areas.text),
            "bgpsnr": metrics.psnr_within(image, truth, areas.background),
            "bg_changed": metrics.changed_share(image, truth, areas.background),
            "bg_wrong": metrics.changed_share(image, truth, areas.background, WRONG),
            "ink": metrics.ink_left(sample.before, image, truth, areas.strokes),
            "struct": metrics.structure_error(image, truth, areas.text),
        }
    return {name: mean_of(value) for name, value in found.items()}


def mean_of(value: float) -> Share:
    """A figure of which the mean over pages is taken; one that is NaN is left out of it."""
    return Share(0.0, 0.0) if np.isnan(value) else Share(value)


def score_detections(sample: Sample, found: Sequence[Array]) -> dict[str, Share]:
    """Precision and recall of the text that a detector finds in an output, by both protocols.

    Print that should stay is neither right nor wrong to find: what lies in its words, taken together, is left out.
    """
    figures = {}
    for name, (protocol, share) in PROTOCOLS.items():
        score: DetectionScore = protocol(sample.words, outside(found, sample.kept, share), sample.ignored)
        figures[f"{name}_precision"] = Share(100 * score.precise, score.found)
        figures[f"{name}_recall"] = Share(100 * score.recalled, score.truths)
    return figures


def with_f(values: dict[str, float]) -> dict[str, float]:
    """The values with F beside precision and recall; where nothing is found, both are 0, as the field has it."""
    completed = dict(values)
    for name in PROTOCOLS:
        if f"{name}_precision" in values:
            precision, recall = (float(np.nan_to_num(values[f"{name}_{part}"])) for part in ("precision", "recall"))
            completed[f"{name}_precision"], completed[f"{name}_recall"] = precision, recall
            completed[f"{name}_f"] = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    return completed


@dataclass(frozen=True, slots=True)
class Readings:
    """What a reader sees of a page before, of the output, and of the truth (where print should stay)."""

    before: Sequence[ReadWord]
    output: Sequence[ReadWord]
    truth: Sequence[ReadWord]


def score_readings(sample: Sample, readings: Readings) -> dict[str, Share]:
    """How many words can still be read, and how many of those that should stay.

    ``ocr_in`` and ``ocr_out``: percent of all words read in the page and in the output; ``ocr_left``: of those read in
    the page, percent still read. ``kept``: of the words to keep that are read in the truth, percent read in the output,
    ``kept_in`` in the page.
    """
    before, count = metrics.words_read(sample.texts, readings.before)
    output, _ = metrics.words_read(sample.texts, readings.output)
    figures = {
        "ocr_in": Share(100 * len(before), count),
        "ocr_out": Share(100 * len(output), count),
        "ocr_left": Share(100 * len(before & output), len(before)),
    }
    if sample.keeps:
        legible, _ = metrics.words_read(sample.keeps, readings.truth)
        figures["kept"] = Share(100 * len(legible & metrics.words_read(sample.keeps, readings.output)[0]), len(legible))
        seen = metrics.words_read(sample.keeps, readings.before)[0]
        figures["kept_in"] = Share(100 * len(legible & seen), len(legible))
    return figures
