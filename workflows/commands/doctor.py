"""``restore-docs doctor``: is everything here that a run needs? Says what is missing and what to do."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path

from pipeline.errors import RestoreError
from workflows.exit_codes import ExitCode
from workflows.versions import PACKAGES, SHIPPED_WEIGHTS, versions


@dataclass(frozen=True, slots=True)
class Finding:
    """The answer of one check; ``needed`` says whether a run is impossible without it."""

    what: str
    fine: bool
    found: str
    remedy: str = ""
    needed: bool = True


def doctor_command(out: Path) -> ExitCode:
    """Print every finding to stdout; SETUP if something needed is missing, else OK."""
    findings = [check(out) for check in CHECKS]
    for finding in findings:
        mark = "ok     " if finding.fine else "MISSING" if finding.needed else "absent "
        print(f"{mark} {finding.what}: {finding.found}" + (f" -> {finding.remedy}" if not finding.fine else ""))
    return ExitCode.OK if all(f.fine or not f.needed for f in findings) else ExitCode.SETUP


def check_python(out: Path) -> Finding:
    """The interpreter."""
    fine = (3, 11) <= sys.version_info[:2] < (3, 14)
    return Finding("Python", fine, sys.version.split()[0], "use Python 3.11 to 3.13")


def check_versions(out: Path) -> Finding:
    """The packages that shape the result."""
    found = versions()
    missing = [name for name, number in found.items() if number == "not installed"]
    told = ", ".join(f"{name} {number}" for name, number in found.items())
    return Finding("packages", not missing, told, f"pip install {' '.join(missing)}")


def check_opencv(out: Path) -> Finding:
    """The OpenCV wheels share a folder: the one installed last decides what is imported."""
    import cv2

    fine = cv2.__version__.startswith("4.10.")
    return Finding(
        "OpenCV as imported",
        fine,
        cv2.__version__,
        "another wheel overwrote cv2/: pip install --force-reinstall --no-deps opencv-python==4.10.0.84",
    )


def check_names(out: Path) -> Finding:
    """No other installed distribution may supply our top-level packages: theirs would be imported instead."""
    rivals = set()
    for distribution in distributions():
        name = distribution.metadata["Name"] or ""
        tops = {Path(str(file)).parts[0] for file in distribution.files or () if Path(str(file)).suffix == ".py"}
        if name.lower().replace("_", "-") != "restore-docs" and tops & set(PACKAGES):
            rivals.add(name)
    origins = {name: getattr(importlib.util.find_spec(name), "origin", None) for name in PACKAGES}
    here = Path(__file__).resolve().parents[2]
    foreign = {name for name, origin in origins.items() if not origin or here not in Path(origin).resolve().parents}
    told = ", ".join(sorted(rivals | foreign)) or "ours"
    return Finding("top-level packages", not rivals and not foreign, told, f"pip uninstall {told}")


def check_devices(out: Path) -> Finding:
    """What networks can run on."""
    import torch

    if not torch.cuda.is_available():
        return Finding("device", True, f"cpu ({os.cpu_count()} cores), torch {torch.__version__}, no CUDA")
    return Finding("device", True, f"cuda ({torch.cuda.get_device_name(0)}), torch {torch.__version__}")


def check_detector(out: Path) -> Finding:
    """The detector loads and looks at a small blank page."""
    import numpy as np

    from detectors.base import DetectorSettings
    from detectors.registry import create_detector
    from pipeline.types import PageRef

    settings = DetectorSettings()
    try:
        create_detector("paddleocr", settings).detect(np.full((64, 64, 3), 255, np.uint8), PageRef("doctor", 0))
    except RestoreError as error:
        return Finding("text detection", False, error.what, error.remedy)
    return Finding("text detection", True, f"{settings.model} by {settings.engine}, weights found")


def check_weights(out: Path) -> Finding:
    """The networks' weights that come with the program are there, whole, and fit."""
    from detectors.strokes.weights import load_network
    from remover.ctrnet import load_generator

    try:
        load_network(SHIPPED_WEIGHTS[0])
        load_generator(SHIPPED_WEIGHTS[1])
    except RestoreError as error:
        return Finding("shipped weights", False, error.what, "install restore-docs again")
    return Finding("shipped weights", True, ", ".join(path.name for path in SHIPPED_WEIGHTS))


def check_poppler(out: Path) -> Finding:
    """Poppler is needed by the second rasterizer only."""
    program = shutil.which("pdftoppm")
    if program is None:
        remedy = "for --rasterizer pdf2image: apt-get install poppler-utils"
        return Finding("poppler", False, "no pdftoppm", remedy, needed=False)
    told = subprocess.run([program, "-v"], capture_output=True, text=True, check=False).stderr.splitlines()
    return Finding("poppler", True, told[0] if told else program)


def check_writing(out: Path) -> Finding:
    """The output folder takes files."""
    try:
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        return Finding("write access", False, f"{out.absolute()}: {error.strerror}", "choose another --out")
    return Finding("write access", True, str(out.absolute()))


CHECKS: tuple[Callable[[Path], Finding], ...] = (
    check_python,
    check_versions,
    check_opencv,
    check_names,
    check_devices,
    check_detector,
    check_weights,
    check_poppler,
    check_writing,
)
