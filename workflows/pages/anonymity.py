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
import random
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from detectors.annotated import find_side_car
from pipeline.complaints import without_words
from pipeline.errors import InputError, OutputError, RestoreError, UsageError
from pipeline.grain import merge_strokes, renew_grain
from pipeline.types import Array, Colour, PreparedPage
from pipeline.zones import write_zones_of, zones_file
from workflows.config import RunSettings
from workflows.pages.verification import Verdict
from workflows.storage.inputs import Source

NAMES = "names.json"
LINKS = "inputs"
EPOCH = 315_532_800  # 1 January 1980: the time that all outputs bear


@contextmanager
def hidden(
    sources: Sequence[Source], settings: RunSettings, state: str, out: str
) -> Iterator[tuple[Sequence[Source], RunSettings]]:
    """With ``--anonymize``, sources and settings as ``hide`` gives them, for as long as a run lasts; else as they are.

    However the run ends, the links are gone then, and all in the output folder bears the same time. The state folder
    must be locked.
    """
    if not settings.anonymize:
        yield sources, settings
        return
    try:
        yield hide(sources, settings, Path(state))
    finally:
        shutil.rmtree(Path(state) / LINKS, ignore_errors=True)
        hide_times(Path(out))


def hide(sources: Sequence[Source], settings: RunSettings, state: Path) -> tuple[list[Source], RunSettings]:
    """The sources under names that tell nothing, and settings that find by those what they found by the true ones.

    The sources are in the order of their new names, for the old names' order tells of them. Raises OutputError, and
    UsageError or InputError for a zones file that cannot be used.
    """
    pairs = hide_names(sources, state)
    linked = [(source.path, alias.path) for source, alias in pairs if alias.kind is not None]
    changed: dict[str, Any] = {}
    try:
        if settings.detector == "annotated":
            for path, link in linked:
                _link_side_car(path, settings.regions, link)
            changed["regions"] = None  # beside the document
        if settings.zones is not None:
            for path, link in linked:
                write_zones_of(path.name, settings.zones, zones_file(state / LINKS, link.name))
            changed["zones"] = state / LINKS
    except OSError as error:
        raise _cannot_write(error) from None
    return [alias for _, alias in pairs], settings.model_copy(update=changed)


def _link_side_car(document: Path, regions: Path | None, link: Path) -> None:
    """Put a document's regions beside its link; without any, the page fails later, under the name it is known by."""
    place = link.with_name(f"{link.name}.json")
    try:
        _link(find_side_car(document, regions).absolute(), place)
    except InputError:
        place.unlink(missing_ok=True)


@contextmanager
def telling_no_words(anonymize: bool) -> Iterator[None]:
    """Let an error that nobody foresaw end the run by its type and place, for its words may be a document's or a name.

    Raises RestoreError in its stead. Whoever hides nothing gets the error as it is.
    """
    try:
        yield
    except RestoreError:
        raise
    except Exception as error:
        if not anonymize:
            raise
        raise RestoreError(f"unexpected {without_words(error)}", "please report this") from None


def _cannot_write(error: OSError) -> OutputError:
    return OutputError(f"cannot write to the state folder: {error.strerror}", "check space and permissions")


def hide_names(sources: Sequence[Source], state: Path) -> list[tuple[Source, Source]]:
    """The sources, each with itself under a name that tells nothing, in the order of those names.

    Documents are links in the state folder. Raises OutputError.
    """
    if any(source.url for source in sources):
        raise UsageError("--anonymize takes inputs in folders, not behind URLs", "copy them to a folder first")
    try:
        known = _read_names(state / NAMES)
        named = _numbered(sources, known)
        scratch = state / f"{NAMES}.part"
        scratch.unlink(missing_ok=True)
        with os.fdopen(os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(json.dumps(known, indent=1, ensure_ascii=False) + "\n")
        scratch.replace(state / NAMES)
        return [(source, _hide(source, name, state / LINKS)) for source, name in named]
    except OSError as error:
        raise _cannot_write(error) from None


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
    """Each source with its name, in the order of these. ``known`` gets the new ones, which are drawn by lot."""
    names = {source: name for name, source in known.items()}
    new = sorted({str(source.path) for source in sources} - names.keys())
    random.SystemRandom().shuffle(new)
    for path in new:
        names[path] = f"document-{len(known) + 1:04d}"
        known[names[path]] = path
    return sorted(((source, names[str(source.path)]) for source in sources), key=lambda pair: (len(pair[1]), pair[1]))


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


def hidden_places(settings: RunSettings, state: Path) -> dict[str, str]:
    """What stands in reports for the folder of the links, and for files that a setting names; longest first."""
    links = state / LINKS
    places = {f"{folder}{os.sep}": "" for folder in (links, links.absolute(), links.resolve())}
    for name in ("weights", "stroke_weights", "words", "zones", "template", "regions", "detector_model"):
        value = getattr(settings, name)
        if value is not None and os.sep in str(value):
            places[str(value)] = f"what --{name.replace('_', '-')} names"
    return dict(sorted(places.items(), key=lambda pair: -len(pair[0])))


def without_places(part: Any, places: Mapping[str, str]) -> Any:
    """A report, or a part of it, in whose texts other words stand for places: see ``hidden_places``."""
    if isinstance(part, dict):
        return {name: without_places(value, places) for name, value in part.items()}
    if isinstance(part, list):
        return [without_places(value, places) for value in part]
    if isinstance(part, str):
        for place, instead in places.items():
            part = part.replace(place, instead)
    return part


def hide_times(out: Path) -> None:
    """Give an output folder, and all that is in it, the same time."""
    for path in (*out.rglob("*"), out):
        if not path.is_symlink():
            with suppress(OSError):  # not ours
                os.utime(path, (EPOCH, EPOCH))


def hide_seams(prepared: PreparedPage, verdict: Verdict) -> Array:
    """The page with one grain over whole lines, so that neither strokes nor the width of words show."""
    heights = [min(cv2.minAreaRect(region.polygon)[1]) for region in prepared.regions]
    lines = merge_strokes(verdict.mask, max(8, min(64, round(float(np.median(heights or [16.0]))))))
    # from what stays alone: a seed that knew the ink could be tried with guesses at what had been written
    rest = np.where(lines[..., None], 0, verdict.image)
    seed = int.from_bytes(hashlib.sha256(rest.tobytes()).digest()[:8], "big")
    return renew_grain(verdict.image, lines, seed) if prepared.page.colour is not Colour.BILEVEL else verdict.image
