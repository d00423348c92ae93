"""Names of people and places, through Microsoft's Presidio: an extra, for it brings a language model.

Presidio (MIT) runs a spaCy pipeline, which must be installed, too. Which one: the environment variable
RESTORE_DOCS_SPACY_MODEL, else en_core_web_sm.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

from pipeline.errors import SetupError

_MODEL = "en_core_web_sm"
_ENTITIES = {"PERSON": "person", "LOCATION": "location"}


def find_names(text: str, kinds: Sequence[str]) -> Iterator[tuple[int, int, str]]:
    """Yield (start, end, kind) of the people and places named in a text; ``kinds`` of "person" and "location".

    Raises SetupError when Presidio or its language model is not installed.
    """
    analyzer, language = _load_analyzer(os.environ.get("RESTORE_DOCS_SPACY_MODEL") or _MODEL)
    wanted = [name for name, kind in _ENTITIES.items() if kind in kinds]
    for result in analyzer.analyze(text=text, language=language, entities=wanted):
        yield result.start, result.end, _ENTITIES[result.entity_type]


@cache
def _load_analyzer(model: str) -> tuple[Any, str]:
    """(Presidio's AnalyzerEngine, the language it was set up for), once per process."""
    try:
        spacy, presidio = import_module("spacy.util"), import_module("presidio_analyzer")
        engines = import_module("presidio_analyzer.nlp_engine")
    except ImportError as error:
        what = f"the entities person and location need Presidio, which cannot be imported: {error}"
        raise SetupError(what, f"pip install 'restore-docs[entities]' && python -m spacy download {_MODEL}") from error
    # checked here, for Presidio would try to download it
    if not (spacy.is_package(model) or Path(model).is_dir()):
        what = f"the spaCy model {model}, which finds names, is not installed"
        raise SetupError(what, f"python -m spacy download {model}")
    language = _language(model)
    configuration = {"nlp_engine_name": "spacy", "models": [{"lang_code": language, "model_name": model}]}
    engine = engines.NlpEngineProvider(nlp_configuration=configuration).create_engine()
    return presidio.AnalyzerEngine(nlp_engine=engine, supported_languages=[language]), language


def _language(model: str) -> str:
    """The language in a spaCy model's name: en_core_web_sm."""
    return Path(model).name[:2]
