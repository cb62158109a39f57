"""The folder that an assessment leaves: `evidence.json` and `patterns.json`, each whole or not there."""

from __future__ import annotations

import json
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from pipelines.assess.evidence import FORMAT, Evidence
from pipelines.assess.patterns import Patterns
from pipelines.errors import WarehouseError
from pipelines.warehouse.place import Place

EVIDENCE = "evidence.json"
PATTERNS = "patterns.json"

Model = TypeVar("Model", bound=BaseModel)


def write_assessment(folder: Place, evidence: Evidence, patterns: Patterns) -> None:
    """The patterns come last: where they are, the evidence that they were made from is. Raises WarehouseError."""
    folder.make_folder()
    (folder / PATTERNS).remove()
    (folder / EVIDENCE).write_atomically(evidence.model_dump_json(indent=1))
    (folder / PATTERNS).write_atomically(patterns.model_dump_json(indent=1))


def read_evidence(place: Place) -> Evidence:
    """Raises WarehouseError where it is missing, damaged, or of a newer Crossover."""
    return _read(place, Evidence)


def _read(place: Place, model: type[Model]) -> Model:
    text = place.read_text()
    try:
        document = json.loads(text)
        newer = isinstance(document, dict) and document.get("format", 0) > FORMAT
    except (ValueError, TypeError):
        raise WarehouseError(f"{place}: damaged, no JSON; assess again into another folder") from None
    if newer:
        raise WarehouseError(f"{place}: written by a newer Crossover (format {document['format']}); use that one")
    try:
        return model.model_validate_json(text)
    except ValidationError:
        raise WarehouseError(f"{place}: not what `crossover assess` writes; give its {EVIDENCE}") from None
