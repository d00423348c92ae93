"""Calls as bytes: a scheduler hands them on without looking inside.

Dask's scheduler makes every call that it is given into objects, imports what they are made of, and keeps the last
thousand messages about them for developers. With our calls in plain sight that is 100 MB of libraries that a scheduler
has no use for, and 7 KB for a page.
"""

from __future__ import annotations

import pickle
import zlib
from collections.abc import Callable, Mapping
from typing import Any


def pack(function: Callable[..., Any], arguments: Mapping[int, Any]) -> bytes:
    """A function that can be imported by its name, and its arguments by their places; places may be left open."""
    return zlib.compress(pickle.dumps((function, dict(arguments))), 1)


def call(parcel: bytes, *others: Any) -> Any:
    """Make a call that was packed; ``others`` fill the places that were left open, in order."""
    function, arguments = pickle.loads(zlib.decompress(parcel))
    left = iter(others)
    places = range(len(arguments) + len(others))
    return function(*[arguments[place] if place in arguments else next(left) for place in places])
