"""The verdict on one key by three readings: the source (S1), the target (T), the source again (S2), in this order.

Pure. The rules are those of docs/verdicts.md, b to m; the first that holds decides. Rule a is the Judge's own: a key
that fits no template has no source to be read. Of two rows that meet at one key the versions are not compared, since
each counts its own row's changes: `owners` comes after b and decides alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

from pipelines.judging.verdict import Verdict

NEVER = 2**63
"""Above every version."""


class Rule(StrEnum):
    UNMAPPED = "a"
    FOREIGN = "b"
    OWNERS = "owners"
    AHEAD = "c"
    FOLLOWS = "follows"
    REJECTED = "d"
    EXPIRED = "e"
    EQUAL = "f"
    MARKED = "g"
    MOVING = "h"
    SAME_VERSION = "i"
    UNDELIVERED = "j"
    EXTRA = "k"
    MISSING = "l"
    STALE = "m"


@dataclass(frozen=True)
class Row:
    """One source row as one snapshot shows it. `digest`: of its item at the key that is judged; None where it has none
    there. `is_reject`: the row is there, and can be no item. `version`: 0 where nothing tells it; None where a column
    of the row would, and there is no row, or nothing in it."""

    version: int | None
    digest: bytes | None
    is_reject: bool = False
    undelivered: bool = False
    marked: bool = False

    def is_below(self, stored: int) -> bool:
        """What has no version is below none."""
        return self.version is not None and self.version < stored

    @property
    def has_key(self) -> bool:
        return self.is_reject or self.digest is not None


@dataclass(frozen=True)
class RowTwice:
    """The same row at S1 and at S2."""

    first: Row
    second: Row

    @property
    def is_waiting(self) -> bool:
        """Marks are those of the second reading: one may have come between the two."""
        return self.first.undelivered or self.second.undelivered or self.second.marked

    @property
    def moved(self) -> bool:
        return self.first.version != self.second.version


@dataclass(frozen=True)
class Stored:
    """What the target has at the key: an item or, with `digest` None, a tombstone. `version`: `_v`, None where there is
    none."""

    version: int | None
    digest: bytes | None


@dataclass(frozen=True)
class Flags:
    """`equivalent`: the two items differ as the mapping allows.
    `expired`: the application's TTL of the source's item is past. `unsettled`: without a ledger, the difference is not
    yet the same as it was `settle_seconds` ago, or the source changed between S1 and S2. `never`: above every version
    that there can be, asked where no row is known. `leads`: the target is the master, and the source follows it; then
    the versions of `never`'s epoch begin at `first`. `told`: all that the target had by the time it had this version
    has been applied to the source, and this is not among what waits."""

    equivalent: bool = False
    expired: bool = False
    unsettled: bool = False
    never: int = NEVER
    leads: bool = False
    first: int = 0
    told: bool = False


@dataclass(frozen=True)
class Readings:
    """`rows`: the one that the target's item names first, then those that have the key in the source; where there is
    neither, the one that the key tells or that had it; none where nobody can say. `stored`: None where nothing is at
    the key."""

    rows: tuple[RowTwice, ...]
    stored: Stored | None
    flags: Flags = Flags()

    @property
    def live(self) -> bool:
        """Whether the target has an item that is no tombstone."""
        return self.stored is not None and self.stored.digest is not None


@dataclass(frozen=True)
class Ruling:
    """`again`: it has to be read again; if it cannot be any more, `verdict` stands."""

    rule: Rule
    verdict: Verdict
    again: bool = False


def rule_on(readings: Readings) -> Ruling:
    """First match wins."""
    stored = readings.stored
    if stored is not None and stored.version is None:
        return Ruling(Rule.FOREIGN, Verdict.FOREIGN)
    if not readings.rows:
        return _without_row(readings)
    if len(readings.rows) > 1:
        return _of_several_rows(readings)
    return _of_one_row(readings.rows[0], readings)


def _version(stored: Stored | None) -> int:
    return -1 if stored is None or stored.version is None else stored.version


def _without_row(readings: Readings) -> Ruling:
    """Nobody can say whose it is."""
    if _version(readings.stored) >= readings.flags.never:
        return Ruling(Rule.AHEAD, Verdict.AHEAD)
    if not readings.live:
        return Ruling(Rule.EQUAL, Verdict.MATCH)
    if readings.flags.leads and _version(readings.stored) > readings.flags.first:
        return _above(readings)
    return _unless_unsettled(readings, Ruling(Rule.EXTRA, Verdict.EXTRA))


def _above(readings: Readings) -> Ruling:
    """The target has a version that the source has not: one that never was, or is yet to be applied."""
    flags = readings.flags
    if flags.leads and not flags.told and _version(readings.stored) < flags.never:
        return Ruling(Rule.FOLLOWS, Verdict.PENDING, again=True)
    return Ruling(Rule.AHEAD, Verdict.AHEAD)


def _of_several_rows(readings: Readings) -> Ruling:
    """The key has changed hands, or is about to. Whoever has it has to be delivered, and whoever had it; but a reject
    never will be."""
    holders = [row.first for row in readings.rows if row.first.has_key]
    if any(row.is_reject for row in holders):
        return Ruling(Rule.OWNERS, Verdict.REJECTED)
    if any(row.is_waiting for row in readings.rows):
        return Ruling(Rule.OWNERS, Verdict.PENDING)
    if any(row.moved for row in readings.rows):
        return Ruling(Rule.OWNERS, Verdict.IN_FLIGHT, again=True)
    if readings.rows[0].second.is_below(_version(readings.stored)):
        return replace(_above(readings), rule=Rule.OWNERS)
    if not holders and not readings.live:
        return Ruling(Rule.OWNERS, Verdict.MATCH)
    return _unless_unsettled(readings, Ruling(Rule.OWNERS, _at_rest(bool(holders), readings.live)))


def _of_one_row(row: RowTwice, readings: Readings) -> Ruling:
    first, second, flags = row.first, row.second, readings.flags
    stored = _version(readings.stored)
    in_source = first.digest is not None
    if second.is_below(stored):
        return _above(readings)
    if first.is_reject:
        return Ruling(Rule.REJECTED, Verdict.REJECTED)
    if flags.expired and readings.stored is None:
        return Ruling(Rule.EXPIRED, Verdict.EXPIRED)
    if first.digest == (readings.stored.digest if readings.stored else None):
        return Ruling(Rule.EQUAL, Verdict.MATCH)
    if flags.equivalent:
        return Ruling(Rule.EQUAL, Verdict.ACCEPTED)
    if second.marked:
        return Ruling(Rule.MARKED, Verdict.PENDING)
    if row.moved or flags.unsettled:  # as it has, too, where T is above S1's version: it is not above S2's
        return Ruling(Rule.MOVING, Verdict.IN_FLIGHT, again=True)
    if stored == first.version:
        return Ruling(Rule.SAME_VERSION, _at_rest(in_source, readings.live))
    if first.undelivered:
        return Ruling(Rule.UNDELIVERED, Verdict.PENDING)
    if not in_source:
        return Ruling(Rule.EXTRA, Verdict.EXTRA)
    return Ruling(Rule.STALE, Verdict.STALE) if readings.live else Ruling(Rule.MISSING, Verdict.MISSING)


def _at_rest(in_source: bool, live: bool) -> Verdict:
    """At one version, or of two rows that are both at rest: named by the side that has no item."""
    if not in_source:
        return Verdict.EXTRA
    return Verdict.MISMATCH if live else Verdict.MISSING


def _unless_unsettled(readings: Readings, ruling: Ruling) -> Ruling:
    return Ruling(Rule.MOVING, Verdict.IN_FLIGHT, again=True) if readings.flags.unsettled else ruling
