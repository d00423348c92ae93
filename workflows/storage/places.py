"""Files in folders and behind URLs (``s3://``, ``gs://``, ``memory://``, whatever fsspec knows), by one set of words.

A place is a path or a URL, as text. What is behind a URL is fetched into a temporary folder to be read, and written
there before it is sent: no library below this one knows of URLs.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.errors import InputError, OutputError, RestoreError, SetupError
from workflows.storage.fetched_files import FetchedFiles
from workflows.storage.patience import patiently, told

_FETCHED = FetchedFiles()
SEEN_SECONDS = 60.0  # NFS remembers for so long that a file was not there


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
    return _FETCHED.keep(place, *_looked_at(place)) if is_url(place) else path


def join(folder: str, name: str) -> str:
    """The place of a name in a folder."""
    return f"{folder.rstrip('/')}/{name}" if is_url(folder) else str(Path(folder, name))


@patiently
def exists(place: str) -> bool:
    """Whether there is anything. Raises OutputError."""
    with told(place, OutputError):
        if not is_url(place):
            return Path(place).exists()
        return _content(*open_fs(place), most=1) is not None


def await_files(files: Iterable[str]) -> None:
    """Wait until local files that a worker has written are seen from here, too, as network shares take a while.

    Raises OutputError for one that is not.
    """
    deadline = time.monotonic() + SEEN_SECONDS
    for place in files:
        while not is_url(place) and not exists(place):
            if time.monotonic() > deadline:
                remedy = "let the workers share the output folder with this machine, or use a URL"
                raise OutputError(f"{place}: a worker has written it, and it is not here", remedy)
            time.sleep(min(1.0, SEEN_SECONDS))


@patiently
def digest_there(place: str) -> str:
    """SHA-256 of a file's bytes, as hex; "" if there is no such file. Raises OutputError."""
    with told(place, OutputError):
        if not is_url(place):
            if not Path(place).is_file():
                return ""
            with Path(place).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest()
        fs, path = open_fs(place)
        if _content(fs, path, most=1) is None:
            return ""
        with fs.open(path, "rb") as stream:
            found = hashlib.sha256()
            while part := stream.read(1 << 20):
                found.update(part)
            return found.hexdigest()


@patiently
def remove(place: str) -> None:
    """Take a file away, if it is there. Raises OutputError."""
    with told(place, OutputError), suppress(FileNotFoundError):
        if is_url(place):
            fs, path = open_fs(place)
            fs.rm_file(path)
        else:
            Path(place).unlink()


def remove_tree(place: str) -> None:
    """Take a folder away with all that is in it, as far as that can be done."""
    if not is_url(place):
        shutil.rmtree(place, ignore_errors=True)
        return
    fs, path = open_fs(place)
    with suppress(Exception):  # of whatever kind the store's library has
        fs.rm(path, recursive=True)


@patiently
def make_folder(place: str) -> None:
    """Make a folder, if that is something there are. Raises OutputError."""
    if not is_url(place):
        with told(place, OutputError):
            Path(place).mkdir(parents=True, exist_ok=True)


@patiently
def names_in(folder: str) -> list[str]:
    """The names of what is in a folder; none if it is not there. Raises OutputError."""
    with told(folder, OutputError):
        if not is_url(folder):
            return sorted(path.name for path in Path(folder).iterdir()) if Path(folder).is_dir() else []
        fs, path = open_fs(folder)
        try:
            return sorted(str(entry).rstrip("/").rsplit("/", 1)[-1] for entry in fs.ls(path, detail=False))
        except FileNotFoundError:
            return []


@patiently
def read_text(place: str) -> str | None:
    """What a small text file says, or None if it is not there. Raises OutputError."""
    with told(place, OutputError):
        content = _content(*open_fs(place))
        return None if content is None else content.decode()


@patiently
def write_text(place: str, text: str) -> None:
    """Write a small text file. Raises OutputError."""
    fs, path = open_fs(place)
    with told(place, OutputError):
        fs.pipe_file(path, text.encode())


@contextmanager
def reading(place: str) -> Iterator[str]:
    """The path of a file to read: itself, or what was fetched from a URL. Errors name the place."""
    if not is_url(place):
        yield place
        return
    with _FETCHED.reading(place, *_looked_at(place)) as local:
        try:
            yield str(local)
        except RestoreError as error:
            error.what = error.what.replace(str(local), place)
            error.args = (error.what, *error.args[1:])
            raise


@contextmanager
def fetched(place: str) -> Iterator[str]:
    """As ``reading``, for what is read once: the copy is gone when the block ends."""
    if not is_url(place):
        yield place
        return
    with _two_ends(place) as (fs, path, local):
        with told(place, OutputError):
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
        with told(place, OutputError):
            fs.put_file(local, path)


@contextmanager
def _two_ends(place: str) -> Iterator[tuple[Any, str, str]]:
    """The file system behind a URL, the path of the file there, and one for it here that goes with the block."""
    fs, path = open_fs(place)
    with tempfile.TemporaryDirectory(prefix="restore-docs-") as folder:
        yield fs, path, str(Path(folder, place.rsplit("/", 1)[-1]))


def _looked_at(place: str) -> tuple[str, Callable[[Path], None]]:
    """The state of a file behind a URL, which changes when it does or what a person says of it beside it does; and
    what fetches both. Raises InputError."""
    fs, path = open_fs(place)
    with told(place, InputError):
        info = fs.info(path)
        beside = _content(fs, f"{path}.json")
    keys = ("ETag", "etag", "mtime", "LastModified", "updated", "created", "size")
    state = str([*(info.get(key) for key in keys), beside and hashlib.sha256(beside).hexdigest()])

    def fetch(to: Path) -> None:
        with told(place, InputError):
            fs.get_file(path, str(to))
            if beside is not None:
                to.with_name(f"{place.rsplit('/', 1)[-1]}.json").write_bytes(beside)

    return state, fetch


def _content(fs: Any, path: str, most: int = 1 << 30) -> bytes | None:
    """So many bytes of a file, or None if there is none.

    Asked for as a range, for what is mostly not there: that is one request. Else it is asked for its size first, and
    when it has none a store is searched for a folder of that name, which costs as much as writing.
    """
    try:
        return bytes(fs.cat_file(path, start=0, end=most))
    except FileNotFoundError:
        return None
    except OSError:  # an empty file has no ranges, and a folder is no file
        if fs.exists(path):
            return b"" if fs.isdir(path) else bytes(fs.cat_file(path))
        raise


def open_fs(place: str) -> tuple[Any, str]:
    """The file system of a URL, and the path in it. Raises SetupError when nothing here can reach it."""
    import fsspec

    try:
        # folders of a disk are made as they are needed, as they are in a store of objects
        fs, path = fsspec.core.url_to_fs(place, **({"auto_mkdir": True} if place.startswith("file:") else {}))
        fs.invalidate_cache()  # others may have written meanwhile
        return fs, path
    except ImportError as error:
        raise SetupError(f"{place} cannot be reached: {error}", "pip install 'restore-docs[cloud]'") from error
    except ValueError as error:
        raise SetupError(f"{place} cannot be reached: {error}", "see docs/operations.md for what can") from error
