"""A document being worked on: the pages to do, where its files go, and what came back so far."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pipeline.results import PageResult
from workflows.pages.guard import mark_at
from workflows.pages.pictures import PageTarget
from workflows.storage.inputs import PlannedDocument, work_key
from workflows.storage.places import join


@dataclass(slots=True)
class Job:
    """One document of a run. ``work`` is the folder, or URL, that the work folders of all documents are in.

    What is made from another input, or with other settings, goes elsewhere: on a scheduler that is not ours, tasks of
    a run that died go on, and must not write over the pages of the run that came after it. ``outputs_before`` are the
    files that earlier runs made of it.
    """

    document: PlannedDocument
    work: str
    settings_digest: str
    input_digest: str = ""
    outputs_before: frozenset[str] = frozenset()
    indices: tuple[int, ...] = ()
    results: dict[int, PageResult] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """The input as given."""
        return self.document.source.given

    @property
    def target(self) -> str:
        """Where its output goes, relative to the output folder: by this it is known from run to run."""
        return str(self.document.target)

    @property
    def key(self) -> str:
        """A name for its files that tells nothing of the source's."""
        return work_key(self.target)

    @property
    def home(self) -> str:
        """Where all its work files are, also those of earlier runs."""
        return join(self.work, self.key)

    @property
    def made_from(self) -> str:
        """A name for this input and these settings."""
        return hashlib.sha256(f"{self.input_digest} {self.settings_digest}".encode()).hexdigest()[:16]

    @property
    def folder(self) -> str:
        """Where its work files of this input and these settings are."""
        return join(self.home, self.made_from)

    @property
    def mark(self) -> Path:
        """Where it is said that opening it took too long."""
        return mark_at(self.home)

    def page_target(self, index: int, previews: Path | None = None) -> PageTarget:
        """The work file of one page, and where its previews go."""
        kind = self.document.kind
        place = "" if previews is None else str(previews / f"{self.key}-{self.made_from}-{index + 1:06d}")
        return PageTarget(join(self.folder, f"{index + 1:06d}{kind.suffixes[0]}"), kind, place)

    def missing(self) -> Iterator[int]:
        """The pages that have no result yet, in order."""
        done = set(self.results)
        return iter([index for index in self.indices if index not in done])

    def in_order(self) -> tuple[PageResult, ...]:
        """The results there are."""
        return tuple(self.results[index] for index in self.indices if index in self.results)

    @property
    def complete(self) -> bool:
        """Whether every page has a result."""
        return len(self.results) == len(self.indices)
