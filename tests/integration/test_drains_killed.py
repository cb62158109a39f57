"""Torture: four applications write at once, two drains deliver and are killed at random, and requests to DynamoDB are
throttled, lost, delayed and doubled. In the end both stores hold the same, by an oracle that shares nothing with the
engine, and no item ever went back in version.

`make torture` runs 100,000 transactions in ten seeds; `pytest -k 'seed3'` repeats one of them.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.captured_shop import captured
from tests.delivered_shop import (
    MAPPING,
    WRITTEN_SHOP,
    Delivering,
    assert_due_as_defined,
    assert_equal_stores,
    assert_no_step_back,
    assert_versions_are_the_ledgers,
    tables,
)
from tests.fault_proxy import FaultProxy
from tests.faults import PUT_FAULTS, seeded
from tests.shop_writer import EXPECTED
from tests.torture import TORTURE

pytestmark = pytest.mark.integration

SEEDS = range(10) if TORTURE else range(1)
WRITERS = 4
TRANSACTIONS = 2500 if TORTURE else 100
"""Of each writer."""
PER_SECOND = 30.0 if TORTURE else 25.0
LEASE_SECONDS = 2
MOST_REQUESTS = 40 if TORTURE else 10
"""After at most so many a drain is killed."""

ROOT = Path(__file__).parents[2]


@dataclass
class Drains:
    """Processes that deliver; whatever they say is kept."""

    shop: Delivering
    faults: FaultProxy
    ended: Counter[int] = field(default_factory=Counter)
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    def keep_two(self) -> None:
        for drain in [one for one in self.running if one.poll() is not None]:
            self._see_off(drain)
        while len(self.running) < 2:
            self.running.append(self._start())

    def wait_for(self, requests: int) -> None:
        """Until so many have been sent, or one of them has nothing to send."""
        enough = self.faults.requests + requests
        while self.faults.requests < enough and all(drain.poll() is None for drain in self.running):
            time.sleep(0.005)

    def kill_one(self, dice: random.Random) -> None:
        drain = dice.choice(self.running)
        drain.kill()
        self._see_off(drain)

    def finish(self) -> None:
        for drain in list(self.running):
            self._see_off(drain)

    def _start(self) -> subprocess.Popen[str]:
        folder = self.shop.shop.migration.folder.root.parent
        environment = os.environ | {
            "AWS_ENDPOINT_URL_DYNAMODB": self.faults.url,
            "CROSSOVER_WAREHOUSE": str(folder),
            "CROSSOVER_SOURCE_URL": self.shop.shop.url,
        }
        arguments = ["relay", str(folder.parent / "mapping.yaml"), "--drain", "--lease-seconds", str(LEASE_SECONDS)]
        command = [sys.executable, "-P", "-m", "pipelines.cli", *arguments]
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def _see_off(self, drain: subprocess.Popen[str]) -> None:
        """It was killed, all was delivered, or some items were set apart, which the next one tries again."""
        said = drain.communicate(timeout=200)
        self.running.remove(drain)
        self.ended[drain.returncode] += 1
        assert drain.returncode in (-9, 0, 1), said
        assert "Traceback" not in said[1], said


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed{seed}")
def test_drains_that_are_killed_lose_and_resurrect_nothing(
    seed: int, database_url: str, tmp_path: Path, dynamodb_environment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = tables(captured(database_url, tmp_path, WRITTEN_SHOP, MAPPING))
    faults = FaultProxy(dynamodb_environment, seeded(seed, 0.2, PUT_FAULTS), slow_seconds=0.5, actions=("PutItem",))
    with faults.serving():
        drains = Drains(shop, faults)
        writers = [_writer(database_url, f"{seed}.{number}") for number in range(WRITERS)]
        dice = random.Random(seed)
        while any(writer.poll() is None for writer in writers):
            drains.keep_two()
            drains.wait_for(dice.randint(1, MOST_REQUESTS))
            drains.kill_one(dice)
        outcomes = sum((Counter(json.loads(writer.communicate()[0])) for writer in writers), Counter[str]())
        drains.keep_two()
        drains.finish()
    assert shop.drain().set_apart == ()
    with capsys.disabled():
        print(f"\n  seed {seed}: {dict(outcomes)}, drains {dict(drains.ended)}, {_requests(faults)}")  # noqa: T201
    assert set(outcomes) <= {"committed", "rolled back", *EXPECTED}
    assert outcomes["committed"] > outcomes.total() / 2
    assert drains.ended[-9] > (10 if TORTURE else 0)
    assert len(faults.met) > 3
    assert_equal_stores(shop)
    assert_due_as_defined(shop)
    assert_versions_are_the_ledgers(shop)
    assert len(faults.acknowledged) > 20
    assert_no_step_back(faults.acknowledged)
    assert_no_step_back(faults.landed)


def _writer(url: str, seed: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.shop_writer", url, seed, str(TRANSACTIONS), str(PER_SECOND)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def _requests(faults: FaultProxy) -> str:
    return f"{faults.requests} requests, {len(faults.landed)} written, {dict(faults.met)}"
