"""The settings of a run: one model from which the command line, the TOML file and the report are all derived."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, field_validator, model_validator

from pipeline.errors import UsageError, nearest_name


def _option(default: Any, text: str, panel: str, metavar: str = "", **limits: Any) -> Any:
    """A field that is also a command-line option: help text, the panel it is shown in, and its placeholder."""
    return Field(default, description=text, json_schema_extra={"panel": panel, "metavar": metavar}, **limits)


_PAGES, _TEXT, _OUTPUT, _RUN = "Pages", "Text and background", "Output", "Running"


class RunSettings(BaseModel):
    """Everything a run can be told. Frozen; an unknown key is an error. Field names are option names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dpi: Literal["auto"] | float = _option(
        "auto", "Resolution for PDF pages; auto takes a full-page scan's own, else 200.", _PAGES, "auto|N"
    )
    pages: str = _option("", "Only these pages, and only they are written. Default: all.", _PAGES, "1-3,7")
    rasterizer: Literal["pymupdf", "pdf2image"] = _option(
        "pymupdf", "What draws PDF pages.", _PAGES, "pymupdf|pdf2image"
    )
    max_pixels: int = _option(100_000_000, "Refuse pages with more pixels.", _PAGES, "N", ge=1)
    max_pages: int = _option(10_000, "Refuse documents with more pages.", _PAGES, "N", ge=1)
    password: SecretStr | None = _option(None, "Password that opens encrypted PDFs.", _PAGES, "TEXT")

    detector: str = _option("paddleocr", "What finds text: paddleocr or annotated.", _TEXT, "NAME")
    detector_model: str = _option(
        "PP-OCRv6_small_det", "PaddleOCR detection model: a name, or the folder of a local model.", _TEXT, "NAME|DIR"
    )
    detector_engine: Literal["onnxruntime", "paddle"] = _option(
        "onnxruntime",
        "What runs the detection model; paddle needs the extra of that name.",
        _TEXT,
        "onnxruntime|paddle",
    )
    regions: Path | None = _option(
        None, "JSON with text regions, or a folder of such files, for --detector annotated.", _TEXT, "PATH"
    )
    remove: Literal["all", "handwriting", "print"] = _option(
        "all", "Which ink goes. Handwriting counts wherever it stands.", _TEXT, "all|handwriting|print"
    )
    ink: Literal["auto", "regions", "page"] = _option(
        "auto",
        "Where ink is looked for: at the text found, or on the whole page; auto looks everywhere for handwriting.",
        _TEXT,
        "auto|regions|page",
    )
    mask: Literal["strokes", "classical", "learned", "combined", "polygons"] = _option(
        "strokes",
        "What says which pixels are ink (strokes is the best that is there), or polygons: replace all of each.",
        _TEXT,
        "strokes|classical|learned|combined|polygons",
    )
    stroke_weights: Path | None = _option(
        None, "Weights of the stroke network. Default: those that come with the program.", _TEXT, "FILE"
    )
    remover: str = _option("auto", "What rebuilds the background: auto, ctrnet, or fill (no network).", _TEXT, "NAME")
    weights: Path | None = _option(None, "Weights for a remover that takes some.", _TEXT, "FILE")
    device: Literal["auto", "cpu", "cuda"] = _option("auto", "Where networks run.", _TEXT, "auto|cpu|cuda")
    precision: Literal["auto", "fp32", "bf16"] = _option(
        "auto", "What networks compute in; auto is bf16 where the hardware does.", _TEXT, "auto|fp32|bf16"
    )
    batch_size: Literal["auto"] | int = _option("auto", "Tiles that a network takes at once.", _TEXT, "auto|N")
    engine: Literal["auto", "torch", "openvino"] = _option(
        "auto", "What runs networks on a CPU; auto is the fastest installed.", _TEXT, "auto|torch|openvino"
    )

    format: Literal["same", "pdf", "png", "jpg", "tiff", "webp"] = _option(
        "same", "Kind of the outputs; same writes what was read.", _OUTPUT, "same|pdf|png|jpg|tiff|webp"
    )
    quality: int | None = _option(
        None,
        "JPEG and WebP quality. Default: like the source where it is JPEG, else 85.",
        _OUTPUT,
        "1-100",
        ge=1,
        le=100,
    )
    lossless: bool = _option(False, "PNG, Flate or TIFF instead of JPEG: untouched pixels stay exact.", _OUTPUT)
    on_existing: Literal["skip", "overwrite", "fail"] = _option(
        "skip",
        "Outputs that are there: keep those up to date, replace them, or refuse to run.",
        _OUTPUT,
        "skip|overwrite|fail",
    )
    verify: Literal["auto", "on", "off"] = _option(
        "auto",
        "Look at each cleaned page again, and remove what is left; auto does unless regions are annotated.",
        _TEXT,
        "auto|on|off",
    )
    report: Literal["html", "json"] = _option(
        "html", "Beside report.json, a page with pictures for a person to look through, or not.", _OUTPUT, "html|json"
    )
    on_page_error: Literal["fail-document", "keep-original"] = _option(
        "fail-document",
        "A page that fails: write nothing for its document, or write that page WITH ITS TEXT.",
        _OUTPUT,
        "fail-document|keep-original",
    )

    jobs: Literal["auto"] | int = _option("auto", "Pages worked on at once; 1 runs without a cluster.", _RUN, "auto|N")
    threads: Literal["auto"] | int = _option(
        "auto", "CPU threads for each page; auto shares the cores out among --jobs.", _RUN, "auto|N"
    )
    scheduler: str | None = _option(None, "Address of a Dask scheduler to use instead.", _RUN, "ADDRESS")

    @field_validator("dpi")
    @classmethod
    def _dpi_in_range(cls, value: str | float) -> str | float:
        if isinstance(value, float) and not 10 <= value <= 2400:
            raise ValueError("must be auto or a number from 10 to 2400")
        return value

    @field_validator("jobs", "threads")
    @classmethod
    def _jobs_in_range(cls, value: str | int) -> str | int:
        if isinstance(value, int) and not 1 <= value <= 1024:
            raise ValueError("must be auto or a whole number from 1 to 1024")
        return value

    @field_validator("batch_size")
    @classmethod
    def _batch_in_range(cls, value: str | int) -> str | int:
        if isinstance(value, int) and not 1 <= value <= 256:
            raise ValueError("must be auto or a whole number from 1 to 256")
        return value

    @field_validator("pages")
    @classmethod
    def _pages_readable(cls, value: str) -> str:
        parse_page_selection(value)
        return value

    @model_validator(mode="after")
    def _no_contradictions(self) -> RunSettings:
        if self.lossless and self.format == "jpg":
            raise ValueError("JPEG is never lossless: use --format png, or leave --lossless away")
        if self.lossless and self.quality is not None:
            raise ValueError("--quality has no meaning with --lossless")
        if self.remove != "all" and self.mask in ("classical", "polygons"):
            raise ValueError(f"--mask {self.mask} cannot tell handwriting from print: use --mask strokes")
        if self.ink == "page" and self.mask in ("classical", "polygons"):
            raise ValueError(f"--mask {self.mask} looks at text regions only: use --mask strokes")
        if self.regions is not None and self.detector != "annotated":
            raise ValueError("--regions is read by --detector annotated only")
        return self

    @property
    def verifies(self) -> bool:
        """Whether cleaned pages are looked at again. Annotated regions may leave text elsewhere on purpose."""
        return self.verify == "on" or (self.verify == "auto" and self.detector != "annotated")

    def digest(self) -> str:
        """SHA-256 over all that can change an output's bytes: these settings, their files and our versions."""
        shaping = self.model_dump(mode="json", exclude=_SHAPES_NOTHING)
        shaping["versions"] = versions()
        for name in ("weights", "stroke_weights", "regions"):
            path = getattr(self, name)
            if path is not None and path.is_file():
                shaping[f"{name}_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        for path in SHIPPED_WEIGHTS:
            shaping[path.name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        model = Path(self.detector_model)
        for path in sorted(model.glob("inference.*")) if model.is_dir() else ():
            shaping[f"model_{path.name}_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        return hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()

    def public(self) -> dict[str, Any]:
        """The settings as the report shows them: no secret."""
        return self.model_dump(mode="json", exclude={"password"})


_HOUSE = Path(__file__).parents[1]
SHIPPED_WEIGHTS = (
    _HOUSE / "detectors" / "strokes" / "strokes.safetensors",
    _HOUSE / "remover" / "ctrnet" / "documents.safetensors",
)

# What changes how a run goes but not what it writes. A password only opens the input; its pixels are the same.
_SHAPES_NOTHING = {"password", "jobs", "threads", "scheduler", "on_existing", "weights", "stroke_weights"}


def versions() -> dict[str, str]:
    """Versions of the packages that shape the result."""
    from importlib.metadata import PackageNotFoundError, version  # here, for the sake of a quick --help

    found = {}
    for name in (
        "restore-docs",
        "paddleocr",
        "rapidocr",
        "onnxruntime",
        "pymupdf",
        "opencv-python",
        "numpy",
        "torch",
        "img2pdf",
    ):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def parse_page_selection(text: str) -> tuple[range, ...]:
    """``1-3,7`` -> ranges of 0-based page indices, in order; "" is the empty tuple, meaning all pages."""
    ranges = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        match = re.fullmatch(r"(\d+)(?:\s*-\s*(\d*))?", part)
        first = int(match[1]) if match else 0
        last = first if match and match[2] is None else int(match[2] or 10**9) if match else 0
        if not 1 <= first <= last:
            raise ValueError(f"{part!r} is not a page or a range of pages such as 1-3 or 7-")
        ranges.append(range(first - 1, last))
    return tuple(ranges)


def selected_pages(text: str, page_count: int) -> tuple[int, ...]:
    """The 0-based indices of the selected pages that a document of ``page_count`` pages has, each once, in order."""
    ranges = parse_page_selection(text)
    if not ranges:
        return tuple(range(page_count))
    return tuple(index for index in range(page_count) if any(index in chosen for chosen in ranges))


def load_settings(options: dict[str, Any], config: Path | None) -> RunSettings:
    """Merge a TOML file and the options given on the command line, which win. Raises UsageError that names the key."""
    merged = _read_toml(config) if config is not None else {}
    where = dict.fromkeys(merged, f"{config}: ") | dict.fromkeys(options, "--")
    merged.update(options)
    try:
        return RunSettings(**merged)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else ""
        # A field of several types gives an error per type: all of them say what would have been right.
        same = [e["msg"] for e in error.errors() if e["loc"][:1] == first["loc"][:1]]
        told = " or ".join(m.removeprefix("Value error, ").removeprefix("Input ") for m in same)
        label = where.get(name, "") + (name.replace("_", "-") if where.get(name) == "--" else name)
        raise UsageError(f"{label}: {told}" if name else told, _given(first)) from None


def _given(error: Any) -> str:
    return f"given: {error['input']!r}" if error["loc"] and error["loc"][0] != "password" else ""


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"cannot read the configuration {path}: {error.strerror}", "check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}", "see docs/usage.md") from None
    keys = {key.replace("-", "_"): value for key, value in table.items()}
    for key in keys:
        if key not in RunSettings.model_fields:
            near = nearest_name(key, RunSettings.model_fields)
            raise UsageError(f"{path}: unknown key {key!r}", f"the nearest known key is {near!r}")
    return keys
