"""What a page needs next is loaded while its text is looked for, and no failure there is the page's."""

from __future__ import annotations

import threading

import pytest

from remover.auto import AutoRemover
from workflows.config import RunSettings
from workflows.pages import loading, tools
from workflows.pages.loading import loading_beside


@pytest.fixture
def loaded(monkeypatch):
    """The threads that load, in the place of what they load."""
    threads = []
    monkeypatch.setattr(loading, "load_tools", lambda settings: threads.append(threading.current_thread().name))
    return threads


def test_all_is_loaded_by_another_thread_when_the_text_is_found(loaded):
    with loading_beside(RunSettings(threads=2, remover="fill")):
        pass
    assert loaded == ["loading"]


def test_one_thread_has_no_other_beside_it(loaded):
    with loading_beside(RunSettings(threads=1)):
        pass
    assert loaded == []


def test_a_page_without_removal_loads_no_network(loaded):
    with loading_beside(RunSettings(threads=2, dry_run=True)):
        pass
    assert loaded == []


def test_the_network_is_there_when_the_text_is_found():
    tools.make_remover.cache_clear()
    settings = RunSettings(threads=2)
    with loading_beside(settings):
        pass
    remover = tools.make_remover(settings.remover, tools.remover_settings(settings))
    assert isinstance(remover, AutoRemover)
    known = remover.load()
    assert remover.load() is known


def test_what_cannot_be_loaded_is_said_where_it_is_used(loaded, monkeypatch):
    def broken(name, settings):
        raise MemoryError("no room")

    monkeypatch.setattr(loading, "make_remover", broken)
    with loading_beside(RunSettings(threads=2)):
        pass


def test_an_error_of_the_search_is_not_hidden(loaded):
    with pytest.raises(ValueError, match="no text"), loading_beside(RunSettings(threads=2, remover="fill")):
        raise ValueError("no text")
    assert loaded == ["loading"]
