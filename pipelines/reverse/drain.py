"""Brings the source up to what DynamoDB holds at this moment, and ends.

DynamoDB does not tell where the tip of a shard is: a page without records proves nothing. So the streams are read until
they are quiet, which brings nearly all, and then all items are compared with the ledger by a strongly consistent scan,
which is exact. What waits is tried once more in the end.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from pipelines.deliver.opened import opened_ledger
from pipelines.errors import StageError
from pipelines.migration import Migration
from pipelines.progress import Progress
from pipelines.reverse.apply.moving import MOVE_SECONDS, WAITING
from pipelines.reverse.apply.waiting import Waiting
from pipelines.reverse.compare import Compared, compare
from pipelines.reverse.follow import Unread
from pipelines.reverse.opened import READERS, Opened, applied_item_types, opened_reverse
from pipelines.reverse.relay import ReverseRelay
from pipelines.reverse.standing import leave, noted_resync, resynced
from pipelines.reverse.tally import Tally
from pipelines.reverse.turn import taking_turn
from pipelines.reverse.waiting_items import try_all
from pipelines.source.connect import identity
from pipelines.source.ledger.clock import now
from pipelines.source.server_error import in_one_line

QUIET_SECONDS = 5.0
"""DynamoDB shows a write in its stream within a moment, and promises no time."""
STUCK_SECONDS = 300.0
"""For so long streams may tell nothing more, without being read to their tip."""
_PAUSE_SECONDS = 0.2
_MOST_PROBLEMS = 5


@dataclass(frozen=True)
class ReverseDrained:
    """Items: `applied`; `waiting`: could not be applied, those `set_apart` and `moving` among them, of which the latter
    wait for nothing but the streams. `problems`: one line each of some that wait, without a value."""

    applied: int
    waiting: int
    set_apart: int
    problems: tuple[str, ...] = ()
    moving: int = 0


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


def drain_reverse(
    migration: Migration,
    url: str,
    progress: Progress,
    *,
    by_streams: bool = False,
    at_rest: bool = False,
    item_types: frozenset[str] | None = None,
) -> ReverseDrained:
    """Everything that was written in DynamoDB before this call is applied, or waits. Exact once nobody writes any more
    (the groups are fenced); a reverse relay that runs stands aside meanwhile. It can be repeated. `by_streams`: without
    the scan, which takes as long as the tables are large; the streams must have been quiet for QUIET_SECONDS then.
    `at_rest`: nobody writes any more, so that no tombstone has to wait for its row's item at another key; beside
    writers that row would be deleted, inserted again, and have lost what no item holds.
    `item_types`: of these alone it is exact, and these alone are counted as waiting; else all that are kept up in the
    source. `progress` is told of every step, and may end it by raising.

    Raises StageError, SourceError, TargetError.
    """
    tally = Tally()
    with _at_work(migration, url, progress) as opened:
        if by_streams:
            _require_whole_streams(opened)
        _read_streams(opened, tally, progress, QUIET_SECONDS if by_streams else 0.0)
        if by_streams:
            kept_up = applied_item_types(opened.connection, opened.migration)
            left = _try_rest(opened, tally, progress, kept_up if item_types is None else item_types, at_rest=at_rest)
        else:
            left = _compare(opened, tally, progress, item_types, at_rest=at_rest)[1]
        if by_streams:
            _require_whole_streams(opened)
    return ReverseDrained(tally.counts["applied"], left.waiting, left.set_apart, left.problems, left.moving)


def resync(migration: Migration, url: str, progress: Progress) -> Resynced:
    """Reads all items of the groups that are kept up in the source (`dynamodb_first`) and applies those that are newer
    than the ledger; then the note that the streams cannot have told everything goes. Raises as `drain_reverse`."""
    tally = Tally()
    with _at_work(migration, url, progress) as opened:
        compared, left = _compare(opened, tally, progress)
    applied = tally.counts["applied"]
    return Resynced(compared.compared, applied, left.waiting, left.set_apart, compared.foreign, left.problems)


@dataclass(frozen=True)
class _Left:
    waiting: int
    set_apart: int
    problems: tuple[str, ...]
    moving: int


@contextmanager
def _at_work(migration: Migration, url: str, progress: Progress) -> Iterator[Opened]:
    with (
        in_one_line(identity(url), "the reverse relay"),
        opened_ledger(migration, url) as ledger,
        taking_turn(ledger.session.connection, ledger.session.migration, waits=lambda: progress.advance(0)),
        opened_reverse(migration, ledger) as opened,
    ):
        yield opened


def _require_whole_streams(opened: Opened) -> None:
    why = noted_resync(opened.connection, opened.migration)
    if why is not None:
        raise StageError(f"the streams cannot have told everything: {why}; run `crossover relay … --reverse --resync`")


def _read_streams(opened: Opened, tally: Tally, progress: Progress, quiet_seconds: float) -> None:
    """Until all that was written before is read, and nothing for so long after. Raises StageError where they tell
    nothing more for STUCK_SECONDS before that."""
    holder = secrets.token_hex(8)
    relay = ReverseRelay(opened, holder, tally, threading.Event(), _nothing)
    begun = now(opened.connection) + timedelta(seconds=quiet_seconds)
    seen, moved_at = None, time.monotonic()
    with ThreadPoolExecutor(READERS, "shard") as readers:
        while not relay.has_read_until(begun):
            progress.advance(relay.round(readers))
            unread = tuple(replace(one, throttled=False) for one in relay.unread(begun))
            if unread != seen:
                seen, moved_at = unread, time.monotonic()
            elif time.monotonic() > moved_at + STUCK_SECONDS:
                raise StageError(_stuck(relay.unread(begun)))
            time.sleep(_PAUSE_SECONDS)
    relay.beat()
    with opened.session.writing() as connection:
        leave(connection, opened.migration, holder)


def _stuck(unread: Sequence[Unread]) -> str:
    what = f"for {STUCK_SECONDS / 60:.0f} minutes the streams have told nothing more, and are not read to their tip"
    if not unread:
        return f"{what}: their shards change all the time; try again"
    tables = ", ".join(sorted({one.table for one in unread}))
    throttled = sum(one.throttled for one in unread)
    why = f", of which DynamoDB throttles {throttled:,}: two readers at most may read one" if throttled else ""
    return f"{what}: {len(unread):,} shards of table {tables}{why}; look for other readers, then try again"


def _compare(
    opened: Opened, tally: Tally, progress: Progress, item_types: frozenset[str] | None = None, *, at_rest: bool = False
) -> tuple[Compared, _Left]:
    """The note that all items are to be read stands where not all that are kept up were."""
    begun, noted = now(opened.connection), noted_resync(opened.connection, opened.migration)
    kept_up = applied_item_types(opened.connection, opened.migration)
    wanted = kept_up if item_types is None else item_types
    compared = compare(opened, wanted, tally, progress)
    if wanted >= kept_up:
        with opened.session.writing() as connection:
            resynced(connection, opened.migration, noted, begun)
    return compared, _try_rest(opened, tally, progress, wanted, at_rest=at_rest)


def _try_rest(opened: Opened, tally: Tally, progress: Progress, item_types: frozenset[str], *, at_rest: bool) -> _Left:
    """What waits of these, once more; what may have moved, once the streams are read for long enough."""

    def between() -> None:
        progress.advance(0)

    waiting = try_all(opened, item_types, tally, between, all_is_read=at_rest)
    if _moving(waiting):
        _read_streams(opened, tally, progress, MOVE_SECONDS)
        waiting = try_all(opened, item_types, tally, between, all_is_read=False)
    problems = Counter(one.problem or "not tried yet" for one in waiting)
    told = sorted(problems, key=lambda problem: (-problems[problem], problem))[:_MOST_PROBLEMS]
    return _Left(len(waiting), sum(one.set_apart for one in waiting), tuple(told), _moving(waiting))


def _moving(waiting: Sequence[Waiting]) -> int:
    return sum(one.problem == WAITING for one in waiting)


def _nothing() -> None:
    """Nobody is told in between."""
