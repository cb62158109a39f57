"""A run whose differences are found without a verification; the shop's items spoilt; and everything that is stored."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cache
from typing import Any

import pytest
from botocore.loaders import JSONFileLoader

from pipelines.diff.differences import DifferenceWriter, differences_file
from pipelines.items.bucket import bucket_of
from pipelines.judging.opened import opened_judge
from pipelines.judging.suspect import Suspect
from pipelines.judging.verdict import Verdict
from pipelines.source.connect import identity
from pipelines.warehouse.layout import new_id, write_manifest
from pipelines.warehouse.manifest import DiffManifest, Verdicts
from tests.captured_shop import Captured
from tests.delivered_shop import EPOCH, Delivering, expected, put, source_key, stored
from tests.finished_stages import finish_snapshot
from tests.kept_client import client

BUCKETS = 4
TABLES = {"orders": "order", "seats": "seat"}

read_once = cache(JSONFileLoader.load_file)
"""AWS's descriptions, which each new client would read again: that takes longer than most tests."""


def changed(table: str, key: dict[str, Any], **attributes: Any) -> None:
    """As whoever knows nothing of the protocol does; None: the attribute is removed."""
    item = client().get_item(TableName=table, Key=key)["Item"] | attributes
    put(table, {name: value for name, value in item.items() if value is not None})


def removed(table: str, key: dict[str, Any]) -> None:
    client().delete_item(TableName=table, Key=key)


def of_order(id: int) -> dict[str, Any]:
    return {"pk": {"S": "C1"}, "sk": {"S": f"O{id}"}}


def of_seat(place: str) -> dict[str, Any]:
    return {"pk": {"S": place}}


def filled(shop: Delivering) -> None:
    shop.run(
        "INSERT INTO products VALUES (7, 'pen')",
        "INSERT INTO orders SELECT n, 1, 'x' FROM generate_series(1, 9) n",
        "INSERT INTO lines VALUES (2, 1, 7)",
        "INSERT INTO seats VALUES (1, 'A', 'Ann'), (2, 'B', 'Ben'), (3, 'C', 'Cid'), (4, 'D', 'Dot'), (5, 'E', 'Eve')",
    )
    shop.drain()
    shop.run("DELETE FROM orders WHERE id = 6")
    shop.drain()


def plant(shop: Delivering) -> None:
    """One of each kind that is repaired unless it is named; and seats, whose keys do not tell their row."""
    changed("orders", of_order(2), note={"S": "bad"}, more={"L": [{"SS": ["b", "a"]}, {"N": "1.5"}]})
    removed("orders", of_order(3))
    changed("orders", of_order(5), _v={"N": str(EPOCH + 99)}, note={"S": "from nowhere"})
    put("orders", {**of_order(6), "note": {"S": "back"}, "_v": {"N": str(EPOCH)}})  # in the place of a tombstone
    changed("orders", of_order(7), note={"S": "old"}, _v={"N": str(EPOCH)})
    put("orders", {**of_order(99), "note": {"S": "invented"}, "_v": {"N": str(EPOCH)}})
    changed("seats", of_seat("B"), guest={"S": "bad"})
    changed("seats", of_seat("C"), _s={"S": source_key(4)}, guest={"S": "Dot"})  # says that it is another guest's
    changed("seats", of_seat("D"), _s={"S": '{"nobody":"4"}'}, guest=None)
    put("seats", {**of_seat("X"), "_v": {"N": str(EPOCH)}, "_s": {"S": source_key(9)}})
    put("seats", {**of_seat("Y"), "_v": {"N": str(EPOCH + 5)}})  # nobody's


def everything() -> dict[str, dict[str, Any]]:
    return {table: stored(table) for table in TABLES}


def run_of(shop: Captured, mode: str = "ledger") -> str:
    """A finished run: of all keys of both sides, those that are no match now."""
    migration, run_id = shop.migration, new_id()
    found = [row for row in _judged(shop) if row["verdict"] != Verdict.MATCH.value]
    folder = migration.folder.diff(run_id)
    for bucket in range(BUCKETS):
        with DifferenceWriter(differences_file(folder, bucket)) as writer:
            for row in found:
                if bucket_of(row["key"], BUCKETS) == bucket:
                    writer.write_row(row)
    finish_snapshot(migration, run_id, source=identity(shop.url))
    write_manifest(folder, _manifest(shop, run_id, mode, len(found)))
    return run_id


def _judged(shop: Captured) -> Iterator[dict[str, Any]]:
    suspects = list(_suspects(shop))
    with opened_judge(shop.migration, shop.url) as judge:
        for item_type in (*TABLES.values(), None):
            for one in judge.judge(item_type, [suspect for suspect in suspects if suspect.item_type == item_type]):
                yield _row(one.suspect, one.verdict)


def _suspects(shop: Captured) -> Iterator[Suspect]:
    for table, item_type in TABLES.items():
        rows = {key: source_key(int(item["id"]["N"])) for key, item in expected(shop.url)[table].items()}
        for text in sorted(rows.keys() | stored(table).keys()):
            named = table == "seats" or "/O" in text
            yield Suspect(item_type if named else None, table, _key(text), rows.get(text))


def _key(text: str) -> str:
    values = zip(("pk", "sk"), text.split("/"), strict=False)
    return json.dumps({name: {"S": value} for name, value in values}, separators=(",", ":"))


def _row(suspect: Suspect, verdict: Verdict) -> dict[str, Any]:
    nothing = ("source_version", "target_version", "source_size", "target_size")
    return {
        "item_type": suspect.item_type,
        "table": suspect.table,
        "key": suspect.key,
        "source_key": suspect.source_key,
        "verdict": verdict.value,
        **dict.fromkeys(nothing),
        "paths": [],
        "more_paths": 0,
    }


def _manifest(shop: Captured, run_id: str, mode: str, differences: int) -> DiffManifest:
    return DiffManifest(
        migration=shop.migration.mapping.migration,
        mapping_hash=shop.migration.mapping_hash,
        id=run_id,
        started_at=datetime.now(UTC),
        snapshot_id=run_id,
        dump_id=run_id,
        mode=mode,
        buckets=BUCKETS,
        coverage=1.0,
        source_records=0,
        source_rejects=0,
        target_items=0,
        union=differences,
        verdicts=Verdicts(),
        item_types={},
        differences=differences,
        consistent=False,
        reasons=(),
    )


@pytest.fixture
def quick_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(JSONFileLoader, "load_file", lambda loader, path: read_once(loader, path))
