"""The house rules that a machine can check."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("pipeline", "detectors", "remover", "workflows")
# torch code, which nobody else imports at the top: whole packages, and files that stand beside plain ones
NETWORKS = {ROOT / "remover" / "ctrnet", ROOT / "workflows" / "training"}
NETWORKS |= {ROOT / "detectors" / "strokes" / f"{name}.py" for name in ("network", "weights", "learned", "segmenters")}
MODULES = sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py"))


def test_import_contracts_hold() -> None:
    program = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_modules_and_functions_stay_small(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= (600 if path.name == "network.py" else 300)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            lines = (node.end_lineno or 0) - node.lineno + 1
            assert lines <= 40, f"{node.name} has {lines} lines"


def top_level_imports(path: Path) -> list[str]:
    names = []
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        names += [a.name for a in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
    return names


def test_frameworks_are_imported_inside_adapters_only() -> None:
    heavy = {"torch", "paddleocr", "paddlex", "onnxruntime", "distributed", "dask"}
    for path in MODULES:
        of_networks = not NETWORKS.isdisjoint({path, *path.parents})
        names = {name.split(".")[0] for name in top_level_imports(path)} - ({"torch"} if of_networks else set())
        assert not heavy & names, f"{path.name} imports a framework at the top"
        if not of_networks:
            private = {".".join(place.relative_to(ROOT).with_suffix("").parts) for place in NETWORKS}
            assert not any(name.startswith(tuple(private)) for name in top_level_imports(path)), path.name
