"""Dual write: what a commit costs an application without the library, and with it in either mode, against an endpoint
whose every answer takes so long as a DynamoDB's might. The modes take turns."""

from __future__ import annotations

import os
import random
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from sqlalchemy import Engine, create_engine, text
from sqlalchemy.orm import Session, sessionmaker

from pipelines.dualwrite import DualWriter
from tests.bench.capture.data import ROWS
from tests.bench.capture.installed import Installed, installed
from tests.bench.measure import module
from tests.bench.stubbed import stubbed
from tests.bench.table import render

ANSWER_SECONDS = 0.005
COMMITS, ROUNDS = 200, 3
Mode = Literal["without", "async", "sync"]
MODES: tuple[Mode, ...] = ("without", "async", "sync")


def run() -> str:
    with (
        installed("dual_write") as bench,
        stubbed(module("tests.bench.relay.stub", bench.upstream, str(ANSWER_SECONDS))) as (endpoint, _),
    ):
        os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = endpoint
        seconds = _measured(bench)
    rows = [_row(mode, seconds[mode], statistics.median(seconds["without"])) for mode in MODES]
    title = f"dual write: a commit of one change, an endpoint that answers after {ANSWER_SECONDS * 1000:.0f} ms"
    return render(title, ["", "p50 ms", "p99 ms", "added at p50, ms", "in answers of the endpoint"], rows)


def _measured(bench: Installed) -> dict[Mode, list[float]]:
    seconds: dict[Mode, list[float]] = {mode: [] for mode in MODES}
    dice = random.Random(1)
    for _ in range(ROUNDS):
        for mode in MODES:
            with _sessions(bench, mode) as sessions:
                _commit(sessions, 1)  # opens the connections
                seconds[mode] += [_commit(sessions, dice.randint(1, ROWS)) for _ in range(COMMITS)]
    return seconds


def _commit(sessions: sessionmaker[Session], aid: int) -> float:
    with sessions() as session:
        session.execute(text("UPDATE accounts SET balance = balance + 1 WHERE aid = :aid"), {"aid": aid})
        began = time.perf_counter()
        session.commit()
        return time.perf_counter() - began


@contextmanager
def _sessions(bench: Installed, mode: Mode) -> Iterator[sessionmaker[Session]]:
    engine: Engine = create_engine(bench.url.replace("postgresql://", "postgresql+psycopg://"))
    sessions = sessionmaker(engine)
    try:
        if mode == "without":
            yield sessions
            return
        with DualWriter(bench.migration, engine, mode=mode) as writer:
            writer.attach(sessions)
            yield sessions
            left = writer.counts().left_to_relay
        if mode == "sync" and left:
            raise RuntimeError(f"left to the relay: {dict(left)}")
    finally:
        engine.dispose()


def _row(mode: Mode, seconds: list[float], without: float) -> list[str]:
    quantiles = statistics.quantiles(seconds, n=100)
    added = quantiles[49] - without
    return [
        mode,
        f"{quantiles[49] * 1000:.1f}",
        f"{quantiles[98] * 1000:.1f}",
        f"{added * 1000:.1f}",
        f"{added / ANSWER_SECONDS:.1f}",
    ]
