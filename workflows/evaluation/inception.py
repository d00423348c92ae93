"""Inception v3 up to its last pooling, as FID uses it: 2048 features of an image.

Not quite the network of Szegedy et al. (2015): the weights were ported from TensorFlow's of 2015 (pytorch-fid's
``pt_inception-2015-12-05-6726825d.pth``), whose average pooling leaves the border out and whose last block pools by
maximum. Written as functions of the weights, which keep their published names.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pipeline.errors import SetupError

EPSILON = 0.001  # of the batch normalizations
_LAST = "Mixed_7c.branch_pool.conv.weight"


def make_network(weights: Any, path: Path) -> Callable[[Any], Any]:
    """A function from (N, 3, 299, 299) float32 images in [-1, 1] to (N, 2048) float32 features.

    Raises SetupError, naming what is missing, when ``weights`` are not those of such a network.
    """
    if not isinstance(weights, Mapping) or _LAST not in weights:
        remedy = "use pt_inception-2015-12-05-6726825d.pth, or a TorchScript file"
        raise SetupError(f"{path} does not hold the weights of an Inception v3 for FID ({_LAST} is missing)", remedy)
    return _Network(weights, path).features


class _Network:
    """The blocks, by the names of their weights."""

    def __init__(self, weights: Mapping[str, Any], path: Path) -> None:
        import torch.nn.functional as functional

        self._weights, self._path, self._f = weights, path, functional

    def features(self, x: Any) -> Any:
        x = self._conv(x, "Conv2d_1a_3x3", stride=2)
        x = self._conv(self._conv(x, "Conv2d_2a_3x3"), "Conv2d_2b_3x3", padding=1)
        x = self._conv(self._conv(self._shrink(x), "Conv2d_3b_1x1"), "Conv2d_4a_3x3")
        x = self._shrink(x)
        for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
            x = self._block_a(x, name)
        x = self._block_b(x, "Mixed_6a")
        for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
            x = self._block_c(x, name)
        x = self._block_d(x, "Mixed_7a")
        x = self._block_e(x, "Mixed_7b", self._mean_around(x))
        x = self._block_e(x, "Mixed_7c", self._f.max_pool2d(x, 3, 1, 1))
        return x.mean(dim=(2, 3))

    def _conv(self, x: Any, name: str, stride: int = 1, padding: Any = 0) -> Any:
        """Convolution, batch normalization, ReLU."""
        x = self._f.conv2d(x, self._weight(f"{name}.conv.weight"), stride=stride, padding=padding)
        mean, variance, gain, shift = (
            self._weight(f"{name}.bn.{part}") for part in ("running_mean", "running_var", "weight", "bias")
        )
        return self._f.relu(self._f.batch_norm(x, mean, variance, gain, shift, eps=EPSILON))

    def _weight(self, name: str) -> Any:
        if name not in self._weights:
            raise SetupError(f"{self._path} lacks {name}", "use weights of an Inception v3 for FID")
        return self._weights[name].float()

    def _chain(self, x: Any, name: str, *steps: tuple[str, Any]) -> Any:
        for step, padding in steps:
            x = self._conv(x, f"{name}.{step}", padding=padding)
        return x

    def _shrink(self, x: Any) -> Any:
        return self._f.max_pool2d(x, 3, 2)

    def _mean_around(self, x: Any) -> Any:
        return self._f.avg_pool2d(x, 3, 1, 1, count_include_pad=False)

    def _join(self, *branches: Any) -> Any:
        import torch

        return torch.cat(branches, dim=1)

    def _block_a(self, x: Any, name: str) -> Any:
        return self._join(
            self._chain(x, name, ("branch1x1", 0)),
            self._chain(x, name, ("branch5x5_1", 0), ("branch5x5_2", 2)),
            self._chain(x, name, ("branch3x3dbl_1", 0), ("branch3x3dbl_2", 1), ("branch3x3dbl_3", 1)),
            self._chain(self._mean_around(x), name, ("branch_pool", 0)),
        )

    def _block_b(self, x: Any, name: str) -> Any:
        doubled = self._chain(x, name, ("branch3x3dbl_1", 0), ("branch3x3dbl_2", 1))
        return self._join(
            self._conv(x, f"{name}.branch3x3", stride=2),
            self._conv(doubled, f"{name}.branch3x3dbl_3", stride=2),
            self._shrink(x),
        )

    def _block_c(self, x: Any, name: str) -> Any:
        along, down = (0, 3), (3, 0)
        doubled = [("branch7x7dbl_1", 0)]
        steps = [
            ("branch7x7dbl_2", down),
            ("branch7x7dbl_3", along),
            ("branch7x7dbl_4", down),
            ("branch7x7dbl_5", along),
        ]
        return self._join(
            self._chain(x, name, ("branch1x1", 0)),
            self._chain(x, name, ("branch7x7_1", 0), ("branch7x7_2", along), ("branch7x7_3", down)),
            self._chain(x, name, *doubled, *steps),
            self._chain(self._mean_around(x), name, ("branch_pool", 0)),
        )

    def _block_d(self, x: Any, name: str) -> Any:
        sevens = self._chain(x, name, ("branch7x7x3_1", 0), ("branch7x7x3_2", (0, 3)), ("branch7x7x3_3", (3, 0)))
        return self._join(
            self._conv(self._chain(x, name, ("branch3x3_1", 0)), f"{name}.branch3x3_2", stride=2),
            self._conv(sevens, f"{name}.branch7x7x3_4", stride=2),
            self._shrink(x),
        )

    def _block_e(self, x: Any, name: str, pooled: Any) -> Any:
        along, down = (0, 1), (1, 0)
        threes = self._chain(x, name, ("branch3x3_1", 0))
        doubled = self._chain(x, name, ("branch3x3dbl_1", 0), ("branch3x3dbl_2", 1))
        return self._join(
            self._chain(x, name, ("branch1x1", 0)),
            self._chain(threes, name, ("branch3x3_2a", along)),
            self._chain(threes, name, ("branch3x3_2b", down)),
            self._chain(doubled, name, ("branch3x3dbl_3a", along)),
            self._chain(doubled, name, ("branch3x3dbl_3b", down)),
            self._chain(pooled, name, ("branch_pool", 0)),
        )
