"""PaddleOCR's detection model: where its files come from, and how it is loaded without noise or surprises.

The shipped model's weights are in the rapidocr wheel, as ONNX; other models come from a folder of the user's, or
PaddleOCR downloads them.
"""

from __future__ import annotations

import atexit
import gc
import hashlib
import importlib.util
import io
import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from detectors.base import SHIPPED_MODEL, DetectorSettings
from pipeline.errors import SetupError

_WEIGHTS = "PP-OCRv6_det_small.onnx"
_WEIGHTS_SHA256 = "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f"
REINSTALL = "pip install --force-reinstall 'rapidocr>=3.10,<4'"
_CONFIG = "pp-ocrv6-small-det.yml"
_CUDA = "CUDAExecutionProvider"
# pieces are cut to size before; PaddleOCR must not resize them
_NO_LIMIT = 1 << 20


def load_model(settings: DetectorSettings) -> Any:
    """Return a ``paddleocr.TextDetection``. Raises SetupError when the model, its engine or its device is missing."""
    if settings.engine == "paddle" and importlib.util.find_spec("paddle") is None:
        raise SetupError(
            "the detection engine paddle needs paddlepaddle, which is not installed",
            "pip install 'restore-docs[paddle]', or use the engine onnxruntime",
        )
    on_cuda = _choose_cuda(settings)
    with model_directory(settings) as folder, _quiet(downloading=folder is None):
        create = _import_text_detection()
        try:
            return create(
                model_name=settings.model,
                model_dir=None if folder is None else str(folder),
                device="gpu" if on_cuda else "cpu",
                limit_side_len=_NO_LIMIT,
                limit_type="max",
                thresh=settings.thresh,
                box_thresh=settings.box_thresh,
                unclip_ratio=settings.unclip_ratio,
                **_engine(settings),
            )
        except Exception as error:  # PaddleOCR raises bare Exception, and so do the engines
            raise SetupError(f"PaddleOCR cannot load {settings.model}: {error}", _remedy(settings)) from error


@contextmanager
def model_directory(settings: DetectorSettings) -> Iterator[Path | None]:
    """Yield the folder to load ``settings.model`` from; None leaves it to PaddleOCR, which downloads what it lacks.

    The shipped model's folder lives as long as the ``with`` block: by then the weights are in memory, so processes
    share nothing and leave nothing behind. Raises SetupError when files are missing or are not what they should be.
    """
    if settings.model_dir:
        yield _checked_folder(Path(settings.model_dir), settings)
    elif settings.model == SHIPPED_MODEL and settings.engine == "onnxruntime":
        weights = shipped_weights(_WEIGHTS, _WEIGHTS_SHA256, f"{REINSTALL}, or name a folder that holds a model")
        with tempfile.TemporaryDirectory(prefix="restore-docs-model-") as folder:
            _link_or_copy(weights, Path(folder, "inference.onnx"))
            config = resources.files("detectors").joinpath(_CONFIG).read_bytes()
            Path(folder, "inference.yml").write_bytes(config)
            yield Path(folder)
    else:
        yield None


def local_model_name(folder: Path) -> str:
    """The name of the model in a local folder, as its inference.yml tells it. Raises SetupError when it does not."""
    path = folder / "inference.yml"
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
        return str(content["Global"]["model_name"])
    except (OSError, UnicodeDecodeError, yaml.YAMLError, KeyError, TypeError) as error:
        what = f"{path} does not name its model (Global: model_name): {type(error).__name__}"
        raise SetupError(what, "name the folder of an exported PaddleOCR model") from None


def shipped_weights(name: str, sha256: str, remedy: str) -> Path:
    """A model file of the installed rapidocr wheel, checked byte for byte.

    ``sha256`` is its digest as hex. Raises SetupError, with ``remedy``, when it is missing or another.
    """
    # finding a package, unlike importing it, runs none of its code
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or not spec.submodule_search_locations:
        raise SetupError(f"the weights {name} come with the package rapidocr, which is missing", remedy)
    path = Path(spec.submodule_search_locations[0], "models", name)
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise SetupError(f"the weights {path} cannot be read: {error.strerror}", remedy) from error
    if digest != sha256:
        raise SetupError(f"{path} is damaged or another model: its SHA-256 is {digest}, not {sha256}", remedy)
    return path


def _checked_folder(folder: Path, settings: DetectorSettings) -> Path:
    """``folder``, when it holds what the engine needs."""
    wanted = ["inference.yml", "inference.onnx" if settings.engine == "onnxruntime" else "inference.pdiparams"]
    missing = [name for name in wanted if not (folder / name).is_file()]
    if missing:
        fault = f"lacks {' and '.join(missing)}" if folder.is_dir() else "does not exist"
        raise SetupError(
            f"the detection model's folder {folder} {fault}",
            f"name the folder of a PaddleOCR inference model for {settings.engine}, or none to use the shipped one",
        )
    return folder


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source)
    except OSError:  # no links on this file system or for this user
        shutil.copyfile(source, target)


def _choose_cuda(settings: DetectorSettings) -> bool:
    """Whether to run on CUDA; "auto" does when onnxruntime was built for it and a driver is there."""
    if settings.device == "cpu" or (settings.device == "auto" and settings.engine == "paddle"):
        return False
    if settings.engine == "paddle":
        return True
    _forbid_telemetry()
    import onnxruntime

    built = _CUDA in onnxruntime.get_available_providers()
    if settings.device == "cuda" and not built:
        raise SetupError(
            "the installed onnxruntime cannot use CUDA",
            "put onnxruntime-gpu in the place of onnxruntime, or detect on the cpu",
        )
    return built and (settings.device == "cuda" or Path("/proc/driver/nvidia").exists())


def _engine(settings: DetectorSettings) -> dict[str, Any]:
    if settings.engine == "paddle":
        return {"engine": "paddle", "cpu_threads": settings.threads}
    # without the arena the memory of the largest piece goes back to the system; measured, it is no slower
    session = {
        "intra_op_num_threads": settings.threads,
        "inter_op_num_threads": 1,
        "enable_cpu_mem_arena": False,
        "log_severity_level": 4,
    }
    return {"engine": "onnxruntime", "engine_config": session}


def _remedy(settings: DetectorSettings) -> str:
    if settings.model_dir:
        return f"check that {settings.model_dir} holds {settings.model}: its inference.yml names the model"
    if settings.model == SHIPPED_MODEL and settings.engine == "onnxruntime":
        return "reinstall paddleocr, paddlex, onnxruntime and rapidocr"
    return (
        "it is not shipped, PaddleOCR downloads it at first use: check the name and this machine's network, "
        f"or name a folder that holds it, or use {SHIPPED_MODEL} with the engine onnxruntime"
    )


def _import_text_detection() -> Any:
    _forbid_telemetry()
    _give_paddlex_a_cache()
    os.environ.setdefault("PADDLEOCR_DISABLE_AUTO_LOGGING_CONFIG", "1")  # read when paddleocr is imported
    try:
        with _no_collections():
            from paddleocr import TextDetection
    except ImportError as error:
        raise SetupError(f"paddleocr cannot be imported: {error}", "pip install 'paddleocr>=3.7,<3.8'") from error
    for name in ("paddlex", "paddleocr"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return TextDetection


def _forbid_telemetry() -> None:
    """onnxruntime's official builds report to Microsoft unless this is set before it is imported (its Privacy.md)."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"


def _give_paddlex_a_cache() -> None:
    """paddlex makes folders in the home directory when it is imported; a worker may have none it can write to."""
    try:
        cache = Path(os.environ.get("PADDLE_PDX_CACHE_HOME") or Path("~/.paddlex").expanduser())
        cache.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):  # RuntimeError: there is no home directory at all
        folder = tempfile.mkdtemp(prefix="restore-docs-paddlex-")
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        os.environ["PADDLE_PDX_CACHE_HOME"] = folder


@contextmanager
def _no_collections() -> Iterator[None]:
    """What an import makes stays: to look for garbage in it again and again takes a fifth of the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
        gc.freeze()  # nor is it looked at later
    finally:
        if enabled:
            gc.enable()


@contextmanager
def _quiet(downloading: bool) -> Iterator[None]:
    """Nothing of what PaddleOCR says while it loads reaches the terminal; what goes wrong it raises."""
    with ExitStack() as stack:
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        if downloading:  # four download clients print and draw bars; the shipped model's path prints nothing
            stack.enter_context(redirect_stdout(io.StringIO()))
            stack.enter_context(redirect_stderr(io.StringIO()))
        yield
