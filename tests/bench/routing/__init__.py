"""Read routing: what a caller waits for a read of PostgreSQL, alone and in `shadow` beside all kinds of candidate.

Every call draws its way by lot, so that all of them meet the same moments of the machine. `control vs control` asks RDS
twice: what shadow reads cost by themselves, whatever DynamoDB is like.
"""

from __future__ import annotations

import random
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import psycopg

from pipelines.reading.light_client import light_client
from pipelines.routing import Router
from pipelines.routing.stage import Setting, Stage, stage_key
from pipelines.target.client import dynamodb_client
from pipelines.target.control_table import ControlTable, Row
from tests.bench.capture.data import ROWS
from tests.bench.capture.installed import Installed, installed
from tests.bench.table import ratio, render

CALLS = 20_000
PER_SECOND = 150.0
HANG_SECONDS = 3_600.0
CONTROL = "control vs control"
Read = Callable[[int], Any]


def run() -> str:
    with installed("routing") as bench:
        seconds = _measured(bench)
    control = statistics.quantiles(seconds[CONTROL], n=100)
    rows = []
    for name, found in seconds.items():
        marks = statistics.quantiles(found, n=100)
        rows.append(
            [
                name,
                f"{len(found):,}",
                f"{marks[49] * 1000:.2f}",
                f"{marks[98] * 1000:.2f}",
                ratio(marks[49], control[49]),
                ratio(marks[98], control[98]),
            ]
        )
    title = f"read routing: what the caller waits, {PER_SECOND:.0f} calls a second"
    return render(title, ["", "calls", "p50 ms", "p99 ms", "p50 to control", "p99 to control"], rows)


def _measured(bench: Installed) -> dict[str, list[float]]:
    local = threading.local()

    def rds(aid: int) -> Any:
        if not hasattr(local, "connection"):
            local.connection = psycopg.connect(bench.url, autocommit=True)
        return local.connection.execute("SELECT aid, balance FROM accounts WHERE aid = %s", (aid,)).fetchone()

    client = dynamodb_client()

    def dynamodb(aid: int) -> Any:
        found = client.get_item(TableName="bench", Key={"pk": {"S": f"ACCOUNT#{aid}"}}).get("Item")
        return found or (aid, 0)

    def throwing(aid: int) -> Any:
        raise RuntimeError(aid)

    light = light_client(client)

    def lightly(aid: int) -> Any:
        found = light.get_item(TableName="bench", Key={"pk": {"S": f"ACCOUNT#{aid}"}}).get("Item")
        return found or (aid, 0)

    candidates: dict[str, tuple[Read, float, float]] = {  # asks; noise; share of calls
        CONTROL: (dynamodb, 1.0, 1.0),
        "one that throws": (throwing, 0.0, 1.0),
        "one that lies": (lambda aid: (aid, -1), 0.0, 1.0),
        "one that hangs": (lambda aid: time.sleep(HANG_SECONDS), 0.0, 1.0),
        "light_client's get_item": (lightly, 0.0, 1.0),
        "light_client's get_item, 10 %": (lightly, 0.0, 0.1),
        "boto3's get_item": (dynamodb, 0.0, 1.0),
        "boto3's get_item, 10 %": (dynamodb, 0.0, 0.1),
        "boto3's get_item, 1 %": (dynamodb, 0.0, 0.01),
    }
    control = ControlTable.of("bench")
    control.create()
    routers = []
    ways: dict[str, Read] = {"RDS alone, without a Router": rds}
    for name, (candidate, noise, share) in candidates.items():
        control.put(Row(stage_key(name), Setting(Stage.SHADOW, version=1, shadow_share=share).document(), 1))
        router = Router(bench.migration.mapping)  # one each: one that hangs must not take the others' threads
        routers.append(router)
        ways[name] = router.query(name, rds=rds, dynamodb=candidate, noise=noise)
    for way in ways.values():
        way(1)  # opens connections
    found = _called(ways)
    for router in routers:
        router.close()
    return found


def _called(ways: dict[str, Read]) -> dict[str, list[float]]:
    dice = random.Random(1)
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    due = time.perf_counter()
    for _ in range(CALLS):
        name, aid = dice.choice([*ways]), dice.randint(1, ROWS)
        began = time.perf_counter()
        ways[name](aid)
        seconds[name].append(time.perf_counter() - began)
        due += 1 / PER_SECOND
        time.sleep(max(0.0, due - time.perf_counter()))
    return seconds
