"""Torture: applications write through a DualWriter and by plain SQL, relays deliver, a backfill puts older items, and
verifications look on; all of them are killed at random, requests are lost, delayed and doubled, and DynamoDB is down
twice. In the end both stores hold the same, by an oracle that shares nothing with the engine; no item ever went back in
version; and no verification has called anything wrong.

`make torture` runs 100,000 transactions in ten seeds.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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
from tests.faults import PUT_FAULTS, Fault, seeded
from tests.on_disk import on_disk
from tests.online_verification import prepared
from tests.shop_writer import EXPECTED, write
from tests.torture import TORTURE

pytestmark = pytest.mark.integration

SEEDS = range(10) if TORTURE else range(1)
TRANSACTIONS = 10_000 if TORTURE else 320
"""That were carried out, at least; those of killed applications come on top."""
CHUNK = 250 if TORTURE else 40
"""Of one application, which then begins anew."""
PER_SECOND = 30.0
VERIFY_SECONDS = 20.0 if TORTURE else 4.0
VERIFICATIONS_TRIED = 3
"""Afterwards, where none has come to an end before: one may find the lock of one that was killed."""
DOWN_SECONDS = 60.0 if TORTURE else 1.5
KILL_SECONDS = (0.2, 4.0) if TORTURE else (0.2, 1.5)
RELAYS = 3
COUNTED_TOO = ("delivered", "left")
"""By applications with the library, beside what became of their transactions."""
HARMLESS = {"match", "pending", "in_flight"}

ROOT = Path(__file__).parents[2]


@dataclass
class Processes:
    """Of one kind, `count` of them at a time. `said`: what those printed that ended by themselves."""

    start: Callable[[], subprocess.Popen[str]]
    count: int
    expected: frozenset[int]
    running: list[subprocess.Popen[str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    ended: Counter[int] = field(default_factory=Counter)

    def keep(self) -> None:
        self.reap()
        while len(self.running) < self.count:
            self.running.append(self.start())

    def reap(self) -> None:
        for process in [one for one in self.running if one.poll() is not None]:
            self._see_off(process)

    def kill_one(self, dice: random.Random) -> None:
        if self.running:
            process = dice.choice(self.running)
            process.kill()
            self._see_off(process)

    def finish(self, end: Callable[[subprocess.Popen[str]], object] = lambda process: None) -> None:
        for process in list(self.running):
            end(process)
            self._see_off(process)

    def _see_off(self, process: subprocess.Popen[str]) -> None:
        out, err = process.communicate(timeout=300)
        self.running.remove(process)
        self.ended[process.returncode] += 1
        assert process.returncode in self.expected, err
        assert "Traceback" not in err, err
        assert "goes on when that has passed" not in err, err  # the source never fails here
        if process.returncode == 0:
            self.said.append(out.strip().splitlines()[-1])


@dataclass
class Storm:
    shop: Delivering
    faults: FaultProxy
    dice: random.Random
    seed: int
    numbers: int = 0

    def __post_init__(self) -> None:
        self.modes = [
            Processes(lambda mode=mode: self._application(mode), count, frozenset({0, -9}))  # type: ignore[misc]
            for mode, count in (("sync", 1), ("async", 1), ("sql", 2))
        ]
        self.relays = Processes(self._relay, RELAYS, frozenset({0, -9}))
        self.backfills = Processes(lambda: self._task("backfill"), 1, frozenset({0, 1, -9}))
        self.verifications = Processes(lambda: self._task("verify"), 1, frozenset({0, 1, -9}))

    def carried_out(self) -> Counter[str]:
        outcomes: Counter[str] = Counter()
        for kind in self.modes:
            for line in kind.said:
                outcomes.update({name: count for name, count in json.loads(line).items() if name not in COUNTED_TOO})
        return outcomes

    def rage(self) -> None:
        """Until enough has been written."""
        next_verification = time.monotonic()
        while self.carried_out().total() < TRANSACTIONS:
            for kind in (*self.modes, self.relays, self.backfills):
                kind.keep()
            self.verifications.reap()
            if time.monotonic() > next_verification:
                self.verifications.keep()
                next_verification = time.monotonic() + VERIFY_SECONDS
            time.sleep(self.dice.uniform(*KILL_SECONDS))
            self.dice.choices((*self.modes, self.relays, self.backfills, self.verifications), (1, 1, 1, 3, 2, 1))[
                0
            ].kill_one(self.dice)

    def calm(self) -> None:
        """Everything ends by itself. On a slow machine no verification may have outlived the storm: then one looks on
        while the last transactions are carried out."""
        if not self.verifications.said:
            self.verifications.keep()
        for kind in (*self.modes, self.backfills, self.verifications):
            kind.finish()
        for _ in range(VERIFICATIONS_TRIED):
            if not self.verifications.said:
                self.verifications.keep()
                self.verifications.finish()
        self.relays.finish(lambda relay: relay.terminate())

    def _application(self, mode: str) -> subprocess.Popen[str]:
        self.numbers += 1
        seed = f"{self.seed}.{self.numbers}"
        if mode == "sql":
            return self._started("tests.shop_writer", self.shop.shop.url, seed, str(CHUNK), str(PER_SECOND))
        return self._task("application", mode, seed, str(CHUNK), str(PER_SECOND))

    def _task(self, what: str, *more: str) -> subprocess.Popen[str]:
        return self._started("tests.storm_task", what, self.shop.shop.url, str(self._mapping), str(self._folder), *more)

    def _relay(self) -> subprocess.Popen[str]:
        options = ("--lease-seconds", "2", "--idle-seconds", "0.2")
        return self._started("pipelines.cli", "relay", str(self._mapping), *options, "--json")

    @property
    def _folder(self) -> Path:
        return on_disk(self.shop.shop.migration.folder.root).parent

    @property
    def _mapping(self) -> Path:
        return self._folder.parent / "mapping.yaml"

    def _started(self, module: str, *arguments: str) -> subprocess.Popen[str]:
        environment = os.environ | {
            "AWS_ENDPOINT_URL_DYNAMODB": self.faults.url,
            "CROSSOVER_WAREHOUSE": str(self._folder),
            "CROSSOVER_SOURCE_URL": self.shop.shop.url,
        }
        command = [sys.executable, "-m", module, *arguments]
        return subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )


@dataclass
class Outages:
    """Of whatever writes. Two: when the storm has raged for a while, and when it has gone on."""

    begins: Sequence[float]
    began: float = field(default_factory=time.monotonic)

    def __call__(self) -> bool:
        passed = time.monotonic() - self.began
        return any(begin <= passed < begin + DOWN_SECONDS for begin in self.begins)


@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed{seed}")
def test_both_stores_come_to_hold_the_same_and_nothing_is_called_wrong(
    seed: int, database_url: str, tmp_path: Path, dynamodb_environment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = tables(captured(database_url, tmp_path, WRITTEN_SHOP, MAPPING))
    write(database_url, f"{seed}.before", 60, 10_000.0)
    prepared(shop.shop)  # the records that are backfilled first
    down = Outages((DOWN_SECONDS / 2, 2 * DOWN_SECONDS))
    sometimes = seeded(seed, 0.05, PUT_FAULTS)

    def plan(number: int, body: dict[str, Any]) -> Fault | str | None:
        return Fault.RESET_BEFORE if down() else sometimes(number, body)

    faults = FaultProxy(dynamodb_environment, plan, slow_seconds=0.3, actions=("PutItem",))
    with faults.serving():
        storm = Storm(shop, faults, random.Random(seed), seed)
        storm.rage()
        storm.calm()
    drained = shop.drain()
    outcomes = storm.carried_out()
    verdicts = [json.loads(line)["verdicts"] for line in storm.verifications.said]
    with capsys.disabled():
        print(f"\n  seed {seed}: {dict(outcomes)}; {_ended(storm)}; {len(faults.landed)} written, {dict(faults.met)}")  # noqa: T201
    assert drained.set_apart == ()
    assert set(outcomes) <= {"committed", "rolled back", *EXPECTED}
    assert outcomes["committed"] > outcomes.total() / 2
    assert verdicts != []
    assert {name for one in verdicts for name, count in one.items() if count} <= HARMLESS
    assert_equal_stores(shop)
    assert_versions_are_the_ledgers(shop)
    assert_due_as_defined(shop)
    assert_no_step_back(faults.acknowledged)
    assert_no_step_back(faults.landed)


def _ended(storm: Storm) -> str:
    kinds = {"sync": storm.modes[0], "async": storm.modes[1], "SQL": storm.modes[2], "relays": storm.relays}
    kinds |= {"backfills": storm.backfills, "verifications": storm.verifications}
    return ", ".join(f"{name} {dict(kind.ended)}" for name, kind in kinds.items())
