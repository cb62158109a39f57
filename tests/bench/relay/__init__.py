"""Relays against an endpoint that takes everything: how many changes a second one delivers, what memory it needs, and
whether several deliver anything twice. PostgreSQL, the relays and the endpoint share the machine's cores."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg

from tests.bench.backfill.said import Served
from tests.bench.capture.installed import Installed, installed
from tests.bench.measure import Samples, module
from tests.bench.stubbed import stubbed
from tests.bench.table import render

CASES = ((1, 5_000), (1, 50_000), (3, 50_000))
"""Relays, and changes of one item each that wait for them."""

_BUSY = (
    "SELECT EXISTS (SELECT FROM crossover.log) OR EXISTS (SELECT FROM crossover.item WHERE due IS NOT NULL),"
    " EXISTS (SELECT FROM crossover.item i, crossover.control c WHERE i.delivered >= c.epoch * 1099511627776 + %s)"
)


@dataclass(frozen=True)
class Run:
    seconds: float
    cpu_seconds: float
    peak_mb: float


def run() -> str:
    """Raises RuntimeError where the endpoint has not met each change once."""
    with installed("relay") as bench:
        rows = [_row(bench, *case) for case in CASES]
    columns = ["", "seconds", "changes/s", "CPU s of the relays", "peak MB of each", "put twice"]
    return render("relay: changes of one item each, against a stub", columns, rows)


def _row(bench: Installed, relays: int, changes: int) -> list[str]:
    with (
        stubbed(module("tests.bench.relay.stub", bench.upstream)) as (endpoint, said),
        psycopg.connect(bench.url, autocommit=True) as connection,
    ):
        connection.execute("UPDATE accounts SET balance = balance + 1 WHERE aid <= %s", (changes,))
        with _relays(bench, endpoint, relays) as processes:
            found = _until_delivered(connection, processes)
    served = Served(**json.loads(said[0]))
    if served.items != changes or served.wrong:
        raise RuntimeError(f"the stub has met {served}, not {changes} changes")
    name = f"{relays} relay{'s' if relays > 1 else ''}, {changes:,} changes"
    figures = [f"{found.seconds:.1f}", f"{changes / found.seconds:,.0f}", f"{found.cpu_seconds:.1f}"]
    return [name, *figures, f"{found.peak_mb:,.0f}", str(served.wrong)]


def _until_delivered(connection: psycopg.Connection[tuple[bool, ...]], processes: list[subprocess.Popen[bytes]]) -> Run:
    """From the first delivery to the last."""
    samples = [Samples(process.pid) for process in processes]
    before = _highest(connection)
    began = None
    while True:
        busy, delivered = connection.execute(_BUSY, (before + 1,)).fetchone() or (True, False)
        if began is None and delivered:
            began = time.monotonic()
        if not busy:
            break
        if any(process.poll() is not None for process in processes):
            raise RuntimeError("a relay has ended")
        time.sleep(0.02)
    assert began is not None
    seconds = time.monotonic() - began
    for one in samples:
        one.stop()
    return Run(seconds, sum(one.cpu_seconds for one in samples), max(one.peak_mb for one in samples))


def _highest(connection: psycopg.Connection[tuple[bool, ...]]) -> int:
    found = connection.execute("SELECT coalesce(max(base), 0) FROM crossover.item").fetchone()
    return int((found or (0,))[0])


@contextmanager
def _relays(bench: Installed, endpoint: str, count: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    environment = bench.environment() | {"AWS_ENDPOINT_URL_DYNAMODB": endpoint}
    command = module("pipelines.cli", "relay", str(bench.mapping))
    processes = [subprocess.Popen(command, stdout=sys.stderr, env=environment) for _ in range(count)]
    try:
        yield processes
    finally:
        for process in processes:
            process.send_signal(signal.SIGTERM)
        for process in processes:
            process.wait()
