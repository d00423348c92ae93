"""How a field of the settings becomes an option of the command line."""

from __future__ import annotations

from typing import Any

from pydantic import Field

# The panels of --help, in order
PAGES, TEXT, CHOICE, OUTPUT, RUNNING = PANELS = ("Pages", "Text and background", "What goes", "Output", "Running")


def option(default: Any, text: str, panel: str, metavar: str = "", **limits: Any) -> Any:
    """A field that is also a command-line option: help text, the panel it is shown in, and its placeholder."""
    return Field(default, description=text, json_schema_extra={"panel": panel, "metavar": metavar}, **limits)


def within(value: str | float, least: float, most: float, words: str) -> None:
    """Raise ValueError, with ``words``, for a number that is not from ``least`` to ``most``; a word may be anything."""
    if not isinstance(value, str) and not least <= value <= most:
        raise ValueError(f"must be {words} from {least:g} to {most:g}")
