"""What the control table says of each group of item types: rows `pk=writes`, `sk=<group>`, which the switch writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.mapping.groups import Group
from pipelines.source.ledger.masters import Phase
from pipelines.target.control_table import ControlTable, NoControlTableError

if TYPE_CHECKING:
    from pydantic import JsonValue

PARTITION = "writes"


@dataclass(frozen=True)
class Standing:
    """Of one group. `epoch`: the ledger's, 0 where RDS has always been the master. `problem`: why nobody can tell."""

    phase: Phase = Phase.RDS_FIRST
    fenced: bool = False
    epoch: int = 0
    problem: str | None = None

    @property
    def is_rds(self) -> bool:
        return not (self.fenced or self.problem or self.phase.is_dynamodb)

    @property
    def is_dynamodb(self) -> bool:
        return not (self.fenced or self.problem) and self.phase.is_dynamodb


def read_standings(table: ControlTable, groups: Sequence[Group]) -> dict[str, Standing]:
    """By the groups' names, strongly consistent, in one read. A group without a row has never been switched, nor has
    any where there is no table. Raises TargetError."""
    try:
        rows = [row.document for row in table.query(PARTITION, " ", "\U0010ffff")]
    except NoControlTableError:
        rows = []
    return {group.name: _standing(group, rows) for group in groups}


def _standing(group: Group, rows: Sequence[Mapping[str, JsonValue]]) -> Standing:
    """A row of other item types, left from a group as another mapping made it, counts while it is in force."""
    switched = [row for row in rows if _is_switched(row) and not _types(row).isdisjoint(group.item_types)]
    if not switched:
        return Standing()
    if len(switched) > 1 or _types(switched[0]) != set(group.item_types):
        return Standing(problem="other item types were switched together than this mapping has together")
    (row,) = switched
    epoch = row.get("epoch")
    try:
        phase = Phase(str(row.get("phase")))
    except ValueError:
        return Standing(problem="its row in the control table is none")
    if not isinstance(epoch, int) or isinstance(epoch, bool) or epoch < 0:
        return Standing(problem="its row in the control table has no epoch")
    return Standing(phase, row.get("fenced") is not False, epoch)


def _is_switched(row: Mapping[str, JsonValue]) -> bool:
    return row.get("phase") != Phase.RDS_FIRST.value or row.get("fenced") is not False


def _types(row: Mapping[str, JsonValue]) -> set[str]:
    found = row.get("item_types")
    return {str(one) for one in found} if isinstance(found, list) else set()
