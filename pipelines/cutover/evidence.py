"""What is known of a migration at one moment: what the gates judge, and nothing else.

Each part that is not there, or cannot be read, is Unknown: no gate that asks for it is passed.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from pipelines.cutover.states import State
from pipelines.source.ledger.masters import Phase


@dataclass(frozen=True)
class Unknown:
    """`why`, in one line. `remedy`: what makes it known, where that is another command than the gate would name."""

    why: str
    remedy: str = ""


@dataclass(frozen=True)
class Assessed:
    """The newest assessment that is whole."""

    place: str
    at: datetime


@dataclass(frozen=True)
class Fits:
    """The mapping compiles against the source as it is now."""

    item_types: tuple[str, ...]


@dataclass(frozen=True)
class Captured:
    """`state`: absent, off, on. `blind`: item types whose changes no ledger captures, each with why."""

    state: str
    epoch: int | None
    tables: int
    gaps: tuple[str, ...]
    blind: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class LedgerHealth:
    """Items undelivered to DynamoDB. `set_apart`: those that no more tries are made of."""

    undelivered: int
    marks: int
    oldest_seconds: float
    set_apart: int
    paused: bool


@dataclass(frozen=True)
class Backfilled:
    """The newest that has finished. `epoch`, `of_records`: of the records that it was made from; None where those are
    gone, or where they have no versions."""

    run_id: str
    mapping_hash: str
    finished_at: datetime
    epoch: int | None
    of_records: int | None
    records: int
    conflicts: int
    failed: int


@dataclass(frozen=True)
class Verified:
    """A verification that has finished. `began_at`: when its snapshot was begun; `epoch`: of its ledger; both None
    where the snapshot is gone and the diff does not tell."""

    run_id: str
    snapshot_id: str
    dump_id: str
    began_at: datetime | None
    finished_at: datetime
    mapping_hash: str
    epoch: int | None
    mode: str
    coverage: float
    consistent: bool
    items: int
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Unread:
    """A finished verification whose manifest cannot be read."""

    run_id: str
    why: str


@dataclass(frozen=True)
class Verifications:
    """`runs`: the newest, oldest first. `unfinished`: those that were begun after all of these."""

    runs: tuple[Verified | Unread, ...]
    unfinished: tuple[str, ...] = ()


@dataclass(frozen=True)
class Hour:
    """What applications have seen of a query in the hour that begins at `start`. `durations`: whose → bucket → calls,
    as pipelines.routing.histogram has them."""

    start: datetime
    counts: Counter[str]
    durations: dict[str, Counter[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class QuerySeen:
    """`stage`, `forced`: as set now, `changed_at` None where nobody has set anything. `hours`: in their order, those
    in which something was seen."""

    name: str
    stage: str
    forced: bool
    changed_at: datetime | None
    hours: tuple[Hour, ...]


@dataclass(frozen=True)
class Reads:
    queries: tuple[QuerySeen, ...]


@dataclass(frozen=True)
class GroupPhase:
    """`problems`: what is not as the phase asks for: a guard that is missing, a mirror that says something else.
    `missing`: what the next phase still needs."""

    name: str
    phase: Phase
    fenced: bool
    problems: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class Writes:
    groups: tuple[GroupPhase, ...]


@dataclass(frozen=True)
class Reverse:
    """The relay from DynamoDB to the source. `lag_seconds`: None where it has never caught up; `resync`: why it cannot
    know of everything."""

    lag_seconds: float | None
    waiting: int
    set_apart: int
    resync: str | None
    running: bool


@dataclass(frozen=True)
class Evidence:
    """As of `at`. `state_since`: when the state was entered that the migration is in. `moving`: the step that was
    begun and has not ended. `nights_apart_hours`: the longest time between two of the schedule's verifications; None
    without a schedule."""

    at: datetime
    mapping: str
    mapping_hash: str
    lag_limit_seconds: int
    nights_apart_hours: float | None
    state_since: datetime | None
    moving: State | None
    assessed: Assessed | Unknown
    fits: Fits | Unknown
    captured: Captured | Unknown
    ledger: LedgerHealth | Unknown
    backfilled: Backfilled | Unknown
    verifications: Verifications | Unknown
    reads: Reads | Unknown
    writes: Writes | Unknown
    reverse: Reverse | Unknown
