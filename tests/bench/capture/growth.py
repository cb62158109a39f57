"""A steady load with a relay beside it: what the ledger's tables hold, and how far the relay is behind."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg
from psycopg import Connection
from psycopg.rows import TupleRow, class_row

from tests.bench.capture.data import PARENT, USED, pgbench
from tests.bench.capture.installed import Installed, installed
from tests.bench.table import render

RATE = float(os.environ.get("CROSSOVER_BENCH_RATE", "80"))
PARENTS_RATE = RATE / 10
SAMPLE_SECONDS = 30.0
_PROBE = 1
"""The account whose delivery is waited for; the load leaves it alone no more than any other."""

_SAMPLE = """
SELECT (SELECT count(*) FROM crossover.log) AS log_rows, (SELECT count(*) FROM crossover.mark) AS marks,
       (SELECT count(*) FROM crossover.item) AS items, pg_total_relation_size('crossover.log') AS log_bytes,
       pg_total_relation_size('crossover.mark') AS mark_bytes, pg_total_relation_size('crossover.item') AS item_bytes,
       (SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'crossover.log'::regclass) AS log_dead,
       (SELECT n_dead_tup FROM pg_stat_user_tables WHERE relid = 'crossover.item'::regclass) AS item_dead,
       (SELECT count(*) FROM crossover.item i, crossover.control c
        WHERE coalesce(i.delivered, 0) < c.epoch * 1099511627776 + i.base) AS undelivered
"""
_DELIVERED = """
SELECT NOT EXISTS (SELECT FROM crossover.log WHERE hashtextextended(source_key, 0) = hashtextextended(%(key)s, 0)
                   AND source_key = %(key)s)
   AND EXISTS (SELECT FROM crossover.item i, crossover.control c WHERE i.source_key = %(key)s
               AND hashtextextended(i.source_key, 0) = hashtextextended(%(key)s, 0)
               AND hashtextextended(i.source_key, 1) = hashtextextended(%(key)s, 1)
               AND i.migration = c.migration AND i.item_type = 'account'
               AND i.delivered >= c.epoch * 1099511627776 + i.base)
"""


@dataclass(frozen=True)
class Sample:
    log_rows: int
    marks: int
    items: int
    log_bytes: int
    mark_bytes: int
    item_bytes: int
    log_dead: int
    item_dead: int
    undelivered: int


def run(minutes: float) -> str:
    with (
        installed("growth") as bench,
        _relaying(bench),
        _loading(bench, minutes * 60) as loads,
        psycopg.connect(bench.url, autocommit=True) as c,
    ):
        rows = list(_samples(c, loads))
    title = f"capture: {RATE:.0f} accounts and {PARENTS_RATE:.0f} cards updated a second, one relay beside them"
    columns = ["at", "log rows", "dead", "MB", "marks", "MB", "items", "dead", "MB", "undelivered", "lag"]
    return render(title, columns, rows)


@contextlib.contextmanager
def _loading(bench: Installed, seconds: float) -> Iterator[list[threading.Thread]]:
    threads = [
        threading.Thread(target=pgbench, args=(bench.url, load.write(bench.folder), seconds, rate))
        for load, rate in ((USED, RATE), (PARENT, PARENTS_RATE))
    ]
    for thread in threads:
        thread.start()
    yield threads
    for thread in threads:
        thread.join()


@contextlib.contextmanager
def _relaying(bench: Installed) -> Iterator[None]:
    """In a process of its own."""
    command = [sys.executable, "-m", "pipelines.cli", "relay", str(bench.mapping)]
    with (
        (bench.folder / "relay.log").open("wb") as log,
        subprocess.Popen(command, stdout=log, stderr=log, env=bench.environment()) as process,
    ):
        yield
        if process.poll() is not None:
            raise RuntimeError("the relay has ended")
        process.terminate()


def _samples(connection: Connection[TupleRow], loads: list[threading.Thread]) -> Iterator[list[str]]:
    began = time.monotonic()
    while any(load.is_alive() for load in loads):
        due = time.monotonic() + SAMPLE_SECONDS
        lag = _lag(connection)
        while time.monotonic() < due and any(load.is_alive() for load in loads):
            time.sleep(0.2)
        with connection.cursor(row_factory=class_row(Sample)) as cursor:
            sample = cursor.execute(_SAMPLE.encode()).fetchone()
        assert sample is not None
        yield _row(time.monotonic() - began, sample, lag)


def _lag(connection: Connection[TupleRow]) -> float:
    """How long the delivery of a change takes, in seconds; the limit where it took longer."""
    connection.execute("UPDATE accounts SET balance = balance + 1 WHERE aid = %s", (_PROBE,))
    began = time.monotonic()
    while (passed := time.monotonic() - began) < SAMPLE_SECONDS:
        found = connection.execute(_DELIVERED.encode(), {"key": f'{{"aid":"{_PROBE}"}}'}).fetchone()
        if found is not None and found[0]:
            break
        time.sleep(0.1)
    return passed


def _row(seconds: float, one: Sample, lag: float) -> list[str]:
    def megabytes(size: int) -> str:
        return f"{size / 2**20:.1f}"

    return [
        f"{seconds / 60:.1f} min",
        f"{one.log_rows:,}",
        f"{one.log_dead:,}",
        megabytes(one.log_bytes),
        f"{one.marks:,}",
        megabytes(one.mark_bytes),
        f"{one.items:,}",
        f"{one.item_dead:,}",
        megabytes(one.item_bytes),
        f"{one.undelivered:,}",
        f"{lag:.1f} s",
    ]
