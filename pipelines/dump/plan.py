"""What a dump is of, and which unfinished one it may go on with."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipelines.errors import TargetError
from pipelines.mapping.model import Mapping as Migrating
from pipelines.target.failures import target_errors
from pipelines.target.page_pace import UNIT_BYTES
from pipelines.warehouse.layout import MANIFEST, MigrationFolder
from pipelines.warehouse.place import MissingError, Place

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import TableDescriptionTypeDef

PLAN = "plan.json"
SCAN, EXPORT = "scan", "export"
FEWEST_SEGMENTS = 4
MOST_SEGMENTS = 512
SEGMENT_BYTES = 256 << 20  # of a table's size as DescribeTable tells it
SEGMENT_SECONDS = 60  # with a budget: no more than that is read again after a kill


class DumpPlan(BaseModel):
    """Made once, when the dump begins; every attempt at it follows this one. `segments`: how many, per table; of an
    export, which has none, 0. `targets`: what tells each table from another one, and from one that was there before it
    under its name; of an export that was given, its ARN. `s3`: where exports are asked to go, as the call had it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    snapshot_id: str
    mapping_hash: str
    buckets: int
    taken: str = SCAN
    segments: dict[str, int]
    targets: dict[str, str] = {}
    s3: str | None = None
    started_at: datetime = Field(default_factory=lambda: datetime.now(UTC))

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
        ours, theirs = (plan.model_dump(exclude={"segments", "started_at"}) for plan in (self, earlier))
        same_tables = sorted(self.segments) == sorted(earlier.segments)
        return ours == theirs and same_tables and (any_segments or self.segments == earlier.segments)


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


def described(mapping: Migrating, client: DynamoDBClient) -> dict[str, TableDescriptionTypeDef]:
    """Every table of the mapping, so that a missing or another one is told before anything is read. Raises
    TargetError."""
    found = {}
    for table, spec in mapping.target.tables.items():
        with target_errors(client, "DescribeTable", table):
            description = client.describe_table(TableName=table)["Table"]
        schema = {key["KeyType"]: key["AttributeName"] for key in description["KeySchema"]}
        actual = [schema[kind] for kind in ("HASH", "RANGE") if kind in schema]
        _check_keys(table, actual, [key.name for key in spec.keys])
        found[table] = description
    return found


def segments_of(
    tables: Mapping[str, TableDescriptionTypeDef], asked: int | None, units_per_second: Mapping[str, float]
) -> dict[str, int]:
    """How many of each table, by its size unless `asked` for. `units_per_second`: its budget; none where it is not
    there."""
    return {name: asked or _by_size(table, units_per_second.get(name)) for name, table in tables.items()}


def _by_size(table: TableDescriptionTypeDef, units_per_second: float | None) -> int:
    segment_bytes: float = SEGMENT_BYTES
    if units_per_second is not None:
        segment_bytes = min(segment_bytes, units_per_second * UNIT_BYTES * SEGMENT_SECONDS)
    count = math.ceil(table.get("TableSizeBytes", 0) / segment_bytes)
    return min(MOST_SEGMENTS, max(FEWEST_SEGMENTS, count))


def _check_keys(table: str, actual: Iterable[str], mapped: Iterable[str]) -> None:
    found, wanted = ", ".join(actual), ", ".join(mapped)
    if found != wanted:
        raise TargetError(f"table {table}: its key is ({found}), the mapping says ({wanted}); correct one of the two")
