"""The command line. Importing this loads neither numpy nor a framework, so that ``--help`` answers at once."""

from __future__ import annotations

import inspect
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from workflows.commands.command_exits import exits, leave_quickly
from workflows.commands.evaluate_cli import add_evaluation
from workflows.commands.settings_file import load_settings
from workflows.commands.train_cli import train_app
from workflows.config import RunSettings
from workflows.options import PANELS

log = logging.getLogger("restore_docs")


class DefaultRunGroup(TyperGroup):
    """``restore-docs a.pdf --out DIR`` means ``restore-docs run a.pdf --out DIR``; ``--help`` shows both levels."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put ``run`` in front unless a command, or an option of the program itself, comes first."""
        if args and args[0] not in self.commands and args[0] not in ("--help", "--version"):
            args = ["run", *args]
        return super().parse_args(ctx, args)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """The help of ``run``, under the program's own name, and then the list of commands."""
        run = self.commands["run"]
        run.format_help(type(ctx)(run, info_name=ctx.info_name), formatter)
        super().format_help(ctx, formatter)


app = typer.Typer(
    cls=DefaultRunGroup,
    add_completion=False,
    no_args_is_help=True,
    help="Commands; without one of these names, [bold]run[/bold] is meant.",
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"restore-docs {version('restore-docs')}")
        raise typer.Exit


@app.callback()
def program(
    version: Annotated[bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")] = False,
) -> None:
    """Hold the options of the program itself."""


def _run(
    inputs: Annotated[list[str], typer.Argument(metavar="INPUT...", help="PDFs, images, folders and patterns.")],
    out: Annotated[str, typer.Option("--out", "-o", metavar="DIR", help="Where the cleaned documents go.")],
    config: Annotated[Path | None, typer.Option(metavar="FILE.toml", help="Options from a file.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Events as JSON lines on stdout.")] = False,
    verbose: Annotated[int, typer.Option("--verbose", "-v", count=True, help="Say more.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
    **options: Any,
) -> int:
    """Take the text off documents and leave the pages: INPUT... to cleaned documents in DIR."""
    from workflows.commands.run_command import run_command
    from workflows.pages.anonymity import telling_no_words
    from workflows.storage.output_state import state_place

    start_logging(verbose, quiet)
    given = {name: value for name, value in options.items() if value is not None}
    settings = load_settings(given, config)
    state_place(out, settings)  # which must be one that may be written to, before anything is
    with telling_no_words(settings.anonymize), log_to_file(settings.log_file):
        return run_command(inputs, out, settings, json=json, quiet=quiet)


def _settings_parameters(names: Iterable[str]) -> list[inspect.Parameter]:
    """One keyword option per named field of RunSettings, so that command line and TOML file cannot drift apart.

    All are text (or flags) without a default: pydantic checks them, and what was not given stays the file's.
    """
    parameters = []
    fields = [(name, RunSettings.model_fields[name]) for name in names]
    for name, field in sorted(fields, key=lambda item: PANELS.index(item[1].json_schema_extra["panel"])):  # type: ignore
        extra: Any = field.json_schema_extra
        flag = "--" + name.replace("_", "-")
        kind: Any = str | None
        if field.annotation is bool:
            kind = bool | None
        elif field.annotation == tuple[str, ...]:
            kind = list[str] | None
        shown = field.default if field.default not in (None, "", False, ()) else None
        text = f"{field.description} [dim]\\[{shown}][/dim]" if shown is not None else field.description
        option = typer.Option(
            flag,
            help=text,
            metavar=extra["metavar"] or None,
            rich_help_panel=extra["panel"],
            show_default=False,
        )
        parameters.append(
            inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option])
        )
    return parameters


def _with_settings(function: Any, names: Iterable[str] = tuple(RunSettings.model_fields)) -> Any:
    """Replace ``**options`` in a command's signature by options of RunSettings."""
    own = [
        p.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        for p in inspect.signature(function, eval_str=True).parameters.values()
        if p.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    merged = own + _settings_parameters(names)
    function.__signature__ = inspect.Signature(merged)
    function.__annotations__ = {p.name: p.annotation for p in merged}
    return function


app.command("run")(_with_settings(exits(_run)))
app.add_typer(train_app, name="train")


@app.command()
@exits
def doctor(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="A folder to try writing to.")] = Path(),
) -> int:
    """Check that everything a run needs is there; exit code 4 if something is missing."""
    from workflows.commands.doctor import doctor_command

    start_logging(0, False)
    return doctor_command(out)


@app.command()
@exits
def status(
    folder: Annotated[str, typer.Argument(metavar="DIR", help="The output folder of a run.")],
    json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
) -> int:
    """Say where a run is, or how it ended."""
    from workflows.reporting.run_status import status_command

    return status_command(folder, as_json=json)


@app.command()
@exits
def worker(
    scheduler: Annotated[str, typer.Argument(metavar="SCHEDULER", help="Its address, or its scheduler file.")],
    gpus: Annotated[str, typer.Option(metavar="N|auto", help="GPU workers; auto is one for each GPU.")] = "auto",
    cpus: Annotated[str, typer.Option(metavar="N|auto", help="CPU workers; auto: as cores and memory allow.")] = "auto",
    memory: Annotated[str, typer.Option(metavar="SIZE|auto", help="Of each worker, as 4GiB.")] = "auto",
    folder: Annotated[str, typer.Option(metavar="DIR", help="What Dask keeps on disk. Default: a temporary one.")] = "",
) -> int:
    """Start Dask workers for this machine: one for each GPU, and CPU workers beside them."""
    from workflows.commands.worker_command import worker_command

    start_logging(0, False)
    return worker_command(scheduler, gpus=gpus, cpus=cpus, memory=memory, folder=folder)


@app.command()
@exits
def structure(
    images: Annotated[list[str], typer.Argument(metavar="IMAGE...", help="Images, folders and patterns.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the maps go, under the same names.")],
    lam: Annotated[float, typer.Option(help="How much is smoothed, up to 0.05.")] = 0.01,
    sigma: Annotated[float, typer.Option(help="The scale of texture, pixels, up to 6.")] = 3.0,
    sharpness: Annotated[float, typer.Option(help="Gradients below are alike, 0.001 to 0.03.")] = 0.02,
    iterations: Annotated[int, typer.Option(help="Outer iterations.")] = 4,
    tolerance: Annotated[float, typer.Option(help="Relative error of each solution.")] = 1e-3,
    format: Annotated[str, typer.Option(metavar="same|png|jpg|tiff|webp", help="Of the maps.")] = "same",
    jobs: Annotated[str, typer.Option(metavar="N|auto", help="Images at once.")] = "auto",
    on_existing: Annotated[
        str, typer.Option(metavar="skip|overwrite|fail", help="What becomes of maps that are there.")
    ] = "skip",
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors.")] = False,
) -> int:
    """Write RTV structure maps of images: the structure_im folder of a CTRNet data set."""
    from workflows.commands.structure_command import structure_command

    start_logging(0, quiet)
    parameters = {
        "lam": lam, "sigma": sigma, "sharpness": sharpness, "iterations": iterations, "tolerance": tolerance,
    }  # fmt: skip
    return structure_command(images, out, parameters, jobs=jobs, format=format, on_existing=on_existing)


@app.command("export-onnx")
@exits
def export_onnx(
    weights: Annotated[Path, typer.Argument(metavar="WEIGHTS", help="A CTRNet checkpoint, or a file of ours.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.onnx", help="Where the network goes.")],
    side: Annotated[int, typer.Option(min=64, max=4096, help="Sides of a tile: a multiple of 32.")] = 512,
    batch: Annotated[int, typer.Option(min=1, max=256, help="Tiles at once.")] = 1,
) -> int:
    """Write CTRNet as an ONNX file, checked against torch."""
    from pipeline.errors import UsageError
    from remover.ctrnet.export import export_onnx as export

    start_logging(0, False)
    if side % 32:
        raise UsageError(f"--side {side} is no multiple of 32", "the network halves a tile five times")
    difference = export(weights, out, side=side, batch=batch)
    print(f"{out}: {out.stat().st_size / 1e6:.0f} MB, differs from torch by {difference:.1e} at most")
    return 0


def start_logging(verbose: int, quiet: bool) -> None:
    """Our log goes to stderr; other packages' only with -vv, and what may quote documents never."""
    from rich.console import Console
    from rich.logging import RichHandler

    level = logging.ERROR if quiet else logging.DEBUG if verbose else logging.INFO
    handler: logging.Handler
    if sys.stderr.isatty():
        handler = RichHandler(console=Console(stderr=True), show_path=False, show_time=False, markup=False)
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.DEBUG if verbose > 1 else logging.ERROR)
    # these print fields and texts of documents when they are asked to say more
    for name in ("PIL", "pypdf", "pikepdf", "pdfminer", "img2pdf", "fontTools"):
        logging.getLogger(name).setLevel(logging.ERROR)
    log.setLevel(level)


@contextmanager
def log_to_file(path: Path | None) -> Iterator[None]:
    """Write the log to a file, too, if one is named; it grows from run to run. Raises OutputError."""
    from pipeline.errors import OutputError

    if path is None:
        yield
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(path, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"cannot write the log {path}: {error.strerror}", "check --log-file") from None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        handler.close()


add_evaluation(app, _with_settings, start_logging)


def main() -> None:
    """The console script."""
    # Fixed before numpy loads: each task works on one thread, whatever the machine offers.
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    # torch's compiled kernels, one for each size of a network's window: more of them cost 0.3 GB and save no time
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "256")
    leave_quickly(app)
