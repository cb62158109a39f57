"""Two drains at once, killed at random, with faults between them and DynamoDB, while the source is written: in the end
both stores hold the same, by an oracle that shares nothing with the engine, and no item ever went back in version."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import psycopg
import pytest

from tests.captured_shop import captured
from tests.delivered_shop import MAPPING, SCHEMA, Delivering, assert_equal_stores, live, tables
from tests.fault_proxy import PUT_FAULTS, FaultProxy, seeded

pytestmark = pytest.mark.integration

SEEDS = range(20) if os.environ.get("CROSSOVER_TORTURE") == "1" else range(1)
TRANSACTIONS = 400
SECONDS = 8.0
LEASE_SECONDS = 2


@pytest.mark.parametrize("seed", SEEDS)
def test_drains_that_are_killed_lose_and_resurrect_nothing(
    seed: int, database_url: str, tmp_path: Path, dynamodb_environment: str
) -> None:
    shop = tables(captured(database_url, tmp_path, SCHEMA, MAPPING))
    faults = FaultProxy(dynamodb_environment, seeded(seed, 0.2, PUT_FAULTS), slow_seconds=0.5, actions=("PutItem",))
    with faults.serving():
        dice = random.Random(seed)
        environment = _environment(shop, faults)
        writing = threading.Thread(target=_write, args=(database_url, random.Random(seed)))
        writing.start()
        kills = 0
        while writing.is_alive():
            drains = [_drain(tmp_path, environment) for _ in range(2)]
            time.sleep(dice.uniform(1.0, 3.0))
            for drain in drains:
                kills += drain.poll() is None
                drain.kill()
                drain.communicate()
        writing.join()
        finished = [_drain(tmp_path, environment) for _ in range(2)]
        said = [drain.communicate(timeout=120)[0] for drain in finished]
        assert [drain.returncode for drain in finished] == [0, 0], said
        assert kills > 0
        assert len(faults.met) >= 6
    assert shop.drain().counts["written"] == 0
    assert_equal_stores(shop)
    assert live("orders")
    _assert_no_step_back(faults)


def _assert_no_step_back(faults: FaultProxy) -> None:
    latest: dict[tuple[str, str], int] = {}
    assert len(faults.acknowledged) > 50
    for item in faults.acknowledged:
        key, version = (item["pk"]["S"], item.get("sk", {}).get("S", "")), int(item["_v"]["N"])
        assert latest.get(key, -1) < version
        latest[key] = version


def _environment(shop: Delivering, faults: FaultProxy) -> dict[str, str]:
    folder = shop.shop.migration.folder.root.parent
    return os.environ | {
        "AWS_ENDPOINT_URL_DYNAMODB": faults.url,
        "CROSSOVER_WAREHOUSE": str(folder),
        "CROSSOVER_SOURCE_URL": shop.shop.url,
    }


def _drain(folder: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-P", "-m", "pipelines.cli", "relay", str(folder / "mapping.yaml"), "--drain", "--json"]
    return subprocess.Popen([*command, "--lease-seconds", str(LEASE_SECONDS)], env=environment, stdout=subprocess.PIPE)


def _write(url: str, dice: random.Random) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        for n in range(TRANSACTIONS):
            try:
                with connection.transaction(force_rollback=dice.random() < 0.1):
                    for _ in range(dice.randint(1, 3)):
                        connection.execute(_change(dice, n).encode())
            except psycopg.errors.IntegrityError:
                pass
            time.sleep(SECONDS / TRANSACTIONS)
        connection.execute("INSERT INTO orders VALUES (100, 1), (101, 2)")  # so that there is something to compare


def _change(dice: random.Random, n: int) -> str:
    order, line, product, seat = (dice.randint(1, most) for most in (12, 3, 4, 6))
    return dice.choice(
        [
            f"INSERT INTO orders VALUES ({order}, {dice.randint(1, 3)}, 'n{n}') ON CONFLICT (id) DO NOTHING",
            f"UPDATE orders SET note = 'u{n}' WHERE id = {order}",
            f"UPDATE orders SET customer = {dice.randint(1, 3)} WHERE id = {order}",
            f"UPDATE orders SET draft = NOT draft WHERE id = {order}",
            f"DELETE FROM orders WHERE id = {order}",
            f"UPDATE orders SET id = {dice.randint(1, 12)} WHERE id = {order} AND NOT EXISTS (SELECT FROM lines)",
            f"INSERT INTO lines VALUES ({order}, {line}, {product}) ON CONFLICT DO NOTHING",
            f"DELETE FROM lines WHERE n = {line}",
            f"INSERT INTO products VALUES ({product}, 'p{n}') ON CONFLICT (id) DO UPDATE SET name = 'p{n}'",
            f"DELETE FROM products WHERE id = {product}",
            f"DELETE FROM seats WHERE place = 'S{seat}'",
            f"INSERT INTO seats SELECT {n}, 'S{seat}', 'g{n}' WHERE NOT EXISTS"
            f" (SELECT FROM seats WHERE place = 'S{seat}' OR id = {n})",
            f"UPDATE seats SET place = CASE place WHEN 'S{seat}' THEN 'S1' ELSE 'S{seat}' END"
            f" WHERE place IN ('S1', 'S{seat}')",
        ]
    )
