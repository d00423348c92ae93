"""From the command line's INPUT words to a list of documents and where each one's output goes. Reads, never writes."""

from __future__ import annotations

import glob
import hashlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.documents import DocumentKind, describe_unsupported, identify
from pipeline.errors import InputError, UsageError
from workflows.storage.patience import patiently, told
from workflows.storage.places import is_url, open_fs

STATE_FOLDER = ".restore-docs"
REPORT_NAME, REPORT_PAGE = "report.json", "report.html"
PREVIEWS = "previews"  # in the state folder
HEAD_BYTES = 4096  # of a file behind a URL, enough to tell what it is

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
    ``url`` is where it is if it is no file here; ``path`` is then of no use.
    """

    given: str
    path: Path
    below: Path
    kind: DocumentKind | None
    reason: str = ""
    unreadable: bool = False
    url: str = ""

    @property
    def place(self) -> str:
        """Where it is read from: a path or a URL."""
        return self.url or str(self.path)


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
    found: dict[str, Source] = {}
    for word in words:
        for source in find_behind(word) if is_url(word) else _expand_readable(word):
            found.setdefault(source.place, source)
    return tuple(found.values())


def _expand_readable(word: str) -> Iterator[Source]:
    try:
        yield from _expand(word)
    except OSError as error:  # in a folder that may not be entered, or a name longer than the system takes
        yield _missing(word, _cannot_be_read(error))


def _cannot_be_read(error: OSError) -> str:
    return f"cannot be read: {error.strerror}"


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
            try:
                regular = path.is_file() or path.is_symlink()
            except OSError as error:
                yield replace(_missing(str(path), _cannot_be_read(error)), below=path.relative_to(root))
                continue
            if regular:
                yield _look(str(path), path, path.relative_to(root))
    for failed in unreadable:
        yield Source(
            str(failed.filename), Path(failed.filename).absolute(), Path(failed.filename).relative_to(root), None,
            f"the folder cannot be read: {failed.strerror}", True,
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


def find_behind(url: str) -> Iterator[Source]:
    """What a URL names: a file, all files below it, or those that match it as a pattern; by name, in order."""
    fs, path = open_fs(url)
    scheme = url.split("://", 1)[0]
    try:
        places, root = _listed(url, fs, path)
        for place in places:
            below = Path(place.removeprefix(root) if root else place.rsplit("/", 1)[-1])
            if STATE_FOLDER not in below.parts:
                yield _look_behind(f"{scheme}://{place.lstrip('/') if scheme != 'file' else place}", below, fs, place)
    except InputError as error:
        yield replace(_missing(url, f"cannot be reached: {error}"), url=url)
        return
    if not places:
        yield replace(_missing(url, "there is no such file, or nothing in it"), url=url)


@patiently
def _listed(url: str, fs: Any, path: str) -> tuple[list[str], str]:
    """The files that a URL names, in order, and the folder that their names are told below. Raises InputError."""
    with told(url, InputError):
        if glob.has_magic(path):
            return [place for place in sorted(fs.glob(path)) if fs.isfile(place)], ""
        places = sorted(fs.find(path)) or ([path] if fs.isfile(path) else [])
        return places, f"{path.rstrip('/')}/" if fs.isdir(path) else ""


@patiently
def _look_behind(url: str, below: Path, fs: Any, place: str) -> Source:
    with tempfile.TemporaryDirectory(prefix="restore-docs-") as folder, told(url, InputError):
        head = Path(folder, below.name)
        head.write_bytes(fs.cat_file(place, start=0, end=HEAD_BYTES))
        return replace(_look(url, head, below), url=url)


def plan_outputs(
    sources: Sequence[Source], out: Path | str, *, format: str, lossless: bool, dry_run: bool = False
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
                f"{Path(out) / document.target}",
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


def _refuse_numbered_clash(document: PlannedDocument, owners: dict[Path, str], out: Path | str) -> None:
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
                f"pages of {document.source.given} and {owner} might both be written to {Path(out) / other}",
                "rename one, or run them apart",
            )


def refuse_unsafe_output(
    words: Sequence[str], documents: Sequence[PlannedDocument], out: Path | str, *, by_name: bool = True
) -> None:
    """Raise UsageError when the output folder lies in a directory input or an output would replace an input.

    ``by_name`` is whether the message may name a directory; else it says which of the words it is.
    """
    if is_url(str(out)):
        for word in words:
            if is_url(word) and f"{out}/".startswith(f"{word.rstrip('/')}/"):
                raise UsageError(f"the output {out} lies inside the input {word}", "choose an --out outside of it")
        return
    folder = Path(out).resolve()
    out = Path(out)
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out} is a file", "name a folder")
    for number, word in enumerate(words, 1):
        if not is_url(word) and _is_folder(word) and Path(word).resolve() in (folder, *folder.parents):
            told = f"the output folder {out} lies inside the input folder {word}"
            told = told if by_name else f"the output folder lies inside input {number}"
            raise UsageError(told, "choose an --out outside of it")
    local = [document.source for document in documents if not document.source.url]
    inputs = {source.path.resolve(): source.given for source in local}
    for document in documents:
        place = (folder / document.target).resolve()
        if place in inputs:
            raise UsageError(
                f"the output {Path(out) / document.target} would replace the input {inputs[place]}",
                "choose another --out",
            )


def _is_folder(word: str) -> bool:
    try:
        return Path(word).is_dir()
    except OSError:
        return False


def work_key(target: str) -> str:
    """The name of a document's work folder."""
    return hashlib.sha256(target.encode()).hexdigest()[:16]
