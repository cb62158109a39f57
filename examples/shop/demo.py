"""The whole story in one command: a shop in PostgreSQL becomes items in DynamoDB, some are spoilt on purpose, and
the verification names exactly those."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from examples.shop.generate import load
from examples.shop.plant import PlantedFault, plant
from expectations.report import write_report
from pipelines.backfill import run_backfill
from pipelines.check import check
from pipelines.command import CommandResult
from pipelines.denormalise import make_records
from pipelines.diff import run_diff
from pipelines.diff.again import Again
from pipelines.diff.differences import DIFFERENCES
from pipelines.dump import dump_tables
from pipelines.embedded import embedded_default
from pipelines.errors import StageError
from pipelines.fanout import SparkFanOut
from pipelines.lifeline import die_with_parent
from pipelines.migration import Migration
from pipelines.settings import WAREHOUSE, optional
from pipelines.snapshot import take_snapshot
from pipelines.source.connect import connect, source_url
from pipelines.spark import session
from pipelines.tables import create_tables
from pipelines.target.client import dynamodb_client
from pipelines.target.refill import refill
from pipelines.warehouse.arrow_files import arrow_dataset
from pipelines.warehouse.manifest import BackfillManifest
from pipelines.warehouse.place import Place

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

MAPPING = Path(__file__).with_name("shop.yaml")
ENVIRONMENT_FILE = "environment.sh"


@dataclass(frozen=True)
class Fault:
    """A planted or a found difference, comparable."""

    table: str
    key: str
    verdict: str
    paths: frozenset[tuple[str, str]]


def run_demo(folder: Path, scale: float, seed: int) -> CommandResult:
    """Starts afresh in `folder`. Raises StageError where the differences found are not the planted ones."""
    die_with_parent()
    _start_afresh(folder)
    with embedded_default(folder):
        migration = _open()
        with contextlib.closing(_Narrator()) as say, session("crossover demo") as spark:
            rows = _make_shop(migration, scale, seed, say)
            backfill = _migrate(migration, spark, say)
            planted = plant(dynamodb_client(), seed)
            say(f"planted {len(planted)} wrong items on the DynamoDB side")
            result = _verify(migration, spark, planted, say)
        return CommandResult(
            {"rows": rows, "records": backfill.records, "written": backfill.written, **result.document},
            [
                *result.lines,
                "Look again:  make ui       (this demo in Dagster: PostgreSQL's data kept, DynamoDB refilled)",
                "             make servers  (the two databases, for commands of your own)",
            ],
        )


def serve(folder: Path) -> CommandResult:
    """Reopens the demo's databases and keeps them until interrupted; other terminals read their addresses from
    `environment.sh`."""
    die_with_parent()
    with reopen(folder) as added:
        path = folder / ENVIRONMENT_FILE
        path.write_text("".join(f"export {name}={shlex.quote(value)}\n" for name, value in sorted(added.items())))
        print(f"serving; in another terminal:  . {path}", file=sys.stderr)
        with contextlib.suppress(KeyboardInterrupt):
            threading.Event().wait()
        path.unlink()
    return CommandResult({"stopped": True}, ["stopped"])


@contextlib.contextmanager
def reopen(folder: Path) -> Iterator[dict[str, str]]:
    """The demo's databases as the last run left them: PostgreSQL's data is still there, DynamoDB is refilled from
    the newest dump. Raises StageError where there was no run."""
    if not (folder / "postgres").is_dir():
        raise StageError(f"{folder}: no demo here to reopen; run `make demo` first")
    with embedded_default(folder) as added:
        migration = _open()
        client = dynamodb_client()
        create_tables(migration.mapping, client)
        if migration.folder.finished("dumps"):
            refill(client, migration.folder.dump(migration.folder.latest("dumps", "run `make demo`")))
        yield added


def _start_afresh(folder: Path) -> None:
    if optional(WAREHOUSE) is None:
        shutil.rmtree(folder / "warehouse", ignore_errors=True)
    shutil.rmtree(folder / "postgres", ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def _open() -> Migration:
    return Migration.open(MAPPING)


def _make_shop(migration: Migration, scale: float, seed: int, say: _Narrator) -> int:
    url = source_url(migration.mapping)
    rows = sum(load(url, scale, seed).values())
    say(f"made the shop: {rows:,} rows in PostgreSQL")
    with connect(url) as connection:
        plan = check(migration.mapping, connection)
    say(f"checked the mapping: {len(plan.items)} item types")
    return rows


def _migrate(migration: Migration, spark: SparkSession, say: _Narrator) -> BackfillManifest:
    tables = create_tables(migration.mapping, dynamodb_client())
    say(f"created the DynamoDB tables {', '.join(outcome.table for outcome in tables)}")
    snapshot = take_snapshot(migration, source_url(migration.mapping))
    say(f"took snapshot {snapshot.id}: {sum(table.rows for table in snapshot.tables.values()):,} rows")
    records = make_records(migration, spark, snapshot.id)
    say(f"made {records.records:,} records, {records.rejects:,} rejects")
    backfill = run_backfill(migration, SparkFanOut(spark), snapshot_id=snapshot.id, mode="cold")
    say(f"wrote {backfill.written:,} items, {backfill.failed:,} failed")
    return backfill


def _verify(
    migration: Migration, spark: SparkSession, planted: tuple[PlantedFault, ...], say: _Narrator
) -> CommandResult:
    dump = dump_tables(migration, SparkFanOut(spark))
    say(f"dumped {dump.items:,} items")
    again = Again(source_url(migration.mapping))
    diff = run_diff(migration, SparkFanOut(spark), dump_id=dump.id, again=again)
    say(f"compared {diff.union:,} keys: {diff.verdicts.match:,} match, {diff.differences:,} differ")
    report = write_report(migration, diff.id)
    found = found_faults(migration.folder.diff(diff.id))
    expected = {Fault(one.table, one.key, one.verdict, frozenset(one.paths)) for one in planted}
    if found != expected:
        raise StageError(
            f"the differences found are not the planted ones: {len(found - expected)} unexpected, "
            f"{len(expected - found)} not found; see {report}"
        )
    return CommandResult(
        {"planted": len(planted), "found": len(found), "run_id": diff.id, "report": str(report)},
        ["", "Differences found: exactly the planted ones", *_table(planted), "", f"Report:      {report}"],
    )


def found_faults(diff_folder: Place) -> set[Fault]:
    """The differences of a finished run."""
    files = (diff_folder / DIFFERENCES).files(".parquet")
    table: pa.Table = arrow_dataset(files).to_table(["table", "key", "verdict", "paths"])
    return {
        Fault(
            row["table"],
            row["key"],
            row["verdict"],
            frozenset((path["path"], path["kind"]) for path in row["paths"] or ()),
        )
        for row in table.to_pylist()
    }


def _table(planted: tuple[PlantedFault, ...]) -> list[str]:
    kinds = Counter((one.verdict, ", ".join(f"{path} ({kind})" for path, kind in one.paths) or "-") for one in planted)
    return [f"  {count:>3}  {verdict:<10} {paths}" for (verdict, paths), count in sorted(kinds.items())]


class _Narrator:
    """Says each step as it is done, on stderr."""

    def __call__(self, line: str) -> None:
        print(f"  {line}", file=sys.stderr, flush=True)

    def close(self) -> None:
        print("", file=sys.stderr)
