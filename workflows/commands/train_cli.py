"""``restore-docs train``: make training material, look at it, train both networks. Loads nothing heavy by itself."""

from __future__ import annotations

import dataclasses
import inspect
from pathlib import Path
from typing import Annotated, Any

import typer

from workflows.commands.command_exits import exits

train_app = typer.Typer(
    no_args_is_help=True,
    help="Make training material, look at it, and train the networks.",
    rich_markup_mode="rich",
)

_SETTING_HELP = {
    "shards": "Folders with shards; may be given several times.",
    "data": "Data sets in SCUT's layout; may be given several times.",
    "data_ink": "What they remove: printed or handwritten.",
    "out": "The run's folder; a checkpoint there is gone on from.",
    "steps": "How many batches.",
    "batch": "Crops at once, on each device.",
    "side": "Side of a crop, pixels: a multiple of 32.",
    "rate": "The highest learning rate.",
    "warm_up": "Steps until it is reached.",
    "weight_decay": "AdamW's.",
    "clip": "The largest gradient norm.",
    "ema": "How slowly the average that is shipped follows the weights.",
    "seed": "Another seed gives other samples and another start.",
    "init": "Weights to start from: fine-tuning.",
    "resume": "A checkpoint to go on from, instead of the last one in --out.",
    "workers": "Processes that make samples: by itself one, beside a GPU one less than there are cores.",
    "threads": "torch's threads; 0 is its own choice.",
    "accelerator": "auto, cpu or cuda.",
    "devices": "How many of them.",
    "precision": "bf16-mixed or 32-true.",
    "log_every": "Steps between two lines of losses.csv.",
    "save_every": "Steps between two checkpoints.",
    "keep_checkpoints": "Numbered checkpoints to keep beside the last.",
    "licence": "What the model card says of it.",
    "vgg": "VGG-16's weights (torchvision's): perceptual and style losses.",
    "trunk": "TResNet-L's weights: context loss; needs auxiliary heads.",
    "l1": "Weight of the L1 loss.",
    "l2": "Weight of the L2 loss.",
    "scales": "Weight of L1 over squares of 2 and 4 px.",
    "log": "Weight of the error in dB.",
    "structure": "Weight of the structure loss.",
    "heads": "Weight of the multi-scale loss, of the auxiliary heads' pictures; 0.1 where there are any.",
    "perceptual": "Weight of the perceptual loss; 0.05 with --vgg.",
    "style": "Weight of the style loss; 120 with --vgg.",
    "context": "Weight of the context loss; 0.1 with --trunk.",
    "adversarial": "Weight of the adversarial loss; a discriminator is trained along.",
    "base_width": "Channels at half resolution.",
    "lgcm_blocks": "LGCM blocks.",
    "rdbs": "Residual dense blocks.",
    "growth": "Channels each layer of them adds.",
    "rdb_layers": "Layers of each.",
    "structure_width": "Channels of the structure generator.",
    "attention_heads": "Heads of the transformer layers.",
    "feature_channels": "Channels of the context feature.",
    "spectral_norm": "true or false: divide weights by their largest singular value.",
    "auxiliary_heads": "true or false: pictures at a quarter and half the size, and the context feature.",
    "dropout": "true or false: transformer layers forget a tenth.",
}


@train_app.command()
@exits
def prepare(
    pdf: Annotated[list[str], typer.Argument(metavar="PDF...", help="Born-digital PDFs: files, folders, patterns.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Where the shards go.")],
    print_fonts: Annotated[list[Path], typer.Option(metavar="DIR", help="Fonts that look printed.")],
    hand_fonts: Annotated[list[Path], typer.Option(metavar="DIR", help="Fonts that look handwritten.")],
    pictures: Annotated[list[Path] | None, typer.Option(metavar="DIR", help="Pictures without text.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed draws other pages, pieces and lines.")] = 0,
    pieces: Annotated[int, typer.Option(help="Pieces of pages, at most.")] = 1100,
    print_lines: Annotated[int, typer.Option(help="Lines of type.")] = 2500,
    hand_lines: Annotated[int, typer.Option(help="Lines of handwriting.")] = 1500,
    max_bytes: Annotated[int, typer.Option(help="Size of all shards together.")] = 50_000_000,
    check_blanks: Annotated[
        bool, typer.Option("--check-blanks/--no-check-blanks", help="Leave out pages that can be read without text.")
    ] = True,
) -> int:
    """Turn PDFs, fonts and pictures into shards: what the trainers draw their samples from."""
    from workflows.training.prepare import PrepareSettings
    from workflows.training.prepare import prepare as make

    settings = PrepareSettings(
        pdfs=tuple(pdf),
        print_fonts=tuple(print_fonts),
        hand_fonts=tuple(hand_fonts),
        pictures=tuple(pictures or ()),
        out=out,
        seed=seed,
        pieces=pieces,
        print_lines=print_lines,
        hand_lines=hand_lines,
        max_bytes=max_bytes,
        check_blanks=check_blanks,
    )
    done = make(settings, typer.echo)
    typer.echo(f"{out}: " + ", ".join(f"{count} {kind}" for kind, count in done.counts.items()))
    return 0


@train_app.command()
@exits
def preview(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.png", help="Where the sheet goes.")],
    shards: Annotated[
        list[Path] | None,
        typer.Argument(metavar="SHARDS...", help="Folders with shards; else ./shards, else what this machine has."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="Samples on it.")] = 24,
    side: Annotated[int, typer.Option(min=64, help="Side of a sample, pixels.")] = 256,
    seed: Annotated[int, typer.Option(min=0, help="Another seed shows other samples.")] = 1,
) -> int:
    """Draw samples as a trainer sees them: page, without handwriting, without text, and which pixels are ink."""
    from workflows.training.preview import check_picture, find_material, preview_samples

    check_picture(out)
    with find_material(shards or (), seed) as (folders, told):
        if told:
            typer.echo(told, err=True)
        rates = preview_samples(folders, out, count=count, side=side, seed=seed)
    speed = f"{rates.samples:.1f} a second from one process, {rates.batches:.1f} as batches for CTRNet"
    typer.echo(f"{out}: {count} samples, {speed}")
    return 0


def _strokes(config: Path | None = None, **given: Any) -> int:
    """Train the network that tells printed ink, handwriting and everything else apart."""
    from workflows.training.settings import TrainSettings, build_settings

    settings = build_settings(config, _given(given), TrainSettings)
    from workflows.training.command import tell  # what is wrong with the settings is said before torch is loaded
    from workflows.training.loop import train
    from workflows.training.strokes_task import StrokesTask

    tell(train(StrokesTask.of(settings), settings))
    return 0


def _ctrnet(config: Path | None = None, **given: Any) -> int:
    """Train CTRNet for documents. In a TOML file, losses stand in the table loss, the network's sizes in network."""
    from workflows.training.ctrnet_settings import CtrnetSettings
    from workflows.training.settings import build_settings

    settings = build_settings(config, _given(given), CtrnetSettings)
    from workflows.training.command import tell  # what is wrong with the settings is said before torch is loaded
    from workflows.training.ctrnet_task import CtrnetTask
    from workflows.training.loop import train

    tell(train(CtrnetTask.of(settings), settings))
    return 0


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Those that were given: of one that may be given several times, typer makes an empty list."""
    return {name: value for name, value in options.items() if value not in (None, [])}


def _with_settings(function: Any, kind: Any) -> Any:
    """Give a command one text option per setting of ``kind``; ``build_settings`` reads and checks them."""
    from workflows.training.settings import list_options

    config = typer.Option(metavar="FILE.toml", help="Settings from a file; options go first.")
    options = [("config", Annotated[Path | None, config])]
    for _, field in list_options(kind):
        shown = "" if field.default in (dataclasses.MISSING, None, 0, ()) else f" [dim]\\[{field.default}][/dim]"
        option = typer.Option("--" + field.name.replace("_", "-"), help=_SETTING_HELP[field.name] + shown)
        text: Any = list[str] | None if str(field.type).startswith("tuple") else str | None
        options.append((field.name, Annotated[text, option]))
    keyword = inspect.Parameter.KEYWORD_ONLY
    parameters = [inspect.Parameter(name, keyword, default=None, annotation=text) for name, text in options]
    function.__signature__ = inspect.Signature(parameters)
    function.__annotations__ = dict(options)
    return function


def _add_trainers() -> None:
    from workflows.training.ctrnet_settings import CtrnetSettings
    from workflows.training.settings import TrainSettings

    train_app.command("strokes")(_with_settings(exits(_strokes), TrainSettings))
    train_app.command("ctrnet")(_with_settings(exits(_ctrnet), CtrnetSettings))


_add_trainers()
