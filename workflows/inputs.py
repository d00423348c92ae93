"""From the command line's INPUT words to a list of documents and where each one's output goes. Reads, never writes."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.documents import DocumentKind, describe_unsupported, identify
from pipeline.errors import InputError, UsageError

STATE_FOLDER = ".restore-docs"
REPORT_NAME, REPORT_PAGE = "report.json", "report.html"
PREVIEWS = "previews"  # in the state folder

_FORCED = {
    "pdf": DocumentKind.PDF,
    "png": DocumentKind.PNG,
    "jpg": DocumentKind.JPEG,
    "tiff": DocumentKind.TIFF,
    "webp": DocumentKind.WEBP,
}


@dataclass(frozen=True, slots=True)
class Source:
    """One regular file found among the inputs.

    ``given`` is how the user would name it, ``path`` is absolute, ``below`` is its path under the directory input it
    was found in (or just its name). ``kind`` is None when it is no document, and ``reason`` then says why;
    ``unreadable`` tells what should have been one (by its name, or because it was asked for) from what never was.
    """

    given: str
    path: Path
    below: Path
    kind: DocumentKind | None
    reason: str = ""
    unreadable: bool = False


@dataclass(frozen=True, slots=True)
class PlannedDocument:
    """A document and where its output goes: ``target`` is relative to the output folder.

    A kind that holds one page per file gives numbered siblings of ``target`` when the document has several pages.
    """

    source: Source
    target: Path
    kind: DocumentKind

    def targets(self, page_indices: Sequence[int]) -> tuple[Path, ...]:
        """The files, relative to the output folder, that hold these pages."""
        if self.kind in (DocumentKind.PDF, DocumentKind.TIFF) or len(page_indices) == 1:
            return (self.target,)
        return tuple(
            self.target.with_name(f"{self.target.stem}-{index + 1:04d}{self.target.suffix}") for index in page_indices
        )


def find_sources(words: Sequence[str]) -> tuple[Source, ...]:
    """Every regular file the words name, each once, in order; directories are walked, patterns are expanded.

    A word that names nothing becomes an unreadable source, so that it is listed like any other failure.
    """
    found: dict[Path, Source] = {}
    for word in words:
        for source in _expand(word):
            found.setdefault(source.path, source)
    return tuple(found.values())


def _expand(word: str) -> Iterator[Source]:
    path = Path(word)
    if path.is_dir():
        yield from _walk(path)
    elif path.exists():
        yield _look(str(path), path, Path(path.name))
    elif glob.has_magic(word):
        matches = sorted(glob.glob(word, recursive=True))  # noqa: PTH207 - absolute patterns, which Path.glob refuses
        if not matches:
            yield _missing(word, "no file matches this pattern")
        for match in matches:
            yield from _expand(match) if Path(match).exists() else ()
    else:
        yield _missing(word, "no such file or directory")


def _missing(word: str, reason: str) -> Source:
    return Source(word, Path(word).absolute(), Path(Path(word).name), None, reason, True)


def _walk(root: Path) -> Iterator[Source]:
    unreadable: list[OSError] = []
    for folder, subfolders, names in os.walk(root, onerror=unreadable.append):
        subfolders.sort()
        if STATE_FOLDER in subfolders:  # the memory of an earlier run is no input
            subfolders.remove(STATE_FOLDER)
        for name in sorted(names):
            path = Path(folder, name)
            if path.is_file() or path.is_symlink():
                yield _look(str(path), path, path.relative_to(root))
    for error in unreadable:
        yield Source(
            str(error.filename), Path(error.filename).absolute(), Path(error.filename).relative_to(root), None,
            f"the folder cannot be read: {error.strerror}", True,
        )  # fmt: skip


def _look(given: str, path: Path, below: Path) -> Source:
    if not path.is_file():
        reason = "a broken link" if path.is_symlink() and not path.exists() else "not a regular file"
        return Source(given, path.absolute(), below, None, reason)
    try:
        kind = identify(path)
        reason = describe_unsupported(path) if kind is None else ""
        # A name that promises a document and bytes that are none: a broken document, not something to pass over.
        broken = kind is None and any(path.suffix.lower() in known.suffixes for known in DocumentKind)
    except (OSError, InputError) as error:
        told = error.strerror if isinstance(error, OSError) else str(error)
        return Source(given, path.absolute(), below, None, f"cannot be read: {told}", True)
    return Source(given, path.absolute(), below, kind, reason, broken)


def plan_outputs(
    sources: Sequence[Source], out: Path, *, format: str, lossless: bool, dry_run: bool = False
) -> tuple[PlannedDocument, ...]:
    """Say where each document's output goes. Raises UsageError when two share a place or an input would be replaced.

    A dry run writes pictures, under names that no cleaned document has.
    """
    planned = tuple(_plan(s, "png" if dry_run else format, lossless) for s in sources if s.kind is not None)
    if dry_run:
        planned = tuple(replace(p, target=p.target.with_suffix(".would-go.png")) for p in planned)
    owners: dict[Path, str] = {}
    for document in planned:
        if document.target in owners:
            raise UsageError(
                f"{owners[document.target]} and {document.source.given} would both be written to "
                f"{out / document.target}",
                "rename one, run them apart, or choose another --format",
            )
        owners[document.target] = document.source.given
    for document in planned:
        _refuse_numbered_clash(document, owners, out)
    return planned


def _plan(source: Source, format: str, lossless: bool) -> PlannedDocument:
    assert source.kind is not None
    kind = _FORCED.get(format, source.kind)
    if lossless and kind is DocumentKind.JPEG:
        kind = DocumentKind.PNG
    keeps_name = source.below.suffix.lower() in kind.suffixes
    target = source.below if keeps_name else source.below.with_suffix(kind.suffixes[0])
    return PlannedDocument(source, target, kind)


def _refuse_numbered_clash(document: PlannedDocument, owners: dict[Path, str], out: Path) -> None:
    """One page per file: ``a.pdf`` may become ``a-0001.png``, which another input may claim."""
    several = document.source.kind in (DocumentKind.PDF, DocumentKind.TIFF)
    if not several or document.kind in (DocumentKind.PDF, DocumentKind.TIFF):
        return
    stem, suffix = document.target.stem, document.target.suffix
    for other, owner in owners.items():
        rest = other.stem.removeprefix(f"{stem}-")
        same_place = other.parent == document.target.parent and other.suffix == suffix and rest != other.stem
        if same_place and rest.isdigit() and owner != document.source.given:
            raise UsageError(
                f"pages of {document.source.given} and {owner} might both be written to {out / other}",
                "rename one, or run them apart",
            )


def refuse_unsafe_output(words: Sequence[str], documents: Sequence[PlannedDocument], out: Path) -> None:
    """Raise UsageError when the output folder lies in a directory input or an output would replace an input."""
    folder = out.resolve()
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file", "name a folder")
    for word in words:
        if Path(word).is_dir() and (root := Path(word).resolve()) and (folder == root or root in folder.parents):
            raise UsageError(
                f"the output folder {out} lies inside the input folder {word}", "choose an --out outside of it"
            )
    inputs = {document.source.path.resolve(): document.source.given for document in documents}
    for document in documents:
        place = (folder / document.target).resolve()
        if place in inputs:
            raise UsageError(
                f"the output {out / document.target} would replace the input {inputs[place]}", "choose another --out"
            )
