"""``restore-docs evaluate`` and ``make-flist``: how good is a removal, in the field's figures and in honest ones?"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from pipeline.errors import InputError, OutputError, RestoreError, SetupError, UsageError
from pipeline.metrics import frechet_distance
from pipeline.types import Array, PageRef
from workflows.commands.run_command import refuse_unknown, suited
from workflows.config import RunSettings
from workflows.evaluation.cleaning import Masks, clean
from workflows.evaluation.judges import FeatureNetwork, TesseractReader
from workflows.evaluation.progress import shown
from workflows.evaluation.rows import Layout, Row, find_named, find_rows, write_flist
from workflows.evaluation.samples import Sample, read_image, read_sample
from workflows.evaluation.scoring import Readings, Scored, score_detections, score_image, score_readings
from workflows.evaluation.sheet import SheetRow, draw_sheet, pick_rows
from workflows.evaluation.summary import print_table, summarize, write_csv, write_json
from workflows.exit_codes import ExitCode
from workflows.pages.tools import detector_settings, make_detector
from workflows.versions import versions

log = logging.getLogger("restore_docs")

CLEANING = {
    "remove",
    "ink",
    "mask",
    "stroke_weights",
    "remover",
    "weights",
    "precision",
    "batch_size",
    "engine",
    "verify",
}  # fmt: skip - settings of a run that say how a page is cleaned; the others also find the text that is left
RANKED_BY = ("tpsnr", "psnr")  # what orders the contact sheet: the first of these that all pages have


class EvaluateSettings(BaseModel):
    """What is evaluated and what is told of it; how pages are cleaned is in ``RunSettings``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    layout: Layout | None = Field(None, description="how the data set lies; None: told by its folders")
    predictions: Path | None = Field(None, description="ready-made outputs of the rows' names, scored as they are")
    masks: Masks = Field("detected", description="whose regions: the data set's or the detector's")
    save: Path | None = Field(None, description="folder that keeps cleaned images, and in raw/ the predictions")
    json_path: Path | None = Field(None, description="where the JSON goes")
    csv_path: Path | None = Field(None, description="where the table of pages goes")
    sheet: Path | None = Field(None, description="where the contact sheet goes")
    everything: bool = Field(False, description="print should go as well, where a data set is about handwriting")
    detection: bool = Field(True, description="look for text in the outputs with a detector")
    ocr: bool = Field(False, description="read page, output and truth with Tesseract")
    inception: Path | None = Field(None, description="an Inception network, for FID")
    seed: int = Field(0, description="of the bootstrap")


@dataclass(slots=True)
class _Evaluation:
    """What is collected row by row."""

    settings: EvaluateSettings
    run: RunSettings
    folder: Path
    reader: TesseractReader | None
    network: FeatureNetwork | None
    scored: list[Scored] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    errors: list[dict[str, str]] = field(default_factory=list)
    features: list[tuple[Array, Array]] = field(default_factory=list)

    def take(self, row: Row) -> None:
        """Score a row; what cannot be read or cleaned is an error of that name, and of no other row."""
        try:
            sample = read_sample(row, self.settings.everything)
            output, notes = self._output(sample)
            figures = score_image(sample, output)
            figures |= self._judge(sample, output)
        except (SetupError, UsageError, OutputError):
            raise  # they concern every row
        except RestoreError as error:
            log.error("%s: %s", row.name, error)
            self.errors.append({"name": row.name, "error": str(error)})
            return
        self.scored.append(Scored(row.name, sample.group, figures, notes))
        self.rows.append(row)

    def _output(self, sample: Sample) -> tuple[Array, dict[str, str | float]]:
        name, given = sample.row.name, self.settings.predictions
        if given is not None:
            path = find_named(given, name)
            if path is None:
                raise InputError(f"there is no prediction {name} in {given}", "add an image of that name")
            return read_image(path), {}
        cleaned = clean(sample, self.run, self.settings.masks, self.folder)
        if self.settings.save is not None:
            save_image(cleaned.image, self.settings.save / f"{name}.png")
            save_image(cleaned.raw, self.settings.save / "raw" / f"{name}.png")
        notes: dict[str, str | float] = {"status": str(cleaned.status), "residual": cleaned.residual_count}
        return cleaned.image, notes | {"removed": cleaned.removed, "seconds": round(cleaned.seconds, 2)}

    def _judge(self, sample: Sample, output: Array) -> dict[str, Any]:
        figures: dict[str, Any] = {}
        if self.settings.detection and sample.strokes is not None:
            detector = make_detector(self.run.detector, detector_settings(self.run))
            found = detector.detect(output, PageRef(str(sample.row.image), 0))
            figures |= score_detections(sample, [region.polygon for region in found])
        if self.reader is not None:
            images = (sample.before, output, sample.truth if sample.keeps else None)
            seen = [() if image is None else self.reader.read(image, sample.language) for image in images]
            figures |= score_readings(sample, Readings(*seen))
        if self.network is not None:
            self.features.append((self.network.features(output), self.network.features(sample.truth)))
        return figures

    def output_of(self, row: Row) -> Array:
        """The output of a row that was scored, once more."""
        path = find_named(self.settings.predictions, row.name) if self.settings.predictions is not None else None
        return read_image(path or self.folder / f"{row.name}.png")


def evaluate_command(dataset: Path, settings: EvaluateSettings, run: RunSettings) -> ExitCode:
    """Clean and score every row of a data set, and tell. Returns the exit code.

    ``run`` says how pages are cleaned. Raises RestoreError when nothing can be begun; a row that fails is told, counted
    and costs no other row its figures.
    """
    refuse_unknown(run)
    _refuse_idle(settings, run)
    if run.detector == "annotated":
        raise UsageError("--detector annotated is for runs", "give --masks annotated: the data set knows where text is")
    layout, rows = find_rows(dataset, settings.layout)
    if layout == "scut" and "mask" not in run.model_fields_set:
        run = run.model_copy(update={"mask": "polygons"})  # as the field does
    if settings.predictions is not None and not settings.predictions.is_dir():
        raise InputError(f"there are no predictions at {settings.predictions}", "name a folder")
    if settings.ocr and layout == "scut":
        raise UsageError("--ocr needs to know the words, which the scut layout does not tell", "leave it away")
    with TemporaryDirectory(prefix="restore-docs-") as folder:
        reader = TesseractReader() if settings.ocr else None
        network = FeatureNetwork(settings.inception) if settings.inception else None
        evaluation = _Evaluation(settings, suited(run, 1), Path(folder), reader, network)
        for row in shown(rows, "pages scored"):
            evaluation.take(row)
        summary = _tell(evaluation, layout, dataset)
        if settings.sheet is not None and evaluation.scored:
            _write_sheet(evaluation, settings.sheet)
    print_table(summary, layout)
    if summary["not_measured"]:
        print("not measured: " + "; ".join(f"{name}, {why}" for name, why in summary["not_measured"].items()))
    for error in evaluation.errors:
        print(f"error: {error['name']}: {error['error']}")
    if not evaluation.scored:
        return ExitCode.NO_INPUT
    return ExitCode.INCOMPLETE if evaluation.errors else ExitCode.OK


def _refuse_idle(settings: EvaluateSettings, run: RunSettings) -> None:
    """What says how to clean is not for outputs that are there: it would be passed over without a word."""
    if settings.predictions is None:
        return
    idle: list[str] = [
        name for name in ("masks", "save") if name in settings.model_fields_set and getattr(settings, name)
    ]
    idle += sorted(CLEANING & run.model_fields_set)
    if idle:
        names = ", ".join("--" + name.replace("_", "-") for name in idle)
        raise UsageError(f"{names} and --predictions exclude each other", "ready-made outputs are scored as they are")


def _tell(evaluation: _Evaluation, layout: Layout, dataset: Path) -> dict[str, Any]:
    """The summary, written where it was asked for."""
    settings = evaluation.settings
    summary = summarize(evaluation.scored, evaluation.errors, settings.seed)
    if len(evaluation.features) > 1:
        ours, truth = (np.stack(side) for side in zip(*evaluation.features, strict=True))
        summary["mean"]["fid"] = frechet_distance(ours, truth)
    summary["not_measured"] = _not_measured(settings, summary["mean"], layout)
    told: dict[str, Any] = {"dataset": str(dataset), "layout": layout}
    if settings.predictions is not None:
        told["predictions"] = str(settings.predictions)
    else:
        told |= {"masks": settings.masks, "settings": evaluation.run.public(), "versions": versions()}
    summary = told | summary
    if settings.json_path is not None:
        write_json(summary, settings.json_path)
    if settings.csv_path is not None:
        write_csv(summary, settings.csv_path)
    return summary


def _not_measured(settings: EvaluateSettings, mean: dict[str, float], layout: Layout) -> dict[str, str]:
    """Figures that are missing on the whole, and what they need."""
    needs = {}
    if "fid" not in mean:
        needs["fid"] = (
            "which needs two pages" if settings.inception else "which needs an Inception network: --inception"
        )
    if not settings.ocr:
        needs["ocr"] = "which needs to know the words" if layout == "scut" else "which needs Tesseract: --ocr"
    if not settings.detection:
        needs["deteval and iou"] = "left out by --no-detection"
    elif "iou_f" not in mean:
        needs["deteval and iou"] = "which need annotated text"
    return needs


def _write_sheet(evaluation: _Evaluation, path: Path) -> None:
    name = next(name for name in RANKED_BY if all(name in page.figures for page in evaluation.scored))
    values = [page.values[name] for page in evaluation.scored]
    drawn = []
    for place, index in pick_rows(values).items():
        row, page = evaluation.rows[index], evaluation.scored[index]
        sample = read_sample(row, evaluation.settings.everything)
        figures = ", ".join(f"{key} {page.values[key]:.2f}" for key in ("psnr", "tpsnr", "ink") if key in page.values)
        drawn.append(
            SheetRow(f"{place}: {row.name} ({figures})", sample.before, evaluation.output_of(row), sample.truth)
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(draw_sheet(drawn))
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}", "check space and permissions") from None


def save_image(image: Array, path: Path) -> None:
    """Write (H, W, 3) uint8 RGB as a PNG. Raises OutputError."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(cv2.imencode(".png", np.ascontiguousarray(image[..., ::-1]))[1].tobytes())
    except OSError as error:
        raise OutputError(f"{path} cannot be written: {error.strerror}", "check space and permissions") from None


def make_flist_command(folder: Path, out: Path) -> ExitCode:
    """Write a file list of a folder's images."""
    count = write_flist(folder, out)
    print(f"{out}: {count} images")
    return ExitCode.OK
