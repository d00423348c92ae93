"""What scheduled jobs need: events, log, metrics; and the examples of docs/operations.md."""

from __future__ import annotations

import importlib.util
import json
import re
import shlex
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import Outcome, draw_page
from processes import CHEAP
from prometheus_client.parser import text_string_to_metric_families
from typer.main import get_command

from workflows.cli import app
from workflows.exit_codes import ExitCode

Program = Callable[..., Outcome]
DEPLOY = Path(__file__).parents[1] / "examples" / "deploy"


def test_metrics_say_what_became_of_the_run(tmp_path: Path, restore_docs: Program) -> None:
    sources = [draw_page(tmp_path / "a.pdf", pages=3), draw_page(tmp_path / "b.png"), tmp_path / "c.pdf"]
    sources[2].write_bytes(b"%PDF-1.7 broken")
    file = tmp_path / "metrics" / "restore_docs.prom"
    words = (*sources, "--out", tmp_path / "out", *CHEAP, "--jobs", "1", "--metrics", file)
    assert restore_docs(*words).code == 6
    numbers = read_metrics(file)
    assert numbers["restore_docs_documents", "RESTORED"] == 2 and numbers["restore_docs_documents", "FAILED"] == 1
    assert numbers["restore_docs_pages", "RESTORED"] == 4 and numbers["restore_docs_run_exit_code", ""] == 6
    assert numbers["restore_docs_stage_seconds", "rasterize"] > 0
    assert restore_docs(*words).code == 6
    again = read_metrics(file)
    assert again["restore_docs_pages", "RESTORED"] == 0 and again["restore_docs_reused_documents", ""] == 2


def read_metrics(file: Path) -> dict[tuple[str, str], float]:
    families = text_string_to_metric_families(file.read_text())
    return {(s.name, next(iter(s.labels.values()), "")): s.value for family in families for s in family.samples}


def test_the_log_file_has_what_stderr_has(tmp_path: Path, restore_docs: Program) -> None:
    log = tmp_path / "logs" / "run.log"
    source = draw_page(tmp_path / "a.png")
    words = (source, "--out", tmp_path / "out", *CHEAP, "--jobs", "1", "--log-file", log)
    done = restore_docs(*words)
    assert "a.png: RESTORED" in log.read_text() and "a.png: RESTORED" in done.stderr
    restore_docs(*words)
    assert log.read_text().count("a.png: RESTORED") == 2, "it grows"
    refused = restore_docs(*words[:-1], tmp_path)
    assert refused.code == 5 and "--log-file" in refused.stderr


def test_events_end_with_the_totals_also_when_the_run_ends_early(tmp_path: Path, restore_docs: Program) -> None:
    source = tmp_path / "a.pdf"
    source.write_bytes(b"%PDF-1.7 broken")
    words = (source, draw_page(tmp_path / "b.png"), "--out", tmp_path / "out", *CHEAP, "--jobs", "1", "--json")
    done = restore_docs(*words, "--max-failed", "0")
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.code == 6 and events[0]["event"] == "document" and events[-1]["event"] == "totals"
    assert events[-1]["documents"]["total"] == 2


# -- the examples ---------------------------------------------------------------------------------------------------


def manifests() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted((DEPLOY / "kubernetes").glob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            yield path.name, document


def pods() -> Iterator[dict[str, Any]]:
    for _, document in manifests():
        spec = document["spec"]
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec:
            yield spec["template"]


def check_command(words: list[str]) -> None:
    """The command line is one that this program understands."""
    assert words[0].endswith("restore-docs")
    commands: Any = get_command(app)
    name = words[1] if words[1] in commands.commands else "run"
    commands.commands[name].make_context(name, words[1:] if name == "run" else words[2:])


def cron_command(line: str) -> str:
    """What cron hands to the shell: up to the first plain %, which ends a line, and \\% is a %."""
    command = line.split(maxsplit=5)[5]
    return re.split(r"(?<!\\)%", command)[0].replace(r"\%", "%")


def commands() -> Iterator[list[str]]:
    cron = (DEPLOY / "restore-docs.cron").read_text().splitlines()
    yield from (shlex.split(cron_command(line)) for line in cron if line.startswith("0 "))
    for path in (DEPLOY / "systemd").glob("*.service"):
        for line in re.findall(r"^ExecStart=(.*)$", path.read_text(), re.MULTILINE):
            yield shlex.split(line.replace("%%", "%"))
    for pod in pods():
        yield from (c["command"] for c in pod["spec"]["containers"] if c["command"][0] == "restore-docs")


@pytest.mark.parametrize("words", list(commands()), ids=lambda words: " ".join(words)[:60])
def test_commands_of_the_examples_are_understood(words: list[str]) -> None:
    check_command(words)


def test_cron_is_given_the_whole_command() -> None:
    (line,) = (line for line in (DEPLOY / "restore-docs.cron").read_text().splitlines() if line.startswith("0 "))
    words = shlex.split(cron_command(line))
    assert words[words.index("--max-failed") + 1] == "5%" and words[-2] == "--metrics"
    assert cron_command("0 2 * * *  a --max-failed 5% --log-file b") == "a --max-failed 5", "as cron has it"


def test_a_wrong_command_would_be_noticed() -> None:
    with pytest.raises(Exception, match="--no-such-option"):
        check_command(["restore-docs", "a.pdf", "--out", "b", "--no-such-option"])


def test_kubernetes_manifests_fit_together() -> None:
    kinds = {(document["kind"], document["metadata"]["name"]) for _, document in manifests()}
    assert {kind for kind, _ in kinds} == {"Deployment", "Service", "CronJob"}
    for name, document in manifests():
        assert document["apiVersion"] in ("apps/v1", "v1", "batch/v1"), name
        if document["kind"] == "Deployment":
            assert document["spec"]["selector"]["matchLabels"] == document["spec"]["template"]["metadata"]["labels"]
    labels = [pod["metadata"]["labels"] for pod in pods()]
    (service,) = (document for _, document in manifests() if document["kind"] == "Service")
    assert service["spec"]["selector"] in labels
    address = f"tcp://{service['metadata']['name']}:{service['spec']['ports'][0]['port']}"
    used = [w for pod in pods() for c in pod["spec"]["containers"] for w in c["command"] if str(w).startswith("tcp")]
    assert used == [address] * 3
    for pod in pods():
        mounts = {m["name"] for c in pod["spec"]["containers"] for m in c.get("volumeMounts", [])}
        assert mounts == {volume["name"] for volume in pod["spec"].get("volumes", [])}
    codes = {int(code) for code in ExitCode}
    (job,) = (document["spec"]["jobTemplate"]["spec"] for _, document in manifests() if document["kind"] == "CronJob")
    assert set(job["podFailurePolicy"]["rules"][0]["onExitCodes"]["values"]) <= codes - {0, 5, 7, 130}


KUBERNETES = "1.31"  # what the manifests are for, at least


@pytest.mark.skipif(importlib.util.find_spec("kubernetes_validate") is None, reason="kubernetes-validate is missing")
def test_kubernetes_takes_the_manifests() -> None:
    import kubernetes_validate

    documents = [document for _, document in manifests()]
    assert len(documents) == 5
    for document in documents:
        kubernetes_validate.validate(document, KUBERNETES, strict=True)
    document["spec"]["replica"] = 2
    with pytest.raises(kubernetes_validate.ValidationError, match="replica"):
        kubernetes_validate.validate(document, KUBERNETES, strict=True)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_takes_the_units(tmp_path: Path) -> None:
    for path in (DEPLOY / "systemd").iterdir():
        (tmp_path / path.name).write_text(path.read_text().replace("/opt/restore-docs/bin/restore-docs", "/bin/true"))
    units = [str(path) for path in sorted(tmp_path.iterdir())]
    done = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr
    (tmp_path / "restore-docs.timer").write_text("[Timer]\nOnCalendar=every other blue moon\n")
    wrong = subprocess.run(["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False)
    assert "blue moon" in wrong.stderr


@pytest.mark.skipif(importlib.util.find_spec("dask_jobqueue") is None, reason="dask-jobqueue is not installed")
@pytest.mark.filterwarnings("ignore")
def test_slurm_jobs_start_workers_as_they_should_be() -> None:
    spec = importlib.util.spec_from_file_location("slurm", DEPLOY / "slurm.py")
    assert spec is not None and spec.loader is not None
    slurm = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(slurm)
    with slurm.make_cluster("gpu", "16GB", gpu=True) as cluster:
        script = cluster.job_script()
    assert "#SBATCH --gres=gpu:1" in script and "--resources GPU=1" in script
    assert "--preload workflows.workers.setup" in script and "--name dummy-name" in script
