"""How far the decommission has come, in the control table: each step with when and what it left.

pk=cutover, sk=decommission   {"id": …, "steps": {"kept_up": {"at": …, …}, …}}
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from pipelines.errors import StageError, TargetError
from pipelines.target.control_table import ControlTable, Key, Row

if TYPE_CHECKING:
    from pydantic import JsonValue

DECOMMISSION = Key("cutover", "decommission")


class Step(StrEnum):
    """In their order."""

    KEPT_UP = "kept_up"
    VERIFIED = "verified"
    ARCHIVED = "archived"
    LEFT = "left"
    PROVEN = "proven"
    CAPTURE_REMOVED = "capture_removed"


@dataclass(frozen=True)
class Progress:
    """`id`: of the folder that it writes to, "" before the first. `steps`: those that are done; each has `at`."""

    id: str
    steps: Mapping[Step, Mapping[str, JsonValue]]
    version: int

    @classmethod
    def read(cls, table: ControlTable) -> Progress:
        """Raises TargetError."""
        row = table.get(DECOMMISSION)
        if row is None:
            return cls("", {}, 0)
        steps = row.document.get("steps")
        try:
            found = {Step(name): done for name, done in steps.items() if isinstance(done, dict)}  # type: ignore[union-attr]
            for done in found.values():
                datetime.fromisoformat(str(done["at"]))
        except (AttributeError, KeyError, ValueError):
            raise TargetError(f"table {table.name}: the decommission's row is none of Crossover's") from None
        return cls(str(row.document.get("id", "")), found, row.version)

    def at(self, step: Step) -> datetime | None:
        return datetime.fromisoformat(str(self.steps[step]["at"])) if step in self.steps else None

    def done(self, table: ControlTable, step: Step, left: Mapping[str, JsonValue], now: datetime) -> Progress:
        """Raises StageError where somebody else is at it, TargetError."""
        return self._put(table, self.id, {**self.steps, step: {**left, "at": now.isoformat(timespec="microseconds")}})

    def afresh(self, table: ControlTable, id: str) -> Progress:
        """With nothing done. Raises as `done`."""
        return self._put(table, id, {})

    def _put(self, table: ControlTable, id: str, steps: Mapping[Step, Mapping[str, JsonValue]]) -> Progress:
        changed = replace(self, id=id, steps=steps, version=self.version + 1)
        document: dict[str, JsonValue] = {"id": id, "steps": {step.value: dict(left) for step, left in steps.items()}}
        if not table.put_next(Row(DECOMMISSION, document, changed.version)):
            raise StageError("cutover: somebody else is at the decommission just now; look, then run again")
        return changed
