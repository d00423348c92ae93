"""How fast CTRNet runs a 512 x 512 tile, engine by engine, beside plain torch in float32.

    python benchmarks/bench_remover.py [--network published|documents] [--threads N] [--rounds 3]
        [--engines torch-fp32,torch-bf16,openvino-fp32,...]
    python benchmarks/bench_remover.py --device cuda [--batches 1,4,8,16,32]

The network is of the published size, its weights seeded (``tests/ctrnet_rule.py``, seed 1), so that features have the
size of trained ones; or it is CTRNet for documents with the weights that are shipped. For that there is one more line,
``remover``: four tiles the whole way of the program, fill and structure maps included, in seconds a tile, beside the
limit of 0.25 s. On a CPU every
engine runs in a process of its own, warmed up by one tile, and the processes take turns: in every round each runs a
tile, the others waiting. Medians over rounds, ratios over eager torch of the same round; the error is against eager.
Peak memory is the largest resident size of an engine's process while it runs (loading excluded, weights included).
GFLOP counts multiplications and additions of the network as it is defined (1600 a tile as published, 41 for documents),
whatever an engine saves.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from watched_run import machine

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
from ctrnet_rule import make_sample, make_weights  # noqa: E402 - the rule the tests use

from pipeline.types import Box, Tile  # noqa: E402
from remover.base import RemoverSettings  # noqa: E402
from remover.ctrnet import load_generator  # noqa: E402
from remover.ctrnet.documents import prepare  # noqa: E402
from remover.ctrnet.engines import Batch, Engine, create_engine, keep_tensors_together, keep_weights_apart  # noqa: E402
from remover.ctrnet.inference import InferenceGenerator  # noqa: E402
from remover.ctrnet.remover import SHIPPED, CtrnetRemover  # noqa: E402

GFLOP = {"published": 1600.0, "documents": 41.0}
LIMIT_SECONDS = 0.25  # a tile, of CTRNet for documents on two cores
SIDE = 512
GPU_PEAK = 790e12  # FLOP/s that a large bf16 matrix product reaches on an H200
ENTRIES = HERE.parent / "tests" / "golden" / "ctrnet" / "seed1_256.npz"


def load_network(network: str) -> Any:
    """The published generator with seeded weights, or the one for documents with those that are shipped."""
    if network == "documents":
        return load_generator(SHIPPED)
    with np.load(ENTRIES) as golden:
        rows = [str(row).split(" ") for row in golden["entries"]]
    shapes = {name: tuple(int(n) for n in shape.split("x") if n) for name, shape, _ in rows}
    return load_generator({name: torch.from_numpy(w) for name, w in make_weights(shapes, 1).items()})


def make_tiles(count: int) -> list[Tile]:
    """Different tiles as the program cuts them, their strokes the dark pixels in boxes of text."""
    tiles = []
    for index in range(count):
        picture, boxes, _, _ = make_sample(1, SIDE, SIDE, index)
        image = np.rint(np.moveaxis(picture, 0, 2) * 255).astype(np.uint8)
        mask = (boxes[0] > 0) & (image.max(axis=2) < 60)
        tiles.append(Tile(Box(0, 0, SIDE, SIDE), image, mask, boxes[0] > 0))
    return tiles


def sample(count: int, network: str) -> Batch:
    """A batch of different tiles."""
    if network == "published":
        return Batch(
            *(np.stack(parts) for parts in zip(*(make_sample(1, SIDE, SIDE, i) for i in range(count)), strict=True))
        )
    tiles = make_tiles(count)
    made = [prepare(tile.image, tile.text_mask) for tile in tiles]
    image, prefill = (
        np.stack([np.moveaxis(picture, 2, 0) for picture in pictures]).astype(np.float32) / 255
        for pictures in ([tile.image for tile in tiles], [one.prefill for one in made])
    )
    mask = np.stack([tile.text_mask for tile in tiles])[:, None].astype(np.float32)
    structure = np.stack([one.structure for one in made])[:, None].repeat(3, axis=1)
    return Batch(image, mask, np.stack([one.soft_mask for one in made])[:, None], structure, prefill)


class Eager:
    """The network as it is trained, run as it is."""

    makes_structure = False
    side_by_side = False

    def __init__(self, generator: Any) -> None:
        self._generator = generator

    def run(self, batches: list[Batch]) -> Any:
        """See ``Engine.run``."""
        for batch in batches:
            with torch.inference_mode():
                yield self._generator(*(torch.from_numpy(p) for p in batch if p is not None)).prediction.numpy()


class WholeRemover:
    """The remover as the program runs it, on as many tiles as a page's worth keeps all threads busy."""

    tiles = 4

    def __init__(self, threads: int) -> None:
        self._remover = CtrnetRemover(RemoverSettings(device="cpu", threads=threads))
        self._tiles = make_tiles(self.tiles)

    def run(self, batches: list[Batch]) -> Any:
        """See ``Engine.run``; the first tile's prediction, whatever is asked for."""
        done = self._remover.remove(self._tiles)
        yield np.moveaxis(done[0].image, 2, 0)[None].astype(np.float32) / 255


def make_engine(name: str, threads: int, network: str) -> Engine:
    """``eager``, ``remover``, or engine and precision: torch-fp32, openvino-bf16 ...; all threads on one tile."""
    torch.set_num_threads(threads)
    if name == "eager":
        return Eager(load_network(network))  # type: ignore[return-value]
    if name == "remover":
        return WholeRemover(threads)  # type: ignore[return-value]
    keep_weights_apart()  # as the remover does
    generator = load_network(network)
    engine, precision = name.split("-")
    settings = RemoverSettings(engine=engine, threads=threads)  # type: ignore[arg-type]
    made = create_engine(InferenceGenerator(generator), "cpu", precision, settings)  # type: ignore[arg-type]
    torch.set_num_threads(threads)
    return made


def serve(name: str, threads: int, network: str, pipe: Connection) -> None:
    """One engine in its process: runs when it is told to; sends seconds a tile, memory and once the prediction."""
    try:
        engine = make_engine(name, threads, network)
    except Exception as error:  # whatever is missing here is a line in the table
        pipe.send(repr(error))
        return
    batch = sample(1, network)
    if name != "eager":
        keep_tensors_together()
    (prediction,) = engine.run([batch])
    pipe.send(np.array(prediction))
    own = psutil.Process()
    while pipe.recv():
        begun = time.perf_counter()
        for _ in engine.run([batch]):
            pass
        spent = time.perf_counter() - begun
        pipe.send((spent / getattr(engine, "tiles", 1), own.memory_info().rss))


def watch(process: Any, pipe: Connection) -> tuple[float, int]:
    """Let a process run a tile: (seconds, peak resident bytes meanwhile)."""
    pipe.send(True)
    watched, peak = psutil.Process(process.pid), 0
    while not pipe.poll(0.02):
        peak = max(peak, watched.memory_info().rss)
    seconds, last = pipe.recv()
    return seconds, max(peak, last)


def convolution_rate(threads: int, dtype: torch.dtype) -> float:
    """GFLOP/s of one large convolution, channels last: what a network could reach if it were all like that."""
    torch.set_num_threads(threads)
    layer: Any = torch.nn.Conv2d(256, 256, 3, padding=1).to(dtype)
    layer = layer.to(memory_format=torch.channels_last)
    x = torch.randn(1, 256, 128, 128).to(dtype).contiguous(memory_format=torch.channels_last)
    spent = []
    with torch.inference_mode():
        for _ in range(8):
            begun = time.perf_counter()
            layer(x)
            spent.append(time.perf_counter() - begun)
    return 2 * 128 * 128 * 256 * 256 * 9 / statistics.median(spent[1:]) / 1e9


def report_cpu(names: list[str], threads: int, rounds: int, network: str) -> None:
    """The table of CPU engines."""
    names = [*names, "remover"] if network == "documents" else names
    context = multiprocessing.get_context("spawn")
    running: dict[str, tuple[Any, Connection]] = {}
    predictions: dict[str, np.ndarray] = {}
    for name in ["eager", *names]:
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(name, threads, network, theirs), daemon=True)
        process.start()
        answer = ours.recv()
        if isinstance(answer, str):
            print(f"{name}: {answer}")
            continue
        running[name], predictions[name] = (process, ours), answer
    taken: dict[str, list[tuple[float, int]]] = {name: [] for name in running}
    for _ in range(rounds):
        for name, (process, pipe) in running.items():
            taken[name].append(watch(process, pipe))
    for process, pipe in running.values():
        pipe.send(False)
        process.join()
    rates = {precision: convolution_rate(threads, d) for precision, d in
             (("fp32", torch.float32), ("bf16", torch.bfloat16))}  # fmt: skip
    print(f"one large convolution: {rates['fp32']:.0f} GFLOP/s in float32, {rates['bf16']:.0f} in bfloat16")
    print(
        f"{'engine':16} {'s/tile':>7} {'ratio':>6} {'GFLOP/s':>8} {'of conv':>8} {'MB':>6} {'max err':>8} {'grey':>6}"
    )
    for name, measured in taken.items():
        seconds = statistics.median(s for s, _ in measured)
        ratio = statistics.median(e / s for (e, _), (s, _) in zip(taken["eager"], measured, strict=True))
        error = np.abs(predictions[name] - predictions["eager"])
        rate = GFLOP[network] / seconds
        share = rate / rates["fp32" if name == "eager" or name.endswith("fp32") else "bf16"]
        print(
            f"{name:16} {seconds:7.2f} {ratio:5.2f}x {rate:8.0f} {share:8.0%} "
            f"{max(m for _, m in measured) / 1e6:6.0f} {error.max():8.1e} {error.mean() * 255:6.3f}"
        )
        if name == "remover":
            print(f"{'':16} the limit is {LIMIT_SECONDS} s: {'kept' if seconds <= LIMIT_SECONDS else 'MISSED'}")


def report_gpu(sizes: list[int], rounds: int, network: str) -> None:
    """Tiles a second by batch, structure maps made on the device included, and the share of the GPU's peak."""
    settings = RemoverSettings(device="cuda")
    generator = InferenceGenerator(load_network(network))
    engine = create_engine(generator, "cuda", "bf16", settings)
    print(torch.cuda.get_device_name())
    for size in sizes:
        batch = sample(size, network)
        list(engine.run([batch] * 3))  # compiles
        torch.cuda.synchronize()
        begun = time.perf_counter()
        list(engine.run([batch] * rounds))
        rate = size * rounds / (time.perf_counter() - begun)
        memory = torch.cuda.max_memory_allocated() / 1e9
        print(f"batch {size:3}: {rate:7.1f} tiles/s, MFU {rate * GFLOP[network] * 1e9 / GPU_PEAK:.1%}, {memory:.1f} GB")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--network", choices=list(GFLOP), default="published")
    parser.add_argument("--threads", type=int, default=psutil.cpu_count(logical=False) or 1)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--engines", default="torch-fp32,torch-bf16,openvino-fp32,openvino-bf16")
    parser.add_argument("--batches", default="1,4,8,16,32")
    chosen = parser.parse_args()
    print(f"{machine()}; torch {torch.__version__}, {chosen.threads} threads")
    if chosen.device == "cuda":
        report_gpu([int(size) for size in chosen.batches.split(",")], max(chosen.rounds, 10), chosen.network)
    else:
        report_cpu(chosen.engines.split(","), chosen.threads, chosen.rounds, chosen.network)


if __name__ == "__main__":
    main()
