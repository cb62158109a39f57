"""What a dump is of, and which unfinished one it may go on with."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.errors import TargetError
from pipelines.mapping.model import Mapping
from pipelines.migration import Migration
from pipelines.target.describe import identities
from pipelines.target.failures import target_errors
from pipelines.warehouse.layout import MANIFEST, MigrationFolder
from pipelines.warehouse.place import MissingError, Place

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PLAN = "plan.json"
FEWEST_SEGMENTS = 4
MOST_SEGMENTS = 512
SEGMENT_BYTES = 256 << 20  # of a table's size as DescribeTable tells it


class DumpPlan(BaseModel):
    """Made once, when the dump begins; every attempt at it follows this one. `segments`: how many, per table.
    `targets`: what tells each table from another one, and from one that was there before it under its name."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    snapshot_id: str
    mapping_hash: str
    buckets: int
    segments: dict[str, int]
    targets: dict[str, str] = {}
    started_at: datetime

    @classmethod
    def read(cls, folder: Place) -> DumpPlan | None:
        """None where there is none, or none that this Crossover wrote."""
        try:
            return cls.model_validate_json((folder / PLAN).read_text())
        except (MissingError, ValidationError):
            return None

    def write(self, folder: Place) -> None:
        (folder / PLAN).write_atomically(self.model_dump_json(indent=2) + "\n")

    def goes_on(self, earlier: DumpPlan, *, any_segments: bool) -> bool:
        """Whether what `earlier` has read can be kept. Segments by size may differ: a table grows."""
        ours, theirs = (
            (plan.snapshot_id, plan.mapping_hash, plan.buckets, plan.targets, sorted(plan.segments))
            for plan in (self, earlier)
        )
        return ours == theirs and (any_segments or self.segments == earlier.segments)


def new_plan(
    migration: Migration, client: DynamoDBClient, snapshot_id: str, buckets: int, segments: int | None
) -> DumpPlan:
    """Describes every table first, so that a missing or another one is told before anything is read.

    Raises TargetError.
    """
    return DumpPlan(
        snapshot_id=snapshot_id,
        mapping_hash=migration.mapping_hash,
        buckets=buckets,
        segments=_segments(migration.mapping, client, segments),
        targets=identities(migration.mapping, client),
        started_at=datetime.now(UTC),
    )


def unfinished(folder: MigrationFolder, plan: DumpPlan, *, any_segments: bool) -> str | None:
    """The newest unfinished dump that `plan` goes on with; none that a later backfill has made stale."""
    dumps = folder.root / "dumps"
    for entry in reversed(dumps.children()):
        earlier = DumpPlan.read(entry)
        if earlier is None or (entry / MANIFEST).is_file():
            continue
        if plan.goes_on(earlier, any_segments=any_segments) and not _backfilled_since(folder, entry):
            return entry.name
    return None


def _backfilled_since(folder: MigrationFolder, dump: Place) -> bool:
    """Whether any backfill has left a trace since the dump began, finished or not; by one clock, the warehouse's."""
    trace, began = (folder.root / "backfills").changed_at(), (dump / PLAN).changed_at()
    return trace is not None and (began is None or trace >= began)


def _segments(mapping: Mapping, client: DynamoDBClient, asked: int | None) -> dict[str, int]:
    counts = {}
    for table, spec in mapping.target.tables.items():
        with target_errors(client, "DescribeTable", table):
            description = client.describe_table(TableName=table)["Table"]
        schema = {key["KeyType"]: key["AttributeName"] for key in description["KeySchema"]}
        actual = [schema[kind] for kind in ("HASH", "RANGE") if kind in schema]
        _check_keys(table, actual, [key.name for key in spec.keys])
        by_size = math.ceil(description.get("TableSizeBytes", 0) / SEGMENT_BYTES)
        counts[table] = asked or min(MOST_SEGMENTS, max(FEWEST_SEGMENTS, by_size))
    return counts


def _check_keys(table: str, actual: Iterable[str], mapped: Iterable[str]) -> None:
    found, wanted = ", ".join(actual), ", ".join(mapped)
    if found != wanted:
        raise TargetError(f"table {table}: its key is ({found}), the mapping says ({wanted}); correct one of the two")
