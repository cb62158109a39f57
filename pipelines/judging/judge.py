"""Reads a key's source, its target and its source again, and asks the rules; and again where they want it.

A relay that delivers between S1 and T has written what S2 sees; a source that changes between S1 and S2 is read again.
Where the target's items name their rows (`_s`), the target is looked at once before: whose item is there has to be
read in the source, too.

Where DynamoDB is the master, the source follows: it is read afresh until it has what the target had, as often as
anything that moves.
"""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import TracebackType

from pipelines.deliver.reading import tables_of
from pipelines.items.canonical import digest
from pipelines.judging.rows import Found, Namer, RowsAtKey
from pipelines.judging.rules import NEVER, Flags, Readings, RowTwice, Rule, Ruling, Stored, rule_on
from pipelines.judging.suspect import JudgedSource, JudgedTarget, Judgement, Seen, Suspect
from pipelines.judging.verdict import Verdict
from pipelines.mapping.key_owner import key_names_row
from pipelines.mapping.outcome import Assembled, Rejected
from pipelines.mapping.plan import ItemPlan, MigrationPlan
from pipelines.source.ledger.masters import mastered_by_dynamodb, read_masters
from pipelines.source.ledger.reverse_lag import waiting_keys
from pipelines.source.ledger.state import LedgerState
from pipelines.source.ledger.version import first_version
from pipelines.source.session import SourceSession
from pipelines.source.versioned import read_versioned
from pipelines.target.batch_get import MOST_KEYS, ItemReader
from pipelines.target.record import TargetRecord

REQUESTS_AT_ONCE = 4
PAUSE_SECONDS = 0.1

Equivalent = Callable[[str, str, str], bool]
"""Of an item type's source and target item, whether they differ as the mapping allows."""


def never_equivalent(_item_type: str, _source: str, _target: str) -> bool:
    return False


@dataclass(frozen=True)
class JudgeOptions:
    """`rereads`: how often a key is read again that does not stand still. `settle_seconds`: without a ledger, how long
    a difference must stand. `ttl`: the attribute by table."""

    rereads: int
    settle_seconds: float
    ttl: Mapping[str, str]
    equivalent: Equivalent = never_equivalent
    pause: Callable[[float], None] = time.sleep
    seconds_since_1970: Callable[[], float] = time.time


@dataclass
class _Case:
    """A suspect on its way. `rows`: those to be read for it. `owner`: whom the target's item names."""

    suspect: Suspect
    own: str | None
    rows: set[str]
    seen: Seen | None
    judgement: Judgement | None = None
    owner: str | None = None

    @property
    def is_open(self) -> bool:
        return self.judgement is None or self.judgement.ruling.again


@dataclass
class Judge:
    """For one thread; a context manager that ends its own threads. `state`: what the ledger was when it was opened."""

    plan: MigrationPlan
    state: LedgerState
    session: SourceSession
    reader: ItemReader
    options: JudgeOptions
    _namers: dict[str, Namer] = field(default_factory=dict)
    # when the source was read last:
    _followers: frozenset[str] = frozenset()  # the item types whose master DynamoDB was
    _waiting: frozenset[str] = frozenset()  # of the keys that were read, those that the reverse relay could not apply

    def __post_init__(self) -> None:
        self._pool = ThreadPoolExecutor(REQUESTS_AT_ONCE, thread_name_prefix="judge")

    def __enter__(self) -> Judge:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(cancel_futures=True)

    def has_ledger(self, item_type: str | None) -> bool:
        return self.state.gap is None and item_type in self.state.item_types

    def judge(self, item_type: str | None, suspects: Sequence[Suspect]) -> list[Judgement]:
        """In the order given; all of this item type, some hundred at a time: their items are held in memory. Rows that
        claim one key are to be given together, or it is not seen that they do.

        Raises SourceError, TargetError, and StageError where the ledger is another one by now.
        """
        return self._judge(item_type, suspects, 1 + self.options.rereads)

    def look(self, item_type: str | None, suspects: Sequence[Suspect]) -> list[Judgement]:
        """As `judge`, but once: what does not stand still is `again`, to be given once more with what was `seen` of it,
        so that one wait serves many."""
        return self._judge(item_type, suspects, 1)

    def _judge(self, item_type: str | None, suspects: Sequence[Suspect], attempts: int) -> list[Judgement]:
        if item_type is None:
            return self._without_item_type(suspects)
        item = self.plan.item(item_type)
        sharing: dict[str, set[str]] = defaultdict(set)
        cases = [self._case(item, suspect, sharing) for suspect in suspects]
        if not key_names_row(item):
            for case, target in self._targets(item.table, [(case, case.suspect.key) for case in cases]):
                self._note_owner(item, case, target)
        for attempt in range(attempts):
            still = [case for case in cases if case.is_open]
            if not still:
                break
            if attempt:
                self.options.pause(PAUSE_SECONDS if self.has_ledger(item_type) else self.options.settle_seconds)
            self._read(item, still)
        return [case.judgement for case in cases if case.judgement is not None]

    def _case(self, item: ItemPlan, suspect: Suspect, sharing: dict[str, set[str]]) -> _Case:
        """Suspects of one key are all judged by the rows of each."""
        told = suspect.key and self._namer(item).of_key(suspect.key)
        own = suspect.source_key or told or None
        rows = set() if suspect.key is None else sharing[suspect.key]
        rows.update(one for one in (own, told) if one)
        return _Case(suspect, own, rows, suspect.seen)

    def _namer(self, item: ItemPlan) -> Namer:
        if item.name not in self._namers:
            self._namers[item.name] = Namer(item)
        return self._namers[item.name]

    def _note_owner(self, item: ItemPlan, case: _Case, target: JudgedTarget | None) -> bool:
        """Whether it is one whose row was to be read already."""
        case.owner = None if target is None else self._namer(item).of_owner(target.owner)
        known = case.owner is None or case.owner in case.rows
        if case.owner is not None:
            case.rows.add(case.owner)
        return known

    def _read(self, item: ItemPlan, cases: Sequence[_Case]) -> None:
        """S1, T, S2."""
        first = self._rows(item, cases)
        wanted = [(case, _key(case, first)) for case in cases]
        targets = self._targets(item.table, wanted)
        complete = [self._note_owner(item, case, target) for case, target in targets]
        second = self._rows(item, cases)
        for (case, key), (_, target), known in zip(wanted, targets, complete, strict=True):
            rows = RowsAtKey.of(key, case.own, case.rows & first.keys(), first, second)
            case.judgement = self._judged(item, case, rows, target, first)
            if not known:
                case.judgement = _in_flight(case.judgement)

    def _rows(self, item: ItemPlan, cases: Sequence[_Case]) -> Found:
        wanted = sorted({row for case in cases for row in case.rows})
        has_ledger = self.has_ledger(item.name)
        if not wanted and not has_ledger:
            return {}
        session = self.session if has_ledger else SourceSession(self.session.connection)
        with session.snapshot(tables_of(item)) as connection:
            keys = [json.loads(one) for one in wanted]
            found = read_versioned(connection, self.plan, item, keys, self.state) if keys else []
            if has_ledger:
                self._followers = mastered_by_dynamodb(read_masters(connection, self.plan.name))
                told = [case.suspect.key for case in cases if case.suspect.told is not None and case.suspect.key]
                self._waiting = waiting_keys(connection, self.plan.name, item.table, told) if told else frozenset()
        if item.name in self._followers:  # nothing is delivered to a master
            found = [replace(one, undelivered=False, marked=False) for one in found]
        return {one.source_key: one for one in found}

    def _targets(
        self, table: str, wanted: Sequence[tuple[_Case, str | None]]
    ) -> list[tuple[_Case, JudgedTarget | None]]:
        found = self._read_targets(table, [key for _, key in wanted if key is not None])
        return [(case, _target(found.get(key) if key is not None else None)) for case, key in wanted]

    def _read_targets(self, table: str, keys: Iterable[str]) -> dict[str, TargetRecord]:
        distinct = list(dict.fromkeys(keys))
        pieces = [distinct[at : at + MOST_KEYS] for at in range(0, len(distinct), MOST_KEYS)]
        found: dict[str, TargetRecord] = {}
        for records in self._pool.map(lambda piece: self.reader.read(table, piece), pieces):
            found.update(records)
        return found

    def _judged(
        self, item: ItemPlan, case: _Case, rows: RowsAtKey, target: JudgedTarget | None, first: Found
    ) -> Judgement:
        compared = rows.compared(case.owner)
        holder = next((one for one in compared if rows.twice[one].first.has_key), compared[0] if compared else None)
        outcome = _outcome(first, holder, rows)
        flags = Flags(
            equivalent=self._is_equivalent(item.name, outcome, target),
            expired=self._has_expired(item.table, outcome),
            unsettled=not self.has_ledger(item.name) and self._has_moved(case, rows.twice.get(holder or ""), target),
            never=self._never(item),
            leads=item.name in self._followers,
            first=self._first(),
            told=target is not None and target.version == case.suspect.told and case.suspect.key not in self._waiting,
        )
        stored = None if target is None else Stored(target.version, None if target.is_tombstone else target.digest)
        ruling = rule_on(Readings(tuple(rows.twice[one] for one in compared), stored, flags))
        twice = rows.twice.get(holder or "")
        told = twice if outcome is not None or self.has_ledger(item.name) else None
        versions = (told.first.version, told.second.version) if told else (None, None)
        return Judgement(case.suspect, ruling, JudgedSource(holder, outcome, *versions), target, case.seen)

    def _never(self, item: ItemPlan) -> int:
        control = self.state.control
        if control is not None and self.has_ledger(item.name):
            return first_version(control.epoch + 1)
        return 1 if item.version is None else NEVER

    def _first(self) -> int:
        control = self.state.control
        return 0 if control is None else first_version(control.epoch)

    def _is_equivalent(self, item_type: str, outcome: Assembled | Rejected | None, target: JudgedTarget | None) -> bool:
        if not isinstance(outcome, Assembled) or target is None or target.is_tombstone:
            return False
        return outcome.digest != target.digest and self.options.equivalent(item_type, outcome.item, target.item)

    def _has_expired(self, table: str, outcome: Assembled | Rejected | None) -> bool:
        name = self.options.ttl.get(table)
        if name is None or not isinstance(outcome, Assembled):
            return False
        value = json.loads(outcome.item).get(name, {}).get("N")
        return value is not None and float(value) < self.options.seconds_since_1970()

    def _has_moved(self, case: _Case, twice: RowTwice | None, target: JudgedTarget | None) -> bool:
        """Whether either side has changed since it was seen before; what is seen now is kept for the next time."""
        live = None if target is None or target.is_tombstone else target
        source = twice.first if twice and twice.first.digest is not None else None
        now = Seen(
            source=source.digest if source else None,
            target=live.digest if live else None,
            version=live.version if live else None,
            source_version=source.version if source else None,
        )
        before, case.seen = case.seen, now
        return before != now or (twice is not None and twice.first.digest != twice.second.digest)

    def _without_item_type(self, suspects: Sequence[Suspect]) -> list[Judgement]:
        """Of keys that no source row can have only the target is asked."""
        judgements = []
        for suspect in suspects:
            found = self._read_targets(suspect.table, [suspect.key] if suspect.key else [])
            target = _target(found.get(suspect.key or ""))
            gone = target is None or target.is_tombstone
            ruling = Ruling(Rule.EQUAL, Verdict.MATCH) if gone else Ruling(Rule.UNMAPPED, Verdict.UNMAPPED)
            judgements.append(Judgement(suspect, ruling, JudgedSource(), target))
        return judgements


def _key(case: _Case, first: Found) -> str | None:
    """A reject's may be one that can be built by now."""
    if case.suspect.key is not None or case.own is None or case.own not in first:
        return case.suspect.key
    outcome = first[case.own].outcome
    return outcome.key if isinstance(outcome, Assembled) else None


def _outcome(first: Found, holder: str | None, rows: RowsAtKey) -> Assembled | Rejected | None:
    """What the row is at the key, if it is anything there."""
    if holder is None or not rows.twice[holder].first.has_key:
        return None
    outcome = first[holder].outcome
    return outcome if isinstance(outcome, Assembled | Rejected) else None


def _target(record: TargetRecord | None) -> JudgedTarget | None:
    if record is None:
        return None
    return JudgedTarget(
        record.item, digest(record.item), record.size, record.version, record.is_tombstone, record.owner
    )


def _in_flight(judgement: Judgement) -> Judgement:
    """The target's item names a row that was not read before it was."""
    return replace(judgement, ruling=Ruling(Rule.MOVING, Verdict.IN_FLIGHT, again=True))
