"""The settings that say how a run goes, and not what it writes: where pages are worked on, and what is put up with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, field_validator

from workflows.options import RUNNING, option, within

# Where a page has a process of its own, it is ended after this long; nothing a page does takes a tenth of it
DEFAULT_PAGE_SECONDS = 1800.0
# A share of failed pages says something once there are so many pages
LEAST_PAGES = 20


class BatchSettings(BaseModel):
    """How a run goes. ``RunSettings`` has these fields, too."""

    jobs: Literal["auto"] | int = option(
        "auto", "Pages worked on at once; 1 runs without a cluster.", RUNNING, "auto|N"
    )
    threads: Literal["auto"] | int = option(
        "auto", "CPU threads for each page; auto shares the cores out among --jobs.", RUNNING, "auto|N"
    )
    scheduler: str | None = option(
        None, "A Dask scheduler to use instead: its address, or its scheduler file.", RUNNING, "ADDRESS|FILE"
    )
    page_timeout: Literal["auto", "off"] | float = option(
        "auto",
        "Seconds after which a page is given up and its process ended; auto is 1800, and off with --jobs 1.",
        RUNNING,
        "auto|off|SECONDS",
    )
    retries: int = option(
        2,
        "How often a page is tried again after trouble that may pass, as a network share's.",
        RUNNING,
        "N",
        ge=0,
        le=20,
    )
    max_failed: str = option(
        "", "End the run once more pages failed than this: a number, or a share as 5%. Default: never.", RUNNING, "N|N%"
    )
    log_file: Path | None = option(None, "Write the log to this file, too, with times.", RUNNING, "FILE")
    metrics: Path | None = option(
        None, "At the end, write numbers about the run here, as Prometheus text.", RUNNING, "FILE"
    )

    @field_validator("jobs", "threads")
    @classmethod
    def _jobs_in_range(cls, value: str | int) -> str | int:
        within(value, 1, 1024, "auto or a whole number")
        return value

    @field_validator("page_timeout")
    @classmethod
    def _timeout_in_range(cls, value: str | float) -> str | float:
        within(value, 0.1, 86_400, "auto, off, or seconds")
        return value

    @field_validator("max_failed")
    @classmethod
    def _max_failed_readable(cls, value: str) -> str:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)%|\d+", value)
        if value and (match is None or float(match[1] or 0) > 100):
            raise ValueError("must be a number of pages such as 10, or a share such as 5%")
        return value

    @property
    def page_seconds(self) -> float | None:
        """How long a page may take where it has a process of its own; None is for ever."""
        if self.page_timeout == "off":
            return None
        return DEFAULT_PAGE_SECONDS if self.page_timeout == "auto" else self.page_timeout

    def too_many_failed(self, failed: int, done: int) -> bool:
        """Whether ``--max-failed`` ends a run in which ``failed`` of ``done`` pages failed."""
        if not self.max_failed:
            return False
        if self.max_failed.endswith("%"):
            return done >= LEAST_PAGES and failed > done * float(self.max_failed[:-1]) / 100
        return failed > int(self.max_failed)
