"""The removers there are, by name. A new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable

from pipeline.errors import require_known
from remover.base import Remover, RemoverSettings


def _fill(settings: RemoverSettings) -> Remover:
    from remover.fill import FillRemover

    return FillRemover(settings.threads)  # nothing else to set: no weights, no device


def _ctrnet(settings: RemoverSettings) -> Remover:
    from remover.ctrnet.remover import CtrnetRemover

    return CtrnetRemover(settings)


def _auto(settings: RemoverSettings) -> Remover:
    from remover.auto import AutoRemover

    return AutoRemover(settings)


REMOVERS: dict[str, Callable[[RemoverSettings], Remover]] = {
    "auto": _auto,
    "fill": _fill,
    "ctrnet": _ctrnet,
}


def create_remover(name: str, settings: RemoverSettings) -> Remover:
    """Make the remover of that name.

    Raises UsageError for a name that is not registered; SetupError comes from a remover whose weights or device fail.
    """
    require_known("remover", name, REMOVERS)
    return REMOVERS[name](settings)
