"""Where a PaddleOCR model's files come from: the rapidocr wheel, a folder of the user's, or PaddleOCR's download."""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

from detectors.base import SHIPPED_MODEL, DetectorSettings
from pipeline.errors import SetupError

_WEIGHTS = "PP-OCRv6_det_small.onnx"
_WEIGHTS_SHA256 = "090f04abcd9d9a7498bc4ebf677e4cb9bdce1fe4197ddb7e529f1ef44e1ff94f"
_CONFIG = "pp-ocrv6-small-det.yml"


@contextmanager
def model_directory(settings: DetectorSettings) -> Iterator[Path | None]:
    """Yield the folder to load ``settings.model`` from; None leaves it to PaddleOCR, which downloads what it lacks.

    The shipped model's folder lives as long as the ``with`` block: the weights are in memory by then, so processes
    share nothing and leave nothing behind. Raises SetupError when files are missing or are not what they should be.
    """
    if settings.model_dir:
        yield _checked_folder(Path(settings.model_dir), settings)
    elif settings.model == SHIPPED_MODEL and settings.engine == "onnxruntime":
        weights = _shipped_weights()
        with tempfile.TemporaryDirectory(prefix="restore-docs-model-") as folder:
            _link_or_copy(weights, Path(folder, "inference.onnx"))
            config = resources.files("detectors").joinpath(_CONFIG).read_bytes()
            Path(folder, "inference.yml").write_bytes(config)
            yield Path(folder)
    else:
        yield None


def _shipped_weights() -> Path:
    """The ONNX file inside the installed rapidocr wheel, checked byte for byte."""
    remedy = "reinstall it: pip install --force-reinstall 'rapidocr>=3.10,<4', or name a folder with model_dir"
    # find_spec of a top-level package runs none of its code
    spec = importlib.util.find_spec("rapidocr")
    if spec is None or not spec.submodule_search_locations:
        raise SetupError(f"the text detection weights {_WEIGHTS} come with the package rapidocr, which is missing", remedy)
    path = Path(spec.submodule_search_locations[0], "models", _WEIGHTS)
    if not path.is_file():
        raise SetupError(f"the installed rapidocr has no {path}", remedy)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != _WEIGHTS_SHA256:
        raise SetupError(f"{path} is damaged or another model: its SHA-256 is {digest}, not {_WEIGHTS_SHA256}", remedy)
    return path


def _checked_folder(folder: Path, settings: DetectorSettings) -> Path:
    """``folder``, when it holds what the engine needs."""
    if not folder.is_dir():
        raise SetupError(f"the detection model's folder {folder} does not exist", "check model_dir")
    wanted = ["inference.yml", "inference.onnx" if settings.engine == "onnxruntime" else "inference.pdiparams"]
    missing = [name for name in wanted if not (folder / name).is_file()]
    if missing:
        raise SetupError(
            f"the detection model's folder {folder} lacks {' and '.join(missing)}",
            "name a folder of a PaddleOCR inference model for this engine, or leave model_dir empty",
        )
    return folder


def _link_or_copy(source: Path, target: Path) -> None:
    try:
        target.symlink_to(source)
    except OSError:  # no links on this file system or for this user
        shutil.copyfile(source, target)
