"""The commands that measure: ``evaluate``, ``make-flist`` and ``make-pairs``. Loads nothing heavy by itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from workflows.commands.command_exits import exits

# The settings of a run that say how a page is cleaned; what a data set says itself, and where outputs go, is no option
SHAPING = (
    "detector", "detector_model", "detector_engine", "remove", "ink", "mask", "stroke_weights", "remover", "weights",
    "device", "precision", "batch_size", "engine", "verify", "threads",
)  # fmt: skip

Merge = Callable[..., Any]
Start = Callable[[int, bool], None]


def add_evaluation(app: typer.Typer, with_settings: Merge, start_logging: Start) -> None:
    """Give the program the commands that measure. ``with_settings`` adds a run's settings to a command's options."""
    app.command("evaluate")(with_settings(exits(_evaluate(start_logging)), SHAPING))
    app.command("make-flist")(exits(_make_flist(start_logging)))
    app.command("make-pairs")(exits(_make_pairs(start_logging)))


def _evaluate(start_logging: Start) -> Callable[..., int]:
    def evaluate(
        dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="A folder in one of the layouts, or a list.")],
        layout: Annotated[str | None, typer.Option(metavar="pairs|scut", help="How it lies; else told by it.")] = None,
        predictions: Annotated[Path | None, typer.Option(metavar="DIR", help="Score these ready-made outputs.")] = None,
        masks: Annotated[
            str | None,
            typer.Option(metavar="annotated|detected", help="Who says where text is: the data set, else the detector."),
        ] = None,
        save: Annotated[Path | None, typer.Option(metavar="DIR", help="Keep outputs, and predictions in raw/.")] = None,
        json: Annotated[Path | None, typer.Option(metavar="FILE", help="Write all figures as JSON.")] = None,
        csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a row for each page.")] = None,
        sheet: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw best, median, worst page.")] = None,
        target: Annotated[
            str, typer.Option(metavar="auto|all", help="With handwriting: is only that to go, or all text?")
        ] = "auto",
        detection: Annotated[bool, typer.Option("--detection/--no-detection", help="Look for text left.")] = True,
        ocr: Annotated[bool, typer.Option("--ocr", help="Read the words with Tesseract.")] = False,
        inception: Annotated[Path | None, typer.Option(metavar="FILE", help="An Inception network: gives FID.")] = None,
        seed: Annotated[int, typer.Option(help="Of the confidence intervals.")] = 0,
        quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Log nothing but errors.")] = False,
        **options: Any,
    ) -> int:
        """Score the program, or ready-made outputs, on a data set with truth."""
        start_logging(0, quiet)
        chosen: dict[str, Any] = {
            "layout": layout,
            "predictions": predictions,
            "save": save,
            "sheet": sheet,
        }
        chosen |= {} if masks is None else {"masks": masks}
        chosen |= {"json_path": json, "csv_path": csv, "everything": _is_all(target), "detection": detection}
        return _run(dataset, chosen | {"ocr": ocr, "inception": inception, "seed": seed}, options)

    return evaluate


def _is_all(target: str) -> bool:
    from pipeline.errors import require_known

    require_known("--target", target, ("auto", "all"))
    return target == "all"


def _run(dataset: Path, chosen: dict[str, Any], options: dict[str, Any]) -> int:
    """Check both kinds of settings, and evaluate."""
    from pydantic import ValidationError

    from pipeline.errors import UsageError
    from workflows.commands.evaluate import EvaluateSettings, evaluate_command
    from workflows.commands.settings_file import load_settings

    try:
        settings = EvaluateSettings.model_validate(chosen)
    except ValidationError as error:
        first = error.errors()[0]
        option = str(first["loc"][0]).removesuffix("_path")
        raise UsageError(f"--{option}: {first['msg']}", "see restore-docs evaluate --help") from None
    given = {name: value for name, value in options.items() if value is not None}
    return evaluate_command(dataset, settings, load_settings(given, None))


def _make_flist(start_logging: Start) -> Callable[..., int]:
    def make_flist(
        folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Images, or a data set in one of the layouts.")],
        out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="Where the list goes.")],
    ) -> int:
        """Write the file list of a folder: one image path a line, sorted."""
        from workflows.commands.evaluate import make_flist_command

        start_logging(0, False)
        return make_flist_command(folder, out)

    return make_flist


def _make_pairs(start_logging: Start) -> Callable[..., int]:
    def make_pairs(
        pdf: Annotated[
            list[str], typer.Argument(metavar="PDF...", help="Born-digital PDFs: files, folders, patterns.")
        ],
        out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the pairs go.")],
        pages: Annotated[str, typer.Option(metavar="1-3,7", help="Only these pages of each PDF.")] = "",
        per_pdf: Annotated[int, typer.Option(min=0, help="So many pages of each PDF, drawn by chance; 0: all.")] = 0,
        dpi: Annotated[int, typer.Option(min=30, max=1200, help="Resolution.")] = 200,
        scan: Annotated[bool, typer.Option("--scan", help="Degrade page and truth alike, as a scanner does.")] = False,
        handwriting: Annotated[
            bool, typer.Option("--handwriting", help="Write on the pages: the print is truth.")
        ] = False,
        hand_fonts: Annotated[
            list[Path] | None, typer.Option(metavar="DIR", help="Fonts for it; else pen marks.")
        ] = None,
        baked: Annotated[
            bool, typer.Option("--baked/--no-baked", help="Look for text in pictures, and leave it out of the score.")
        ] = True,
        seed: Annotated[int, typer.Option(help="Another seed: other pages, pens and scanners.")] = 0,
        quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Log nothing but errors.")] = False,
    ) -> int:
        """Make an exact benchmark: pages of PDFs with and without their text, word boxes and stroke masks."""
        from workflows.commands.make_pairs import make_pairs_command
        from workflows.evaluation.pair_making import PairSettings

        start_logging(0, quiet)
        settings = PairSettings(out, dpi, seed, scan, handwriting, tuple(hand_fonts or ()))
        return make_pairs_command(pdf, settings, pages=pages, per_pdf=per_pdf, find_baked=baked)

    return make_pairs
