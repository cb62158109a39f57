"""Ten random fault plans on a real endpoint: written there item by item, read by the dump, judged by the diff."""

from __future__ import annotations

import base64
import json
from collections import Counter
from contextlib import closing
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from pipelines.diff import run_diff
from pipelines.dump import dump_tables
from pipelines.fanout import in_process
from pipelines.items.source_type import Kind
from pipelines.tables import create_tables
from pipelines.target.client import dynamodb_client
from tests.fault_plan import COMPARE, IGNORED, NULLABLE, TOLERANCE, UNORDERED, Planted, Value, plan, text
from tests.finished_stages import Row, finish_records, finish_snapshot, open_migration, table
from tests.on_disk import on_disk
from tests.oracle.plain_differ import Rules, differences

pytestmark = pytest.mark.integration

PLANS = range(1000, 1010)
RULES = {"order": Rules(IGNORED, UNORDERED, NULLABLE, TOLERANCE)}
MAPPING = f"""
migration: shop
target: {{tables: {{shop: {{partition_key: {{name: pk, type: S}}}}}}}}
items:
  order:
    table: shop
    from: orders
    key: {{pk: "ORDER#{{order_id}}"}}
    compare: {COMPARE}
    types: {{labels: json}}
    embed: {{lines: {{from: lines, on: {{order_id: order_id}}, as: list}}}}
  customer:
    table: shop
    from: customers
    key: {{pk: "CUSTOMER#{{customer_id}}"}}
"""
TEXT, NUMERIC, JSON = Kind.TEXT, Kind.NUMERIC, Kind.JSON
TABLES = (
    table("orders", "order_id", updated_at=TEXT, score=NUMERIC, note=TEXT, labels=JSON, payload=JSON),
    table("lines", "line_id", order_id=Kind.INTEGER, seen=TEXT, memo=TEXT, weight=NUMERIC, price=NUMERIC),
    table("customers", "customer_id"),
)


def test_exactly_what_was_planted(dynamodb_environment: str, tmp_path: Path, warehouse: Path) -> None:
    planted = [one for seed in PLANS for one in plan(seed)]
    migration = open_migration(MAPPING, tmp_path, warehouse)
    finish_snapshot(migration, "s1", *TABLES)
    finish_records(migration, "s1", [row(one) for one in planted if one.source is not None or one.rejected])
    with closing(dynamodb_client()) as client:
        create_tables(migration.mapping, client)
        for one in planted:
            if one.target is not None:
                client.put_item(TableName="shop", Item=wire(one.target, one.version))
    dump = dump_tables(migration, in_process)
    diff = run_diff(migration, in_process, dump_id=dump.id)

    files = (on_disk(migration.folder.diff(diff.id)) / "differences").glob("*.parquet")
    found = {row["key"]: row for file in files for row in pq.ParquetFile(file).read().to_pylist()}
    assert found.keys() == {one.key for one in planted if one.verdict != "match"}
    for one in planted:
        if one.verdict != "match":
            reported = paths_of(found[one.key])
            assert found[one.key]["verdict"] == one.verdict, one.key
            assert reported == Counter((fault.path, fault.kind, fault.rule) for fault in one.faults), one.key
            if one.source is not None and one.target is not None:
                assert reported == differences(one.source, one.target, RULES.get(one.item_type, Rules()))
    counts = {name: count for name, count in diff.verdicts.model_dump().items() if count}
    assert counts == Counter(one.verdict for one in planted)
    assert len(counts) == 9


def row(one: Planted) -> Row:
    item = None if one.source is None else text(one.source)
    return Row(one.item_type, "shop", one.key, item, json.dumps({f"{one.item_type}_id": str(one.number)}))


def wire(item: Value, version: int | None) -> dict[str, Any]:
    return {name: sent(value) for name, value in item.items()} | (
        {} if version is None else {"_v": {"N": str(version)}}
    )


def sent(value: Value) -> Any:
    """As boto3 takes it: binaries as bytes."""
    ((kind, content),) = value.items()
    match kind:
        case "M":
            return {"M": {name: sent(member) for name, member in content.items()}}
        case "L":
            return {"L": [sent(element) for element in content]}
        case "B":
            return {"B": base64.b64decode(content)}
    return value


def paths_of(row: dict[str, Any]) -> Counter[tuple[str, str, str]]:
    return Counter((path["path"], path["kind"], "+".join(path["accepted_by"])) for path in row["paths"])
