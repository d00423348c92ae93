"""Judges of cleaned images that are no arithmetic: Tesseract, which reads, and an Inception network, which compares."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from pipeline.errors import InputError, SetupError
from pipeline.judged_metrics import ReadWord
from pipeline.types import Array

FEATURE_SIDE = 299  # px, what Inception v3 takes
SPARSE = 11  # Tesseract's page segmentation: as much text as there is, in no order
ASSUMED_DPI = 200


class TesseractReader:
    """Reads words with Tesseract, an eye that had no part in the removal.

    Raises SetupError when the package ``pytesseract`` or the program is missing.
    """

    def __init__(self) -> None:
        try:
            import pytesseract
        except ModuleNotFoundError:
            raise SetupError("--ocr needs the package pytesseract", "pip install 'restore-docs[evaluate]'") from None
        os.environ.setdefault("OMP_THREAD_LIMIT", "1")  # its threads cost more than they bring
        self._module: Any = pytesseract
        try:
            pytesseract.get_tesseract_version()
            self._languages = set(pytesseract.get_languages(config=""))
        except pytesseract.TesseractNotFoundError:
            raise SetupError(
                "--ocr needs the program tesseract, which is not on the path", "apt-get install tesseract-ocr"
            ) from None

    def read(self, image: Array, language: str) -> list[ReadWord]:
        """The words on an image (H, W, 3) uint8 RGB; English is always tried, too.

        Raises InputError when there is no data for the language, or Tesseract fails: other images may fare better.
        """
        languages = list(dict.fromkeys([language, "eng"]))
        missing = [name for name in languages if name not in self._languages]
        if missing:
            remedy = f"apt-get install tesseract-ocr-{missing[0].replace('_', '-')}"
            raise InputError(f"tesseract has no data for the language {missing[0]}", remedy)
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        try:
            seen = self._module.image_to_data(
                grey,
                lang="+".join(languages),
                config=f"--psm {SPARSE} --dpi {ASSUMED_DPI}",
                output_type=self._module.Output.DICT,
            )
        except self._module.TesseractError as error:
            raise InputError(f"tesseract failed: {error.message}", "try it by hand on the same image") from None
        boxes = zip(seen["left"], seen["top"], seen["width"], seen["height"], strict=True)
        told = zip(seen["text"], boxes, strict=True)
        return [ReadWord(str(t).strip(), (x, y, x + w, y + h)) for t, (x, y, w, h) in told if str(t).strip()]


class FeatureNetwork:
    """Features of an Inception network in a file, for FID: TorchScript, or the weights that pytorch-fid uses.

    Raises SetupError when the file is neither.
    """

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise SetupError(f"there is no Inception network at {path}", "check --inception")
        self._scripted, self._network = _load(path)
        arguments = self._network.forward.schema.arguments if self._scripted else ()
        self._asks = any(argument.name == "return_features" for argument in arguments)
        self._path = path

    def features(self, image: Array) -> Array:
        """(D,) float64 of an image (H, W, 3) uint8 RGB.

        As pytorch-fid does it, the image is brought to 299 x 299 in floats, bilinear between centres of pixels and not
        rounded; a network that takes ``return_features`` (the TorchScript published with StyleGAN) resizes by itself.
        """
        import torch
        from torch.nn.functional import interpolate

        batch = torch.from_numpy(np.ascontiguousarray(np.moveaxis(image, 2, 0))[None])
        with torch.inference_mode():
            if not self._asks:
                side = (FEATURE_SIDE, FEATURE_SIDE)
                batch = interpolate(batch.float(), side, mode="bilinear", align_corners=False)
            try:
                answer = self._run(batch)
            except SetupError:
                raise
            except Exception as error:  # whatever a foreign network raises
                raise SetupError(f"{self._path} does not take images: {error}", "use an Inception network") from None
        return np.asarray(answer.reshape(len(answer), -1)[0].double().numpy())

    def _run(self, batch: Any) -> Any:
        if self._asks:
            return self._network(batch, return_features=True)
        return self._network(batch / 127.5 - 1)


def _load(path: Path) -> tuple[bool, Any]:
    """(whether it is TorchScript, a callable)."""
    import torch

    from workflows.evaluation.inception import make_network

    try:
        with warnings.catch_warnings():  # it is deprecated, but the published network comes in no other form
            warnings.simplefilter("ignore", DeprecationWarning)
            return True, torch.jit.load(str(path), map_location="cpu").eval()  # type: ignore[no-untyped-call]
    except RuntimeError:
        pass  # no TorchScript
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # pickle raises whatever it meets
        raise SetupError(
            f"{path} is neither TorchScript nor a file of weights: {error}", "see docs/evaluate.md"
        ) from None
    return False, make_network(weights, path)
