"""Evidence by which every gate before every state is passed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from pipelines.cutover.evidence import (
    Assessed,
    Backfilled,
    Captured,
    Evidence,
    Fits,
    GroupPhase,
    Hour,
    LedgerHealth,
    QuerySeen,
    Reads,
    Reverse,
    Verifications,
    Verified,
    Writes,
)
from pipelines.cutover.states import State
from pipelines.source.ledger.masters import Phase

NOW = datetime(2026, 12, 10, 9, 30, tzinfo=UTC)
HASH = "a" * 64
EPOCH = 4
NIGHTS = tuple(NOW.replace(hour=2, minute=0) - timedelta(days=ago) for ago in (3, 2, 1, 0))

Change = Callable[[Evidence], Evidence]


def good(before: State) -> Evidence:
    phase = {State.DYNAMODB_ONLY: Phase.DYNAMODB_FIRST, State.DECOMMISSIONED: Phase.DYNAMODB_ONLY}
    stage = "shadow" if before.rank <= State.READS_SHADOWED.rank else "dynamodb"
    return Evidence(
        at=NOW,
        mapping="shop.yaml",
        mapping_hash=HASH,
        lag_limit_seconds=300,
        nights_apart_hours=24.0,
        state_since=NOW - timedelta(days=7),
        moving=None,
        assessed=Assessed("first", NOW - timedelta(days=30)),
        fits=Fits(("order", "customer")),
        captured=Captured("on", EPOCH, 5, (), ()),
        ledger=LedgerHealth(undelivered=3, marks=0, oldest_seconds=1.5, set_apart=0, paused=False),
        backfilled=Backfilled("b1", HASH, NOW - timedelta(days=9), EPOCH, 900, records=900, conflicts=0, failed=0),
        verifications=Verifications(tuple(night(number) for number in range(4))),
        reads=Reads((query("by_id", stage), query("by_customer", stage))),
        writes=Writes((GroupPhase("order+customer", phase.get(before, Phase.RDS_FIRST), fenced=False),)),
        reverse=Reverse(lag_seconds=0.4, waiting=0, set_apart=0, resync=None, running=True),
    )


def night(number: int) -> Verified:
    return Verified(
        run_id=f"v{number}",
        snapshot_id=f"s{number}",
        dump_id=f"d{number}",
        began_at=NIGHTS[number],
        finished_at=NIGHTS[number] + timedelta(minutes=20),
        mapping_hash=HASH,
        epoch=EPOCH,
        mode="ledger",
        coverage=1.0,
        consistent=True,
        items=900,
    )


def query(name: str, stage: str = "shadow", hours: int = 30, calls: int = 100, **counts: int) -> QuerySeen:
    """Of the last `hours` hours, each with so many calls, and with `counts` besides."""
    whole = NOW.replace(minute=0)
    seen = Counter({"rds_answers": calls, "candidate_answers": calls, "shadow_compared": calls})
    if stage == "dynamodb":
        seen = Counter({"dynamodb_answers": calls})
    each = Counter({**seen, **counts})
    starts = [whole - timedelta(hours=ago) for ago in range(hours - 1, -1, -1)]
    return QuerySeen(name, stage, False, NOW - timedelta(days=5), tuple(Hour(at, each) for at in starts))


def with_runs(*runs: Verified, unfinished: tuple[str, ...] = ()) -> Change:
    return lambda evidence: replace(evidence, verifications=Verifications(runs, unfinished))


def with_last(**changes: object) -> Change:
    """The newest verification is another."""
    last = replace(night(3), **changes)  # type: ignore[arg-type]
    return with_runs(night(1), night(2), last)


def with_query(seen: QuerySeen) -> Change:
    return lambda evidence: replace(evidence, reads=Reads((query("by_id", seen.stage), seen)))


def with_part(part: str, **changes: object) -> Change:
    """One part of the evidence, with some of its fields others."""
    return lambda evidence: replace(evidence, **{part: replace(getattr(evidence, part), **changes)})


def with_group(**changes: object) -> Change:
    def change(evidence: Evidence) -> Evidence:
        assert isinstance(evidence.writes, Writes)
        other = replace(evidence.writes.groups[0], **changes)  # type: ignore[arg-type]
        return replace(evidence, writes=Writes((replace(evidence.writes.groups[0], name="product"), other)))

    return change
