"""What a dump is read from: the tables themselves, or exports of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from pipelines.dump.plan import SCAN, DumpPlan, segments_of
from pipelines.dump.segment import Segment
from pipelines.mapping.model import Mapping as Migrating
from pipelines.target.capacity import Capacity
from pipelines.target.describe import identity
from pipelines.warehouse.manifest import ExportOrigin
from pipelines.warehouse.place import Place

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef


@dataclass(frozen=True)
class Planned:
    """What of a DumpPlan depends on the source."""

    taken: str
    segments: Mapping[str, int]
    targets: Mapping[str, str]
    s3: str | None = None


@dataclass(frozen=True)
class Pieces:
    """`read_at`: nothing that is in them is older. `exports`: per table, where they are of exports."""

    segments: list[Segment]
    read_at: datetime
    exports: Mapping[str, ExportOrigin] = field(default_factory=dict)


class Source(Protocol):
    def planned(self) -> Planned:
        """Before the dump is begun, or found that it goes on with. Raises TargetError, StageError, UsageError."""

    def pieces(self, folder: Place, plan: DumpPlan) -> Pieces:
        """Of the dump in `folder`; may take as long as an export takes. Raises TargetError, StageError, UsageError, and
        KeyboardInterrupt with how to go on."""


@dataclass(frozen=True)
class ScanSource:
    """`asked`: segments of each table; by its size where None."""

    mapping: Migrating
    tables: Mapping[str, TableDescriptionTypeDef]
    asked: int | None
    capacity: Capacity | None

    def planned(self) -> Planned:
        budget = {} if self.capacity is None else self.capacity.units_per_second
        targets = {name: identity(table) for name, table in self.tables.items()}
        return Planned(SCAN, segments_of(self.tables, self.asked, budget), targets)

    def pieces(self, folder: Place, plan: DumpPlan) -> Pieces:  # noqa: ARG002
        segments = [
            Segment(table, key_names(self.mapping, table), number, of)
            for table, of in plan.segments.items()
            for number in range(of)
        ]
        return Pieces(segments, plan.started_at)


def key_names(mapping: Migrating, table: str) -> tuple[str, ...]:
    return tuple(key.name for key in mapping.target.tables[table].keys)
