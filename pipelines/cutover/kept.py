"""Where a migration stands, and the copy of it in the warehouse, `<migration>/cutover/status.json`: the page over all
migrations shows it, and asks no source and no control table."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime

from pydantic import TypeAdapter, ValidationError

from pipelines.cutover.gate import Gate
from pipelines.cutover.readings import QueryRead
from pipelines.cutover.states import Standing, State
from pipelines.errors import WarehouseError
from pipelines.warehouse.layout import MigrationFolder
from pipelines.warehouse.place import MissingError, Place

FOLDER = "cutover"
FILE = "status.json"


@dataclass(frozen=True)
class Status:
    """As of `at`. `gates`: those before `following`; none where that is None, or where the step there has come so far
    that it must be ended: its gates were passed, and are on record."""

    migration: str
    at: datetime
    standing: Standing
    following: State | None
    gates: tuple[Gate, ...]
    queries: tuple[QueryRead, ...]

    @property
    def missing(self) -> tuple[Gate, ...]:
        return tuple(gate for gate in self.gates if not gate.passed)


def keep_status(folder: MigrationFolder, status: Status) -> None:
    """Raises WarehouseError."""
    text = json.dumps(asdict(status), default=_iso, ensure_ascii=False) + "\n"
    _place(folder).write_atomically(text)


def kept_status(folder: MigrationFolder) -> Status | None:
    """As it was looked at last; None where nobody has. Raises WarehouseError where it cannot be read."""
    place = _place(folder)
    try:
        return TypeAdapter(Status).validate_json(place.read_bytes())
    except MissingError:
        return None
    except ValidationError:
        raise WarehouseError(
            f"{place}: damaged, or of another Crossover; `crossover cutover … status` makes it"
        ) from None


def _place(folder: MigrationFolder) -> Place:
    return folder.root / FOLDER / FILE


def _iso(value: object) -> str:
    assert isinstance(value, datetime)
    return value.isoformat()
