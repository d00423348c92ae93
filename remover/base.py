"""What every remover is: something that says what is behind the text, tile by tile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pipeline.types import RestoredTile, Tile


@dataclass(frozen=True, slots=True)
class RemoverSettings:
    """Everything a remover can be told; each reads what concerns it.

    ``weights`` is a file of weights (None = shipped, or none needed), ``device`` where a network runs
    ("auto" = CUDA where there is one), ``threads`` how many tiles it may work on at once: a tile's prediction does
    not depend on it. ``precision`` is what a network computes in ("auto" = bf16 where the hardware
    does), ``batch_size`` how many tiles at once ("auto" = what fits), ``engine`` what runs a network on a CPU ("auto" =
    the fastest that is installed).
    """

    weights: Path | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = 1
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    batch_size: Literal["auto"] | int = "auto"
    engine: Literal["auto", "torch", "openvino"] = "auto"


class Remover(Protocol):
    """Predicts the background behind the text of tiles.

    ``name`` is its name in the registry, ``tile_side`` the side S of the square tiles it takes,
    ``needs_structure`` and ``needs_soft_mask`` whether tiles must carry those maps. A remover is made once per worker
    process; a tile's prediction depends on that tile alone.
    """

    name: str
    tile_side: int
    needs_structure: bool
    needs_soft_mask: bool

    def remove(self, tiles: Sequence[Tile]) -> tuple[RestoredTile, ...]:
        """Return one raw prediction per tile, in the same order, each with its tile's box.

        Pixels outside ``tile.text_mask`` are never used: compositing happens in ``pipeline.stitching`` alone.
        """
        ...
