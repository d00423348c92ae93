"""CTRNet as a remover: tiles in, predictions out, one model per worker process."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
import torch

from pipeline.errors import SetupError
from pipeline.types import Array, RestoredTile, Tile
from remover.base import RemoverSettings
from remover.ctrnet.checkpoint import load_generator
from remover.ctrnet.engines import (
    Batch,
    Engine,
    choose_device,
    choose_precision,
    create_engine,
    keep_tensors_together,
    keep_weights_apart,
)
from remover.ctrnet.inference import InferenceGenerator

log = logging.getLogger(__name__)

_GPU_BATCH = 16
_GPU_BYTES_PER_TILE = 1 << 30  # a generous guess; a batch that does not fit is halved


class CtrnetRemover:
    """Predicts what is behind text with CTRNet, from the image, its text polygons and its structure."""

    name = "ctrnet"
    tile_side = 512
    needs_soft_mask = True

    def __init__(self, settings: RemoverSettings, engine: Engine | None = None) -> None:
        """Load the weights. ``engine`` replaces the one chosen. Raises SetupError for weights or a device that fail."""
        device = choose_device(settings.device)
        if engine is None:
            if settings.weights is None:
                raise SetupError("remover ctrnet needs weights", "name a checkpoint with --weights FILE")
            keep_weights_apart()
            precision = choose_precision(settings.precision, device)
            engine = create_engine(InferenceGenerator(load_generator(settings.weights)), device, precision, settings)
            keep_tensors_together()
        self._engine = engine
        self.needs_structure = not engine.makes_structure
        self.batch_size = _first_batch_size(device) if settings.batch_size == "auto" else settings.batch_size

    def remove(self, tiles: Sequence[Tile]) -> tuple[RestoredTile, ...]:
        """See ``Remover.remove``. A batch that does not fit into memory is halved, for good.

        Raises MemoryError when a single tile does not fit.
        """
        done: list[RestoredTile] = []
        while len(done) < len(tiles):
            try:
                for images in self._predict(tiles[len(done) :]):
                    places = tiles[len(done) : len(done) + len(images)]
                    done += [RestoredTile(tile.box, image) for tile, image in zip(places, images, strict=True)]
            except MemoryError:
                if self.batch_size == 1:
                    raise
                self.batch_size //= 2
                log.warning("tiles do not fit into memory together: %d at once from now on", self.batch_size)
        return tuple(done)

    def _predict(self, tiles: Sequence[Tile]) -> Iterator[Array]:
        """(n, S, S, 3) uint8 RGB for one batch of tiles after another."""
        size = self.batch_size
        groups = [tiles[start : start + size] for start in range(0, len(tiles), size)]
        # the last one is filled up: one shape for all, so that a tile's result does not depend on its company
        batches = (self._batch([*group, *[group[-1]] * (size - len(group))]) for group in groups)
        for group, prediction in zip(groups, self._engine.run(batches), strict=True):
            yield np.rint(np.moveaxis(prediction[: len(group)], 1, 3) * 255).clip(0, 255).astype(np.uint8)

    def _batch(self, tiles: Sequence[Tile]) -> Batch:
        soft = [tile.soft_mask for tile in tiles if tile.soft_mask is not None]
        structure = [np.moveaxis(tile.structure, 2, 0) for tile in tiles if tile.structure is not None]
        return Batch(
            np.stack([np.moveaxis(tile.image, 2, 0) for tile in tiles]).astype(np.float32) / np.float32(255),
            np.stack([tile.polygon_mask for tile in tiles])[:, None].astype(np.float32),
            np.stack(soft)[:, None],
            np.stack(structure) if self.needs_structure else None,
        )


def _first_batch_size(device: str) -> int:
    """On a CPU one tile after another; on a GPU as many as may fit, a power of two."""
    if device == "cpu":
        return 1
    free = torch.cuda.mem_get_info()[0] // _GPU_BYTES_PER_TILE
    return 1 << max(0, min(_GPU_BATCH, int(free)).bit_length() - 1)
