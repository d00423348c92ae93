"""Names of people and places by the real Presidio and a real spaCy pipeline, where the extra ``entities`` is installed.

The pipeline is made here, of rules: models that were trained are no packages of the index.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline import names

pytest.importorskip("presidio_analyzer", reason="the extra entities is not installed")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning", "ignore::UserWarning")

TEXT = "Signed by John Miller and Mary Poppins, Springfield, 12 May."


@pytest.fixture
def rules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    import spacy

    pipeline = spacy.blank("en")
    first = {"TEXT": {"REGEX": "^(John|Mary)$"}}
    people = {"label": "PERSON", "pattern": [first, {"IS_TITLE": True}]}
    pipeline.add_pipe("entity_ruler").add_patterns([people, {"label": "GPE", "pattern": "Springfield"}])
    pipeline.to_disk(tmp_path / "en_rules")
    monkeypatch.setenv("RESTORE_DOCS_SPACY_MODEL", str(tmp_path / "en_rules"))
    names._load_analyzer.cache_clear()
    return tmp_path / "en_rules"


@pytest.mark.usefixtures("rules")
def test_people_and_places_are_found_where_they_stand() -> None:
    found = [(TEXT[start:end], kind) for start, end, kind in names.find_names(TEXT, ["person", "location"])]
    assert found == [("John Miller", "person"), ("Mary Poppins", "person"), ("Springfield", "location")]
    assert [TEXT[start:end] for start, end, _ in names.find_names(TEXT, ["location"])] == ["Springfield"]
