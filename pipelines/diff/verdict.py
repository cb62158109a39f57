"""The verdict on one key. The rules stand in docs/verdicts.md.

Tombstones of the target's side count as absent; they lie apart in the dump. Where neither a ledger nor a column of the
row tells any, all versions are 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pipelines.judging.verdict import Verdict
from pipelines.warehouse.manifest import Verdicts


class SourceSide(NamedTuple):  # one for each difference, like the next
    """A record or, with `digest` None, a reject."""

    digest: bytes | None
    version: int = 0

    @property
    def is_reject(self) -> bool:
        return self.digest is None


class TargetSide(NamedTuple):
    """`mapped`: the key fits a template of its table. `version`: `_v`, None where there is none."""

    digest: bytes
    version: int | None
    mapped: bool


@dataclass(frozen=True)
class RowState:
    """A source row, there or not, as the snapshot's ledger knows it."""

    version: int
    undelivered: bool


@dataclass(frozen=True)
class LedgerSide:
    """What the snapshot's ledger says of a key. `row`: that has the key or, where none has, that the target's item
    belongs to; None where that cannot be told. `owner`: the row that the target's item belongs to, where that is
    another one. `next_epoch`: above every version of this epoch. `marked`: an open mark may reach the item.
    `tombstone`: the version of the one that the target has at the key; -1 where it has none."""

    row: RowState | None
    owner: RowState | None
    next_epoch: int
    marked: bool
    tombstone: int = -1


def judge(
    source: SourceSide | None,
    target: TargetSide | None,
    ledger: LedgerSide | None = None,
    equivalent: bool = False,
    versioned: bool = False,
) -> Verdict:
    """First match wins. At least one side is there. `ledger`: None where the item type has none. `equivalent`: the
    items are not equal, and all their differences are accepted ones. `versioned`: versions are those of a column."""
    if target is not None:
        if not target.mapped:
            return Verdict.UNMAPPED
        if target.version is None:
            return Verdict.FOREIGN
    if ledger is not None:
        stored = ledger.tombstone if target is None else target.version or 0
        return _by_ledger(source, target, stored, ledger, equivalent)
    if versioned:
        return _by_column(source, target, equivalent)
    if target is not None and (target.version or 0) > (source.version if source else 0):
        return Verdict.AHEAD
    return _at_rest(source, target, equivalent)


def _by_ledger(
    source: SourceSide | None, target: TargetSide | None, stored: int, ledger: LedgerSide, equivalent: bool
) -> Verdict:
    if stored >= ledger.next_epoch:
        return Verdict.AHEAD
    states = [state for state in (ledger.row, ledger.owner) if state is not None]
    owner = ledger.owner or ledger.row
    if ledger.owner is not None and any(state.undelivered for state in states):
        return Verdict.PENDING
    if owner is not None and stored > owner.version:
        return Verdict.IN_FLIGHT  # written after the snapshot, or by nobody of ours: the snapshot cannot tell
    verdict = _at_rest(source, target, equivalent)
    if verdict in (Verdict.REJECTED, Verdict.MATCH, Verdict.ACCEPTED):
        return Verdict.MISMATCH if verdict is not Verdict.REJECTED and ledger.owner is not None else verdict
    if any(state.undelivered for state in states):
        return Verdict.PENDING
    if verdict is not Verdict.MISMATCH:
        return verdict
    if ledger.owner is None and ledger.row is not None and stored < ledger.row.version:
        return Verdict.STALE
    return Verdict.PENDING if ledger.marked else Verdict.MISMATCH


def _by_column(source: SourceSide | None, target: TargetSide | None, equivalent: bool) -> Verdict:
    """A row that is gone has no version, nor has a reject."""
    verdict = _at_rest(source, target, equivalent)
    if source is None or source.is_reject or target is None:
        return verdict
    stored = target.version or 0
    if stored > source.version:
        return Verdict.IN_FLIGHT  # as by a ledger: the snapshot cannot tell
    return Verdict.STALE if verdict is Verdict.MISMATCH and stored < source.version else verdict


def _at_rest(source: SourceSide | None, target: TargetSide | None, equivalent: bool) -> Verdict:
    """By content alone."""
    if source is None:
        return Verdict.EXTRA
    if source.is_reject:
        return Verdict.REJECTED
    if target is None:
        return Verdict.MISSING
    if source.digest == target.digest:
        return Verdict.MATCH
    return Verdict.ACCEPTED if equivalent else Verdict.MISMATCH


def plus(one: Verdicts, other: Verdicts) -> Verdicts:
    return Verdicts(**{name: getattr(one, name) + getattr(other, name) for name in Verdicts.model_fields})
