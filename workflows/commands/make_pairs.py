"""``restore-docs make-pairs``: an exact benchmark out of anyone's born-digital PDFs, page by page."""

from __future__ import annotations

import json
import logging
import random
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from detectors.base import DetectorSettings
from pipeline.errors import InputError, OutputError, RestoreError, UsageError
from pipeline.pairs import count_pages
from pipeline.types import Array, PageRef
from workflows.evaluation.pair_making import FindText, PairSettings, make_pair
from workflows.evaluation.progress import shown
from workflows.exit_codes import ExitCode
from workflows.page_selection import selected_pages
from workflows.pages.tools import make_detector, make_text_reader

log = logging.getLogger("restore_docs")

LIST = "pages.jsonl"  # in the output folder: what became of every page
SURE, FEWEST_SIGNS = 0.9, 2  # a drawing is read as letters, too, but not surely, or as one letter


class _Job(NamedTuple):
    """A page to make a pair of."""

    path: Path
    page_index: int
    name: str


def make_pairs_command(
    sources: Sequence[str], settings: PairSettings, *, pages: str, per_pdf: int, find_baked: bool
) -> ExitCode:
    """Make a pair of every page chosen; returns the exit code.

    ``pages`` is a selection such as "1-3,7"; of what it leaves, up to ``per_pdf`` of each PDF are drawn by chance (0:
    all). Pages that hold no exact truth are left out, and told with the reason; that is no failure. A PDF that cannot
    be read is one. ``find_baked``: look for text in pictures, which is not scored.

    Raises:
        InputError: no PDF, or no pair could be made. OutputError: the folder holds pairs, or cannot be written to.
    """
    if any((settings.out / "json").glob("*.json")):
        raise OutputError(f"{settings.out} holds pairs already", "name a new folder, or remove them")
    settings = replace(settings, fonts=_usable_fonts(settings.fonts))
    broken: list[str] = []
    jobs = _plan(_find(sources), pages, per_pdf, settings.seed, broken)
    find_text = _baked_text if find_baked else None
    made = words = 0
    for job in shown(jobs, "pages"):
        count, reason = _make(job, settings, find_text)
        _note(settings.out, job, count, reason)
        made, words = made + bool(count), words + count
    if not made:
        raise InputError(f"no pair could be made of {len(jobs)} pages", "use born-digital PDFs; the log says why")
    print(f"{settings.out}: {made} pairs with {words} words; {len(jobs) - made} pages left out, see {LIST}")
    return ExitCode.INCOMPLETE if broken else ExitCode.OK


def _find(sources: Sequence[str]) -> list[Path]:
    from workflows.training.prepare import find_pdfs

    paths = find_pdfs(tuple(sources))
    for source in sources:
        if not find_pdfs((source,)):
            raise InputError(f"there is no PDF at {source}", "name files, folders or patterns")
    return paths


def _plan(paths: Sequence[Path], pages: str, per_pdf: int, seed: int, broken: list[str]) -> list[_Job]:
    """The pages to try, each with a name of its own. What cannot be read is told and goes to ``broken``."""
    jobs: list[_Job] = []
    taken: set[str] = set()
    for path in paths:
        try:
            indices = list(selected_pages(pages, count_pages(path)))
        except InputError as error:
            log.error("%s", error)
            broken.append(str(path))
            continue
        except ValueError as error:
            raise UsageError(f"--pages: {error}", "such as 1-3,7") from None
        if per_pdf and len(indices) > per_pdf:
            indices = sorted(random.Random(f"{seed}/{path.name}").sample(indices, per_pdf))
        stem = _unused(re.sub(r"[^\w.-]+", "-", path.stem) or "page", taken)
        jobs += [_Job(path, index, f"{stem}_p{index + 1}") for index in indices]
    return jobs


def _unused(stem: str, taken: set[str]) -> str:
    """The stem, with a number when another PDF has it."""
    name, number = stem, 2
    while name in taken:
        name, number = f"{stem}-{number}", number + 1
    taken.add(name)
    return name


def _make(job: _Job, settings: PairSettings, find_text: FindText | None) -> tuple[int, str]:
    """(words of the pair, "") or (0, why there is none)."""
    try:
        return make_pair(job.path, job.page_index, job.name, settings, find_text), ""
    except OutputError:
        raise
    except RestoreError as error:
        log.info("left out: %s", error)
        return 0, error.what


def _note(out: Path, job: _Job, count: int, reason: str) -> None:
    told = {"source": job.path.name, "page": job.page_index + 1}
    told |= {"left_out": reason} if reason else {"id": job.name, "words": count}
    try:
        out.mkdir(parents=True, exist_ok=True)
        with (out / LIST).open("a", encoding="utf-8") as file:
            file.write(json.dumps(told, ensure_ascii=False) + "\n")
    except OSError as error:
        raise OutputError(f"{out} cannot be written to: {error.strerror}", "check space and permissions") from None


def _usable_fonts(folders: tuple[Path, ...]) -> tuple[Path, ...]:
    """All font files in the folders that can be drawn with."""
    if not folders:
        return ()
    from workflows.training.material import Typeface, find_fonts

    usable = []
    for path in find_fonts(folders):
        try:
            Typeface(path)
        except InputError as error:
            log.warning("%s", error)
        else:
            usable.append(path)
    if not usable:
        raise InputError("there are no fonts in " + ", ".join(map(str, folders)), "check --hand-fonts")
    return tuple(usable)


def _baked_text(blank: Array) -> list[Array]:
    """Polygons of what can surely be read on a page without its text operators: letters in pictures or outlines."""
    regions = make_detector("paddleocr", DetectorSettings()).detect(blank, PageRef("blank", 0))
    readings = make_text_reader(1).read(blank, regions)
    return [
        np.asarray(region.polygon, np.float64)
        for region, reading in zip(regions, readings, strict=True)
        if reading.score >= SURE and len({s for s in reading.text.casefold() if s.isalnum()}) >= FEWEST_SIGNS
    ]
