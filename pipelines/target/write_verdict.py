"""What a write has come to, judged by the old item that a refusal returns and by the ledger, read again (rule 7)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from pipelines.mapping.online import source_key_text
from pipelines.target.conditional_write import Answered, Sent, Write
from pipelines.target.record import target_record
from pipelines.target.scan import WireItem


class Verdict(StrEnum):
    """The first five leave nothing to be done for this key."""

    WRITTEN = "written"
    TOMBSTONED = "tombstoned"
    DONE = "done"  # it was there already
    SUPERSEDED = "superseded"
    NOT_OURS = "not_ours"  # a left key, which another row has taken since
    AGAIN = "again"  # equal version, other content, and the item has changed since
    HELD = "held"  # by another row's live item, which is asked to leave
    RAISE_HOLDER = "raise_holder"  # a left key: another row's item there is older than the leaving
    TAKEN_OVER = "taken_over"  # another row's tombstone: our version is raised over its
    CONFLICT = "conflict"
    UNKNOWN = "unknown"
    NOT_SENT = "not_sent"
    IMPOSSIBLE = "impossible"

    @property
    def settled(self) -> bool:
        return self in _SETTLED

    @property
    def final(self) -> bool:
        """Whether trying again cannot help while the source stays as it is."""
        return self in (Verdict.CONFLICT, Verdict.IMPOSSIBLE)


_SETTLED = frozenset({Verdict.WRITTEN, Verdict.TOMBSTONED, Verdict.DONE, Verdict.SUPERSEDED, Verdict.NOT_OURS})
_UNREFUSED = {
    Sent.UNKNOWN: Verdict.UNKNOWN,
    Sent.NOT_SENT: Verdict.NOT_SENT,
    Sent.IMPOSSIBLE: Verdict.IMPOSSIBLE,
}


@dataclass(frozen=True)
class Now:
    """The ledger, read after the refusal. `moved`: the item's version is another than the one that was written, or an
    open mark reaches it."""

    version: int
    moved: bool


@dataclass(frozen=True)
class Met:
    """What a refused write met at its key. `version`: -1 where it is not ours. `owner`: `_s`. `equal`: it is what was
    to be written."""

    version: int
    owner: str | None
    is_tombstone: bool
    equal: bool

    @classmethod
    def of(cls, write: Write, old: WireItem) -> Met:
        record = target_record(old, tuple(json.loads(write.key)))
        return cls(
            version=-1 if record.version is None else record.version,
            owner=record.owner,
            is_tombstone=record.is_tombstone,
            equal=record.is_tombstone if write.item is None else not record.is_tombstone and record.item == write.item,
        )


@dataclass(frozen=True)
class Refused:
    """A write that its condition has refused. `owner`: where items bear it. `left`: of a tombstone, the version at
    which its key was left; None of a put."""

    owner: str | None
    version: int
    left: int | None
    met: Met


def asks_ledger(answered: Answered) -> bool:
    """Whether `judge` needs the ledger's Now for it."""
    return answered.sent is Sent.REFUSED and answered.old is not None


def met(answered: Answered) -> Met | None:
    return None if answered.old is None else Met.of(answered.write, answered.old)


def judge(answered: Answered, left: int | None, now: Now | None) -> Verdict:
    """`left`: of a tombstone, the version at which its key was left. `now`: where `asks_ledger`."""
    write, found = answered.write, met(answered)
    if answered.sent is Sent.WRITTEN:
        return Verdict.TOMBSTONED if write.item is None else Verdict.WRITTEN
    if answered.sent is not Sent.REFUSED:
        return _UNREFUSED[answered.sent]
    if found is None or now is None:
        return Verdict.UNKNOWN
    return judge_refused(Refused(write.owner, write.version, None if write.item else left or 0, found), now)


def judge_refused(refused: Refused, now: Now) -> Verdict:
    if refused.met.version < 0:
        return Verdict.CONFLICT
    if refused.owner is None or refused.met.owner == refused.owner:
        return _of_its_own(refused, now)
    return _of_another(refused) if _is_alike(refused.met.owner, refused.owner) else Verdict.CONFLICT


def _is_alike(owner: str | None, other: str) -> bool:
    """Whether it is a source key of the same table, which can be asked to leave, written as ours are: it becomes one of
    the ledger's. Anybody can have written it."""
    try:
        found = json.loads(owner or "")
    except (ValueError, RecursionError):
        return False
    columns = json.loads(other)
    if not isinstance(found, dict) or found.keys() != columns.keys():
        return False
    texts = [(column, found[column]) for column in columns]
    return all(isinstance(text, str) for _, text in texts) and source_key_text(texts) == owner


def _of_another(refused: Refused) -> Verdict:
    if refused.met.is_tombstone:
        return Verdict.TAKEN_OVER
    if refused.left is None:
        return Verdict.HELD
    return Verdict.NOT_OURS if refused.met.version >= refused.left else Verdict.RAISE_HOLDER


def _of_its_own(refused: Refused, now: Now) -> Verdict:
    if refused.met.version > now.version:
        return Verdict.CONFLICT
    if refused.met.version > refused.version:
        return Verdict.SUPERSEDED
    if refused.met.equal:
        return Verdict.DONE
    return Verdict.AGAIN if now.moved else Verdict.CONFLICT
