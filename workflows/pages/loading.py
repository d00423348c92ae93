"""Loading what a page needs next in a thread, while its text is looked for: the detector leaves a core idle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from remover.auto import AutoRemover
from workflows.config import RunSettings
from workflows.pages.tools import load_tools, make_remover, remover_settings, threads_of


@contextmanager
def loading_beside(settings: RunSettings) -> Iterator[None]:
    """Load what a page needs after its text is found, if there are threads for that; all is loaded in the end.

    What fails here fails again where it is used.
    """
    if threads_of(settings) < 2 or settings.dry_run:
        yield
        return
    thread = Thread(target=_load, args=(settings,), name="loading")
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _load(settings: RunSettings) -> None:
    load_tools(settings)
    with suppress(Exception):
        remover = make_remover(settings.remover, remover_settings(settings))
        if isinstance(remover, AutoRemover):
            remover.load()
