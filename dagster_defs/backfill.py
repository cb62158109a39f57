"""The backfill in Dagster: how it is configured, its parts, and what it says while it runs.

A part is a share of the buckets, and a partition of the asset: launched, seen, retried and cancelled alone. All parts
write into one run of the warehouse, which the first of them begins and the last finishes.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

import dagster as dg
from pydantic import Field

from dagster_defs.resources import SparkResource
from dagster_defs.step import Numbers
from pipelines.backfill import run_backfill
from pipelines.backfill.importing.options import ImportOptions
from pipelines.backfill.part import Part, all_parts
from pipelines.fanout import SparkFanOut
from pipelines.migration import Migration
from pipelines.progress import Progress
from pipelines.tables import create_tables
from pipelines.target.client import dynamodb_client

PARTS = 8
PARTITIONS = dg.StaticPartitionsDefinition([str(part) for part in all_parts(PARTS)])
SAID_EVERY_SECONDS = 10.0

# A class could give no member the name `import`
Mode = Enum("Mode", {"live": "live", "cold": "cold", "import": "import"})
Packing = Enum("Packing", {"gzip": "gzip", "zstd": "zstd"})


class BackfillConfig(dg.Config):
    """How a backfill writes."""

    mode: Mode | None = Field(
        default=None,
        description="live: only where nothing newer is, with capture on; cold: an empty table that nobody else writes; "
        "import: DynamoDB makes new tables of objects in S3, all at once; "
        "unless given, live where the snapshot has versions",
    )
    snapshot: str | None = Field(default=None, description="a snapshot whose records are made; the newest unless given")
    wcu: str | None = Field(
        default=None,
        description="write capacity units a second of each table, its indexes' included, or a share of what it has, "
        "as 50%; all that it takes unless given",
    )
    item_types: list[str] = Field(default=[], description="only these; all unless given")
    buckets: list[int] = Field(default=[], description="only these, from 0; all unless given")
    resume: bool = Field(default=False, description="go on with the last run, whichever snapshot it writes")
    force: bool = Field(default=False, description="cold, though the table is not empty or others write")
    s3: str | None = Field(
        default=None,
        description="import: where the objects go, s3://BUCKET/PREFIX; unless given the warehouse, where that is in S3",
    )
    compression: Packing | None = Field(default=None, description="import: of the objects; gzip unless given")
    keep_objects: bool = Field(default=False, description="import: leave the objects in S3 afterwards")


@dataclass
class RunLog:
    """Says now and then how far the backfill is, and knows at the end how fast it was."""

    log: dg.DagsterLogManager
    items: int = 0
    seconds: float = 0.0
    _said: float = field(default_factory=time.monotonic)

    def heard(self, progress: Progress) -> None:
        self.items, self.seconds = progress.done, progress.elapsed_seconds
        if time.monotonic() - self._said >= SAID_EVERY_SECONDS:
            self._said = time.monotonic()
            self.log.info(progress.line(self.seconds))

    @property
    def numbers(self) -> Numbers:
        """Of this run of Dagster's, whatever had been written before."""
        rate = self.items / self.seconds if self.seconds else 0.0
        return {"items": self.items, "seconds": round(self.seconds, 1), "items_per_second": round(rate, 1)}


def parts_of(context: dg.AssetExecutionContext) -> list[Part]:
    """That the run is for; none where it is for all of them at once."""
    if context.has_partition_key or context.has_partition_key_range:
        return [Part.parse(name) for name in context.partition_keys]
    return []


def backfill(
    path: Path, config: BackfillConfig, spark: SparkResource, parts: Sequence[Part], log: dg.DagsterLogManager
) -> Numbers:
    """Tables that are missing are created, unless an import makes them. Raises CrossoverError, and KeyboardInterrupt
    once the buckets under way are finished."""
    opened = Migration.open(path)
    mode = None if config.mode is None else config.mode.value
    if mode != "import" and not config.resume:
        create_tables(opened.mapping, dynamodb_client())
    run_log = RunLog(log)
    what = f"{opened.mapping.migration}, {'part ' + ', '.join(map(str, parts)) if parts else 'all of it'}"
    log.info(f"backfill of {what}: begins")
    try:
        manifest = run_backfill(
            opened,
            SparkFanOut(spark.session()),
            snapshot_id=config.snapshot,
            mode=mode,
            resume=config.resume,
            force=config.force,
            item_types=tuple(config.item_types),
            buckets=config.buckets or None,
            wcu=config.wcu,
            parts=parts,
            importing=ImportOptions(
                config.s3, None if config.compression is None else config.compression.value, config.keep_objects
            ),
            heard=run_log.heard,
        )
    except KeyboardInterrupt:
        log.warning(f"backfill of {what}: stopped; the buckets under way were finished; launch it again to go on")
        raise
    if manifest.conflicts:
        log.warning(f"backfill {manifest.id}: {manifest.conflicts} conflicts; they are listed in its folder")
    counts = manifest.model_dump(include={"snapshot_id", "records", "written", "superseded", "conflicts", "failed"})
    return {"run_id": manifest.id, "mode": manifest.mode, **counts, **run_log.numbers}
