"""The settings of a run: one model from which the command line, the TOML file and the report are all derived."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator


def _option(default: Any, text: str, panel: str, metavar: str = "", **limits: Any) -> Any:
    """A field that is also a command-line option: help text, the panel it is shown in, and its placeholder."""
    return Field(default, description=text, json_schema_extra={"panel": panel, "metavar": metavar}, **limits)


_PAGES, _TEXT, _CHOICE, _OUTPUT, _RUN = "Pages", "Text and background", "What goes", "Output", "Running"


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
    match: tuple[str, ...] = _option(
        (), "Only text that this regular expression matches goes. May be given again.", _CHOICE, "REGEX"
    )
    entities: str = _option(
        "", "Only text of these kinds goes: email,phone,iban,date, ... (see docs/choosing.md).", _CHOICE, "KIND,..."
    )
    words: Path | None = _option(None, "Only the words and phrases in this file go, one a line.", _CHOICE, "FILE")
    keep: tuple[str, ...] = _option(
        (), "Text that this regular expression matches stays, whatever else says. May be given again.", _CHOICE, "REGEX"
    )
    least_score: float = _option(
        0.75, "With the options above: what is read less surely goes, too. 0: nothing does.", _CHOICE, "0-1", ge=0, le=1
    )
    zones: Path | None = _option(
        None, "Zones of the pages to be removed or kept, as JSON (see docs/zones.md).", _CHOICE, "FILE"
    )
    template: Path | None = _option(None, "The blank form, PDF or image: only what is not on it goes.", _CHOICE, "FILE")
    anonymize: bool = _option(
        False,
        "Strict: every page verified, documents with any doubt not written, no names or traces of words in the output.",
        _CHOICE,
    )
    dry_run: bool = _option(False, "Remove nothing: write pictures of the pages that show what would go.", _CHOICE)

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
    state: Path | None = _option(
        None, "Where the run's memory is kept. Default: DIR/.restore-docs; with --anonymize DIR-state.", _OUTPUT, "DIR2"
    )
    export_regions: Path | None = _option(
        None, "Write the regions found, one JSON per document, for --detector annotated.", _OUTPUT, "DIR"
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
        if self.remove != "all" and self.template is not None and self.mask == "polygons":
            raise ValueError("--template takes ink, not polygons: leave --mask away")
        if self.anonymize:
            self._refuse_laxness()
        if self.regions is not None and self.detector != "annotated":
            raise ValueError("--regions is read by --detector annotated only")
        return self

    def _refuse_laxness(self) -> None:
        if self.verify == "off":
            raise ValueError("--anonymize verifies every page: leave --verify away")
        if self.on_page_error == "keep-original":
            raise ValueError("--anonymize never writes a page with its text: leave --on-page-error away")
        if self.export_regions is not None or self.dry_run:
            raise ValueError("--anonymize writes nothing that shows where text was: run --dry-run apart from it")

    @property
    def verifies(self) -> bool:
        """Whether cleaned pages are looked at again. Annotated regions may leave text elsewhere on purpose."""
        if self.dry_run:
            return False
        return self.anonymize or self.verify == "on" or (self.verify == "auto" and self.detector != "annotated")

    def digest(self) -> str:
        """SHA-256 over all that can change an output's bytes: these settings, their files and our versions."""
        shaping = self.model_dump(mode="json", exclude=_SHAPES_NOTHING)
        shaping["versions"] = versions()
        shaping["exports_regions"] = self.export_regions is not None
        for name in ("weights", "stroke_weights", "regions", "words", "zones", "template"):
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
        """The settings as the report shows them: no secret; with ``--anonymize`` no path and nothing looked for."""
        shown = self.model_dump(mode="json", exclude={"password"})
        if self.anonymize:
            for name, value in shown.items():
                if name in _TELLING and value:
                    shown[name] = "(not shown)"
        return shown


_HOUSE = Path(__file__).parents[1]
SHIPPED_WEIGHTS = (
    _HOUSE / "detectors" / "strokes" / "strokes.safetensors",
    _HOUSE / "remover" / "ctrnet" / "documents.safetensors",
)

# What may name a person, a place or a document
_TELLING = {
    "regions", "stroke_weights", "weights", "match", "words", "keep", "zones", "template", "state",
    "scheduler", "pages",
}  # fmt: skip

# What changes how a run goes but not what it writes. A password only opens the input; its pixels are the same.
_SHAPES_NOTHING = {"password", "jobs", "threads", "scheduler", "on_existing", "export_regions", "state"} | {
    "weights",
    "stroke_weights",
    "words",
    "zones",
    "template",
}


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
