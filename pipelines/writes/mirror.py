"""What applications obey: the control table's row of a group, which mirrors the ledger's.

    pk=writes, sk=<group>   {"phase", "fenced", "item_types", "epoch", "changed_at", "by"}

Each change is put against the version that was read when the command began, with an audit row in the same transaction.
It is put also where the row says so already: what an earlier attempt has sent may still be under way, and is refused
once there is a newer version.
"""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pipelines.errors import StageError
from pipelines.mapping.groups import Group
from pipelines.source.ledger.masters import Phase
from pipelines.target.control_table import ControlTable, Key, NoControlTableError, Row

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pydantic import JsonValue

WRITES = "writes"


@dataclass
class Mirror:
    """Of one group, for one command."""

    table: ControlTable
    group: Group
    epoch: int
    version: int
    document: Mapping[str, JsonValue] | None

    @classmethod
    def read(cls, table: ControlTable, group: Group, epoch: int) -> Mirror:
        """Raises TargetError."""
        row = read_row(table, group)
        return cls(table, group, epoch, 0 if row is None else row.version, None if row is None else row.document)

    def says(self, phase: Phase, *, fenced: bool) -> bool:
        return says(self.document, self.group, phase, fenced=fenced, epoch=self.epoch)

    def put(self, phase: Phase, *, fenced: bool, why: str) -> None:
        """Raises StageError where somebody else has changed it since it was read, TargetError; then it is not known
        which of both it says."""
        at = datetime.now(UTC).isoformat(timespec="microseconds")
        document: dict[str, JsonValue] = {
            "phase": phase.value,
            "fenced": fenced,
            "item_types": list(self.group.item_types),
            "epoch": self.epoch,
            "changed_at": at,
            "by": _who(),
        }
        what = f"{WRITES}#{self.group.name}"
        was = None if self.document is None else dict(self.document)
        audit: dict[str, JsonValue] = {"what": what, "from": was, "to": document, "why": why}
        next_row = Row(Key(WRITES, self.group.name), document, self.version + 1)
        if not self.table.put_next(next_row, Row(Key("audit", f"{at}#{what}"), audit)):
            raise StageError(
                f"group {self.group.name}: its row of table {self.table.name} was changed meanwhile; run it again"
            )
        self.version, self.document = self.version + 1, document


def read_row(table: ControlTable, group: Group) -> Row | None:
    """None, too, where the migration has no control table. Raises TargetError."""
    try:
        return table.get(Key(WRITES, group.name))
    except NoControlTableError:
        return None


def says(
    document: Mapping[str, JsonValue] | None, group: Group, phase: Phase, *, fenced: bool, epoch: int | None
) -> bool:
    """Whether applications obey that by this row. Without a row they write to RDS. `epoch`: None where it is not known;
    it counts where DynamoDB is the master."""
    if document is None:
        return phase is Phase.RDS_FIRST and not fenced
    return (
        document.get("phase") == phase.value
        and document.get("fenced") is fenced
        and document.get("item_types") == list(group.item_types)
        and (not phase.is_dynamodb or epoch is None or document.get("epoch") == epoch)
    )


def _who() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
