"""Shards: what the trainers draw their samples from, as a few files that travel anywhere.

A shard is a safetensors file of encoded pictures (lossless WebP, or PNG for grey), each under a name that says what it
is: ``pair/N/text``, ``pair/N/blank`` and ``pair/N/soft`` (a piece of a page with its text, without it, and CTRNet's
soft mask of its words), ``print/N`` and ``hand/N`` (a line of type or handwriting as ink coverage) and ``picture/N``.
Its metadata holds where each came from.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import cv2
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from pipeline.errors import InputError, OutputError
from pipeline.types import Array

SUFFIX = ".shard"
LOSSLESS = 101  # OpenCV's quality beyond 100 makes WebP lossless
PICTURE_QUALITY = 88  # pictures are backgrounds only: there is no truth in them to keep

LineKind = Literal["print", "hand"]
KINDS = ("pair", "print", "hand", "picture")


class ShardWriter:
    """Writes one shard when it is closed; as a context manager, only if nothing was raised."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._entries: dict[str, Array] = {}
        self._sources: dict[str, str] = {}

    def add_pair(self, text: Array, blank: Array, soft: Array, source: str) -> None:
        """A piece of a page, (H, W, 3) uint8 RGB with and without text, and its soft mask, (H, W) float32 in [0, 1]."""
        if text.shape != blank.shape or text.shape[:2] != soft.shape:
            raise ValueError(f"a pair's parts differ in size: {text.shape}, {blank.shape}, {soft.shape}")
        name = self._name("pair", source)
        self._entries[f"{name}/text"] = _encode(text)
        self._entries[f"{name}/blank"] = _encode(blank)
        self._entries[f"{name}/soft"] = _encode(np.rint(soft * 255).astype(np.uint8))

    def add_line(self, kind: LineKind, coverage: Array, source: str) -> None:
        """A line of ink, (H, W) uint8, 255 where ink covers a pixel whole; cut close to its ink."""
        self._entries[self._name(kind, source)] = _encode(coverage)

    def add_picture(self, image: Array, source: str) -> None:
        """A photograph or drawing, (H, W, 3) uint8 RGB: something that is no text."""
        self._entries[self._name("picture", source)] = _encode(image, PICTURE_QUALITY)

    @property
    def count(self) -> int:
        """How many pairs, lines and pictures were added."""
        return len(self._sources)

    @property
    def size_bytes(self) -> int:
        """How large the encoded pictures are together."""
        return sum(entry.nbytes for entry in self._entries.values())

    def _name(self, kind: str, source: str) -> str:
        count = sum(name.startswith(f"{kind}/") for name in self._sources)
        name = f"{kind}/{count}"
        self._sources[name] = source
        return name

    def close(self) -> None:
        """Write the file. Raises OutputError when it cannot be written."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            # one entry of metadata: safetensors writes several in an order that differs from file to file
            save_file(self._entries, self.path, {"sources": json.dumps(self._sources)})
        except (OSError, SafetensorError) as error:
            raise OutputError(f"{self.path} cannot be written: {error}", "check space and permissions") from error

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()


class Shards:
    """Everything in the shards of some folders, by number; decoded when asked for."""

    def __init__(self, folders: Sequence[Path]) -> None:
        """Raises InputError when there is no shard, or one is broken."""
        paths = [path for folder in folders for path in sorted(folder.glob(f"*{SUFFIX}"))]
        if not paths:
            names = ", ".join(str(folder) for folder in folders)
            raise InputError(f"there are no shards (*{SUFFIX}) in {names}", "make some with restore-docs train prepare")
        self._found: dict[str, list[tuple[Any, str]]] = {kind: [] for kind in KINDS}
        self.sources: dict[str, list[str]] = {kind: [] for kind in KINDS}
        for path in paths:
            self._open(path)

    def _open(self, path: Path) -> None:
        try:
            file: Any = safe_open(path, "numpy")
            sources = json.loads(file.metadata()["sources"])
            for name, source in sources.items():
                kind = name.split("/")[0]
                self._found[kind].append((file, name))
                self.sources[kind].append(source)
        except (OSError, SafetensorError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"{path} is no shard: {error}", "make it anew with restore-docs train prepare") from error

    def count(self, kind: str) -> int:
        """How many there are of a kind."""
        return len(self._found[kind])

    def pair(self, index: int) -> tuple[Array, Array]:
        """A piece of a page with text and without, (H, W, 3) uint8 RGB each."""
        file, name = self._found["pair"][index]
        return _decode(file, f"{name}/text"), _decode(file, f"{name}/blank")

    def soft(self, index: int) -> Array:
        """The soft mask of a pair, (H, W) float32 in [0, 1]."""
        file, name = self._found["pair"][index]
        return _decode(file, f"{name}/soft").astype(np.float32) / np.float32(255)

    def line(self, kind: LineKind, index: int) -> Array:
        """A line's ink coverage, (H, W) uint8."""
        return _decode(*self._found[kind][index])

    def picture(self, index: int) -> Array:
        """A picture, (H, W, 3) uint8 RGB."""
        return _decode(*self._found["picture"][index])


def _encode(image: Array, quality: int = LOSSLESS) -> Array:
    if image.ndim == 2:
        done, data = cv2.imencode(".png", image, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    else:
        done, data = cv2.imencode(".webp", image[..., ::-1], [cv2.IMWRITE_WEBP_QUALITY, quality])
    if not done:
        raise ValueError(f"a picture of shape {image.shape} and type {image.dtype} cannot be encoded")
    return data.ravel()


def _decode(file: Any, name: str) -> Array:
    image = cv2.imdecode(file.get_tensor(name), cv2.IMREAD_UNCHANGED)
    if image.ndim == 2:
        return np.asarray(image)
    return np.ascontiguousarray(image[..., ::-1])
