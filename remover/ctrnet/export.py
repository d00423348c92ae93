"""The inference network as an ONNX file, for other runtimes."""

from __future__ import annotations

import io
import logging
import os
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.errors import OutputError, SetupError
from remover.ctrnet.checkpoint import load_generator
from remover.ctrnet.inference import InferenceGenerator

INPUTS = {"image": 3, "mask": 1, "soft_mask": 1, "structure": 3, "prefill": 3}  # and their channels
OPSET = 18
# float32 sums in another order: what two runtimes may differ by
MOST_DIFFERENCE = 1e-4

log = logging.getLogger("restore_docs")


def export_onnx(weights: Path, target: Path, *, side: int = 512, batch: int = 1) -> float:
    """Write the network with these weights to ``target``; shapes are fixed.

    Inputs ``image`` (B, 3, S, S), ``mask`` and ``soft_mask`` (B, 1, S, S) and ``structure`` (B, 3, S, S), output
    ``prediction`` (B, 3, S, S), all float32; a network for documents has a fifth input, ``prefill`` (B, 3, S, S). The
    file is run by onnxruntime once and compared with torch; returns the largest difference.

    Raises:
        SetupError: the weights do not load, the extra ``export`` is missing, or the file computes something else.
        OutputError: it cannot be written.
    """
    network = InferenceGenerator(load_generator(weights))
    torch.manual_seed(0)
    channels = list(INPUTS.values())[: 5 if network.config.prefill else 4]
    example = tuple(torch.rand(batch, count, side, side) for count in channels)
    half_written = target.with_name(f".{target.name}.part")
    try:
        _export(network, example, half_written)
        difference = _compare(network, example, half_written)
        if not difference <= MOST_DIFFERENCE:
            raise SetupError(
                f"the exported network differs from torch by {difference:.1e}", "report this with the versions of both"
            )
        half_written.replace(target)
    except OSError as error:
        raise OutputError(f"{target} cannot be written: {error.strerror}", "check space and permissions") from error
    finally:
        half_written.unlink(missing_ok=True)
    return difference


def _export(network: InferenceGenerator, example: tuple[torch.Tensor, ...], path: Path) -> None:
    try:
        import onnxscript
    except ImportError as error:
        raise SetupError("ONNX export needs onnx and onnxscript", "pip install 'restore-docs[export]'") from error
    log.debug("onnxscript %s", onnxscript.__version__)
    exporter: Any = torch.onnx.export
    # it prints its progress, which is not our result, and warns of what torch itself uses
    with redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exporter(
            network,
            example,
            os.fspath(path),
            dynamo=True,
            opset_version=OPSET,
            input_names=list(INPUTS)[: len(example)],
            output_names=["prediction"],
            external_data=False,
        )


def _compare(network: InferenceGenerator, example: tuple[torch.Tensor, ...], path: Path) -> float:
    import onnxruntime

    session = onnxruntime.InferenceSession(os.fspath(path), providers=["CPUExecutionProvider"])
    theirs = session.run(None, {name: part.numpy() for name, part in zip(INPUTS, example, strict=False)})[0]
    with torch.inference_mode():
        return float(np.abs(network(*example).numpy() - theirs).max())
