"""What this installation is: the versions of the packages that shape the result, and the weights that ship with it."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

_HOUSE = Path(__file__).parents[1]
SHIPPED_WEIGHTS = (
    _HOUSE / "detectors" / "strokes" / "strokes.safetensors",
    _HOUSE / "remover" / "ctrnet" / "documents.safetensors",
)


def versions() -> dict[str, str]:
    """Versions of the packages that shape the result."""
    from importlib.metadata import PackageNotFoundError, version  # here, for the sake of a quick --help

    found = {}
    for name in (
        "restore-docs",
        "paddleocr",
        "rapidocr",
        "onnxruntime",
        "pymupdf",
        "opencv-python",
        "numpy",
        "torch",
        "img2pdf",
    ):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


PACKAGES = ("pipeline", "detectors", "remover", "workflows")


def installation() -> dict[str, str]:
    """What two processes must agree on to write the same bytes: versions, weights, our own code, and that it is ours.

    A build of torch for another device (``2.6.0+cpu``) is the same version.
    """
    told = {name: number.split("+")[0] for name, number in versions().items()}
    for path in SHIPPED_WEIGHTS:
        told[path.name] = digest_of(path) if path.is_file() else "not there"
    for name in PACKAGES:
        told[f"package {name}"] = _digest_of_package(name)
    return told


@lru_cache(maxsize=16)
def digest_of(path: Path) -> str:
    """The beginning of a file's SHA-256; of a file that does not change while a process lives."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


@lru_cache(maxsize=8)
def _digest_of_package(name: str) -> str:
    """The digest of a package's code, or whose it is when another distribution's package has taken its name."""
    from importlib.util import find_spec

    spec = find_spec(name)
    home = Path(spec.origin).parent if spec is not None and spec.origin else None
    if home is None or home.parent != _HOUSE:
        return f"not ours: {home}"
    found = hashlib.sha256()
    for path in sorted(home.rglob("*.py")):
        found.update(str(path.relative_to(home)).encode() + path.read_bytes())
    return found.hexdigest()[:16]
