"""Workers, clients and schedulers that die: no work is lost, and what comes out is what a calm run writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from storm import Force, blow, drawn


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_storm_changes_nothing_in_the_end(tmp_path: Path) -> None:
    storm = blow(tmp_path, drawn(tmp_path, pages=120), Force(every_seconds=0.5, pages_between=8))
    assert storm.kills >= 3 and storm.finished_before[0] >= 40
    assert storm.codes[0] == 7 and storm.codes[-1] == 0, storm.log
    assert storm.seconds_to_notice < 60
    assert storm.after == storm.calm and len(storm.calm) == len(list((tmp_path / "in").iterdir()))
    listed = [(d["source"], p["page_number"]) for d in storm.report["documents"] for p in d["pages"]]
    assert len(listed) == len(set(listed)) == 120
    assert all(document["output"] for document in storm.report["documents"])
    assert not storm.leftovers
    assert "were finished before" in storm.log
