"""The rows of a data set with truth, in two layouts, and file lists of them. Finds files; opens none but lists.

``pairs``: ``input/``, ``gt/`` (and ``gt_all/``), ``mask/`` and ``json/``, as ``restore-docs make-pairs`` writes them.
``scut``: ``all_images/``, ``all_labels/``, ``all_gts/`` and ``structure_im/``, as SCUT-EnsText comes. Files of a row
have one name, their suffixes may differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pipeline.errors import InputError, OutputError, UsageError

Layout = Literal["pairs", "scut"]
SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".webp", ".bmp")
IMAGES: dict[Layout, str] = {"pairs": "input", "scut": "all_images"}


@dataclass(frozen=True, slots=True)
class Row:
    """One image of a data set: its ``name`` without suffix, and where it is, or would be.

    ``problem`` says why it cannot be a row; the row then is an error, never another row in its place.
    """

    name: str
    image: Path
    layout: Layout
    problem: str = ""

    def beside(self, folder: str) -> Path | None:
        """The file of this row's name in a folder beside that of the images, or None."""
        return _by_name(self.image.parent.parent / folder).get(self.name)


def find_rows(dataset: Path, layout: Layout | None = None) -> tuple[Layout, list[Row]]:
    """The layout and rows of a data set: a folder in one of the layouts, its folder of images, or a file list.

    Raises:
        UsageError: the layout cannot be told. InputError: there is nothing at ``dataset``, or no row in it.
    """
    if dataset.is_file():
        images = read_flist(dataset)
        layout = layout or _tell_layout([image.parent.parent for image in images], dataset)
        rows = [_listed(image, layout) for image in images]
    elif dataset.is_dir():
        root = dataset.parent if dataset.name in IMAGES.values() and not _layouts(dataset) else dataset
        layout = layout or _tell_layout([root], dataset)
        rows = list(_rows_in(root, layout))
    else:
        raise InputError(f"there is no data set at {dataset}", "name its folder, or a file list")
    if not rows:
        raise InputError(f"{dataset} lists no images", f"a {layout} data set has them in {IMAGES[layout]}/")
    return layout, _marking_doubles(rows)


def read_flist(path: Path) -> list[Path]:
    """The images a file list names, one a line; relative ones lie beside the list or in the working folder.

    Raises InputError when it cannot be read.
    """
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"the file list {path} cannot be read: {error}", "write one with make-flist") from None
    named = [Path(line.strip()) for line in lines if line.strip()]
    return [path.parent / image if (path.parent / image).exists() else image for image in named]


def write_flist(folder: Path, out: Path) -> int:
    """Write a list of all images in a folder, however deep, sorted, one absolute path a line; returns how many.

    Of a data set in one of the layouts only its images are listed, not their truth.

    Raises:
        InputError: there is no such folder, or no image in it. OutputError: the list cannot be written.
    """
    if not folder.is_dir():
        raise InputError(f"there is no folder {folder}", "name a folder of images")
    layouts = _layouts(folder)
    root = folder / IMAGES[layouts[0]] if layouts else folder
    images = sorted(path.absolute() for path in root.rglob("*") if _is_image(path))
    if not images:
        raise InputError(f"{root} holds no images", f"known are {', '.join(SUFFIXES)}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text("".join(f"{image}\n" for image in images), encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{out} cannot be written: {error.strerror}", "check space and permissions") from None
    return len(images)


def find_named(folder: Path, name: str) -> Path | None:
    """The image of that name in a folder, whatever its suffix, or None."""
    return _by_name(folder).get(name)


def _layouts(folder: Path) -> list[Layout]:
    return [layout for layout, images in IMAGES.items() if (folder / images).is_dir()]


def _tell_layout(folders: Sequence[Path], dataset: Path) -> Layout:
    found = {layout for folder in folders for layout in _layouts(folder)}
    if len(found) != 1:
        raise UsageError(f"the layout of {dataset} cannot be told", "give --layout pairs or --layout scut")
    return found.pop()


def _rows_in(root: Path, layout: Layout) -> Iterator[Row]:
    """Every image, and in ``pairs`` also every annotation, so that an image that is missing is noticed."""
    folder = root / IMAGES[layout]
    if not folder.is_dir():
        raise InputError(f"{root} has no folder {IMAGES[layout]}", "check --layout")
    images = sorted(path for path in folder.iterdir() if _is_image(path))
    rows = [Row(path.stem, path, layout) for path in images]
    if layout == "pairs":
        stems = {row.name for row in rows}
        lost = sorted(path.stem for path in (root / "json").glob("*.json") if path.stem not in stems)
        rows += [Row(name, folder / name, layout, "there is no image of this name") for name in lost]
    yield from sorted(rows, key=lambda row: (row.name, row.image.name))


def _listed(image: Path, layout: Layout) -> Row:
    problem = "" if image.parent.name == IMAGES[layout] else f"it is not in a folder {IMAGES[layout]}"
    return Row(image.stem, image, layout, problem)


def _marking_doubles(rows: Sequence[Row]) -> list[Row]:
    """The rows; one that has the name of an earlier one is an error, for nobody could tell their results apart."""
    first: dict[str, Row] = {}
    marked = []
    for row in rows:
        if first.setdefault(row.name, row) is not row:
            row = Row(row.image.name, row.image, row.layout, f"{first[row.name].image} has the same name")
        marked.append(row)
    return marked


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in SUFFIXES and path.is_file()


@lru_cache(maxsize=16)
def _by_name(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        return {}
    kinds = (*SUFFIXES, ".json", ".txt")
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir(), key=lambda path: (path.suffix.lower() not in SUFFIXES[:2], path.name)):
        if path.suffix.lower() in kinds:
            found.setdefault(path.stem, path)
    return found
