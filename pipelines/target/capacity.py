"""What `--wcu` and `--rcu` say, what that is for each table, and how the tasks that write or read share it.

A budget is divided among as many tasks as it keeps busy, and no more run at once: one for each `task_units`. A task
that waits for room does nothing faster than another would, so few are as fast as many, they need not talk to each
other, and on a cluster it is the same as on one machine. One that has a share of its own can exceed it by one item;
with so large a share that is within the tenth that five seconds may have.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from pipelines.errors import TargetError, UsageError
from pipelines.mapping.model import Mapping as Migrating
from pipelines.target.budget import Allowance
from pipelines.target.charge import Tariff
from pipelines.target.describe import existing_tables
from pipelines.target.table_shape import TableShape

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef

WRITE_TASK_UNITS = 4_000
READ_TASK_UNITS = 2_000
"""Of each task: 8 MB of items a second, about as much as one can make records of."""
_EVEN = 0.95  # so much of the budget is used at least, where tasks end at different times
_NUMBER = re.compile(r"([0-9]{1,9})(%?)")


class Kind(Enum):
    """The value is the option that sets it."""

    WRITE = "--wcu"
    READ = "--rcu"

    def provisioned(self, table: TableDescriptionTypeDef) -> int | None:
        """Units a second; None on demand."""
        if table.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST":
            return None
        throughput = table.get("ProvisionedThroughput", {})
        is_write = self is Kind.WRITE
        return (throughput.get("WriteCapacityUnits") if is_write else throughput.get("ReadCapacityUnits")) or None


@dataclass(frozen=True)
class Units:
    """Capacity units a second of each table, or, where `is_share`, per cent of what it has."""

    kind: Kind
    number: int
    is_share: bool = False

    @classmethod
    def parse(cls, text: str | int, kind: Kind) -> Units:
        """Raises UsageError."""
        found = _NUMBER.fullmatch(str(text).strip())
        units = None if found is None else cls(kind, int(found[1]), bool(found[2]))
        if units is None or units.number < 1 or (units.is_share and units.number > 100):
            raise UsageError(
                f"{kind.value} {text}: give {kind.name.lower()} capacity units a second, 500, or a share of the "
                "tables', 50%"
            )
        return units

    def of(self, table: str, provisioned: int | None) -> float:
        """`provisioned`: None on demand. Raises TargetError."""
        if not self.is_share:
            return float(self.number)
        if not provisioned:
            raise TargetError(
                f"{self.kind.value} {self.number}%: table {table} is on demand and has no capacity to take a share of; "
                f"give units a second, {self.kind.value} 500"
            )
        return provisioned * self.number / 100


@dataclass(frozen=True)
class Capacity:
    """Of one run. `units_per_second`: of each table, all tasks together. `tariffs`: what a put costs; empty where only
    is read."""

    units_per_second: Mapping[str, float]
    tariffs: Mapping[str, Tariff] = field(default_factory=dict)
    task_units: int = WRITE_TASK_UNITS

    @classmethod
    def to_write(cls, wcu: Units, mapping: Migrating, client: DynamoDBClient) -> Capacity:
        """By the tables as they are. Raises TargetError."""
        found = {name: table for name, table in existing_tables(mapping, client).items() if table is not None}
        return cls(_per_table(wcu, found), {name: Tariff(TableShape.existing(table)) for name, table in found.items()})

    @classmethod
    def to_read(cls, rcu: Units, tables: Mapping[str, TableDescriptionTypeDef]) -> Capacity:
        """Raises TargetError."""
        return cls(_per_table(rcu, tables), task_units=READ_TASK_UNITS)

    def tasks(self, pieces: int, slots: int) -> int:
        """How many are at work at once. `slots`: so many could."""
        most = min(pieces, slots, int(min(self.units_per_second.values()) // self.task_units))
        even = [n for n in range(2, most + 1) if pieces >= _EVEN * n * math.ceil(pieces / n)]
        return max(even, default=1)

    def allowance(self, run: str, tasks: int) -> Allowance:
        """Of each of so many tasks."""
        return Allowance(run, {name: units / tasks for name, units in self.units_per_second.items()}, self.tariffs)


def _per_table(units: Units, tables: Mapping[str, TableDescriptionTypeDef]) -> dict[str, float]:
    return {name: units.of(name, units.kind.provisioned(table)) for name, table in tables.items()}
