"""Backfills that are killed by SIGKILL at random instants and gone on with, while requests to DynamoDB are throttled,
lost, delayed, damaged and doubled and, beside a live one, an application writes and a relay delivers. In the end the
accounts balance, both stores hold the same by an oracle that shares nothing with the engine, and no item ever went back
in version.

`make torture` runs 200 seeds on 5,000 items; `pytest -k 'moto-seed3-'` repeats one.
"""

from __future__ import annotations

import json
import os
import secrets
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from tests.backfill_plan import BackfillPlan, drawn
from tests.captured_shop import database
from tests.delivered_shop import (
    Delivering,
    all_live,
    assert_equal_stores,
    assert_no_step_back,
    assert_versions_are_the_ledgers,
)
from tests.disturbed_backfill import Application, Attempts, run_beside_others
from tests.fault_proxy import FaultProxy
from tests.faults import BATCH_FAULTS, Fault, seeded
from tests.killable import Backfill, Killable
from tests.on_disk import on_disk
from tests.prepared_shop import Prepared, prepare
from tests.torture import TORTURE

pytestmark = pytest.mark.integration

ENDPOINTS = ("moto", "ministack")
SEEDS = 200 if TORTURE else 8
ITEMS = 5_000 if TORTURE else 500
BUCKETS = 4
TRANSACTIONS, PER_SECOND = (1_500, 100.0) if TORTURE else (60, 60.0)
SPARK_SEEDS = 10 if TORTURE else 1
SPARK_TRANSACTIONS, SPARK_PER_SECOND = 100, 5.0
"""Of the application while a session starts twice."""

CASES = [
    pytest.param(endpoint, seed, id=f"{endpoint}-seed{seed}-")
    for seed in range(SEEDS)
    for endpoint in (ENDPOINTS[seed // 2 % len(ENDPOINTS)],)
]


@pytest.fixture(scope="module")
def prepared(
    postgres_server: str, spark: SparkSession, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Prepared]]:
    """By mode. A cold backfill is for a source that is not captured."""
    with database(postgres_server, "cold_shop") as cold, database(postgres_server, "live_shop") as live:
        yield {
            mode: prepare(url, tmp_path_factory.mktemp(mode), spark, ITEMS, BUCKETS, is_captured=mode == "live")
            for mode, url in (("cold", cold), ("live", live))
        }


@pytest.mark.parametrize(("dynamodb_environment", "seed"), CASES, indirect=["dynamodb_environment"])
def test_a_disturbed_backfill_loses_overwrites_and_resurrects_nothing(
    dynamodb_environment: str,
    seed: int,
    prepared: dict[str, Prepared],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    capsys: pytest.CaptureFixture[str],
) -> None:
    plan = drawn(seed, ITEMS, BUCKETS)
    if "moto" in request.node.name:  # it has no PartiQL
        plan = replace(plan, faults=tuple(fault for fault in plan.faults if fault in BATCH_FAULTS))
    application = Application(seed, ITEMS * 4 // 5, TRANSACTIONS, PER_SECOND)
    with prepared[plan.mode].copy(f"disturbed_{secrets.token_hex(4)}", tmp_path, monkeypatch) as shop:
        said = disturb(shop, plan, application, prepared[plan.mode])
    with capsys.disabled():
        print(f"\n  {request.node.callspec.id} {said}")  # noqa: T201


@pytest.mark.parametrize("seed", range(SPARK_SEEDS), ids=lambda seed: f"spark-seed{seed}-")
def test_a_command_that_is_killed_while_its_spark_tasks_write_goes_on(
    dynamodb_environment: str, seed: int, prepared: dict[str, Prepared], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every other time its tasks are not killed with it."""
    plan = replace(drawn(seed, ITEMS, BUCKETS), mode="live", faults=BATCH_FAULTS)
    plan = replace(plan, kills=plan.kills[:1])
    start = Backfill.with_spark_that_outlives_it if seed % 2 else Backfill.with_spark
    application = Application(seed, ITEMS * 4 // 5, SPARK_TRANSACTIONS, SPARK_PER_SECOND)
    with prepared["live"].copy(f"disturbed_{secrets.token_hex(4)}", tmp_path, monkeypatch) as shop:
        disturb(shop, plan, application, prepared["live"], start)


def disturb(
    shop: Delivering,
    plan: BackfillPlan,
    application: Application,
    prepared: Prepared,
    start: Callable[[Backfill, bool], Killable] = Backfill.without_spark,
) -> str:
    """Runs the plan, then asks what must hold. Returns what was met, for who reads along."""
    root = on_disk(shop.shop.migration.folder.root)
    upstream = os.environ["AWS_ENDPOINT_URL_DYNAMODB"]
    faults = FaultProxy(upstream, seeded(f"{application.seed}", plan.share, plan.faults), slow_seconds=0.1)
    others = replace(faults, plan=seeded(f"relay {application.seed}", plan.share, plan.faults), met=Counter(), late=[])
    with faults.serving(), others.serving():
        folder = root.parent.parent
        backfill = Backfill(folder / "mapping.yaml", plan.mode, faults.url, folder / "said")
        attempts = Attempts(plan, faults, root / "backfills", partial(start, backfill))
        is_live = plan.mode == "live"
        manifest = run_beside_others(shop, attempts, application, others) if is_live else attempts.run()
    assert set(attempts.ended) <= {0, 1, -9}, backfill.log.read_text()
    assert attempts.ended[-9] > 0
    assert "Traceback" not in backfill.log.read_text()
    assert_accounts_balance(manifest, sum(map(len, prepared.snapshot.values())), attempts.accounts())
    assert_accounts_are_true(manifest, records_in(root / "records"), faults.landed)
    if is_live:
        assert_no_step_back(faults.landed)
        assert shop.drain().set_apart == ()
        assert_equal_stores(shop)
        assert_versions_are_the_ledgers(shop)
    else:
        assert all_live() == prepared.snapshot
    counts = {name: manifest[name] for name in ("written", "superseded")}
    return f"{plan.mode}: {counts}, ended {dict(attempts.ended)}, {len(faults.landed)} written, {dict(faults.met)}"


def assert_accounts_balance(manifest: dict[str, Any], records: int, accounts: list[dict[str, Any]]) -> None:
    parts = [manifest[name] for name in ("written", "superseded", "conflicts", "failed")]
    assert manifest["records"] == sum(parts) == records
    assert (manifest["conflicts"], manifest["failed"]) == (0, 0)
    assert sorted(one["bucket"] for one in accounts) == list(range(BUCKETS))
    for name in ("records", "written", "superseded", "conflicts", "failed"):
        assert sum(one[name] for one in accounts) == manifest[name]
    assert sum(one["refused"] for one in accounts) == 0


def records_in(folder: Path) -> list[tuple[str, dict[str, Any]]]:
    """Key and item of every record, the version with it."""
    files = [pq.ParquetFile(path) for path in folder.glob("*/records/*/*.parquet")]
    rows = [row for file in files for row in file.read(["item", "version"]).to_pylist()]
    items = [json.loads(row["item"]) | {"_v": {"N": str(row["version"])}} for row in rows]
    return [(key_of(item), item) for item in items]


def key_of(item: dict[str, Any]) -> str:
    return json.dumps([item["pk"], item.get("sk")])


def assert_accounts_are_true(
    manifest: dict[str, Any], records: list[tuple[str, dict[str, Any]]], landed: list[dict[str, Any]]
) -> None:
    """What counts as written was written as it stands in the records, by whomever; what counts as superseded met
    something else at its key."""
    written: dict[str, list[dict[str, Any]]] = {}
    for item in landed:
        written.setdefault(key_of(item), []).append({name: value for name, value in item.items() if name != "_s"})
    assert manifest["written"] <= sum(item in written.get(key, []) for key, item in records)
    assert manifest["superseded"] <= sum(any(one != item for one in written.get(key, [])) for key, item in records)


def test_the_seeds_draw_every_mode_fault_and_kind_of_kill() -> None:
    plans = [drawn(seed, ITEMS, BUCKETS) for seed in range(SEEDS)]
    assert {plan.mode for plan in plans} == {"cold", "live"}
    assert {fault for plan in plans for fault in plan.faults} == set(Fault)
    kills = [kill for plan in plans for kill in plan.kills]
    assert {kill.requests is None for kill in kills} == {kill.seconds > 0 for kill in kills} == {True, False}
