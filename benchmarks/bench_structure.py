"""How fast RTV structure maps are, and how exact, against the solvers that Python ports of RTV use.

    python benchmarks/bench_structure.py [--image FILE] [--side 512] [--repeats 7] [--tiles 16]

All on the same crop of the same image, in one run; none of these solvers starts threads of its own. "exact" is the
float64 direct solution, (a). Times are medians after one warm-up (the direct solvers run once: they take seconds).
Compilation is timed apart, in fresh processes with an empty and with a filled cache. The floor of one iteration of
conjugate gradients is the memory its arrays move at the speed at which this machine copies memory.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from scipy.sparse.linalg import splu, spsolve
from watched_run import machine

from pipeline import structure_solver
from pipeline.structure import structure_map
from pipeline.types import Array

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))
from rtv_reference import system, weights  # noqa: E402 - the definition, as the tests check it

LAM, SIGMA, SHARPNESS, ITERATIONS = 0.01, 3.0, 0.02, 4
# float32 arrays that one iteration reads or writes: 6 + 4 in the backward sweep, 5 + 1 in the forward one
PASSES = 16
FRESH = "import time, numpy as np; from pipeline.structure import structure_map; b = time.perf_counter(); " \
    "structure_map(np.zeros((8, 8, 3), np.uint8)); print(time.perf_counter() - b)"  # fmt: skip

Solver = Callable[[Array, list[Array]], list[Array]]


def rtv_with(solve: Solver, image: Array) -> Array:
    """RTV of an image, (H, W, C) uint8, with another solver for its systems. Returns float64."""
    f = image / 255
    x, sigma = f, SIGMA
    for _ in range(ITERATIONS):
        east, south = weights(x, sigma, SHARPNESS)
        matrix = system(LAM / 2 * east, LAM / 2 * south)
        x = np.stack([y.reshape(f.shape[:2]) for y in solve(matrix, [c.ravel() for c in np.moveaxis(f, 2, 0)])], 2)
        sigma = max(sigma / 2, 0.5)
    return x


def by_spsolve(matrix: Array, sides: list[Array]) -> list[Array]:
    """(a) One direct solution per channel: the usual port."""
    return [spsolve(matrix, side) for side in sides]


def by_splu(matrix: Array, sides: list[Array]) -> list[Array]:
    """(b) One factorization for all channels, with the ordering that suits symmetric matrices."""
    factor = splu(matrix, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
    return [factor.solve(side) for side in sides]


def by_pyamg(matrix: Array, sides: list[Array]) -> list[Array]:
    """(c) Conjugate gradients with a classical multigrid preconditioner."""
    import pyamg

    levels = pyamg.ruge_stuben_solver(matrix.tocsr())
    return [levels.solve(side, x0=side, tol=1e-3, accel="cg") for side in sides]


def seconds(job: Callable[[], object], repeats: int) -> float:
    """Median wall seconds."""
    spent = []
    for _ in range(repeats):
        begun = time.perf_counter()
        job()
        spent.append(time.perf_counter() - begun)
    return float(np.median(spent))


def report_compilation() -> None:
    """First call in a fresh process, with nothing compiled yet and with the cache of an earlier process."""
    with tempfile.TemporaryDirectory() as cache:
        environment = os.environ | {"NUMBA_CACHE_DIR": cache}
        first, second = (
            float(
                subprocess.run([sys.executable, "-c", FRESH], env=environment, check=True, capture_output=True).stdout
            )
            for _ in range(2)
        )
    print(f"first call in a process: {first:.1f} s compiling, {second:.2f} s with what an earlier process compiled")


def report_solvers(image: Array, repeats: int) -> None:
    """The table of solvers, each with its error."""
    begun = time.perf_counter()
    exact = rtv_with(by_spsolve, image)
    rows = [("(a) scipy spsolve per channel", time.perf_counter() - begun, 0.0)]
    for name, solver in (("(b) scipy splu (MMD)", by_splu), ("(c) pyamg RS-CG", by_pyamg)):
        begun = time.perf_counter()
        try:
            result = rtv_with(solver, image)
        except ImportError:
            print(f"{name}: not installed")
            continue
        rows.append((name, time.perf_counter() - begun, _error(result, exact)))
    for tolerance in (1e-3, 1e-4):
        result = structure_map(image, tolerance=tolerance)
        spent = seconds(lambda t=tolerance: structure_map(image, tolerance=t), repeats)  # type: ignore[misc]
        rows.append((f"structure_map, tolerance {tolerance:g}", spent, _error(result, exact)))
    print(f"{'one thread':34} {'s':>8} {'vs (a)':>8} {'vs (b)':>8} {'rel. L2 error':>14}")
    direct, factored = rows[0][1], rows[1][1]
    for name, spent, error in rows:
        print(f"{name:34} {spent:8.3f} {direct / spent:7.1f}x {factored / spent:7.1f}x {error:14.1e}")


def _error(result: Array, exact: Array) -> float:
    return float(np.linalg.norm(result - exact) / np.linalg.norm(exact))


def report_cores(image: Array, count: int, repeats: int) -> None:
    """A batch of tiles, on one thread and on all cores, alternately."""
    cores = len(os.sched_getaffinity(0))
    tiles = [np.ascontiguousarray(np.roll(image, 37 * k, axis=0)) for k in range(count)]
    spent: dict[int, list[float]] = {1: [], cores: []}
    for _ in range(repeats):
        for threads in spent:
            with ThreadPoolExecutor(threads) as pool:
                begun = time.perf_counter()
                list(pool.map(structure_map, tiles))
                spent[threads].append(time.perf_counter() - begun)
    one, all_cores = (float(np.median(spent[threads])) for threads in (1, cores))
    print(f"{count} tiles: {one:.2f} s on one thread, {all_cores:.2f} s on {cores}: {one / all_cores:.2f}x")


def report_floor(image: Array, repeats: int) -> None:
    """What one iteration costs, and what it would cost if it only moved its arrays."""
    plane = image[..., 0].astype(np.float32) / 255
    systems = structure_solver.Systems(*plane.shape)
    systems.factorize(*structure_solver.couple(plane[None], plane[None], SHARPNESS, LAM))
    noise = np.random.default_rng(0).normal(size=plane.shape).astype(np.float32)
    counts: list[int] = []
    few, many = (
        seconds(lambda t=t: counts.append(systems.solve(plane.copy(), noise, t * np.sqrt(noise.size))), repeats)  # type: ignore[misc]
        for t in (1e-1, 1e-4)
    )
    count = counts[-1] - counts[0]
    big = np.ones(64 << 20, np.float32)
    other = np.empty_like(big)
    copied = 2 * big.nbytes / seconds(lambda: np.copyto(other, big), repeats)
    moved = PASSES * plane.nbytes * count / (many - few)
    print(
        f"one iteration, one channel: {(many - few) / count * 1e3:.3f} ms, {PASSES * plane.nbytes / 1e6:.1f} MB moved: "
        f"{moved / 1e9:.1f} GB/s, {moved / copied:.0%} of the {copied / 1e9:.1f} GB/s at which one thread copies memory"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--image", type=Path, default=HERE.parent / "examples" / "exam.jpg")
    parser.add_argument("--side", type=int, default=512)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--tiles", type=int, default=16)
    chosen = parser.parse_args()
    cv2.setNumThreads(1)  # as the program's tasks do
    image = np.asarray(Image.open(chosen.image).convert("RGB"))[200 : 200 + chosen.side, 100 : 100 + chosen.side]
    print(f"{machine()}; {chosen.image.name}, {image.shape[1]} x {image.shape[0]} x 3")
    report_compilation()
    report_solvers(image, chosen.repeats)
    report_cores(image, chosen.tiles, chosen.repeats)
    report_floor(image, chosen.repeats)


if __name__ == "__main__":
    main()
