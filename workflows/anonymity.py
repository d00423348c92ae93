"""What ``--anonymize`` hides: the sources' names, files' times, and the seams of what was removed.

Names that tell nothing come first: inputs are known to the run as ``document-0001.pdf`` and so on.

Each gets a link of that name in the state folder, and the whole run works on the links: no log line, error, report or
temporary file can hold a source's name, because none of them ever sees it. What is chosen by a source's name, regions
corrected by hand and zones for some documents, is looked up before, and lies beside the link under the link's name.
Which name stands for what is kept in the state folder alone, and stays the same from run to run.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detectors.annotated import find_side_car
from pipeline.errors import InputError, OutputError, UsageError
from pipeline.grain import merge_strokes, renew_grain
from pipeline.types import Array, Colour, PreparedPage
from pipeline.zones import read_zones, write_zones_of, zones_file
from workflows.config import RunSettings
from workflows.inputs import Source
from workflows.verification import Verdict

NAMES = "names.json"
LINKS = "inputs"
EPOCH = 315_532_800  # 1 January 1980: the time that all outputs bear


def state_beside(out: Path) -> Path:
    """Where the state of an anonymizing run is kept if nothing else is said: beside the output folder."""
    return out.resolve().with_name(f"{out.resolve().name}-state")


def hide(sources: Sequence[Source], settings: RunSettings, state: Path) -> tuple[list[Source], RunSettings]:
    """The sources under names that tell nothing, and settings that find by those what they found by the true ones.

    Raises OutputError, and UsageError or InputError for a zones file that cannot be used.
    """
    hidden = hide_names(sources, state)
    pairs = [(source.path, alias.path) for source, alias in zip(sources, hidden, strict=True) if alias.kind is not None]
    changed: dict[str, Any] = {}
    try:
        if settings.detector == "annotated":
            for path, link in pairs:
                _link_side_car(path, settings.regions, link)
            changed["regions"] = None  # beside the document
        if settings.zones is not None and any(zone.documents for zone in read_zones(settings.zones)):
            for path, link in pairs:
                write_zones_of(path.name, settings.zones, zones_file(state / LINKS, link.name))
            changed["zones"] = state / LINKS
    except OSError as error:
        raise _cannot_write(error) from None
    return hidden, settings.model_copy(update=changed)


def _link_side_car(document: Path, regions: Path | None, link: Path) -> None:
    """Put a document's regions beside its link; without any, the page fails later, under the name it is known by."""
    place = link.with_name(f"{link.name}.json")
    try:
        _link(find_side_car(document, regions).absolute(), place)
    except InputError:
        place.unlink(missing_ok=True)


def _cannot_write(error: OSError) -> OutputError:
    return OutputError(f"cannot write to the state folder: {error.strerror}", "check space and permissions")


def hide_names(sources: Sequence[Source], state: Path) -> list[Source]:
    """The sources under names that tell nothing, as links in the state folder. Raises OutputError."""
    if any(source.url for source in sources):
        raise UsageError("--anonymize takes inputs in folders, not behind URLs", "copy them to a folder first")
    try:
        state.mkdir(parents=True, exist_ok=True)
        known = _read_names(state / NAMES)
        hidden = [_hide(source, number, state / LINKS) for source, number in _numbered(sources, known)]
        scratch = state / f"{NAMES}.part"
        scratch.write_text(json.dumps(known, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        scratch.replace(state / NAMES)
    except OSError as error:
        raise _cannot_write(error) from None
    return hidden


def _read_names(path: Path) -> dict[str, str]:
    """Sources by their names, as remembered. Raises OutputError when the file is damaged: numbers would be reused."""
    if not path.exists():
        return {}
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(source) for name, source in names.items()}
    except (ValueError, AttributeError):
        raise OutputError(f"{path} is damaged", "restore it, or choose another --state and --out") from None


def _numbered(sources: Sequence[Source], known: dict[str, str]) -> list[tuple[Source, str]]:
    numbers = {source: name for name, source in known.items()}
    result = []
    for source in sources:
        path = str(source.path)
        if path not in numbers:
            numbers[path] = f"document-{len(numbers) + 1:04d}"
            known[numbers[path]] = path
        result.append((source, numbers[path]))
    return result


def _hide(source: Source, name: str, folder: Path) -> Source:
    if source.kind is None:
        reason = "it is no document, or cannot be read" if source.unreadable else "it is no document"
        return replace(source, given=name, path=folder / name, below=Path(name), reason=reason)
    suffix = source.below.suffix.lower()
    alias = f"{name}{suffix if suffix in source.kind.suffixes else source.kind.suffixes[0]}"
    link = folder / alias
    folder.mkdir(parents=True, exist_ok=True)
    _link(source.path, link)
    return replace(source, given=alias, path=link, below=Path(alias))


def _link(target: Path, place: Path) -> None:
    """Make a link, or a copy; one that is there is replaced at once, for another run may be reading it."""
    scratch = place.with_name(f".{place.name}.part")
    scratch.unlink(missing_ok=True)
    try:
        scratch.symlink_to(target)
    except (OSError, NotImplementedError):  # no links on this file system or for this user
        shutil.copyfile(target, scratch)
    scratch.replace(place)


def without_folders(part: Any, state: Path) -> Any:
    """A report, or a part of it, in which no text names the folder that the links are in."""
    if isinstance(part, dict):
        return {name: without_folders(value, state) for name, value in part.items()}
    if isinstance(part, list):
        return [without_folders(value, state) for value in part]
    if isinstance(part, str):
        for folder in (state / LINKS, (state / LINKS).absolute(), (state / LINKS).resolve()):
            part = part.replace(f"{folder}{os.sep}", "")
    return part


def remove_links(state: Path) -> None:
    """Take the links away: they are of use while a run lasts."""
    shutil.rmtree(state / LINKS, ignore_errors=True)


def hide_times(out: Path) -> None:
    """Give all files of an output folder the same time."""
    for path in out.rglob("*"):
        if path.is_file():
            os.utime(path, (EPOCH, EPOCH))


def hide_seams(prepared: PreparedPage, verdict: Verdict) -> Array:
    """The page with one grain over whole lines, so that neither strokes nor the width of words show."""
    heights = [min(cv2.minAreaRect(region.polygon)[1]) for region in prepared.regions]
    lines = merge_strokes(verdict.mask, max(8, min(64, round(float(np.median(heights or [16.0]))))))
    seed = int.from_bytes(hashlib.sha256(prepared.page.image.tobytes()).digest()[:8], "big")
    return renew_grain(verdict.image, lines, seed) if prepared.page.colour is not Colour.BILEVEL else verdict.image
