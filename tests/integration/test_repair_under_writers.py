"""Repairs while applications write and a relay delivers: no newer write is lost, nothing goes back in version, and once
it is quiet a second repair leaves both stores equal. `make torture` does it with a hundred seeds."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from pipelines.judging.verdict import Verdict
from pipelines.repair.apply import apply_repair
from pipelines.repair.undo import undo_repair
from tests.captured_shop import captured
from tests.delivered_shop import (
    EPOCH,
    MAPPING,
    WRITTEN_SHOP,
    Delivering,
    all_live,
    assert_equal_stores,
    assert_no_step_back,
    expected,
    put,
    stored,
    tables,
)
from tests.fault_proxy import FaultProxy
from tests.repaired_shop import everything, quick_clients, removed, run_of
from tests.shop_writer import EXPECTED, write
from tests.torture import TORTURE

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("quick_clients")]
__all__ = ["quick_clients"]

SEEDS = range(100 if TORTURE else 1)
TRANSACTIONS = 40
PER_SECOND = 80.0
ALL = frozenset({Verdict.MISMATCH, Verdict.MISSING, Verdict.STALE, Verdict.EXTRA, Verdict.AHEAD, Verdict.FOREIGN})


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed{seed}")
def test_no_newer_write_is_lost(
    seed: int,
    database_url: str,
    tmp_path: Path,
    dynamodb_environment: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CROSSOVER_SOURCE_URL", database_url)
    shop = tables(captured(database_url, tmp_path, WRITTEN_SHOP, MAPPING + "checks: {settle_seconds: 0}\n"))
    write(database_url, f"{seed}.before", 60, 10_000.0)
    shop.drain()
    planted = _spoil(random.Random(seed))
    run, before = run_of(shop.shop), everything()
    faults = FaultProxy(dynamodb_environment, actions=("PutItem",))
    with faults.serving(), ThreadPoolExecutor(3) as pool, pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL_DYNAMODB", faults.url)
        writers = [
            pool.submit(write, database_url, f"{seed}.{number}", TRANSACTIONS, PER_SECOND) for number in range(2)
        ]
        relay = pool.submit(_deliver_until, shop, writers)
        done = apply_repair(shop.shop.migration, run, ALL)
        outcomes = sum((writer.result() for writer in writers), Counter[str]())
        relay.result()
        assert set(outcomes) <= {"committed", "rolled back", *EXPECTED}
        shop.drain(lease_seconds=2)
        apply_repair(shop.shop.migration, run_of(shop.shop), ALL)
        assert shop.drain(lease_seconds=2).set_apart == ()
    assert planted > 3
    assert done.repaired > 0
    # a row may move onto a key where something foreign was planted: the repair of that key comes after its own
    assert done.failed == sum(count for why, count in done.reasons.items() if why.startswith("conflict: "))
    assert_equal_stores(shop)
    assert_no_step_back(faults.landed)
    undone = undo_repair(shop.shop.migration, run)
    differing = _differing(database_url)
    assert len(differing) <= undone.undone
    now = everything()
    assert all(now[table].get(key) == before[table].get(key) for table, key in differing)


def _differing(url: str) -> list[tuple[str, str]]:
    found, wanted = all_live(), expected(url)
    return [
        (table, key)
        for table in found
        for key in found[table].keys() | wanted[table].keys()
        if found[table].get(key) != wanted[table].get(key)
    ]


def _deliver_until(shop: Delivering, writers: Sequence[Future[Counter[str]]]) -> None:
    while not all(writer.done() for writer in writers):
        shop.drain(lease_seconds=2)
        time.sleep(0.2)


def _spoil(dice: random.Random) -> int:
    """How many items. Each kind of corruption that is repaired; what comes does so at keys that rows can have."""
    kinds = ("value", "removed", "ahead", "foreign", "older", "owner")
    spoilt = 0
    for table in ("orders", "seats"):
        for item in stored(table).values():
            if dice.random() < 0.7:
                spoilt += 1
                _spoil_one(table, item, dice.choice(kinds))
    for number in range(1, 5):
        key = {"pk": {"S": f"C{number}"}, "sk": {"S": f"O{20 + number}"}}
        put("orders", {**key, "note": {"S": "invented"}, "_v": {"N": str(EPOCH)}})
    return spoilt


def _spoil_one(table: str, item: dict[str, dict[str, str]], kind: str) -> None:
    key: dict[str, Any] = {name: value for name, value in item.items() if name in ("pk", "sk")}
    alive = {name: value for name, value in item.items() if name not in ("_deleted", "_at")}
    match kind:
        case "value":
            put(table, {**alive, "id": {"N": "-1"}})
        case "removed":
            removed(table, key)
        case "ahead":
            put(table, {**alive, "_v": {"N": str(int(item["_v"]["N"]) + 50)}})
        case "foreign":
            put(table, {name: value for name, value in alive.items() if name != "_v"})
        case "older":
            put(table, {**alive, "id": {"N": "-1"}, "_v": {"N": str(EPOCH)}})
        case "owner" if table == "seats":
            put(table, {**alive, "_s": {"S": '{"id":"1"}'}})
