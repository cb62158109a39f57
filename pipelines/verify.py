"""Verification: read the source, read the target, compare, report. In this order: what is written to the source
after its snapshot cannot then look like something the target lost."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal

from pyspark.sql import SparkSession

from pipelines.denormalise import make_records
from pipelines.diff import run_diff
from pipelines.diff.again import Again
from pipelines.dump import dump_tables
from pipelines.fanout import SparkFanOut
from pipelines.migration import Migration
from pipelines.snapshot import take_snapshot
from pipelines.warehouse.manifest import DiffManifest
from pipelines.warehouse.place import Place


@dataclass(frozen=True)
class VerifyResult:
    """`report`: the page to open."""

    diff: DiffManifest
    report: Place


def verify(
    migration: Migration,
    url: str,
    spark: SparkSession,
    report: Callable[[Migration, str], Place],
    sample: Decimal | None = None,
    rcu: str | int | None = None,
    judge_at_most: int | None = None,
) -> VerifyResult:
    """All stages afresh. `url` is the source's; `report` makes the page of a diff's run id and returns where it is;
    `sample`: the share of the buckets that is compared, all unless given; `rcu`: the dump's budget; `judge_at_most`:
    so many differences are judged again.

    Raises what the stages raise. That the stores differ is no error: see `diff.consistent`.
    """
    fan_out = SparkFanOut(spark)
    snapshot = take_snapshot(migration, url)
    make_records(migration, spark, snapshot.id)
    dump = dump_tables(migration, fan_out, snapshot_id=snapshot.id, resume=False, rcu=rcu)
    again = Again.of(url, judge_at_most)
    diff = run_diff(migration, fan_out, snapshot_id=snapshot.id, dump_id=dump.id, sample=sample, again=again)
    return VerifyResult(diff, report(migration, diff.id))
