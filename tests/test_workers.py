"""Workers of a real cluster: who gets work, who is refused, and where text is removed."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import draw_page
from processes import CHEAP, TESTS, DaskProcesses, end, environment, preload, program, run, seen, spy, start, wait_until
from prometheus_client.parser import text_string_to_metric_families
from storm import PROGRAM, digests

pytestmark = pytest.mark.slow
NETWORK = ("--detector", "annotated", "--remover", "ctrnet", "--mask", "classical", "--report", "json")


@pytest.fixture
def sources(tmp_path: Path) -> list[Path]:
    return [draw_page(tmp_path / f"{n}.pdf", pages=3) for n in range(2)]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[DaskProcesses]:
    with DaskProcesses(tmp_path, workers=0) as started:
        yield started


def retrained(folder: Path) -> Path:
    """The program with other weights."""
    for package in ("pipeline", "detectors", "remover", "workflows"):
        shutil.copytree(TESTS.parent / package, folder / package, ignore=shutil.ignore_patterns("__pycache__"))
    weights = folder / "detectors" / "strokes" / "strokes.safetensors"
    weights.write_bytes(weights.read_bytes() + b" ")
    return folder


def test_without_a_gpu_worker_the_run_refuses_within_half_a_minute(
    tmp_path: Path, sources: list[Path], cluster: DaskProcesses
) -> None:
    cluster.start_worker()
    words = [*PROGRAM, *sources, "--out", tmp_path / "out", *NETWORK, "--scheduler", cluster.address]
    run([*words[:-2], *CHEAP, *words[-2:]])  # the worker is there
    began = time.monotonic()
    done = run([*words, "--device", "cuda"])
    assert done.returncode == 7 and "has a GPU" in done.stderr and time.monotonic() - began < 30


def test_gpu_workers_remove_text_in_groups_and_the_bytes_are_the_same(
    tmp_path: Path, sources: list[Path], cluster: DaskProcesses
) -> None:
    cluster.start_worker()
    cluster.start_worker("--resources", "GPU=1")
    one = run([*PROGRAM, *sources, "--out", tmp_path / "one", *NETWORK, "--jobs", "1", "--device", "cpu"])
    words = [*PROGRAM, *sources, *NETWORK, "--scheduler", cluster.address]
    two = run([*words, "--out", tmp_path / "two", "--metrics", tmp_path / "metrics"])
    assert (one.returncode, two.returncode) == (0, 0), one.stderr + two.stderr
    assert digests(tmp_path / "one") == digests(tmp_path / "two") and len(digests(tmp_path / "one")) == 2
    told = (tmp_path / "worker.log").read_text() + (tmp_path / "scheduler.log").read_text()
    assert "Traceback" not in told


def test_a_worker_of_another_version_and_one_with_other_weights_are_refused_by_name(
    tmp_path: Path, sources: list[Path], cluster: DaskProcesses
) -> None:
    liar = tmp_path / "liar"
    liar.mkdir()
    (liar / "sitecustomize.py").write_text(
        "import importlib.metadata as m\nsaid = m.version\n"
        "m.version = lambda name: '9.9.9' if name == 'restore-docs' else said(name)\n"
    )
    other = retrained(tmp_path / "other")
    path = environment()["PYTHONPATH"]
    cluster.start_worker("--name", "newer", PYTHONPATH=f"{liar}:{path}")
    cluster.start_worker("--name", "retrained", PYTHONPATH=str(other))
    words = [*PROGRAM, *sources, *CHEAP, "--scheduler", cluster.address, "--out"]
    cluster.wait_for_workers(2)
    refused = run([*words, tmp_path / "none"])
    assert refused.returncode == 7, refused.stderr
    assert "newer at tcp" in refused.stderr and "restore-docs is 9.9.9" in refused.stderr
    assert "retrained at tcp" in refused.stderr and "strokes.safetensors" in refused.stderr
    cluster.start_worker("--name", "right")
    cluster.wait_for_workers(3)
    done = run([*words, tmp_path / "some"])
    assert done.returncode == 0 and "a worker is given no work: newer" in done.stderr


def test_late_joiners_are_looked_at_before_they_get_work(tmp_path: Path, cluster: DaskProcesses) -> None:
    source = draw_page(tmp_path / "a.pdf", pages=60)
    words = [*PROGRAM, source, *CHEAP, "--scheduler", cluster.address, "--out", tmp_path / "out"]
    first = cluster.start_worker()
    client = start(words, tmp_path / "log")
    try:
        time.sleep(8)
        end(first)  # the only one: what it had waits for one that passes
        cluster.start_worker()
        assert client.wait(200) == 0, (tmp_path / "log").read_text()
    finally:
        end(client)
    pages = json.loads((tmp_path / "out" / "report.json").read_text())["documents"][0]["pages"]
    assert [page["page_number"] for page in pages] == list(range(1, 61))


def test_a_late_joiner_with_other_weights_gets_no_task(tmp_path: Path, cluster: DaskProcesses) -> None:
    source = draw_page(tmp_path / "a.pdf", pages=12)
    fake = preload(tmp_path, remover="WaitingRemover")
    words = [*program(tmp_path, remover="WaitingRemover"), source, *CHEAP, "--remover", "fake"]
    other = f"{TESTS}:{retrained(tmp_path / 'other')}"
    cluster.start_worker("--name", "right", *fake, *spy(tmp_path))
    cluster.wait_for_workers(1)
    client = start([*words, "--scheduler", cluster.address, "--out", tmp_path / "out"], tmp_path / "log")
    try:
        wait_until(lambda: any(told[3] == "restore_page" for told in seen(tmp_path)))  # and waits for a sign there
        cluster.start_worker("--name", "wrong", *fake, *spy(tmp_path), PYTHONPATH=other)
        wait_until(lambda: any("strokes.safetensors is" in why for why in _refusals(cluster)))
        (tmp_path / "go").touch()
        assert client.wait(100) == 0, (tmp_path / "log").read_text()
    finally:
        end(client)
    ran = [(told[0], told[3]) for told in seen(tmp_path) if told[2] == "run"]
    assert {worker for worker, _ in ran} == {"right"} and ran.count(("right", "restore_page")) == 12


def test_a_worker_with_a_foreign_package_before_ours_is_refused_by_name(
    tmp_path: Path, sources: list[Path], cluster: DaskProcesses
) -> None:
    foreign = tmp_path / "foreign"
    (foreign / "pipeline").mkdir(parents=True)
    (foreign / "pipeline" / "__init__.py").write_text("")
    # an editable installation finds our modules in a package that is not ours
    (foreign / "sitecustomize.py").write_text(
        "import sys\nsys.meta_path[:] = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]\n"
    )
    cluster.start_worker("--name", "shadowed", PYTHONPATH=f"{foreign}:{environment()['PYTHONPATH']}")
    cluster.wait_for_workers(1)
    refused = run([*PROGRAM, *sources, *CHEAP, "--scheduler", cluster.address, "--out", tmp_path / "out"])
    assert refused.returncode == 7, refused.stderr
    told = refused.stderr[refused.stderr.index("shadowed at tcp") :]
    assert "another package stands before one of its own" in told and "'pipeline.errors'" in told


def test_restore_docs_worker_starts_them_right(tmp_path: Path, sources: list[Path], cluster: DaskProcesses) -> None:
    words = [*PROGRAM, "worker", cluster.address, "--cpus", "1", "--gpus", "1", "--memory", "2GiB"]
    workers = start([*words, "--folder", tmp_path / "scratch"], tmp_path / "workers.log")
    try:
        cluster.wait_for_workers(2)
        gpus = [worker["resources"].get("GPU") for worker in _workers(cluster).values()]
        assert sorted(gpus, key=str) == [1, None]
        assert {worker["nthreads"] for worker in _workers(cluster).values()} == {1}
        done = run([*PROGRAM, *sources, *CHEAP, "--scheduler", cluster.address, "--out", tmp_path / "out"])
        assert done.returncode == 0, done.stderr
    finally:
        workers.terminate()
        assert workers.wait(60) == 0
        end(workers)


def test_the_scheduler_s_metrics_name_our_tasks(tmp_path: Path, sources: list[Path], cluster: DaskProcesses) -> None:
    cluster.start_worker()
    words = [*PROGRAM, *sources, *CHEAP, "--scheduler", cluster.address, "--out", tmp_path / "out"]
    assert run(words).returncode == 0
    with urllib.request.urlopen(f"http://127.0.0.1:{cluster.http_port}/metrics", timeout=30) as answer:
        families = text_string_to_metric_families(answer.read().decode())
    done = {
        sample.labels["task_prefix_name"]: sample.value
        for family in families
        for sample in family.samples
        if sample.name == "dask_scheduler_prefix_state_totals_total" and sample.labels["state"] == "memory"
    }
    assert done == {"inspect_source": 2, "restore_page": 6, "assemble_document": 2}


def _refusals(cluster: DaskProcesses) -> list[str]:
    """Why workers were refused, as they say themselves."""
    from distributed import Client

    def here() -> list[str]:
        from workflows.workers.setup import _REFUSALS

        return list(_REFUSALS.values())

    with Client(cluster.address, set_as_default=False) as client:
        return [why for told in client.run(here).values() for why in told]


def _workers(cluster: DaskProcesses) -> dict[str, dict[str, object]]:
    from distributed import Client

    with Client(cluster.address, set_as_default=False) as client:
        return dict(client.scheduler_info(n_workers=-1)["workers"])


def test_relative_places_are_the_clients_and_not_the_workers(tmp_path: Path, cluster: DaskProcesses) -> None:
    here = tmp_path / "here"
    here.mkdir()
    draw_page(here / "a.png")
    (here / "words.txt").write_text("nothing\n")
    words = [
        "a.png",
        *CHEAP,
        "--scheduler",
        cluster.address,
        "--out",
        "out",
        "--state",
        "state",
        "--words",
        "words.txt",
    ]
    cluster.start_worker()
    done = subprocess.run(
        [*map(str, PROGRAM), *words],
        cwd=here,
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert (here / "out" / "a.png").is_file() and (here / "state").is_dir()
    assert [path.parent for path in tmp_path.rglob("a.png")] in ([here, here / "out"], [here / "out", here])
