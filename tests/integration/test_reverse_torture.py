"""Torture: an application writes thousands of versions in DynamoDB, reverse relays are killed at random, so are their
sessions in the source, and the streams split, repeat, leave empty, expire, throttle and break off. In the end the
source holds what the items say, by an oracle that shares nothing with the engine, without the help of a comparison; a
drain finds nothing that is left, and nothing echoes back.

`CROSSOVER_TORTURE=1` runs more seeds, longer, and beside moto's own streams; `pytest -k seed3` repeats one of them.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest

from pipelines.progress import Progress
from pipelines.reverse.drain import drain_reverse
from pipelines.reverse.health import read_reverse_health
from pipelines.reverse.stream_client import ENDPOINT
from pipelines.reverse.streams import enable_stream
from pipelines.tables import create_tables
from pipelines.target.client import dynamodb_client
from tests.captured_shop import Captured
from tests.delivered_shop import Delivering
from tests.fake_streams import FakeStreams
from tests.reversed_master import Master, expected_rows, source_rows
from tests.reversed_shop import ROWS, TABLE, reversed_shop, set_master
from tests.torture import TORTURE

pytestmark = pytest.mark.integration

SEEDS = range(10) if TORTURE else range(1)
TRANSACTIONS = 1500 if TORTURE else 120
PER_SECOND = 60.0
PATIENCE_SECONDS = 300.0 if TORTURE else 60.0
KILL_SECONDS = (0.1, 0.8)
FAULTS = {
    "throttled": 0.02,
    "expired": 0.05,
    "failed": 0.01,
    "reset": 0.01,
    "empty": 0.1,
    "short": 0.4,
    "again": 0.1,
}


class Relays:
    """One reverse relay at a time, in a process of its own that has everything imported already."""

    def __init__(self, shop: Captured) -> None:
        self._shop = shop
        self._forks = multiprocessing.get_context("forkserver")
        self._forks.set_forkserver_preload(["pipelines.reverse.serve", "pipelines.reverse.relay", "boto3", "moto.core"])
        self.killed = 0
        self.ended: list[int | None] = []
        self._process: BaseProcess | None = None

    def start(self) -> None:
        if self._process is not None and self._process.is_alive():
            return
        self.see_off()
        arguments = (self._shop.migration.path, self._shop.url, dict(os.environ))
        self._process = self._forks.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()

    def kill(self) -> None:
        if self._process is not None and self._process.is_alive():
            self._process.kill()
            self.killed += 1
        self.see_off()

    def see_off(self) -> None:
        if self._process is not None:
            self._process.join()
            self.ended.append(self._process.exitcode)
            self._process = None

    def end(self) -> None:
        """In good order, by SIGTERM."""
        assert self._process is not None
        self._process.terminate()
        self.see_off()
        assert self.ended[-1] == 0


def _serve(mapping: Path, url: str, environment: Mapping[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    from pipelines.migration import Migration
    from pipelines.relay.serve import stopped_by_signals
    from pipelines.reverse import relay
    from pipelines.reverse.serve import Options, serve_reverse

    relay._ROUND_SECONDS, relay.REFRESH_SECONDS, relay._BEAT_SECONDS = 0.02, 0.5, 0.2
    with stopped_by_signals() as stop:
        migration = Migration.open(mapping, Path(mapping).parent / "warehouse")
        serve_reverse(migration, url, Options(idle_seconds=0.1), stop, lambda _: None)


@contextmanager
def disturbed(relays: Relays, shop: Captured, dice: random.Random) -> Iterator[None]:
    """Relays are killed, and their sessions."""
    stop = threading.Event()

    def disturb() -> None:
        while not stop.is_set():
            relays.start()
            stop.wait(dice.uniform(*KILL_SECONDS))
            if not relays.killed or dice.random() < 0.6:
                relays.kill()
            else:
                _end_sessions(shop.url)

    thread = threading.Thread(target=disturb)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _end_sessions(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )


@pytest.mark.parametrize("own", [True, False] if TORTURE else [True], ids=lambda own: "ours" if own else "motos")
@pytest.mark.parametrize("seed", SEEDS, ids=lambda seed: f"seed{seed}")
def test_what_is_written_in_dynamodb_comes_to_the_source(
    seed: int,
    own: bool,
    database_url: str,
    tmp_path: Path,
    dynamodb_environment: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    shop = reversed_shop(database_url, tmp_path, rows=())
    client, streams, dice = dynamodb_client(), FakeStreams(seed), random.Random(seed)
    create_tables(shop.migration.mapping, client)
    enable_stream(client, TABLE)
    shop.run(*ROWS)
    Delivering(shop).drain()
    with streams.serving() if own else nullcontext():
        if own:
            monkeypatch.setenv(ENDPOINT, streams.url)
            streams.created_at -= 3600
        set_master(shop)
        master = Master(seed, streams if own else None)
        relays = Relays(shop)
        relays.start()
        _eventually(relays, lambda: _is_running(shop), shop)
        streams.faults = FAULTS
        with disturbed(relays, shop, dice):
            for number in range(TRANSACTIONS):
                master.transaction()
                time.sleep(dice.uniform(0, 2 / PER_SECOND))
                if own and number % 40 == 39:
                    streams.split(TABLE, dice.choice((1, 2)))
        written_at = time.time()
        _eventually(relays, lambda: _is_caught_up(shop, written_at), shop)
        assert source_rows(shop.url) == expected_rows(master.items)  # by the streams alone
        streams.faults = {}
        relays.end()
        with Progress("reverse relay", None, "items") as progress:
            drained = drain_reverse(shop.migration, shop.url, progress)
    with capsys.disabled():
        told = f"{master.written} versions, {relays.killed} kills, ended {relays.ended}, {dict(streams.met)}"
        print(f"\n  seed {seed}, {'our' if own else 'moto'} streams: {told}")  # noqa: T201
    assert (drained.applied, drained.waiting) == (0, 0)
    assert relays.killed > (10 if TORTURE else 0)
    with psycopg.connect(shop.url) as connection:
        assert read_reverse_health(connection, "reversed").resync is None
    _assert_no_echo(shop, master)


def _assert_no_echo(shop: Captured, master: Master) -> None:
    """The source becomes the master again: a relay has nothing to deliver, and the items are as they were."""
    set_master(shop, "rds_first")
    drained = Delivering(shop).drain()
    assert {name: count for name, count in drained.counts.items() if count} == {}
    assert drained.set_apart == ()
    client = boto3.client("dynamodb")
    pages = client.get_paginator("scan").paginate(TableName=TABLE, ConsistentRead=True)
    found = {(one["pk"]["S"], one["sk"]["S"]): one for page in pages for one in page["Items"]}
    assert {key: _plain(item) for key, item in found.items()} == {k: _plain(i) for k, i in master.items.items()}


def _is_running(shop: Captured) -> bool:
    with psycopg.connect(shop.url) as connection:
        return read_reverse_health(connection, "reversed").running


def _is_caught_up(shop: Captured, moment: float) -> bool:
    with psycopg.connect(shop.url) as connection:
        found = read_reverse_health(connection, "reversed")
    return found.lag_seconds is not None and time.time() - found.lag_seconds > moment and not found.waiting


def _plain(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in item.items() if name != "_at"}


def _eventually(relays: Relays, what: Any, shop: Captured) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not what():
        waiting = shop.ask("SELECT key, attempts, last_error, set_apart FROM crossover.reverse LIMIT 5")
        assert time.monotonic() < deadline, f"it has not come to pass; waiting: {waiting}, ended: {relays.ended}"
        relays.start()
        time.sleep(0.1)
