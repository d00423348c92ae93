"""The real program on the documents of ``canaries``, and all that it left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from canaries import ACCENTED, NAME_SECRET, PASSWORD, SECRET, plant
from leak_search import every_file, search_raw, words_in_bytes
from leak_sweep import STRICT_SEARCHES, Finding, sweep
from processes import DaskProcesses, start

PROGRAM = "from workflows.cli import main; main()"


@dataclass(frozen=True)
class Variant:
    """A way to call the program. ``strict``: it promises that names go too, and that no trace can be guessed from.

    ``places`` are those whose documents it is given, where not all; ``cluster``: on workers that were started apart.
    """

    name: str
    options: tuple[str, ...]
    strict: bool = False
    places: tuple[str, ...] = ()
    cluster: bool = False


@dataclass
class Left:
    """What a run left in its own small world: outputs, report, state, both streams, home and temporary folders."""

    variant: Variant
    world: Path
    inputs: dict[str, Path]
    code: int

    @property
    def report(self) -> dict[str, Any]:
        """The report."""
        return dict(json.loads((self.world / "out" / "report.json").read_text()))

    @property
    def words(self) -> tuple[str, ...]:
        """What must be found nowhere."""
        return (SECRET, ACCENTED, PASSWORD)

    def outputs(self, place: str) -> list[Path]:
        """The files written for a place."""
        if self.variant.strict:
            names = json.loads((self.world / "state" / "names.json").read_text())
            (name,) = (name for name, source in names.items() if source == str(self.inputs[place]))
            (entry,) = (entry for entry in self.report["documents"] if entry["source"].split(".")[0] == name)
        else:
            entry = self.report["documents"][list(self.inputs).index(place)]
        # an anonymizing run tells names only
        return [self.world / "out" / Path(output).name for output in entry["outputs"]]

    @property
    def files(self) -> list[Path]:
        """All that the run left but what shows pages as they were, which the plain program says it keeps."""
        # a run that is killed leaves links to the sources, in the state folder
        own = [path for path in every_file(self.world) if not path.is_symlink()]
        return [path for path in own if self.variant.strict or not _shows_originals(path)]

    @cached_property
    def findings(self) -> list[Finding]:
        """All that any search finds in any of the files."""
        found = sweep(self.files, self.world, self.words, *([STRICT_SEARCHES] if self.variant.strict else []))
        if self.variant.strict:  # which name stands for which is in the state folder, and nowhere else
            named = [path for path in self.files if "state" not in path.relative_to(self.world).parts]
            found += sweep_names(named, self.world)
        if not self.variant.strict:
            page = self.world / "out" / "report.html"
            found += [Finding("out/report.html", "raw", how) for how in search_raw(page, self.words)]
        return found


def _shows_originals(path: Path) -> bool:
    return path.name == "report.html" or path.stem.endswith(("-before", "-overlay"))


def sweep_names(files: list[Path], root: Path) -> list[Finding]:
    """Where the name of a source or of its folder is told."""
    found = []
    for path in files:
        name = str(path.relative_to(root))
        found += [Finding(name, "name", how) for how in words_in_bytes(name.encode(), (NAME_SECRET,))]
        found += [Finding(name, "raw", how) for how in search_raw(path, (NAME_SECRET,))]
    return found


def run_program(variant: Variant, world: Path, *, timeout: float = 280) -> Left:
    """Plant everything and clean it, in one run of the program as a process of its own."""
    with ExitStack() as stack:
        address = stack.enter_context(_cluster(world)) if variant.cluster else ""
        inputs, process = start_program(variant, world, address)
        try:
            code = process.wait(timeout)
        finally:
            process.kill()
    return Left(variant, world, inputs, code)


@contextmanager
def _cluster(world: Path) -> Iterator[str]:
    """A scheduler, and a worker as ``restore-docs worker`` starts it, which live in the world; the address."""
    (world / "cluster").mkdir(parents=True)
    words = [sys.executable, "-c", PROGRAM, "worker", "ADDRESS", "--cpus", "1", "--gpus", "0", "--memory", "2GiB"]
    with DaskProcesses(world / "cluster", 0, more_for_scheduler=_places(world)) as dask:
        words[words.index("ADDRESS")] = dask.address
        dask.workers.append(start(words, world / "cluster" / "restore-docs-worker.log", **_places(world)))
        yield dask.address


def _places(world: Path) -> dict[str, str]:
    places = {"HOME": world / "home", "XDG_CACHE_HOME": world / "home", "TMPDIR": world / "tmp"}
    for path in places.values():
        path.mkdir(parents=True, exist_ok=True)
    return {name: str(path) for name, path in places.items()}


def start_program(variant: Variant, world: Path, address: str = "") -> tuple[dict[str, Path], subprocess.Popen[bytes]]:
    """The documents by place, and the program at work on them, in a world of its own beside them.

    ``address`` is that of the scheduler, where the variant is for a cluster.
    """
    regions = world.with_name(f"{world.name} regions")
    inputs = plant(world.with_name(f"{world.name} inputs"), regions, variant.places)
    environment = os.environ | _places(world) | {"OMP_NUM_THREADS": "1"}
    environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    options = [option.format(regions=regions, world=world) for option in variant.options]
    options += ["--scheduler", address] if address else []
    words = [*map(str, inputs.values()), "--out", "out", "--password", PASSWORD, *options]
    with (world / "stdout").open("wb") as out, (world / "stderr").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *words],
            stdout=out, stderr=err, cwd=world, env=environment, start_new_session=True,
        )  # fmt: skip
    return inputs, process
