"""A verification without Spark: records as the online form of the mapping makes them, in one snapshot; then the real
dump and the real diff."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.deliver.reading import all_tables
from pipelines.diff import run_diff
from pipelines.diff.again import Again
from pipelines.dump import dump_tables
from pipelines.fanout import in_process
from pipelines.mapping.key_owner import key_names_row
from pipelines.mapping.outcome import Absent, Assembled
from pipelines.mapping.plan import MigrationPlan
from pipelines.source.connect import identity
from pipelines.source.introspect import read_catalog
from pipelines.source.ledger.epoch import read_epoch
from pipelines.source.ledger.marks import open_marks
from pipelines.source.ledger.reach import all_roots
from pipelines.source.ledger.state import LedgerState, read_state
from pipelines.source.ledger.steps import connect_writable
from pipelines.source.ledger.version import EPOCH_STEP, versions_known
from pipelines.source.ledger_part import VERSIONS_SCHEMA
from pipelines.source.session import SourceSession
from pipelines.source.versioned import read_versioned
from pipelines.warehouse.layout import new_id
from pipelines.warehouse.manifest import DiffManifest, LedgerSeen
from tests.captured_shop import Captured
from tests.finished_stages import Row, finish_records, finish_snapshot
from tests.on_disk import on_disk

BUCKETS = 4


def prepared(shop: Captured) -> tuple[str, str]:
    """A snapshot with its records, and a dump that was read after it: their ids."""
    snapshot_id, plan = new_id(), shop.plan()
    connection = connect_writable(shop.url)
    with connection, SourceSession(connection).snapshot(all_tables(plan)) as reading:
        state = read_state(reading, plan, read_epoch(shop.migration.folder.root))
        rows = _rows(reading, plan, state)
        ledger, known = _ledger(reading, plan, state) if state.gap is None else (None, [])
        catalog = read_catalog(reading, all_tables(plan))
    columns = {str(table.ref): names for table, names in plan.columns_by_table().items()}
    finish_snapshot(
        shop.migration, snapshot_id, *catalog.tables, ledger=ledger, source=identity(shop.url), columns=columns
    )
    if ledger is not None:
        folder = on_disk(shop.migration.folder.snapshot(snapshot_id)) / "ledger"
        folder.mkdir()
        pq.write_table(pa.Table.from_pylist(known, schema=VERSIONS_SCHEMA), folder / "versions.parquet")
    bear_source = tuple(item.name for item in plan.items if not key_names_row(item))
    finish_records(shop.migration, snapshot_id, rows, BUCKETS, ledger, bear_source)
    dump = dump_tables(shop.migration, in_process, snapshot_id=snapshot_id, buckets=BUCKETS, resume=False)
    return snapshot_id, dump.id


def compared(shop: Captured, ids: tuple[str, str], at_most: int | None = None, judged: bool = True) -> DiffManifest:
    again = Again(shop.url) if at_most is None else Again(shop.url, at_most)
    return run_diff(shop.migration, in_process, snapshot_id=ids[0], dump_id=ids[1], again=again if judged else None)


def differences(shop: Captured, run_id: str) -> list[dict[str, Any]]:
    """In order of table, key and source key."""
    files = (on_disk(shop.migration.folder.diff(run_id)) / "differences").glob("bucket=*.parquet")
    rows = [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]
    return sorted(rows, key=lambda row: (row["table"], row["key"] or "", row["source_key"] or ""))


def _rows(connection: Connection[TupleRow], plan: MigrationPlan, state: LedgerState) -> list[Row]:
    rows = []
    for item in plan.items:
        keys = [json.loads(key) for (key,) in connection.execute(all_roots(item))]
        for found in read_versioned(connection, plan, item, keys, state):
            outcome = found.outcome
            if isinstance(outcome, Absent):
                continue
            row = Row(item.name, item.table, outcome.key, None, found.source_key)
            rows.append(
                replace(row, item=outcome.item, version=found.version) if isinstance(outcome, Assembled) else row
            )
    return rows


def _ledger(
    connection: Connection[TupleRow], plan: MigrationPlan, state: LedgerState
) -> tuple[LedgerSeen, list[dict[str, Any]]]:
    names = ("item_type", "source_key", "version", "undelivered")
    known = [dict(zip(names, row, strict=True)) for row in connection.execute(versions_known(plan.name))]
    ledger = LedgerSeen(
        epoch=state.control.epoch if state.control else 0,
        sweeps=0,
        first_version=state.first_version,
        next_epoch=state.first_version + EPOCH_STEP,
        item_types=tuple(sorted(state.item_types)),
        marked=tuple(sorted(open_marks(connection, plan))),
        known=len(known),
        file="ledger/versions.parquet",
    )
    return ledger, known
