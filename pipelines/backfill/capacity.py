"""What `--wcu` says, what that is for each table, and how the tasks that write share it.

A budget is divided among as many tasks as it keeps busy, and no more run at once: one for each TASK_UNITS. A task that
waits for room writes nothing faster than another would, so few are as fast as many, they need not talk to each other,
and on a cluster it is the same as on one machine. One that has a share of its own can exceed it by one item; with so
large a share that is within the tenth that five seconds may have.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipelines.errors import TargetError, UsageError
from pipelines.mapping.model import Mapping as Migrating
from pipelines.mapping.model import Provisioned
from pipelines.target.budget import Allowance
from pipelines.target.charge import Tariff
from pipelines.target.describe import existing_tables
from pipelines.target.table_shape import TableShape

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef

TASK_UNITS = 4_000
_EVEN = 0.95  # so much of the budget is used at least, where tasks end at different times
_NUMBER = re.compile(r"([0-9]{1,9})(%?)")


@dataclass(frozen=True)
class Wcu:
    """Write capacity units a second of each table, or, where `is_share`, per cent of what it has."""

    number: int
    is_share: bool = False

    @classmethod
    def parse(cls, text: str | int) -> Wcu:
        """Raises UsageError."""
        found = _NUMBER.fullmatch(str(text).strip())
        wcu = None if found is None else cls(int(found[1]), bool(found[2]))
        if wcu is None or wcu.number < 1 or (wcu.is_share and wcu.number > 100):
            raise UsageError(f"--wcu {text}: give write capacity units a second, 500, or a share of the tables', 50%")
        return wcu

    def of(self, table: str, provisioned: int | None) -> float:
        """`provisioned`: None on demand. Raises TargetError."""
        if not self.is_share:
            return float(self.number)
        if not provisioned:
            raise TargetError(
                f"--wcu {self.number}%: table {table} is on demand and has no capacity to take a share of; "
                "give units a second, --wcu 500"
            )
        return provisioned * self.number / 100


@dataclass(frozen=True)
class Capacity:
    """Of one run. `units_per_second`: of each table, all tasks together."""

    units_per_second: Mapping[str, float]
    tariffs: Mapping[str, Tariff]

    @classmethod
    def of(cls, wcu: Wcu, mapping: Migrating, client: DynamoDBClient) -> Capacity:
        """By the tables as they are. Raises TargetError."""
        found = {name: table for name, table in existing_tables(mapping, client).items() if table is not None}
        return cls(
            {name: wcu.of(name, provisioned_units(table)) for name, table in found.items()},
            {name: Tariff(TableShape.existing(table)) for name, table in found.items()},
        )

    def tasks(self, buckets: int, slots: int) -> int:
        """How many write at once. `slots`: so many could."""
        most = min(buckets, slots, int(min(self.units_per_second.values()) // TASK_UNITS))
        even = [n for n in range(2, most + 1) if buckets >= _EVEN * n * math.ceil(buckets / n)]
        return max(even, default=1)

    def allowance(self, run: str, tasks: int) -> Allowance:
        """Of each of so many tasks."""
        return Allowance(run, {name: units / tasks for name, units in self.units_per_second.items()}, self.tariffs)


def provisioned_units(table: TableDescriptionTypeDef) -> int | None:
    """None on demand."""
    if table.get("BillingModeSummary", {}).get("BillingMode") == "PAY_PER_REQUEST":
        return None
    return table.get("ProvisionedThroughput", {}).get("WriteCapacityUnits") or None


def mapped_units(mapping: Migrating) -> dict[str, int | None]:
    """What the mapping gives each table; None on demand."""
    tables = mapping.target.tables.items()
    return {name: one.billing.write if isinstance(one.billing, Provisioned) else None for name, one in tables}
