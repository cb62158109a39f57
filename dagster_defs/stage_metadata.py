"""Calls one stage each, and says of what it made what Dagster charts and shows."""

from pathlib import Path

import dagster as dg
from pydantic import Field

from dagster_defs.resources import SparkResource
from dagster_defs.sample_rows import sample_of_differences, sample_of_dump, sample_of_records
from dagster_defs.step import Metadata, Numbers, address_of
from expectations.links import PAGE
from expectations.report import write_report
from pipelines.backfill import estimate
from pipelines.denormalise import make_records
from pipelines.diff import run_diff
from pipelines.diff.again import Again
from pipelines.diff.sample import share_of
from pipelines.dump import dump_tables
from pipelines.fanout import SparkFanOut
from pipelines.migration import Migration
from pipelines.monitoring.options import METRICS, configured
from pipelines.monitoring.sinks import open_sinks
from pipelines.monitoring.verification import failure_told, verification_metrics
from pipelines.snapshot import take_snapshot
from pipelines.source.connect import source_url
from pipelines.warehouse.manifest import Manifest


class DumpConfig(dg.Config):
    """How the tables are read."""

    rcu: str | None = Field(
        default=None,
        description="read capacity units a second of each table, or a share of what it has, as 50%; all that it takes "
        "unless given",
    )


class DiffConfig(dg.Config):
    """How much is compared."""

    sample: float | None = Field(
        default=None,
        description="compare this share of the keys only, above 0 and up to 1, always the same ones; all unless given",
    )
    judge_at_most: int | None = Field(
        default=None,
        description="read source and target again for no more than so many differences, from 0; 100,000 unless given",
    )


def snapshot_metadata(path: Path) -> Metadata:
    opened = Migration.open(path)
    manifest = take_snapshot(opened, source_url(opened.mapping))
    rows = {f"rows {name}": table.rows for name, table in manifest.tables.items()}
    return {
        "snapshot_id": manifest.id,
        "rows": sum(rows.values()),
        "bytes": sum(table.bytes for table in manifest.tables.values()),
        **_pace(manifest, sum(rows.values()), "rows"),
        **rows,
    }


def records_metadata(path: Path, spark: SparkResource) -> Metadata:
    """With what a backfill of them would write and cost at most, on demand: see `crossover backfill --dry-run`."""
    opened = Migration.open(path)
    manifest = make_records(opened, spark.session())
    forecast = estimate(opened, snapshot_id=manifest.snapshot_id)
    return {
        "snapshot_id": manifest.snapshot_id,
        "records": manifest.records,
        "rejects": manifest.rejects,
        "item_bytes": forecast.bytes,
        "backfill_write_units": forecast.write_units,
        "backfill_usd_on_demand": round(forecast.cost_usd(), 4),
        **_pace(manifest, manifest.records, "records"),
        **{f"records {name}": counts.records for name, counts in manifest.item_types.items()},
        **{f"rejected {reason}": count for reason, count in manifest.reject_reasons.items()},
        **sample_of_records(opened, manifest),
    }


def dump_metadata(path: Path, config: DumpConfig, spark: SparkResource) -> Metadata:
    opened = Migration.open(path)
    manifest = dump_tables(opened, SparkFanOut(spark.session()), rcu=config.rcu)
    return {
        "dump_id": manifest.id,
        **manifest.model_dump(include={"items", "tombstones", "unmapped"}),
        **_pace(manifest, manifest.items, "items"),
        **{f"items {table}": items for table, items in manifest.tables.items()},
        **sample_of_dump(opened, manifest),
    }


def diff_metadata(path: Path, config: DiffConfig, spark: SparkResource) -> Metadata:
    opened = Migration.open(path)
    sample = share_of(None if config.sample is None else str(config.sample))
    with open_sinks(configured(), opened.mapping.migration, by=METRICS) as sinks, failure_told(sinks):
        again = Again.where_known(opened, config.judge_at_most)
        manifest = run_diff(opened, SparkFanOut(spark.session()), sample=sample, again=again)
        sinks.emit(verification_metrics(manifest.verdicts.model_dump(), manifest.consistent))
    page = opened.folder.report(manifest.id) / PAGE  # the next asset writes it
    return {
        "run_id": manifest.id,
        "report": dg.MetadataValue.url(address_of(page)),
        "consistent": manifest.consistent,
        "coverage": manifest.coverage,
        "differences": manifest.differences,
        "judged_again": manifest.judged_again,
        "not_judged_again": manifest.not_judged_again,
        **manifest.verdicts.model_dump(),
        **_pace(manifest, manifest.union, "keys"),
        **sample_of_differences(opened, manifest),
    }


def report_metadata(path: Path) -> Metadata:
    opened = Migration.open(path)
    run_id = opened.folder.latest("diffs", "materialize `diff` first")
    page = write_report(opened, run_id)
    return {"run_id": run_id, "report": dg.MetadataValue.url(address_of(page))}


def _pace(manifest: Manifest, count: int, what: str) -> Numbers:
    seconds = (manifest.finished_at - manifest.started_at).total_seconds()
    rate = count / seconds if seconds > 0 else 0.0
    return {"seconds": round(seconds, 1), f"{what}_per_second": round(rate, 1)}
