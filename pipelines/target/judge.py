"""What a write has come to, judged by the old item that a refusal returns and by the ledger, read again (rule 7)."""

from __future__ import annotations

import json
from dataclasses import dataclass
from enum import StrEnum

from pipelines.items.record import SOURCE_ATTRIBUTE
from pipelines.target.conditional_write import Answered, Sent, Write
from pipelines.target.record import TargetRecord, target_record
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
class Stored:
    """What was met at the key: `version` None where it is not ours. `owner`: `_s`."""

    record: TargetRecord
    owner: str | None

    @classmethod
    def of(cls, write: Write, old: WireItem) -> Stored:
        owner = old.get(SOURCE_ATTRIBUTE, {}).get("S")
        return cls(target_record(old, tuple(json.loads(write.key))), owner)

    @property
    def version(self) -> int:
        return -1 if self.record.version is None else self.record.version

    def equals(self, write: Write) -> bool:
        if write.item is None or self.record.is_tombstone:
            return write.item is None and self.record.is_tombstone
        return self.record.item == write.item


def asks_ledger(answered: Answered) -> bool:
    """Whether `judge` needs the ledger's Now for it."""
    return answered.sent is Sent.REFUSED and answered.old is not None


def stored(answered: Answered) -> Stored | None:
    return None if answered.old is None else Stored.of(answered.write, answered.old)


def judge(answered: Answered, left: int | None, now: Now | None) -> Verdict:
    """`left`: of a tombstone, the version at which its key was left. `now`: where `asks_ledger`."""
    write, met = answered.write, stored(answered)
    if answered.sent is Sent.WRITTEN:
        return Verdict.TOMBSTONED if write.item is None else Verdict.WRITTEN
    if answered.sent is not Sent.REFUSED:
        return _UNREFUSED[answered.sent]
    if met is None or now is None:
        return Verdict.UNKNOWN
    if met.record.version is None:
        return Verdict.CONFLICT
    if write.owner is None or met.owner == write.owner:
        return _of_its_own(met, write, now)
    return _of_another(met, write, left or 0) if _is_alike(met.owner, write.owner) else Verdict.CONFLICT


def _is_alike(owner: str | None, other: str) -> bool:
    """Whether it is a source key of the same table, which can be asked to leave."""
    try:
        found = json.loads(owner or "")
    except ValueError:
        return False
    return isinstance(found, dict) and found.keys() == json.loads(other).keys()


def _of_another(met: Stored, write: Write, left: int) -> Verdict:
    if met.record.is_tombstone:
        return Verdict.TAKEN_OVER
    if write.item is not None:
        return Verdict.HELD
    return Verdict.NOT_OURS if met.version >= left else Verdict.RAISE_HOLDER


def _of_its_own(met: Stored, write: Write, now: Now) -> Verdict:
    if met.version > now.version:
        return Verdict.CONFLICT
    if met.version > write.version:
        return Verdict.SUPERSEDED
    if met.equals(write):
        return Verdict.DONE
    return Verdict.AGAIN if now.moved else Verdict.CONFLICT
