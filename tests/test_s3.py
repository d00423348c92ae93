"""One run on a store of objects: s3fs against a server of S3's words on this machine, where both are installed."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import draw_page
from processes import CHEAP, end, environment, free_port, start, wait_until
from storm import PROGRAM

MISSING = [name for name in ("s3fs", "moto", "flask") if importlib.util.find_spec(name) is None]
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)} (pip install s3fs 'moto[server]')"),
    pytest.mark.filterwarnings("ignore"),  # theirs
]
S3 = "import fsspec; s3 = fsspec.filesystem('s3'); "


class Store:
    """The server, what it was asked, and what programs need to find it."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        self.log = folder / "server.log"
        self.environment = environment(
            AWS_ACCESS_KEY_ID="some", AWS_SECRET_ACCESS_KEY="body", AWS_DEFAULT_REGION="us-east-1",
            FSSPEC_S3_ENDPOINT_URL=f"http://127.0.0.1:{port}",
        )  # fmt: skip
        self.process = start([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], self.log)
        wait_until(lambda: "Running on" in self.log.read_text(), 60)

    def __call__(self, *words: object, code: int = 0) -> str:
        done = subprocess.run(
            [str(word) for word in words], capture_output=True, text=True, timeout=120, check=False,
            env=self.environment,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        return done.stdout

    def requests(self) -> list[str]:
        """Method and path of every request so far."""
        return re.findall(r'"\S*?([A-Z]+ /\S+) HTTP', self.log.read_text())


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    started = Store(tmp_path)
    try:
        yield started
    finally:
        end(started.process)


def test_from_a_store_to_a_store(tmp_path: Path, store: Store) -> None:
    (tmp_path / "in").mkdir()
    sources = [draw_page(tmp_path / "in" / "a.pdf", pages=3), draw_page(tmp_path / "in" / "b.png")]
    fill = f"s3.mkdir('scans'); s3.put('{tmp_path}/in/', 'scans/in', recursive=True)"
    store(sys.executable, "-c", S3 + fill)
    words = [*PROGRAM, "s3://scans/in", "--out", "s3://scans/out", *CHEAP]
    store(*words, "--jobs", "2")
    store(sys.executable, "-c", f"{S3}s3.get('scans/out', '{tmp_path}/out', recursive=True)")
    store(*PROGRAM, *sources, "--out", tmp_path / "calm", *CHEAP, "--jobs", "1")
    for name in ("a.pdf", "b.png"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "calm" / name).read_bytes()
    assert sorted(p.name for p in (tmp_path / "out" / ".restore-docs").iterdir()) == ["done", "status.json"]
    assert "2 documents done already" in store(*words, "--jobs", "1")
    told: Any = json.loads(store(*PROGRAM, "status", "--json", "s3://scans/out"))
    assert told["ended"] == 0 and told["lock"] is None and told["documents_by_status"] == {"reused": 2}
    written = [asked for asked in store.requests() if re.search(r"PUT .*/work/.*\d{6}\.(pdf|png)$", asked)]
    assert len(written) == len(set(written)) == 4, "each page once"
