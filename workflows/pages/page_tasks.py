"""What is handed to workers: whole pages where one process does all of a page, else its stages; and documents.

The stages themselves are in ``workflows.pages.tasks``. Here they get their time limit, and results their digest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace

from pipeline.documents import DocumentKind
from pipeline.results import Failure, PageResult
from pipeline.types import PageRef, PreparedPage
from workflows.config import RunSettings
from workflows.page_selection import selected_pages
from workflows.pages import tasks
from workflows.pages.guard import time_limit
from workflows.pages.pictures import PageTarget
from workflows.pages.stages import StageClock, travels
from workflows.pages.tasks import Inspection, RemovedText
from workflows.pages.tools import load_tools, make_remover, remover_settings
from workflows.storage import places
from workflows.storage.inputs import PlannedDocument
from workflows.storage.url_memory import Marker


def time_left(settings: RunSettings, spent: float) -> float | None:
    """Seconds that a page may still take, after so many; the tools are made first, they are no page's fault."""
    if settings.page_seconds is None:
        return None
    load_tools(settings)
    return settings.page_seconds - spent


@travels
def inspect_source(document: PlannedDocument, settings: RunSettings, home: str, out: str) -> Inspection:
    """See ``tasks.inspect_source``; ``home`` is where its work files will be, ``out`` the output folder.

    Outputs that are there are hashed here and not by the client: that is as much work as reading them.
    """
    path = document.source.place
    with time_limit(PageRef(path, 0), settings.page_seconds, home), places.reading(path) as local:
        inspection = tasks.inspect_source(local, settings)
    if settings.on_existing == "overwrite":
        return inspection
    targets = map(str, document.targets(selected_pages(settings.pages, inspection.page_count)))
    return replace(inspection, outputs={name: _looked_at(places.join(out, name)) for name in targets})


def _looked_at(place: str) -> str:
    """The digest of a file, "folder", or "" if nothing is there."""
    return places.digest_there(place) or ("folder" if not places.is_url(place) and places.exists(place) else "")


@travels
def restore_page(ref: PageRef, settings: RunSettings, target: PageTarget) -> PageResult:
    """All stages of a page, one after the other."""
    with time_limit(ref, time_left(settings, 0), target.path), _local(ref, target) as (local, made):
        prepared = tasks.prepare_page(local, settings)
        removed = tasks.remove_text(prepared, settings)
        return _placed(tasks.finish_page(prepared, removed, settings, made), ref, target)


@travels
def prepare_page(ref: PageRef, settings: RunSettings, target: PageTarget) -> PreparedPage:
    """The first stage, for a page whose text is removed elsewhere."""
    with time_limit(ref, time_left(settings, 0), target.path), places.reading(ref.document) as document:
        prepared = tasks.prepare_page(replace(ref, document=document), settings)
        return replace(prepared, page=replace(prepared.page, ref=ref))


@travels
def remove_texts(pages: Sequence[PreparedPage], settings: RunSettings, place: str) -> tuple[RemovedText, ...]:
    """The second stage, for several pages: a network takes their tiles together, in batches of its one shape."""
    if settings.dry_run:
        return tuple(RemovedText((), {}) for _ in pages)
    ref, tiles = pages[0].page.ref, [tile for page in pages for tile in page.tiles]
    left = time_left(settings, 0)
    clock = StageClock(ref)
    with time_limit(ref, left and left * len(pages), place), clock.stage("remove"):
        restored = make_remover(settings.remover, remover_settings(settings)).remove(tiles)
    done, result = 0, []
    for page in pages:
        own = restored[done : done + len(page.tiles)]
        done += len(page.tiles)
        share = clock.seconds["remove"] * len(page.tiles) / max(1, len(tiles))
        result.append(RemovedText(own, {"remove": share}))
    return tuple(result)


@travels
def finish_page(
    prepared: PreparedPage, removed: Sequence[RemovedText], number: int, settings: RunSettings, target: PageTarget
) -> PageResult:
    """The last stage, of the page that was ``number`` among those whose text was removed together."""
    own = removed[number]
    spent = sum(prepared.seconds.values()) + sum(own.seconds.values())
    limit = time_limit(prepared.page.ref, time_left(settings, spent), target.path)
    with limit, places.writing(target.path) as made:
        page = tasks.finish_page(prepared, own, settings, replace(target, path=made))
        return _placed(page, prepared.page.ref, target)


@travels
def keep_original(ref: PageRef, settings: RunSettings, target: PageTarget, failure: Failure) -> PageResult:
    """See ``tasks.keep_original``."""
    limit = time_limit(ref, settings.page_seconds, f"{target.path}.kept")
    with limit, _local(ref, target) as (local, made):
        return _placed(tasks.keep_original(local, settings, made, failure), ref, target)


@contextmanager
def _local(ref: PageRef, target: PageTarget) -> Iterator[tuple[PageRef, PageTarget]]:
    """A page and its work file where libraries can reach them."""
    with places.reading(ref.document) as document, places.writing(target.path) as made:
        yield replace(ref, document=document), replace(target, path=made)


def _placed(page: PageResult, ref: PageRef, target: PageTarget) -> PageResult:
    """The result of a page, with the digest of its work file, and its names as the run knows them."""
    assert page.path is not None
    return replace(page, ref=ref, path=target.path, digest=tasks.file_digest(page.path))


@travels
def assemble_document(
    paths: Sequence[str], kind: DocumentKind, outputs: Sequence[str], marker: Marker | None
) -> tuple[str, ...]:
    """See ``tasks.assemble_document``; work files and outputs may be behind URLs, and have a marker then."""
    if not any(places.is_url(place) for place in (*paths, *outputs)):
        return tasks.assemble_document(paths, kind, outputs)
    if marker is not None:
        marker.claim()
    with ExitStack() as stack:
        read = [stack.enter_context(places.fetched(path)) for path in paths]
        written = [stack.enter_context(places.writing(output)) for output in outputs]
        digests = tasks.assemble_document(read, kind, written)
    if marker is not None:
        marker.finish(digests)
    return digests
