"""CTRNet as a remover: tiles in, predictions out, one model per worker process.

What its weights are decides what the network is given: the published one the regions text lies in, hard and soft, and
the image's structure; one for documents the strokes, and what ``remover.ctrnet.documents`` derives from them.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pipeline.errors import SetupError
from pipeline.threads import map_in_threads
from pipeline.types import Array, RestoredTile, Tile
from remover.base import RemoverSettings
from remover.ctrnet.checkpoint import load_generator
from remover.ctrnet.documents import prepare
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
from remover.fill import has_greys

log = logging.getLogger(__name__)

SHIPPED = Path(__file__).with_name("documents.safetensors")  # CTRNet for documents, which we trained
_GPU_BATCH = 16
_GPU_BYTES_PER_TILE = 1 << 30  # a generous guess; a batch that does not fit is halved


class CtrnetRemover:
    """Predicts what is behind text with CTRNet: with the weights for documents that are shipped, or with given ones."""

    name = "ctrnet"
    tile_side = 512

    def __init__(self, settings: RemoverSettings, engine: Engine | None = None) -> None:
        """Load the weights. ``engine`` replaces the one chosen. Raises SetupError for weights or a device that fail."""
        device = choose_device(settings.device)
        self._engine = engine or _load_engine(settings, device)
        self._for_documents = self._engine.takes_prefill
        self.needs_soft_mask = not self._for_documents
        self.needs_structure = not (self._for_documents or self._engine.makes_structure)
        self._threads = settings.threads if self._engine.side_by_side else 1
        self.batch_size = _first_batch_size(device) if settings.batch_size == "auto" else settings.batch_size

    @property
    def takes_any_size(self) -> bool:
        """Whether tiles may have other sides than ``tile_side``: multiples of 32, each a batch of its own."""
        return self._for_documents and self._engine.takes_any_size and self.batch_size == 1

    def remove(self, tiles: Sequence[Tile], prefills: Sequence[Array] | None = None) -> tuple[RestoredTile, ...]:
        """See ``Remover.remove``. A batch that does not fit into memory is halved, for good.

        ``prefills``, (S, S, 3) uint8 RGB each, are the tiles as ``remover.fill.fill`` leaves them, for callers who have
        them already. Raises MemoryError when a single tile does not fit.
        """
        done: list[RestoredTile] = []
        while len(done) < len(tiles):
            waiting = tiles[len(done) :]
            fills = [None] * len(waiting) if prefills is None else list(prefills[len(done) :])
            try:
                for images in self._predict(waiting, fills):
                    places = tiles[len(done) : len(done) + len(images)]
                    done += [RestoredTile(tile.box, image) for tile, image in zip(places, images, strict=True)]
            except MemoryError:
                if self.batch_size == 1:
                    raise
                self.batch_size //= 2
                log.warning("tiles do not fit into memory together: %d at once from now on", self.batch_size)
        return tuple(done)

    def _predict(self, tiles: Sequence[Tile], prefills: Sequence[Array | None]) -> Iterable[Array]:
        """(n, S, S, 3) uint8 RGB for one batch of tiles after another."""
        size = self.batch_size
        starts = range(0, len(tiles), size)
        groups = [(tiles[start : start + size], prefills[start : start + size]) for start in starts]
        if self._threads > 1:
            return map_in_threads(lambda group: next(self._run([group], size)), groups, self._threads)
        return self._run(groups, size)

    def _run(self, groups: Sequence[tuple[Sequence[Tile], Sequence[Array | None]]], size: int) -> Iterator[Array]:
        batches = (_fill_up(self._batch(*group), size) for group in groups)
        for (group, _), prediction in zip(groups, self._engine.run(batches), strict=True):
            images = np.rint(np.moveaxis(prediction[: len(group)], 1, 3) * 255).clip(0, 255).astype(np.uint8)
            if self._for_documents:
                _keep_black_and_white(group, images)
            yield images

    def _batch(self, tiles: Sequence[Tile], prefills: Sequence[Array | None]) -> Batch:
        image = _as_batch([tile.image for tile in tiles])
        if self._for_documents:
            return self._batch_of_documents(tiles, prefills, image)
        soft = [tile.soft_mask for tile in tiles if tile.soft_mask is not None]
        structure = [np.moveaxis(tile.structure, 2, 0) for tile in tiles if tile.structure is not None]
        return Batch(
            image,
            np.stack([tile.polygon_mask for tile in tiles])[:, None].astype(np.float32),
            np.stack(soft)[:, None],
            np.stack(structure) if self.needs_structure else None,
        )

    def _batch_of_documents(self, tiles: Sequence[Tile], prefills: Sequence[Array | None], image: Array) -> Batch:
        with_structure = not self._engine.makes_structure
        made = [
            prepare(tile.image, tile.text_mask, prefill, with_structure)
            for tile, prefill in zip(tiles, prefills, strict=True)
        ]
        structure = np.stack([one.structure for one in made])[:, None].repeat(3, axis=1) if with_structure else None
        return Batch(
            image,
            np.stack([tile.text_mask for tile in tiles])[:, None].astype(np.float32),
            np.stack([one.soft_mask for one in made])[:, None],
            structure,
            _as_batch([one.prefill for one in made]),
        )


def _load_engine(settings: RemoverSettings, device: str) -> Engine:
    weights = settings.weights or SHIPPED
    if settings.weights is None and not SHIPPED.exists():
        raise SetupError("remover ctrnet needs weights", "name a checkpoint with --weights FILE")
    keep_weights_apart()
    precision = choose_precision(settings.precision, device)
    engine = create_engine(InferenceGenerator(load_generator(weights)), device, precision, settings)
    keep_tensors_together()
    return engine


def _as_batch(images: Sequence[Array]) -> Array:
    """(H, W, 3) uint8 each to (B, 3, H, W) float32 in [0, 1]."""
    return np.stack([np.moveaxis(image, 2, 0) for image in images]).astype(np.float32) / np.float32(255)


def _fill_up(batch: Batch, size: int) -> Batch:
    """The last tile again until there are ``size``: one shape for all, so that no result depends on its company."""
    missing = size - len(batch.image)
    if not missing:
        return batch
    parts: list[Any] = [None if part is None else np.concatenate([part, *[part[-1:]] * missing]) for part in batch]
    return Batch(*parts)


def _keep_black_and_white(tiles: Sequence[Tile], images: Array) -> None:
    """A page without greys is to stay one: as ``fill`` does. In place."""
    for tile, image in zip(tiles, images, strict=True):
        if not has_greys(tile.image[~tile.text_mask]):
            image[...] = np.where(image < 128, 0, 255)


def _first_batch_size(device: str) -> int:
    """On a CPU one tile after another; on a GPU as many as may fit, a power of two."""
    if device == "cpu":
        return 1
    free = torch.cuda.mem_get_info()[0] // _GPU_BYTES_PER_TILE
    return 1 << max(0, min(_GPU_BATCH, int(free)).bit_length() - 1)
