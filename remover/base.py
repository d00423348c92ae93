"""What every remover is: something that says what is behind the text, tile by tile."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from pipeline.types import RestoredTile, Tile


class Remover(Protocol):
    """Predicts the background behind the text of tiles.

    ``name`` is its name in the registry, ``tile_side`` the side S of the square tiles it takes,
    ``needs_structure`` whether tiles must carry a structure map. A remover is made once per worker process;
    a tile's prediction depends on that tile alone.
    """

    name: str
    tile_side: int
    needs_structure: bool

    def remove(self, tiles: Sequence[Tile]) -> tuple[RestoredTile, ...]:
        """Return one raw prediction per tile, in the same order, each with its tile's box.

        Pixels outside ``tile.text_mask`` are never used: compositing happens in ``pipeline.stitching`` alone.
        """
        ...
