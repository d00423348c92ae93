"""RTV structure maps of a batch of tiles, where the network runs: the definition of ``pipeline.structure`` in torch.

A GPU has no use for the triangular sweeps of an incomplete factorization, in which pixels wait for one another. Here
the systems of all tiles and channels are solved side by side by conjugate gradients with a diagonal preconditioner:
several times the iterations, each of a few passes over memory.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from pipeline.structure import LEAST_SIGMA, StructureSettings, gaussian_taps

SLOPE_FLOOR = 0.001  # of the blurred image's differences: part of the definition
MOST_ITERATIONS = 5000
# The residual's bound is loose where few pixels differ; with this share of the tolerance the error keeps it everywhere
MARGIN = 0.25
CHECK_EVERY = 8  # iterations: asking a GPU whether all is done waits for it


def structure_maps(images: Tensor, settings: StructureSettings | None = None) -> Tensor:
    """The structure of each image, on its device.

    ``images`` is (B, C, H, W) float32 in [0, 1], any colour order. Returns the same shape; agrees with
    ``pipeline.structure.structure_map`` within the tolerance of ``settings``. No image depends on the others of its
    batch. Raises ValueError for other shapes and types.
    """
    if images.ndim != 4 or images.dtype != torch.float32:
        raise ValueError(f"images are (B, C, H, W) float32, not {tuple(images.shape)} {images.dtype}")
    chosen = settings or StructureSettings()
    with torch.no_grad():
        return _smooth(images, chosen)


def grey_structure_maps(images: Tensor) -> Tensor:
    """``remover.ctrnet.documents.grey_structure`` of each image, (B, 3, H, W) RGB float32 in [0, 1] of 8 bits each.

    Returns (B, 1, H, W).
    """
    shares = torch.tensor((0.299, 0.587, 0.114), device=images.device)
    grey = (images * shares[:, None, None]).sum(dim=1, keepdim=True)
    return structure_maps((grey * 255).round() / 255)


def _smooth(f: Tensor, settings: StructureSettings) -> Tensor:
    x = f.clone()
    limit = ((MARGIN * settings.tolerance) ** 2 * f.double().square().sum(dim=(2, 3), keepdim=True)).float()
    sigma = settings.sigma
    for _ in range(int(settings.iterations)):
        east, south = _couple(x, _blur(x, sigma), settings)
        x = _solve(x, f, east, south, limit)
        sigma = max(sigma / 2, LEAST_SIGMA)
    return torch.minimum(torch.maximum(x, f.amin(dim=(2, 3), keepdim=True)), f.amax(dim=(2, 3), keepdim=True))


def _blur(x: Tensor, sigma: float) -> Tensor:
    """Sums of shifted copies, zeros around: exact float32, where a GPU's convolutions may round to fewer bits."""
    taps = [float(tap) for tap in gaussian_taps(sigma)]
    reach = len(taps) // 2
    height, width = x.shape[2:]
    padded = functional.pad(x, (reach, reach))
    across = sum((padded[..., k : k + width] * tap for k, tap in enumerate(taps)), torch.zeros_like(x))
    padded = functional.pad(across, (0, 0, reach, reach))
    return sum((padded[..., k : k + height, :] * tap for k, tap in enumerate(taps)), torch.zeros_like(x))


def _couple(x: Tensor, blurred: Tensor, settings: StructureSettings) -> tuple[Tensor, Tensor]:
    """(east, south) couplings, (B, 1, H, W): 0 in the last column and in the last row."""
    across, down = _differences(x)
    gradient = torch.sqrt(across.square() + down.square()).mean(dim=1, keepdim=True)
    weight = (settings.lam / 2) / gradient.clamp_min(settings.sharpness)
    across, down = _differences(blurred)
    east = weight / across.abs().mean(dim=1, keepdim=True).clamp_min(SLOPE_FLOOR)
    south = weight / down.abs().mean(dim=1, keepdim=True).clamp_min(SLOPE_FLOOR)
    east[..., -1] = 0
    south[..., -1, :] = 0
    return east, south


def _differences(x: Tensor) -> tuple[Tensor, Tensor]:
    """Forward differences along rows and columns, 0 at the last."""
    across = functional.pad(x[..., 1:] - x[..., :-1], (0, 1))
    return across, functional.pad(x[..., 1:, :] - x[..., :-1, :], (0, 0, 0, 1))


def _solve(x: Tensor, f: Tensor, east: Tensor, south: Tensor, limit: Tensor) -> Tensor:
    """A x = f from the guess ``x``; a channel stops when its squared residual, which bounds its error's, is small."""
    west, north = functional.pad(east, (1, 0))[..., :-1], functional.pad(south, (0, 0, 1, 0))[..., :-1, :]
    inverse = 1 / (1 + east + south + west + north)
    residual = f - _apply(x, east, south)
    direction = inverse * residual
    slope = _inner(residual, direction)
    for count in range(MOST_ITERATIONS):
        busy = _inner(residual, residual) > limit
        if count % CHECK_EVERY == 0 and not bool(busy.any()):
            break
        product = _apply(direction, east, south)
        step = torch.where(busy, slope / _inner(direction, product), 0)
        x = x + step * direction
        residual = residual - step * product
        preconditioned = inverse * residual
        before, slope = slope, _inner(residual, preconditioned)
        direction = preconditioned + torch.where(busy, slope / before, 0) * direction
    return x


def _apply(x: Tensor, east: Tensor, south: Tensor) -> Tensor:
    """A x: what flows out of each pixel to its neighbours, and the pixel."""
    across, down = _differences(x)
    across, down = across * east, down * south
    inflow = functional.pad(across, (1, 0))[..., :-1] + functional.pad(down, (0, 0, 1, 0))[..., :-1, :]
    return x - across - down + inflow


def _inner(a: Tensor, b: Tensor) -> Tensor:
    """Sums over the pixels of each channel, (B, C, 1, 1)."""
    return (a * b).sum(dim=(2, 3), keepdim=True)
