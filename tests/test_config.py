"""Settings: one model for command line and TOML, errors that name the key, and a digest that changes when it must."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from workflows.commands.settings_file import load_settings
from workflows.config import RunSettings
from workflows.page_selection import parse_page_selection, selected_pages


def test_defaults_are_valid_and_frozen() -> None:
    settings = load_settings({}, None)
    assert settings == RunSettings()
    with pytest.raises(ValueError):
        settings.dpi = 300  # type: ignore[misc]


def test_a_file_is_read_and_the_command_line_wins(tmp_path: Path) -> None:
    file = tmp_path / "job.toml"
    file.write_text('dpi = 300\non-existing = "fail"\nlossless = true\n')
    settings = load_settings({"dpi": "150"}, file)
    assert (settings.dpi, settings.on_existing, settings.lossless) == (150.0, "fail", True)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("qualty = 3\n", ["qualty", "'quality'"]),
        ("rastrizer = 'pymupdf'\n", ["rastrizer", "'rasterizer'"]),
        ("dpi = 'high'\n", ["dpi", "auto", "number"]),
        ("quality = 500\n", ["quality", "100"]),
        ("format = 'gif'\n", ["format", "'tiff'"]),
        ("jobs = 0\n", ["jobs", "1"]),
        ("dpi = [\n", ["not TOML"]),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, text: str, names: list[str]) -> None:
    file = tmp_path / "job.toml"
    file.write_text(text)
    with pytest.raises(UsageError) as told:
        load_settings({}, file)
    for name in ["job.toml", *names]:
        assert name in str(told.value)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"lossless": True, "format": "jpg"}, "--format png"),
        ({"lossless": True, "quality": "80"}, "--quality"),
        ({"regions": "x.json"}, "annotated"),
        ({"pages": "3-1"}, "3-1"),
        ({"dpi": "3"}, "10 to 2400"),
    ],
)
def test_contradictions_are_refused_with_the_way_out(options: dict[str, object], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        load_settings(options, None)


def test_the_digest_follows_what_shapes_the_output_and_nothing_else(tmp_path: Path) -> None:
    base = RunSettings()
    for same in ({"jobs": 2}, {"scheduler": "tcp://x:1"}, {"on_existing": "fail"}, {"password": "secret"}):
        assert RunSettings(**same).digest() == base.digest(), same
    for other in (
        {"dpi": 300},
        {"mask": "polygons"},
        {"remove": "print"},
        {"ink": "page"},
        {"lossless": True},
        {"pages": "1"},
        {"format": "png"},
    ):
        assert RunSettings(**other).digest() != base.digest(), other


def test_the_digest_follows_the_bytes_of_weights_and_not_their_name(tmp_path: Path) -> None:
    first, second = tmp_path / "a.pth", tmp_path / "b.pth"
    first.write_bytes(b"one")
    second.write_bytes(b"one")
    assert RunSettings(weights=first).digest() == RunSettings(weights=second).digest()
    before = RunSettings(weights=first).digest()
    first.write_bytes(b"two")
    assert RunSettings(weights=first).digest() != before


def test_no_secret_is_shown() -> None:
    settings = RunSettings(password="hunter2")
    assert "hunter2" not in repr(settings) and "hunter2" not in str(settings.public())


@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 10)), min_size=1, max_size=6), st.integers(1, 30))
def test_page_selections_mean_what_they_say(parts: list[tuple[int, int]], count: int) -> None:
    text = ",".join(str(a) if not more else f"{a}-{a + more}" for a, more in parts)
    wanted = {n for a, more in parts for n in range(a, a + more + 1)}
    assert selected_pages(text, count) == tuple(n - 1 for n in range(1, count + 1) if n in wanted)


@pytest.mark.parametrize("text", ["0", "a", "1-", "-3", "2-1", "1;2", "1.5"])
def test_only_clear_page_selections_are_taken(text: str) -> None:
    if text == "1-":
        assert selected_pages(text, 3) == (0, 1, 2)
        return
    with pytest.raises(ValueError, match="page"):
        parse_page_selection(text)
