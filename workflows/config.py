"""The settings of a run: one model from which the command line, the TOML file and the report are all derived."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, SecretStr, field_validator, model_validator

from workflows.batch_settings import BatchSettings
from workflows.options import CHOICE, OUTPUT, PAGES, TEXT, option, within
from workflows.page_selection import parse_page_selection
from workflows.storage.places import digest_there, place_of
from workflows.versions import SHIPPED_WEIGHTS, versions


class RunSettings(BatchSettings):
    """Everything a run can be told. Frozen; an unknown key is an error. Field names are option names."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    dpi: Literal["auto"] | float = option(
        "auto", "Resolution for PDF pages; auto takes a full-page scan's own, else 200.", PAGES, "auto|N"
    )
    pages: str = option("", "Only these pages, and only they are written. Default: all.", PAGES, "1-3,7")
    rasterizer: Literal["pymupdf", "pdf2image"] = option("pymupdf", "What draws PDF pages.", PAGES, "pymupdf|pdf2image")
    max_pixels: int = option(100_000_000, "Refuse pages with more pixels.", PAGES, "N", ge=1)
    max_pages: int = option(10_000, "Refuse documents with more pages.", PAGES, "N", ge=1)
    password: SecretStr | None = option(None, "Password that opens encrypted PDFs.", PAGES, "TEXT")

    detector: str = option("paddleocr", "What finds text: paddleocr or annotated.", TEXT, "NAME")
    detector_model: str = option(
        "PP-OCRv6_small_det", "PaddleOCR detection model: a name, or the folder of a local model.", TEXT, "NAME|DIR"
    )
    detector_engine: Literal["onnxruntime", "paddle"] = option(
        "onnxruntime",
        "What runs the detection model; paddle needs the extra of that name.",
        TEXT,
        "onnxruntime|paddle",
    )
    regions: Path | None = option(
        None, "JSON with text regions, or a folder of such files, for --detector annotated.", TEXT, "PATH"
    )
    remove: Literal["all", "handwriting", "print"] = option(
        "all", "Which ink goes. Handwriting counts wherever it stands.", TEXT, "all|handwriting|print"
    )
    ink: Literal["auto", "regions", "page"] = option(
        "auto",
        "Where ink is looked for: at the text found, or on the whole page; auto looks everywhere for handwriting.",
        TEXT,
        "auto|regions|page",
    )
    match: tuple[str, ...] = option(
        (), "Only text that this regular expression matches goes. May be given again.", CHOICE, "REGEX"
    )
    entities: str = option(
        "", "Only text of these kinds goes: email,phone,iban,date, ... (see docs/choosing.md).", CHOICE, "KIND,..."
    )
    words: Path | None = option(None, "Only the words and phrases in this file go, one a line.", CHOICE, "FILE")
    keep: tuple[str, ...] = option(
        (), "Text that this regular expression matches stays, whatever else says. May be given again.", CHOICE, "REGEX"
    )
    least_score: float = option(
        0.75, "With the options above: what is read less surely goes, too. 0: nothing does.", CHOICE, "0-1", ge=0, le=1
    )
    zones: Path | None = option(
        None, "Zones of the pages to be removed or kept, as JSON (see docs/zones.md).", CHOICE, "FILE"
    )
    template: Path | None = option(None, "The blank form, PDF or image: only what is not on it goes.", CHOICE, "FILE")
    anonymize: bool = option(
        False,
        "Strict: every page verified, documents with any doubt not written, no names or traces of words in the output.",
        CHOICE,
    )
    dry_run: bool = option(False, "Remove nothing: write pictures of the pages that show what would go.", CHOICE)

    mask: Literal["strokes", "classical", "learned", "combined", "polygons"] = option(
        "strokes",
        "What says which pixels are ink (strokes is the best that is there), or polygons: replace all of each.",
        TEXT,
        "strokes|classical|learned|combined|polygons",
    )
    stroke_weights: Path | None = option(
        None, "Weights of the stroke network. Default: those that come with the program.", TEXT, "FILE"
    )
    remover: str = option("auto", "What rebuilds the background: auto, ctrnet, or fill (no network).", TEXT, "NAME")
    weights: Path | None = option(None, "Weights for a remover that takes some.", TEXT, "FILE")
    device: Literal["auto", "cpu", "cuda"] = option("auto", "Where networks run.", TEXT, "auto|cpu|cuda")
    precision: Literal["auto", "fp32", "bf16"] = option(
        "auto", "What networks compute in; auto is bf16 where the hardware does.", TEXT, "auto|fp32|bf16"
    )
    batch_size: Literal["auto"] | int = option("auto", "Tiles that a network takes at once.", TEXT, "auto|N")
    engine: Literal["auto", "torch", "openvino"] = option(
        "auto", "What runs networks on a CPU; auto is the fastest installed.", TEXT, "auto|torch|openvino"
    )

    format: Literal["same", "pdf", "png", "jpg", "tiff", "webp"] = option(
        "same", "Kind of the outputs; same writes what was read.", OUTPUT, "same|pdf|png|jpg|tiff|webp"
    )
    quality: int | None = option(
        None,
        "JPEG and WebP quality. Default: like the source where it is JPEG, else 85.",
        OUTPUT,
        "1-100",
        ge=1,
        le=100,
    )
    lossless: bool = option(False, "PNG, Flate or TIFF instead of JPEG: untouched pixels stay exact.", OUTPUT)
    on_existing: Literal["skip", "overwrite", "fail"] = option(
        "skip",
        "Outputs that are there: keep those up to date, replace them, or refuse to run.",
        OUTPUT,
        "skip|overwrite|fail",
    )
    verify: Literal["auto", "on", "off"] = option(
        "auto",
        "Look at each cleaned page again, and remove what is left; auto does unless regions are annotated.",
        TEXT,
        "auto|on|off",
    )
    state: Path | None = option(
        None, "Where the run's memory is kept. Default: DIR/.restore-docs; with --anonymize DIR-state.", OUTPUT, "DIR2"
    )
    export_regions: Path | None = option(
        None, "Write the regions found, one JSON per document, for --detector annotated.", OUTPUT, "DIR"
    )
    report: Literal["html", "json"] = option(
        "html", "Beside report.json, a page with pictures for a person to look through, or not.", OUTPUT, "html|json"
    )
    on_page_error: Literal["fail-document", "keep-original"] = option(
        "fail-document",
        "A page that fails: write nothing for its document, or write that page WITH ITS TEXT.",
        OUTPUT,
        "fail-document|keep-original",
    )

    @field_validator("dpi")
    @classmethod
    def _dpi_in_range(cls, value: str | float) -> str | float:
        within(value, 10, 2400, "auto or a number")
        return value

    @field_validator("batch_size")
    @classmethod
    def _batch_in_range(cls, value: str | int) -> str | int:
        within(value, 1, 256, "auto or a whole number")
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

    @property
    def detector_files(self) -> list[Path]:
        """The files of a detection model in a folder of the user's."""
        model = Path(self.detector_model)
        return sorted(model.glob("inference.*")) if model.is_dir() else []

    @property
    def beside_gpu(self) -> RunSettings:
        """What workers without a GPU are told in a run whose text is removed on workers with one."""
        return self.model_copy(update={"device": "cpu"})

    def digest(self) -> str:
        """SHA-256 over all that can change an output's bytes: these settings, their files and our versions."""
        shaping = self.model_dump(mode="json", exclude=_SHAPES_NOTHING)
        shaping["versions"] = versions()
        shaping["exports_regions"] = self.export_regions is not None
        for name in ("weights", "stroke_weights", "regions", "words", "zones", "template"):
            path = getattr(self, name)
            if path is not None and (digest := digest_there(place_of(path))):
                shaping[f"{name}_sha256"] = digest
        for path in SHIPPED_WEIGHTS:
            shaping[path.name] = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        for path in self.detector_files:
            shaping[f"model_{path.name}_sha256"] = hashlib.sha256(path.read_bytes()).hexdigest()
        return hashlib.sha256(json.dumps(shaping, sort_keys=True).encode()).hexdigest()

    def public(self) -> dict[str, Any]:
        """The settings as the report shows them: no secret; with ``--anonymize`` no path and nothing looked for."""
        shown = self.model_dump(mode="json", exclude={"password"})
        if self.anonymize:
            for name, value in shown.items():
                if name in _TELLING and value and value != type(self).model_fields[name].default:
                    shown[name] = "(not shown)"
        return shown


# What may name a person, a place or a document
_TELLING = {
    "regions", "stroke_weights", "weights", "match", "words", "keep", "zones", "template", "state",
    "scheduler", "pages", "log_file", "metrics", "detector_model",
}  # fmt: skip

# What changes how a run goes but not what it writes. A password only opens the input; its pixels are the same.
_SHAPES_NOTHING = set(BatchSettings.model_fields) | {
    "password", "on_existing", "export_regions", "state", "weights", "stroke_weights", "words", "zones", "template",
}  # fmt: skip
