"""All differences of a comparison judged again, where the source can be read: in threads of this process."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from queue import SimpleQueue
from time import monotonic, sleep
from typing import TypeVar

from psycopg import Connection
from psycopg.rows import TupleRow

from pipelines.diff.account import BucketAccount
from pipelines.diff.judged_bucket import JudgeBucket, Looks
from pipelines.errors import CrossoverError
from pipelines.judging.judge import Judge
from pipelines.judging.opened import opened_judge
from pipelines.migration import Migration
from pipelines.progress import Progress
from pipelines.source.connect import identity, known_source_url
from pipelines.source.ledger.clock import now
from pipelines.source.ledger.health import oldest_seconds
from pipelines.source.ledger.reverse_lag import ReverseLag, read_reverse_lag, read_told
from pipelines.source.ledger.session import LedgerSession
from pipelines.source.ledger.steps import connect_writable
from pipelines.source.server_error import in_one_line
from pipelines.warehouse.manifest import SnapshotManifest

T = TypeVar("T")

JUDGES = 4
EACH_JUDGES = 1_000  # differences at least: opening one reads the source's catalogue
JUDGE_AT_MOST = 100_000
"""Differences of a run, unless asked for otherwise."""
TOLD_SECONDS = 20.0
"""A reverse relay that is in step says so every five seconds."""
TOLD_PAUSE_SECONDS = 0.5


@dataclass(frozen=True)
class Again:
    """`url`: the source's. `at_most`: so many differences of the run are judged again."""

    url: str
    at_most: int = JUDGE_AT_MOST

    @classmethod
    def of(cls, url: str, at_most: int | None) -> Again:
        """`at_most`: None where it was not said."""
        return cls(url, JUDGE_AT_MOST if at_most is None else at_most)

    @classmethod
    def where_known(cls, migration: Migration, at_most: int | None = None) -> Again | None:
        """None where the source's URL is not set. Raises UsageError where it is none."""
        url = known_source_url(migration.mapping)
        return None if url is None else cls.of(url, at_most)


@dataclass(frozen=True)
class JudgedAgain:
    """`because`: why some differences were not judged again, or none was; empty where all were. `lag_seconds`: for so
    long at most, when all were judged, a change had not been delivered; None where there is no ledger to tell.
    `reverse`: where DynamoDB is the master of something, how far the source was behind; None, too, where the source
    could not be asked."""

    accounts: list[BucketAccount]
    because: str
    lag_seconds: float | None = None
    reverse: ReverseLag | None = None


def judge_again(
    migration: Migration,
    again: Again,
    snapshot: SnapshotManifest,
    dumped_at: datetime,
    compared: Sequence[BucketAccount],
    work: JudgeBucket,
    moment: datetime | None,
) -> JudgedAgain:
    """The buckets' final accounts, in the order of `compared`. `dumped_at`: when the target had been read. `moment`: a
    time after that by the source's clock, see `source_moment`.

    Where source or target cannot be opened, or the ledger is not the snapshot's any more, nothing is judged again.
    Raises what `JudgeBucket` raises; what was judged by then is judged.
    """
    quotas = _quotas([account.differences for account in compared], again.at_most)
    beyond = sum(account.differences for account in compared) > sum(quotas)
    count = min(JUDGES, math.ceil(sum(quotas) / EACH_JUDGES))
    with ExitStack() as stack:
        judges, because = _opened(migration, again.url, snapshot, work, stack, count) if count else ([], "")
        if judges:
            _settle(migration, judges[0], dumped_at, compared)
            work = replace(work, told=_told(migration, judges[0], moment, _differing(compared)))
        accounts = _in_looks(migration, judges, work, compared, quotas)
        reverse = _reverse_lag(migration, again.url, snapshot, judges)
        lag = _lag_seconds(judges[0], reverse) if judges else None
    return JudgedAgain(accounts, because or (f"{again.at_most:,} at most are" if beyond else ""), lag, reverse)


def _lag_seconds(judge: Judge, reverse: ReverseLag | None) -> float | None:
    session = judge.session
    delivered = judge.state.item_types - (reverse.item_types if reverse else frozenset())
    return oldest_seconds(session, sorted(delivered)) if isinstance(session, LedgerSession) else None


def _reverse_lag(
    migration: Migration, url: str, snapshot: SnapshotManifest, judges: Sequence[Judge]
) -> ReverseLag | None:
    """Asked even where nothing differs: that a stream cannot tell everything is no matter of single items."""
    name = migration.mapping.migration
    if judges:
        with judges[0].session.snapshot(()) as connection:
            return read_reverse_lag(connection, name)
    return _asked(url, snapshot, "the reverse relay's state", lambda connection: read_reverse_lag(connection, name))


def _quotas(differences: Sequence[int], at_most: int) -> list[int]:
    """Of each bucket, in order; another attempt at the run has the same."""
    quotas = []
    for count in differences:
        quotas.append(min(count, at_most))
        at_most -= quotas[-1]
    return quotas


def _opened(
    migration: Migration, url: str, snapshot: SnapshotManifest, work: JudgeBucket, stack: ExitStack, count: int
) -> tuple[list[Judge], str]:
    """None, and why, where there can be none."""
    if identity(url) != snapshot.source:
        return [], f"snapshot {snapshot.id} is of another source, {snapshot.source}"
    try:
        judges = [stack.enter_context(opened_judge(migration, url, work.equivalent)) for _ in range(count)]
    except CrossoverError as error:
        return [], str(error)
    unfit = _unfit(snapshot, judges[0])
    return ([], unfit) if unfit else (judges, "")


def _unfit(snapshot: SnapshotManifest, judge: Judge) -> str:
    """Why the ledger of now tells nothing of the snapshot's versions."""
    ledger, state = snapshot.ledger, judge.state
    if ledger is None:
        return ""
    if state.gap is not None:
        return f"capture cannot be relied on any more: {state.gap}"
    if state.control is None or state.control.epoch != ledger.epoch:
        return f"epoch {ledger.epoch} of the snapshot is over"
    return ""


def _settle(migration: Migration, judge: Judge, dumped_at: datetime, compared: Sequence[BucketAccount]) -> None:
    """Without a ledger a difference counts that stands: so it is not looked at again too soon."""
    if any(name and not judge.has_ledger(name) for name in _differing(compared)):
        settle = migration.mapping.checks.settle_seconds
        sleep(min(max(settle - (datetime.now(UTC) - dumped_at).total_seconds(), 0), settle))


def _differing(compared: Sequence[BucketAccount]) -> frozenset[str]:
    return frozenset(
        name for one in compared for name, verdicts in one.item_types.items() if verdicts.total() > verdicts.match
    )


def source_moment(again: Again, snapshot: SnapshotManifest) -> datetime | None:
    """The source's time of now. None where nobody could make use of it: there is no ledger, or no such source."""
    return _asked(again.url, snapshot, "the time", now)


def _asked(url: str, snapshot: SnapshotManifest, what: str, ask: Callable[[Connection[TupleRow]], T]) -> T | None:
    """None where the snapshot has no ledger, is of another source, or nobody can be asked: judging says that, where
    something is to be judged."""
    if snapshot.ledger is None or identity(url) != snapshot.source:
        return None
    try:
        with closing(connect_writable(url)) as connection, in_one_line(snapshot.source, what):
            return ask(connection)
    except CrossoverError:
        return None


def _told(migration: Migration, judge: Judge, moment: datetime | None, differing: frozenset[str]) -> frozenset[str]:
    """The item types of which the reverse relay has told everything up to `moment`: waits a little where it is about
    to. What is above the ledger's version all the same is not on its way."""
    if moment is None:
        return frozenset()
    waits_until = monotonic() + TOLD_SECONDS
    while True:
        with judge.session.snapshot(()) as connection:
            told = read_told(connection, migration.mapping.migration, moment)
        if not told.soon & differing or monotonic() >= waits_until:
            return told.item_types
        sleep(TOLD_PAUSE_SECONDS)


def _in_looks(
    migration: Migration,
    judges: Sequence[Judge],
    work: JudgeBucket,
    compared: Sequence[BucketAccount],
    quotas: Sequence[int],
) -> list[BucketAccount]:
    """All buckets, and those again in which something did not stand still: one wait serves them all."""
    checks = migration.mapping.checks
    looks = {account.bucket: Looks(is_last=False) for account in compared}
    done: dict[int, BucketAccount] = {}
    with Progress("judge", sum(account.differences for account in compared), "differences") as progress:
        for attempt in range(1 + checks.rereads):
            if attempt:
                sleep(checks.settle_seconds)
            open_ones = [
                (account, quota, looks[account.bucket])
                for account, quota in zip(compared, quotas, strict=True)
                if account.bucket not in done
            ]
            for _, _, look in open_ones:
                look.is_last = attempt == checks.rereads
            done |= _in_threads(judges, work, open_ones, progress)
            if len(done) == len(compared):
                break
    return [done[account.bucket] for account in compared]


def _in_threads(
    judges: Sequence[Judge],
    work: JudgeBucket,
    buckets: Sequence[tuple[BucketAccount, int, Looks]],
    progress: Progress,
) -> dict[int, BucketAccount]:
    """Those that were closed. An interrupt lets the buckets under way finish and begins no other."""
    idle: SimpleQueue[Judge | None] = SimpleQueue()
    for one in judges or (None,):
        idle.put(one)
    done = {}
    with ThreadPoolExecutor(max(len(judges), 1), thread_name_prefix="judge-bucket") as pool:

        def judged(account: BucketAccount, quota: int, looks: Looks) -> BucketAccount | None:
            judge = idle.get()
            try:
                return work(account.bucket, judge, quota, looks)
            finally:
                idle.put(judge)

        futures = [pool.submit(judged, *one) for one in buckets]
        try:
            for future, (before, _, _) in zip(futures, buckets, strict=True):
                account = future.result()
                if account is not None:
                    done[before.bucket] = account
                    progress.advance(before.differences)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return done
