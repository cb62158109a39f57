"""A backfill that is killed and gone on with until it ends by itself, and others that write beside it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.backfill_plan import BackfillPlan, Kill
from tests.delivered_shop import Delivering
from tests.fault_proxy import FaultProxy
from tests.killable import Killable
from tests.shop_writer import EXPECTED

MOST_ATTEMPTS = 5
"""After the kills: a run whose items were not all taken tries those again."""

ROOT = Path(__file__).parents[1]


@dataclass
class Attempts:
    """`faults`: through which the backfill's requests go, and nobody else's. `folder`: the migration's backfills.
    `start`: begins an attempt, or goes on with the last."""

    plan: BackfillPlan
    faults: FaultProxy
    folder: Path
    start: Callable[[bool], Killable]
    ended: Counter[int] = field(default_factory=Counter)

    def run(self) -> dict[str, Any]:
        """Its manifest."""
        for kill in self.plan.kills:
            self._attempt(kill)
        for _ in range(MOST_ATTEMPTS):
            if self._attempt(None) == 0:
                break
        (manifest,) = self.folder.glob("*/manifest.json")
        assert [run.parent for run in self._runs()] == [manifest.parent]  # the one that was begun first
        document: dict[str, Any] = json.loads(manifest.read_text())
        return document

    def accounts(self) -> list[dict[str, Any]]:
        """As the buckets' files have them."""
        return [json.loads(path.read_text()) for path in self.folder.glob("*/buckets/*.json")]

    def _attempt(self, kill: Kill | None) -> int | None:
        requests, accounts = self.faults.requests, len(self._done())
        process = self.start(bool(self._runs()))
        if kill is not None:
            self._await(process, requests + (kill.requests or 0), accounts + (kill.accounts or 0))
            time.sleep(kill.seconds)
            process.kill()
        done = self._done()
        process.join()
        self.ended[process.exitcode or 0] += 1
        if self.plan.mode == "cold":
            assert done.items() <= self._done().items()  # a finished bucket is not written again
        return process.exitcode

    def _await(self, process: Killable, requests: int, accounts: int) -> None:
        """Until there are so many, or it has ended."""
        while process.is_alive() and (self.faults.requests < requests or len(self._done()) < accounts):
            time.sleep(0.001)

    def _runs(self) -> list[Path]:
        return list(self.folder.glob("*/run.json"))

    def _done(self) -> dict[Path, int]:
        """The accounts of the buckets that are done without failures, and which file each is."""
        done: dict[Path, int] = {}
        for path in self.folder.glob("*/buckets/*.json"):
            with suppress(FileNotFoundError):  # an attempt begins by removing those that have
                if not json.loads(path.read_text())["failed"]:
                    done[path] = path.stat().st_ino
        return done


@dataclass(frozen=True)
class Application:
    """So many transactions on a shop of so many orders."""

    seed: int
    orders: int
    transactions: int
    per_second: float

    @contextmanager
    def writing(self, shop: Delivering) -> Iterator[subprocess.Popen[str]]:
        """A process that writes through capture, to its end."""
        numbers = (self.seed, self.transactions, self.per_second, self.orders)
        command = [sys.executable, "-m", "tests.shop_writer", shop.shop.url, *map(str, numbers)]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
            yield process
            outcomes = Counter(json.loads(process.communicate()[0]))
        assert set(outcomes) <= {"committed", "rolled back", *EXPECTED}
        assert outcomes["committed"] > self.transactions / 2


@contextmanager
def relaying(shop: Delivering, endpoint: str) -> Iterator[None]:
    """A relay delivers whatever changes."""
    stop = threading.Event()
    failed: list[BaseException] = []

    def relay() -> None:
        try:
            while not stop.wait(0.01):
                shop.drain()
        except BaseException as error:
            failed.append(error)

    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AWS_ENDPOINT_URL_DYNAMODB", endpoint)
        thread = threading.Thread(target=relay, name="relay")
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()
    assert failed == []


def run_beside_others(
    shop: Delivering, attempts: Attempts, application: Application, relay_faults: FaultProxy
) -> dict[str, Any]:
    """The manifest. Others begin to write before the backfill does, and may end after it."""
    with relaying(shop, relay_faults.url), application.writing(shop) as writer:
        while writer.poll() is None and len(relay_faults.landed) < attempts.plan.written_before:
            time.sleep(0.005)
        return attempts.run()
