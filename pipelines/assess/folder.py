"""The folder that an assessment leaves: `evidence.json`, `patterns.json` and `design.json`, each whole or not there,
and the draft of a mapping."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from pipelines.assess.design import Design
from pipelines.assess.draft.draft import FILE
from pipelines.assess.evidence import FORMAT, Evidence
from pipelines.assess.judged import DRAFT
from pipelines.assess.patterns import Patterns
from pipelines.errors import WarehouseError
from pipelines.warehouse.place import Place

EVIDENCE = "evidence.json"
PATTERNS = "patterns.json"
DESIGN = "design.json"

NEW_FILE = "draft.new.yaml"
"""Of a run that finds its draft edited."""

Model = TypeVar("Model", bound=BaseModel)


def write_assessment(folder: Place, evidence: Evidence, patterns: Patterns, design: Design) -> None:
    """The design comes last: where it is, what it was made from is. Raises WarehouseError."""
    folder.make_folder()
    for name in (DESIGN, PATTERNS):
        (folder / name).remove()
    (folder / EVIDENCE).write_atomically(evidence.model_dump_json(indent=1))
    (folder / PATTERNS).write_atomically(patterns.model_dump_json(indent=1))
    (folder / DESIGN).write_atomically(design.model_dump_json(indent=1))


def write_draft(folder: Place, text: str) -> Place:
    """Where it is now: a draft that somebody has edited since the run that wrote it stays, and another stands beside
    it. Raises WarehouseError."""
    folder.make_folder()
    place = folder / FILE
    if place.is_file() and place.read_text() not in (text, *_earlier_drafts(folder)):
        place = folder / NEW_FILE
    place.write_atomically(text)
    return place


def _earlier_drafts(folder: Place) -> Iterator[str]:
    """As the last run wrote it; nothing where that cannot be told. No mapping that was given, which may be the edited
    draft itself."""
    place = folder / DESIGN
    if place.is_file():
        try:
            yield from (one.mapping for one in _read(place, Design).mappings if one.name == DRAFT)
        except WarehouseError:
            return


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
