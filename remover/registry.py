"""The removers there are, by name. A new one is one file and one line here."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from pipeline.errors import UsageError
from remover.base import Remover, RemoverSettings


def _fill(settings: RemoverSettings) -> Remover:
    from remover.fill import FillRemover

    del settings  # nothing to set: no weights, no device
    return FillRemover()


REMOVERS: dict[str, Callable[[RemoverSettings], Remover]] = {
    "fill": _fill,
}


def create_remover(name: str, settings: RemoverSettings) -> Remover:
    """Make the remover of that name.

    Raises UsageError for a name that is not registered; SetupError comes from a remover whose weights or device fail.
    """
    if name not in REMOVERS:
        near = difflib.get_close_matches(name, REMOVERS, n=1, cutoff=0.0)[0]
        raise UsageError(
            f"there is no remover {name!r}", f"did you mean {near!r}? there are: {', '.join(sorted(REMOVERS))}"
        )
    return REMOVERS[name](settings)
