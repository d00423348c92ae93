"""What every command of the program does with errors."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import typer

from pipeline.errors import RestoreError


def exits(command: Callable[..., int]) -> Callable[..., None]:
    """Make a function that returns an exit code a command: foreseen errors become one line on stderr and a code."""

    @functools.wraps(command)
    def wrapped(*arguments: Any, **options: Any) -> None:
        from workflows.exit_codes import ExitCode, code_for_error

        try:
            code = command(*arguments, **options)
        except RestoreError as error:
            print(f"restore-docs: {error}", file=sys.stderr)
            code = code_for_error(error)
        except KeyboardInterrupt:
            print("restore-docs: interrupted", file=sys.stderr)
            code = ExitCode.INTERRUPTED
        raise typer.Exit(int(code))

    return wrapped
