"""Files in folders and behind URLs (``s3://``, ``gs://``, ``memory://``, whatever fsspec knows), by one set of words.

A place is a path or a URL, as text. What is behind a URL is fetched into a temporary folder to be read, and written
there before it is sent: no library below this one knows of URLs.
"""

from __future__ import annotations

import atexit
import hashlib
import re
import shutil
import tempfile
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipeline.errors import InputError, OutputError, RestoreError, SetupError

KEPT = 4  # fetched files that a process keeps: the pages of a document are worked on one after the other
_FETCHED: OrderedDict[str, tuple[str, Path]] = OrderedDict()


def is_url(place: str | Path) -> bool:
    """Whether a place is a URL, and not a path."""
    return isinstance(place, str) and "://" in place


def place_of(path: Path) -> str:
    """The URL that a path was made of (``Path`` keeps one of its slashes), or the path."""
    match = re.match(r"([a-z][a-z0-9+.-]+):/+(.*)", str(path))
    return f"{match[1]}://{match[2]}" if match and not path.exists() else str(path)


def local_path(path: Path) -> Path:
    """Where a library finds what a setting names: there, or where it was fetched to."""
    place = place_of(path)
    return _fetch(place) if is_url(place) else path


def join(folder: str, name: str) -> str:
    """The place of a name in a folder."""
    return f"{folder.rstrip('/')}/{name}" if is_url(folder) else str(Path(folder, name))


def exists(place: str) -> bool:
    """Whether there is anything."""
    if not is_url(place):
        return Path(place).exists()
    fs, path = open_fs(place)
    with _told(place, OutputError):
        return bool(fs.exists(path))


def digest_there(place: str) -> str:
    """SHA-256 of a file's bytes, as hex; "" if there is no such file."""
    if not is_url(place):
        path = Path(place)
        if not path.is_file():
            return ""
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    fs, path_there = open_fs(place)
    with _told(place, OutputError):
        if not fs.isfile(path_there):
            return ""
        with fs.open(path_there, "rb") as stream:
            found = hashlib.sha256()
            while part := stream.read(1 << 20):
                found.update(part)
            return found.hexdigest()


def remove(place: str) -> None:
    """Take a file away, if it is there."""
    if not is_url(place):
        Path(place).unlink(missing_ok=True)
        return
    fs, path = open_fs(place)
    with _told(place, OutputError), suppress(FileNotFoundError):
        fs.rm_file(path)


def remove_tree(place: str) -> None:
    """Take a folder away with all that is in it, as far as that can be done."""
    if not is_url(place):
        shutil.rmtree(place, ignore_errors=True)
        return
    fs, path = open_fs(place)
    with suppress(OSError, FileNotFoundError):
        fs.rm(path, recursive=True)


def make_folder(place: str) -> None:
    """Make a folder, if that is something there are."""
    if not is_url(place):
        Path(place).mkdir(parents=True, exist_ok=True)


def names_in(folder: str) -> list[str]:
    """The names of what is in a folder; none if it is not there."""
    if not is_url(folder):
        return sorted(path.name for path in Path(folder).iterdir()) if Path(folder).is_dir() else []
    fs, path = open_fs(folder)
    try:
        return sorted(str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in fs.ls(path, detail=False))
    except FileNotFoundError:
        return []


def read_text(place: str) -> str | None:
    """What a small text file says, or None if it is not there."""
    fs, path = open_fs(place)
    with _told(place, OutputError):
        fs.invalidate_cache()
        try:
            return str(fs.cat_file(path).decode())
        except FileNotFoundError:
            return None


def write_text(place: str, text: str) -> None:
    """Write a small text file. Raises OutputError."""
    fs, path = open_fs(place)
    with _told(place, OutputError):
        fs.pipe_file(path, text.encode())


@contextmanager
def reading(place: str) -> Iterator[str]:
    """The path of a file to read: itself, or what was fetched from a URL. Errors name the place."""
    if not is_url(place):
        yield place
        return
    local = str(_fetch(place))
    try:
        yield local
    except RestoreError as error:
        error.what = error.what.replace(local, place)
        error.args = (error.what, *error.args[1:])
        raise


@contextmanager
def fetched(place: str) -> Iterator[str]:
    """As ``reading``, for what is read once: the copy is gone when the block ends."""
    if not is_url(place):
        yield place
        return
    with _two_ends(place) as (fs, path, local):
        with _told(place, OutputError):
            fs.get_file(path, local)
        yield local


@contextmanager
def writing(place: str) -> Iterator[str]:
    """The path of a file to write: itself, or one that is sent to a URL when the block ends well."""
    if not is_url(place):
        yield place
        return
    with _two_ends(place) as (fs, path, local):
        yield local
        with _told(place, OutputError):
            fs.put_file(local, path)


@contextmanager
def _two_ends(place: str) -> Iterator[tuple[Any, str, str]]:
    """The file system behind a URL, the path of the file there, and one for it here that goes with the block."""
    fs, path = open_fs(place)
    with tempfile.TemporaryDirectory(prefix="restore-docs-") as folder:
        yield fs, path, str(Path(folder, place.rsplit("/", 1)[-1]))


def _fetch(place: str) -> Path:
    fs, path = open_fs(place)
    with _told(place, InputError):
        fs.invalidate_cache()
        info = fs.info(path)
        state = str([info.get(key) for key in ("ETag", "etag", "mtime", "LastModified", "updated", "created", "size")])
        known = _FETCHED.get(place)
        if known is not None and known[0] == state and known[1].is_file():
            _FETCHED.move_to_end(place)
            return known[1]
        folder = Path(tempfile.mkdtemp(dir=_cache()))
        local = folder / place.rsplit("/", 1)[-1]
        fs.get_file(path, str(local))
        with suppress(FileNotFoundError):  # what a person says of a document lies beside it
            fs.get_file(f"{path}.json", f"{local}.json")
    _FETCHED[place] = (state, local)
    while len(_FETCHED) > KEPT:
        shutil.rmtree(_FETCHED.popitem(last=False)[1][1].parent, ignore_errors=True)
    return local


@lru_cache(maxsize=1)
def _cache() -> str:
    folder = tempfile.mkdtemp(prefix="restore-docs-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def open_fs(place: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it. Raises SetupError when nothing here can reach it."""
    import fsspec

    try:
        # folders of a disk are made as they are needed, as they are in a store of objects
        return fsspec.core.url_to_fs(place, **({"auto_mkdir": True} if place.startswith("file:") else {}))
    except ImportError as error:
        raise SetupError(f"{place} cannot be reached: {error}", "pip install 'restore-docs[cloud]'") from error
    except ValueError as error:
        raise SetupError(f"{place} cannot be reached: {error}", "see docs/operations.md for what can") from error


@contextmanager
def _told(place: str, kind: type[RestoreError]) -> Iterator[None]:
    """What a store says, as an error of ours; what is not a refusal may pass."""
    try:
        yield
    except RestoreError:
        raise
    except FileNotFoundError as error:
        raise kind(f"{place} is not there", "check the URL") from error
    except PermissionError as error:
        raise kind(f"{place}: no permission", "check the credentials of this machine") from error
    except Exception as error:
        told = kind(f"{place}: {type(error).__name__}", "check the connection and the store")
        told.transient = True
        raise told from error
