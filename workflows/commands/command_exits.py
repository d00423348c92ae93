"""How the program and its commands end."""

from __future__ import annotations

import atexit
import functools
import logging
import os
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


def leave_quickly(program: Callable[[], None]) -> None:
    """Run the program; once all is done, written and cleared away, end the process without taking its memory apart.

    Taking down torch and onnxruntime object by object takes over a second, which the system does at once. An exception
    that nobody caught ends the process as always.
    """
    codes: list[int] = []
    atexit.register(_leave, codes)  # the first to be registered runs as the last
    try:
        program()
    except SystemExit as ended:
        if ended.code is None or isinstance(ended.code, int):
            codes.append(ended.code or 0)
        raise
    codes.append(0)


def _leave(codes: list[int]) -> None:
    if not codes:
        return
    logging.shutdown()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # whoever read them is gone: the interpreter knows how to end then
        return
    os._exit(codes[0])
