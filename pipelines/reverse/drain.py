"""Brings the source up to what DynamoDB holds at this moment, and ends.

DynamoDB does not tell where the tip of a shard is: a page without records proves nothing. So the streams are read until
they are quiet, which brings nearly all, and then all items are compared with the ledger by a strongly consistent scan,
which is exact. What waits is tried once more in the end.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from pipelines.deliver.opened import opened_ledger
from pipelines.errors import StageError
from pipelines.migration import Migration
from pipelines.progress import Progress
from pipelines.reverse.apply.waiting import count_waiting
from pipelines.reverse.compare import Compared, compare
from pipelines.reverse.health import waiting_problems
from pipelines.reverse.opened import READERS, Opened, opened_reverse
from pipelines.reverse.relay import ReverseRelay
from pipelines.reverse.standing import leave, noted_resync, now, resynced
from pipelines.reverse.tally import Tally
from pipelines.reverse.turn import taking_turn
from pipelines.reverse.waiting_items import try_all
from pipelines.source.connect import identity
from pipelines.source.ledger.masters import mastered_by_dynamodb, read_masters
from pipelines.source.server_error import in_one_line

QUIET_SECONDS = 5.0
"""DynamoDB shows a write in its stream within a moment, and promises no time."""
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class ReverseDrained:
    """Items: `applied`; `waiting`: could not be applied, those `set_apart` among them. `problems`: one line each of
    some that wait, without a value."""

    applied: int
    waiting: int
    set_apart: int
    problems: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resynced:
    """Items: `compared` with the ledger, tombstones included; `foreign`: without a version. The others as in
    ReverseDrained."""

    compared: int
    applied: int
    waiting: int
    set_apart: int
    foreign: int = 0
    problems: tuple[str, ...] = ()


def drain_reverse(migration: Migration, url: str, progress: Progress, *, by_streams: bool = False) -> ReverseDrained:
    """Everything that was written in DynamoDB before this call is applied, or waits. Exact once nobody writes any more
    (the groups are fenced); a reverse relay that runs stands aside meanwhile. It can be repeated. `by_streams`: without
    the scan, which takes as long as the tables are large; the streams must have been quiet for QUIET_SECONDS then.

    Raises StageError, SourceError, TargetError.
    """
    tally = Tally()
    with _at_work(migration, url) as opened:
        if by_streams:
            _require_whole_streams(opened)
        _read_streams(opened, tally, progress, QUIET_SECONDS if by_streams else 0.0)
        left = _try_rest(opened, tally) if by_streams else _compare(opened, tally, progress)[1]
        if by_streams:
            _require_whole_streams(opened)
    return ReverseDrained(tally.counts["applied"], left.waiting, left.set_apart, left.problems)


def resync(migration: Migration, url: str, progress: Progress) -> Resynced:
    """Reads all items of the groups whose master DynamoDB is and applies those that are newer than the ledger; then
    the note that the streams cannot have told everything goes. Raises as `drain_reverse`."""
    tally = Tally()
    with _at_work(migration, url) as opened:
        compared, left = _compare(opened, tally, progress)
    applied = tally.counts["applied"]
    return Resynced(compared.compared, applied, left.waiting, left.set_apart, compared.foreign, left.problems)


@dataclass(frozen=True)
class _Left:
    waiting: int
    set_apart: int
    problems: tuple[str, ...]


@contextmanager
def _at_work(migration: Migration, url: str) -> Iterator[Opened]:
    with (
        in_one_line(identity(url), "the reverse relay"),
        opened_ledger(migration, url) as ledger,
        taking_turn(ledger.session.connection, ledger.session.migration),
        opened_reverse(migration, ledger) as opened,
    ):
        yield opened


def _require_whole_streams(opened: Opened) -> None:
    why = noted_resync(opened.connection, opened.migration)
    if why is not None:
        raise StageError(f"the streams cannot have told everything: {why}; run `crossover relay … --reverse --resync`")


def _read_streams(opened: Opened, tally: Tally, progress: Progress, quiet_seconds: float) -> None:
    """Until all that was written before is read, and nothing for so long after."""
    holder = secrets.token_hex(8)
    relay = ReverseRelay(opened, holder, tally, threading.Event(), _nothing)
    begun = now(opened.connection) + timedelta(seconds=quiet_seconds)
    with ThreadPoolExecutor(READERS, "shard") as readers:
        while not relay.has_read_until(begun):
            progress.advance(relay.round(readers))
            time.sleep(_PAUSE_SECONDS)
    with opened.session.writing() as connection:
        leave(connection, opened.migration, holder)


def _compare(opened: Opened, tally: Tally, progress: Progress) -> tuple[Compared, _Left]:
    begun, noted = now(opened.connection), noted_resync(opened.connection, opened.migration)
    item_types = mastered_by_dynamodb(read_masters(opened.connection, opened.migration))
    compared = compare(opened, item_types, tally, progress)
    with opened.session.writing() as connection:
        resynced(connection, opened.migration, noted, begun)
    return compared, _try_rest(opened, tally)


def _try_rest(opened: Opened, tally: Tally) -> _Left:
    """What waits, once more."""
    try_all(opened, mastered_by_dynamodb(read_masters(opened.connection, opened.migration)), tally)
    counts = count_waiting(opened.connection, opened.migration)
    problems = waiting_problems(opened.connection, opened.migration)
    return _Left(counts.waiting, counts.set_apart, tuple(problem for problem, _ in problems))


def _nothing() -> None:
    """Nobody is told in between."""
