"""Stage `records`: a snapshot's tables become records, one per DynamoDB item, and rejects beside them.

The manifest comes last, and no reader looks at a folder without one. Nothing of a killed run is used again: a snapshot
is denormalised in one piece.
"""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import reduce

from py4j.protocol import Py4JError  # type: ignore[import-untyped]
from pyspark.errors import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.functions import col

from pipelines.errors import AccountsError, StageError, WarehouseError
from pipelines.items.bucket import DEFAULT_BUCKETS
from pipelines.mapping.bulk import NO_VERSIONS, ItemVersions, item_rows, keys_claimed_twice
from pipelines.mapping.bulk_accounts import EmbedUse, ItemUse, count_use
from pipelines.mapping.compile import compile_mapping
from pipelines.mapping.key_owner import key_names_row
from pipelines.mapping.local_accounts import CountedBySparkError, count_locally
from pipelines.mapping.plan import ItemPlan, MigrationPlan
from pipelines.migration import Migration
from pipelines.source.drift import require_same_schema
from pipelines.spark import require_shared, share_settings, spark_failure
from pipelines.warehouse.dataset import RECORDS, count_rows
from pipelines.warehouse.layout import MANIFEST, discard, read_manifest, write_manifest
from pipelines.warehouse.lock import stage_lock
from pipelines.warehouse.manifest import EmbedCounts, ItemTypeCounts, RecordsManifest, SnapshotManifest
from pipelines.warehouse.place import Place
from pipelines.warehouse.record_sink import Written, WrittenRows, write_rows
from pipelines.warehouse.scratch import scratch_folder
from pipelines.warehouse.snapshots import open_snapshot
from pipelines.warehouse.source_tables import SnapshotTables

STAGE = "records"
BYTES_PER_PARTITION = 16 << 20  # of compressed snapshot, in one task of a shuffle
SMALL_SNAPSHOT_BYTES = 16 << 20  # one file a bucket, below: each file costs more than moving its rows
MOST_FILES = 2048  # of records, where each task writes its own
MOST_BUCKETS_OPEN = 256  # in one task, which has a file open for each
COUNTING_MEGABYTES = 1024


def make_records(
    migration: Migration, spark: SparkSession, snapshot_id: str | None = None, buckets: int = DEFAULT_BUCKETS
) -> RecordsManifest:
    """Denormalises a snapshot, the latest unless named; what is finished already is given back as it is.

    Raises StageError (no snapshot, other mapping, other schema, other buckets, Spark failed), WarehouseError,
    AccountsError; then it leaves nothing behind.
    """
    snapshot = open_snapshot(migration.folder, snapshot_id, migration.mapping_hash)
    require_same_schema(migration.mapping, migration.folder, snapshot.id)
    folder = migration.folder.records(snapshot.id)
    with stage_lock(migration.folder.root, STAGE, snapshot.id):
        if (folder / MANIFEST).is_file():
            return _finished(folder, migration, buckets)
        discard(folder)
        try:
            return _make(migration, spark, snapshot, folder, buckets)
        except OSError as error:
            discard(folder)
            raise WarehouseError(f"{folder}: cannot be written ({error.strerror})") from error
        except BaseException:
            discard(folder)
            raise


def _finished(folder: Place, migration: Migration, buckets: int) -> RecordsManifest:
    manifest = read_manifest(folder, RecordsManifest, migration.mapping_hash)
    if manifest.buckets != buckets:
        raise StageError(f"{folder}: made with {manifest.buckets} buckets, not {buckets}; take a new snapshot")
    return manifest


def _make(
    migration: Migration, spark: SparkSession, snapshot: SnapshotManifest, folder: Place, buckets: int
) -> RecordsManifest:
    started_at = datetime.now(UTC)
    plan = compile_mapping(migration.mapping, snapshot.catalog)
    tables = SnapshotTables(spark, migration.folder.snapshot(snapshot.id), snapshot)
    folder.make_folder()
    share_settings(spark)
    with _spark_at_work(spark, snapshot):
        require_shared(spark, folder)
        written = _write(plan, tables, folder, buckets)
        use = _use(plan, tables, folder)
        item_types = {item.name: _counts(item, tables, written, use[item.name]) for item in plan.items}
    _check_files(folder, buckets, sum(counts.records for counts in item_types.values()))
    manifest = RecordsManifest(
        migration=migration.mapping.migration,
        mapping_hash=migration.mapping_hash,
        id=snapshot.id,
        started_at=started_at,
        snapshot_id=snapshot.id,
        buckets=buckets,
        records=sum(counts.records for counts in item_types.values()),
        rejects=sum(counts.rejects for counts in item_types.values()),
        reject_reasons=_reasons(written),
        item_types=item_types,
        ledger=snapshot.ledger,
        uncaptured=snapshot.uncaptured,
        bear_source=tuple(item.name for item in plan.items if not key_names_row(item)),
        gap=snapshot.gap,
    )
    write_manifest(folder, manifest)
    return manifest


def _write(plan: MigrationPlan, tables: SnapshotTables, dataset: Place, buckets: int) -> list[Written]:
    """Nearly always no key is claimed twice, and the tasks that write see that; only else the keys are looked for
    and everything is written again."""
    written = _write_all(plan, tables, None, dataset, buckets)
    if written.repeated:
        discard(dataset)
        written = _write_all(plan, tables, keys_claimed_twice(plan.items, tables), dataset, buckets)
    return list(written.parts)


def _write_all(
    plan: MigrationPlan, tables: SnapshotTables, duplicates: DataFrame | None, dataset: Place, buckets: int
) -> WrittenRows:
    rows = [item_rows(item, tables, duplicates, buckets, _versions(item, tables)) for item in plan.items]
    return write_rows(reduce(DataFrame.union, rows), dataset, _bucket_tasks(len(rows), tables, buckets))


def _bucket_tasks(item_types: int, tables: SnapshotTables, buckets: int) -> int | None:
    """None, each task writes files of its own, where the files stay few and hold enough to be worth it."""
    partitions = item_types * int(tables.spark.conf.get("spark.sql.shuffle.partitions") or 1)
    few = buckets <= MOST_BUCKETS_OPEN and partitions * buckets <= MOST_FILES
    if few and _compressed_bytes(tables.manifest) > SMALL_SNAPSHOT_BYTES:
        return None
    return min(2 * tables.spark.sparkContext.defaultParallelism, buckets)


def _versions(item: ItemPlan, tables: SnapshotTables) -> ItemVersions:
    ledger = tables.manifest.ledger
    if ledger is None or item.name not in ledger.item_types:
        return NO_VERSIONS
    known = tables.known_versions()
    if known is not None:
        own = known.where(col("item_type") == item.name)
        known = own.select(col("source_key").alias("known_key"), col("version").alias("known_version"))
    return ItemVersions(ledger.first_version, known)


def _use(plan: MigrationPlan, tables: SnapshotTables, dataset: Place) -> dict[str, ItemUse]:
    found: dict[str, ItemUse] = {}
    with scratch_folder(dataset, "accounts") as spill:
        for item in plan.items:
            with contextlib.suppress(CountedBySparkError):
                found[item.name] = count_locally(item, tables.for_duckdb, COUNTING_MEGABYTES, spill)
    return found | count_use([item for item in plan.items if item.name not in found], tables)


def _counts(item: ItemPlan, tables: SnapshotTables, written: list[Written], use: ItemUse) -> ItemTypeCounts:
    """Raises AccountsError where the numbers do not balance."""
    own = [part for part in written if part.item_type == item.name]
    counts = ItemTypeCounts(
        rows=tables.rows(item.root.table),
        filtered=use.filtered,
        records=sum(part.rows for part in own if part.reason is None),
        rejects=sum(part.rows for part in own if part.reason is not None),
        embeds={embed.path: _embed_counts(item, embed, tables) for embed in use.embeds},
    )
    if counts.rows - counts.filtered != counts.records + counts.rejects:
        raise AccountsError(
            f"records of `{item.name}`: {counts.rows:,} rows less {counts.filtered:,} filtered out are not "
            f"{counts.records:,} records and {counts.rejects:,} rejects"
        )
    return counts


def _embed_counts(item: ItemPlan, use: EmbedUse, tables: SnapshotTables) -> EmbedCounts:
    counts = EmbedCounts(
        rows=tables.rows(use.table),
        embedded=use.embedded,
        filtered=use.filtered,
        beyond_limit=use.beyond_limit,
        orphans=use.orphans,
    )
    if counts.rows != use.embedded + use.filtered + use.beyond_limit + use.orphans:
        raise AccountsError(
            f"records of `{item.name}`, embed `{use.path}`: {counts.rows:,} rows are not {use.embedded:,} embedded, "
            f"{use.filtered:,} filtered out, {use.beyond_limit:,} beyond the limit and {use.orphans:,} orphans"
        )
    return counts


def _check_files(dataset: Place, buckets: int, records: int) -> None:
    """What the files hold against what the tasks said they wrote."""
    held = count_rows(dataset / RECORDS, range(buckets))
    if held != records:
        raise AccountsError(f"{dataset}: {held:,} records in the files, {records:,} written")


def _reasons(written: list[Written]) -> dict[str, int]:
    reasons: Counter[str] = Counter()
    for part in written:
        if part.reason is not None:
            reasons[part.reason] += part.rows
    return dict(sorted(reasons.items()))


def _compressed_bytes(snapshot: SnapshotManifest) -> int:
    return sum(counts.bytes for counts in snapshot.tables.values())


@contextlib.contextmanager
def _spark_at_work(spark: SparkSession, snapshot: SnapshotManifest) -> Iterator[None]:
    """Shuffles as wide as the snapshot needs, plans compiled as it is worth; Spark's own failures in one line."""
    compressed_bytes = _compressed_bytes(snapshot)
    parallel = spark.sparkContext.defaultParallelism
    # A multiple, or the last of them leave cores idle
    partitions = parallel * max(2, -(-compressed_bytes // (BYTES_PER_PARTITION * parallel)))
    settings = {
        "spark.sql.shuffle.partitions": str(partitions),
        # Compiling takes seconds: they come back where there is more than one task's work
        "spark.sql.codegen.wholeStage": str(compressed_bytes > BYTES_PER_PARTITION).lower(),
    }
    before = {name: spark.conf.get(name) for name in settings}
    for name, value in settings.items():
        spark.conf.set(name, value)
    try:
        yield
    except (PySparkException, Py4JError) as error:
        # Not as its cause either: whoever shows the chain would show a row's values
        raise StageError(f"records of snapshot {snapshot.id}: Spark failed: {spark_failure(error)}") from None
    finally:
        with contextlib.suppress(Py4JError, OSError):
            for name, earlier in before.items():
                spark.conf.set(name, earlier or "")
