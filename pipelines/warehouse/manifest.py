"""What each stage leaves behind: counts that must balance, and what they were made from."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version

from pydantic import BaseModel, ConfigDict, Field

from pipelines.mapping.catalog import Catalog

FORMAT = 1


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Manifest(_Frozen):
    """The header that all manifests share."""

    format: int = FORMAT
    crossover: str = Field(default_factory=lambda: version("crossover"))
    stage: str
    migration: str
    mapping_hash: str
    id: str
    started_at: datetime
    finished_at: datetime = Field(default_factory=lambda: datetime.now(UTC))


class TableCounts(_Frozen):
    rows: int
    bytes: int  # of the Parquet files
    files: tuple[str, ...]  # relative to the snapshot's folder


class RdsExportOrigin(_Frozen):
    """Which RDS export a snapshot was read from. The RDS snapshot's ARN and time as the export tells them."""

    task: str
    location: str
    source_arn: str | None
    snapshot_time: str | None


class LedgerSeen(_Frozen):
    """The ledger as a snapshot saw it. `item_types`: those that have one; the versions of others are 0, or a column's.

    `first_version`: of every item that is not in `file` (VERSIONS_SCHEMA; relative to the snapshot's folder);
    `next_epoch`: above every version of this epoch. `sweeps`: how many had been begun. `marked`: item types that an
    open mark reaches.
    """

    epoch: int
    sweeps: int
    first_version: int
    next_epoch: int
    item_types: tuple[str, ...]
    marked: tuple[str, ...]
    known: int  # rows of `file`
    file: str


class _Captured(_Frozen):
    """`uncaptured`: why a snapshot has no versions. `gap`: capture is installed, or may be, and cannot be relied on;
    such a snapshot is not for backfill, and no verification by it can pass."""

    ledger: LedgerSeen | None = None
    uncaptured: str = ""
    gap: bool = False


class SnapshotManifest(_Captured, Manifest):
    stage: str = "snapshot"
    taken: str  # "live" or "rds-export"
    source: str  # host, port and database, without user or password
    captured: bool  # whether the ledger was there, whole, in the same snapshot
    catalog: Catalog
    columns: dict[str, tuple[str, ...]]  # per "schema.table", the columns that were read
    tables: dict[str, TableCounts]  # per "schema.table"
    export: RdsExportOrigin | None = None  # where it was taken so


class EmbedCounts(_Frozen):
    """Child rows of one embed: rows = embedded + filtered + beyond_limit + orphans."""

    rows: int
    embedded: int
    filtered: int  # did not pass the embed's `where`
    beyond_limit: int
    orphans: int  # no enclosing row names them


class ItemTypeCounts(_Frozen):
    """Root rows of one item type: rows - filtered = records + rejects."""

    rows: int
    filtered: int  # did not pass `where`
    records: int
    rejects: int
    embeds: dict[str, EmbedCounts]  # per dotted path, `lines.product`


class RecordsManifest(_Captured, Manifest):
    """What the snapshot says of its ledger stands here, too: a backfill needs no more than the records."""

    stage: str = "records"
    snapshot_id: str
    buckets: int
    records: int
    rejects: int
    reject_reasons: dict[str, int]
    item_types: dict[str, ItemTypeCounts]
    bear_source: tuple[str, ...] = ()  # item types whose keys do not tell the row: their items bear it, `_s`


class BackfillManifest(Manifest):
    """records = written + superseded + conflicts + failed, in all and per bucket."""

    stage: str = "backfill"
    snapshot_id: str
    mode: str  # "cold", "live", "import"
    buckets: int
    records: int
    written: int
    superseded: int
    conflicts: int
    failed: int


class ExportOrigin(_Frozen):
    """Which DynamoDB export a table was read from, and the time that it is of, by AWS's clock."""

    arn: str
    location: str
    export_time: datetime
    items: int


class DumpManifest(Manifest):
    """`started_at`: nothing in it is older; of an export that is its time less the minute by which it is fuzzy."""

    stage: str = "dump"
    taken: str  # "scan" or "export"
    snapshot_id: str  # whose catalog named the item types
    segments: int
    buckets: int
    tables: dict[str, int]  # items per DynamoDB table
    items: int
    tombstones: int
    unmapped: int
    exports: dict[str, ExportOrigin] = {}  # per DynamoDB table, where it was taken so


class Verdicts(_Frozen):
    """Counts of one item type, or of all."""

    match: int = 0
    accepted: int = 0
    pending: int = 0
    in_flight: int = 0
    mismatch: int = 0
    missing: int = 0
    stale: int = 0
    extra: int = 0
    ahead: int = 0
    foreign: int = 0
    unmapped: int = 0
    rejected: int = 0
    expired: int = 0

    def total(self) -> int:
        return sum(getattr(self, name) for name in type(self).model_fields)


class DiffManifest(Manifest):
    """source ∪ target = the sum of all verdicts. `judged_again`: differences of the snapshot's that were judged by
    reading both sides again; `not_judged_again`: those whose verdict is the snapshot's alone, and why."""

    stage: str = "diff"
    snapshot_id: str
    dump_id: str
    snapshot_started_at: datetime | None = None  # nothing of the source in it is older; None in earlier manifests
    epoch: int | None = None  # of the snapshot's ledger
    mode: str  # "no_ledger", "version", "ledger": what the verdicts can speak for
    versioned: tuple[str, ...] = ()  # item types whose versions are those of a column, in whatever mode
    buckets: int
    coverage: float  # share of the buckets that was compared, 0 .. 1
    source_records: int
    source_rejects: int
    target_items: int
    union: int
    verdicts: Verdicts
    item_types: dict[str, Verdicts]  # unmapped items under ""
    differences: int  # rows of the differences dataset
    judged_again: int = 0
    not_judged_again: int = 0
    not_judged_because: str = ""
    rejected_at_most: int = 0  # as the mapping said then; so, too, the next
    accepted_at_most: int | None = None  # any number
    consistent: bool
    reasons: tuple[str, ...]  # why it is not consistent; empty where it is
