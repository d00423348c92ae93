"""What runs the network: torch on a CPU or a GPU, or OpenVINO on a CPU. All take and give batches of fixed shape."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import warnings
from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor

from pipeline.errors import SetupError
from pipeline.types import Array
from remover.base import RemoverSettings
from remover.ctrnet.inference import InferenceGenerator, use_fewer_products
from remover.ctrnet.products import can_multiply
from remover.ctrnet.structure import grey_structure_maps, structure_maps

log = logging.getLogger(__name__)

Precision = Literal["fp32", "bf16"]
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # malloc.h
_WINOGRAD_WIDTH = 128  # channels; with 64 it takes a quarter longer than torch's own convolutions
# what the allocators say: torch's on Linux and elsewhere, and C++'s, which OpenVINO passes on
_OUT_OF_MEMORY = ("can't allocate memory", "not enough memory", "bad_alloc")
_WEIGHT_BYTES, _TENSOR_BYTES = 4 << 20, 32 << 20


class Batch(NamedTuple):
    """What the network is given for B tiles, float32.

    ``image`` (B, 3, S, S) RGB in [0, 1], ``mask`` (B, 1, S, S) {0, 1}, ``soft_mask`` (B, 1, S, S) in [0, 1] and
    ``structure`` (B, 3, S, S), or None where the engine makes the maps. ``prefill`` (B, 3, S, S) RGB in [0, 1] is for
    networks for documents.
    """

    image: Array
    mask: Array
    soft_mask: Array
    structure: Array | None
    prefill: Array | None = None


class Engine(Protocol):
    """Runs batches.

    ``makes_structure`` says whether it makes structure maps itself, ``takes_prefill`` whether its network is one for
    documents, ``takes_any_size`` whether batches of other shapes cost it no preparation worth speaking of, and
    ``side_by_side`` whether several threads may run batches at once, each with a ``run`` of its own.
    """

    makes_structure: bool
    takes_prefill: bool
    takes_any_size: bool
    side_by_side: bool

    def run(self, batches: Iterable[Batch]) -> Iterator[Array]:
        """The predictions, (B, 3, S, S) float32 in [0, 1], batch by batch.

        Raises MemoryError when a batch does not fit; the batches after it are then not taken.
        """
        ...


class CpuEngine:
    """torch on the CPU: weights and images with channels last, which its convolutions want."""

    makes_structure = False
    takes_any_size = True
    side_by_side = True

    def __init__(self, network: InferenceGenerator, precision: Precision) -> None:
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        self.takes_prefill = network.config.prefill
        if network.config.width >= _WINOGRAD_WIDTH and can_multiply(self._dtype):
            use_fewer_products(network, self._dtype)
        self._network = _place(network, "cpu", self._dtype)

    def run(self, batches: Iterable[Batch]) -> Iterator[Array]:
        """See ``Engine.run``."""
        for batch in batches:
            with torch.inference_mode(), _memory_errors():
                parts = [torch.from_numpy(part) for part in batch if part is not None]
                last = _convert(parts, self._dtype)
                prediction = self._network(*last).float().numpy()
            yield prediction


class Transfer(Protocol):
    """How batches get to where they are computed, and predictions back."""

    device: str

    def send(self, parts: list[Array]) -> list[Tensor]:
        """The parts on their way to the device; computing goes on meanwhile."""
        ...

    def wait_for(self, parts: list[Tensor]) -> None:
        """Let what is computed from now on wait until these parts are there."""
        ...

    def fetch(self, prediction: Tensor) -> Array:
        """The prediction as an array, once it is computed."""
        ...


class CudaTransfer:
    """Copies from pinned memory on a stream of their own, beside what is computed."""

    device = "cuda"

    def __init__(self) -> None:
        self._stream: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]

    def send(self, parts: list[Array]) -> list[Tensor]:
        """See ``Transfer.send``."""
        pinned = [torch.from_numpy(part).pin_memory() for part in parts]
        with torch.cuda.stream(self._stream):
            return [part.to(self.device, non_blocking=True) for part in pinned]

    def wait_for(self, parts: list[Tensor]) -> None:
        """See ``Transfer.wait_for``."""
        torch.cuda.current_stream().wait_stream(self._stream)
        for part in parts:  # made on the other stream: not to be reused there before this one is done
            part.record_stream(torch.cuda.current_stream())

    def fetch(self, prediction: Tensor) -> Array:
        """See ``Transfer.fetch``."""
        return prediction.cpu().numpy()


class GpuEngine:
    """torch on a CUDA device: compiled, channels last, copies beside computing, structure maps made there."""

    makes_structure = True
    takes_any_size = False
    side_by_side = False

    def __init__(self, network: InferenceGenerator, precision: Precision, transfer: Transfer | None = None) -> None:
        """``transfer`` replaces that to the CUDA device, and says on which device the network is."""
        self._transfer = transfer or CudaTransfer()
        self._dtype = torch.bfloat16 if precision == "bf16" else torch.float32
        torch.backends.cudnn.benchmark = True  # shapes are fixed: kernels are chosen once
        self.takes_prefill = network.config.prefill
        placed = _place(network, self._transfer.device, self._dtype)
        self._network: Any = torch.compile(placed, mode="reduce-overhead", dynamic=False)

    def run(self, batches: Iterable[Batch]) -> Iterator[Array]:
        """See ``Engine.run``. While one batch is computed, the next is on its way to the device."""
        waiting = iter(batches)
        following = self._send(next(waiting, None))
        while following is not None:
            with torch.inference_mode(), _memory_errors():
                prediction = self._predict(following)
                following = self._send(next(waiting, None))
                fetched = self._transfer.fetch(prediction)
            yield fetched

    def _predict(self, parts: list[Tensor]) -> Tensor:
        self._transfer.wait_for(parts)
        image, mask, soft_mask, *prefill = parts
        structure = grey_structure_maps(prefill[0]).expand_as(image) if prefill else structure_maps(image)
        prediction: Tensor = self._network(*_convert([image, mask, soft_mask, structure, *prefill], self._dtype))
        return prediction.float()

    def _send(self, batch: Batch | None) -> list[Tensor] | None:
        """Image, mask, soft mask and the prefill, if any, on their way."""
        if batch is None:
            return None
        with _memory_errors():
            return self._transfer.send([part for part in batch._replace(structure=None) if part is not None])


class OpenVinoEngine:
    """OpenVINO on the CPU (extra ``openvino``): compiled for one batch shape, at the first batch."""

    makes_structure = False
    takes_any_size = False
    side_by_side = False

    def __init__(self, network: InferenceGenerator, precision: Precision, threads: int) -> None:
        import openvino

        self._openvino, self._network = openvino, network
        self.takes_prefill = network.config.prefill
        self._options = {
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
            "INFERENCE_NUM_THREADS": threads,
            "PERFORMANCE_HINT": "LATENCY",
        }
        self._compiled: tuple[tuple[int, ...], Any] | None = None

    def run(self, batches: Iterable[Batch]) -> Iterator[Array]:
        """See ``Engine.run``."""
        for batch in batches:
            assert batch.structure is not None
            shape = batch.image.shape
            if self._compiled is None or self._compiled[0] != shape:
                self._compiled = None  # at most one at a time takes memory
                with _memory_errors():
                    self._compiled = shape, self._compile(batch)
            with _memory_errors():
                prediction = np.array(self._compiled[1]([part for part in batch if part is not None])[0])
            yield prediction

    def _compile(self, batch: Batch) -> Any:
        example = tuple(torch.from_numpy(part) for part in batch if part is not None)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch.export warns of what torch itself uses
            model = self._openvino.convert_model(torch.export.export(self._network, example))
        return self._openvino.compile_model(model, "CPU", self._options)


def _place(network: InferenceGenerator, device: str, dtype: torch.dtype) -> Any:
    """The network where it runs, its weights with channels last."""
    placed: Any = network
    return placed.to(device=device, dtype=dtype, memory_format=torch.channels_last)


def _convert(parts: list[Tensor], dtype: torch.dtype) -> list[Tensor]:
    """What the network is given, in its type, channels last; the fifth, a prefill, stays float32."""
    typed = [*(part.to(dtype) for part in parts[:4]), *parts[4:]]
    return [part.contiguous(memory_format=torch.channels_last) for part in typed]


class _memory_errors:  # noqa: N801 - reads as the statement it is
    """Turns what torch and OpenVINO raise when memory runs out into MemoryError."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, torch.cuda.OutOfMemoryError):
            torch.cuda.empty_cache()
            raise MemoryError("the GPU's memory is used up") from error
        if isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY):
            raise MemoryError("memory is used up") from error


def keep_weights_apart() -> None:
    """Let glibc give what is copied while weights are loaded back as soon as it is free. Before loading.

    By itself it comes to keep blocks of up to 32 MB, which weights and tensors here are, in a heap that fragments:
    see ``benchmarks/README.md`` for what that costs.
    """
    _tune_malloc(_WEIGHT_BYTES, 4 * _WEIGHT_BYTES)


def keep_tensors_together() -> None:
    """Give back what loading left, and let what comes and goes while tiles run stay in the process. After loading."""
    gc.collect()
    _tune_malloc(_TENSOR_BYTES, 1 << 30)


def _tune_malloc(own_block_bytes: int, trim_bytes: int) -> None:
    with contextlib.suppress(OSError, AttributeError):  # other systems have no such calls, and no such need
        libc = ctypes.CDLL("libc.so.6")
        libc.malloc_trim(0)
        libc.mallopt(_M_TRIM_THRESHOLD, trim_bytes)
        libc.mallopt(_M_MMAP_THRESHOLD, own_block_bytes)


def choose_device(wanted: str) -> Literal["cpu", "cuda"]:
    """The device to run on. Raises SetupError when CUDA is asked for and not there."""
    there = torch.cuda.is_available()
    if wanted == "cuda" and not there:
        raise SetupError("there is no CUDA device that torch can use", "check the driver, or use --device cpu")
    return "cuda" if there and wanted != "cpu" else "cpu"


def choose_precision(wanted: str, device: str) -> Precision:
    """bf16 where it is asked for, or where ``auto`` finds hardware that computes in it."""
    if wanted in ("fp32", "bf16"):
        return "bf16" if wanted == "bf16" else "fp32"
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp32"
    probes = (getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported"))
    return "bf16" if any(probe is not None and probe() for probe in probes) else "fp32"


def create_engine(network: InferenceGenerator, device: str, precision: Precision, settings: RemoverSettings) -> Engine:
    """The engine asked for, or the fastest for the device, which has been torch (``benchmarks/``).

    Raises SetupError when OpenVINO is asked for and not installed.
    """
    if device == "cuda":
        return GpuEngine(network, precision)
    torch.set_num_threads(1)  # threads work on tiles side by side: a tile is the same whatever their number
    if settings.engine != "openvino":
        return CpuEngine(network, precision)
    try:
        return OpenVinoEngine(network, precision, settings.threads)
    except ImportError as error:
        raise SetupError("OpenVINO is not installed", "pip install 'restore-docs[openvino]'") from error
