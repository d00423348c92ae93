"""x-ray, which finds bad redactions in PDFs, in a virtual environment of its own: it pins a PyMuPDF of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Sequence
from pathlib import Path

VARIABLE = "RESTORE_DOCS_XRAY_PYTHON"
"""Names a Python in which x-ray is installed already."""

_INSPECT = """
import asyncio, json, sys, xray
for path in sys.argv[1:]:
    found = xray.inspect(path)
    print(json.dumps(asyncio.run(found) if asyncio.iscoroutine(found) else found))
"""


class XrayError(Exception):
    """x-ray cannot be installed here; says why."""


def install_xray(folder: Path) -> Path:
    """A Python with x-ray: the one that `VARIABLE` names, or one in a new environment. Raises XrayError."""
    if VARIABLE in os.environ:
        return Path(os.environ[VARIABLE])
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    words = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", "x-ray>=0.3,<1"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, timeout=240)
    if done.returncode:
        raise XrayError((done.stderr.strip().splitlines() or ["pip failed"])[-1])
    return python


def bad_redactions(python: Path, paths: Sequence[Path]) -> dict[str, object]:
    """What x-ray finds, by file name; files without a finding are left out."""
    words = [str(python), "-c", _INSPECT, *map(str, paths)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=240)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    return {path.name: told for path, told in zip(paths, found, strict=True) if told}
