"""The states of a migration, in their order, and the row of the control table that keeps the one it is in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING

from pipelines.target.control_table import Key, Row

if TYPE_CHECKING:
    from pydantic import JsonValue

STATE = Key("cutover", "state")
NOT_BEGUN = "not begun"


class State(StrEnum):
    ASSESSED = "assessed"
    CAPTURED = "captured"
    BACKFILLED = "backfilled"
    VERIFIED = "verified"
    READS_SHADOWED = "reads_shadowed"
    READS_MOVED = "reads_moved"
    DYNAMODB_FIRST = "dynamodb_first"
    DYNAMODB_ONLY = "dynamodb_only"
    DECOMMISSIONED = "decommissioned"

    @property
    def rank(self) -> int:
        return list(State).index(self)


@dataclass(frozen=True)
class Standing:
    """`state`: None where nothing was ever advanced; `since`: when it was entered. `moving`: a step that was begun,
    its gates passed, and has not ended. `version`: of the row, 0 where there is none."""

    state: State | None = None
    since: datetime | None = None
    by: str = ""
    mapping_hash: str = ""
    moving: State | None = None
    version: int = 0

    @property
    def name(self) -> str:
        return self.state.value if self.state is not None else NOT_BEGUN

    @property
    def following(self) -> State | None:
        """None where it is the last one."""
        if self.state is None:
            return State.ASSESSED
        return None if self.state is State.DECOMMISSIONED else list(State)[self.state.rank + 1]

    @property
    def preceding(self) -> State | None:
        """None where there is no way back."""
        if self.state is None or self.state in (State.ASSESSED, State.DECOMMISSIONED):
            return None
        return list(State)[self.state.rank - 1]

    def document(self) -> dict[str, JsonValue]:
        return {
            "state": self.state.value if self.state is not None else None,
            "since": self.since.isoformat(timespec="microseconds") if self.since is not None else None,
            "by": self.by,
            "mapping_hash": self.mapping_hash,
            "moving": self.moving.value if self.moving is not None else None,
        }

    @classmethod
    def of(cls, row: Row | None) -> Standing:
        """Raises ValueError where the row is none."""
        if row is None:
            return cls()
        state, since, moving = (row.document.get(name) for name in ("state", "since", "moving"))
        return cls(
            state=None if state is None else State(str(state)),
            since=None if since is None else datetime.fromisoformat(str(since)),
            by=str(row.document.get("by", "")),
            mapping_hash=str(row.document.get("mapping_hash", "")),
            moving=None if moving is None else State(str(moving)),
            version=row.version,
        )
