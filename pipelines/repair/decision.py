"""What a repair does about one judgement. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipelines.judging.suspect import JudgedTarget, Judgement
from pipelines.judging.verdict import Verdict
from pipelines.mapping.outcome import Assembled, Rejected
from pipelines.source.ledger.version import EPOCH_STEP
from pipelines.target.record import MAX_VERSION

HIGHEST_VERSION = MAX_VERSION - 2 * EPOCH_STEP
"""Above it no epoch could begin."""


class Standing(StrEnum):
    """Each difference of a run has one."""

    REPAIRABLE = "repairable"  # of a plan
    REPAIRED = "repaired"
    NO_LONGER = "no_longer_different"
    PENDING = "pending"  # on its way, or changed meanwhile
    NOT = "not_repairable"
    FAILED = "failed"


class Way(StrEnum):
    """How an item is repaired. The names stand in images.

    DELIVERED: its version is raised, and delivery puts it or its tombstone. EXCHANGED: the same, but delivery would
    take what is there for a conflict, so that it is replaced first by compare-and-set. REMOVED, SET: without a ledger,
    by compare-and-set alone.
    """

    DELIVERED = "delivered"
    EXCHANGED = "exchanged"
    REMOVED = "removed"
    SET = "set"

    @property
    def by_ledger(self) -> bool:
        return self in (Way.DELIVERED, Way.EXCHANGED)


@dataclass(frozen=True)
class Decision:
    """`way`: with REPAIRABLE. `reason`: with all others, for people."""

    standing: Standing
    reason: str = ""
    way: Way | None = None


@dataclass(frozen=True)
class Rules:
    """Of one item type. `asked`: verdicts that the user has named; none: the usual ones. `next_epoch`: the next
    epoch's first version, None without a ledger. `key_names_row`: as of the mapping. `versioned`: a column of the row
    tells its version."""

    asked: frozenset[Verdict]
    next_epoch: int | None
    key_names_row: bool
    versioned: bool = False


_NEVER = {
    Verdict.ACCEPTED: "the mapping accepts the difference",
    Verdict.EXPIRED: "its time to live is past",
    Verdict.REJECTED: "the source row can be no item; correct the row",
    Verdict.UNMAPPED: "no item type has such a key: nobody can say what should be there",
}
_ON_ITS_WAY = "on its way; run `crossover relay --drain`, then this again"
_MOVED = "it changes while it is looked at"
_FOREIGN = "not written by Crossover; only with --verdict foreign"
_NEXT_EPOCH = "`_v` is of a later epoch: is the database older than the target? Only with --verdict ahead"
_NO_LEDGER = "it has a version, and no ledger tells any: is capture gone? Only with --verdict ahead"
_NOT_THE_ROWS = "`_v` is above its row's version: is the database older than the target? Only with --verdict ahead"
_TOO_HIGH = "`_v` is so high that no epoch could begin above it; remove the item by hand"


def decide(judgement: Judgement, rules: Rules) -> Decision:
    verdict = judgement.verdict
    if verdict is Verdict.MATCH:
        return Decision(Standing.NO_LONGER)
    if verdict in (Verdict.PENDING, Verdict.IN_FLIGHT):
        return Decision(Standing.PENDING, _ON_ITS_WAY if verdict is Verdict.PENDING else _MOVED)
    reason = _against(judgement, rules)
    if reason:
        return Decision(Standing.NOT, reason)
    if judgement.source.version != judgement.source.later_version:
        return Decision(Standing.PENDING, _MOVED)
    return Decision(Standing.REPAIRABLE, way=_way(judgement, rules))


def _against(judgement: Judgement, rules: Rules) -> str:
    verdict, target = judgement.verdict, judgement.target
    if verdict in _NEVER:
        return _NEVER[verdict]
    if rules.asked and verdict not in rules.asked:
        return "not asked for"
    if isinstance(judgement.source.outcome, Rejected):
        return _NEVER[Verdict.REJECTED]
    if verdict is Verdict.FOREIGN and not rules.asked:
        return _FOREIGN
    if verdict is Verdict.AHEAD and target is not None and target.version is not None:
        return _against_ahead(target.version, rules)
    return ""


def _against_ahead(version: int, rules: Rules) -> str:
    """A touch can raise an item over any version (rule 13), and the next epoch begins above it (rule 5). But what is of
    a later epoch may be the work of a database that is newer than this one."""
    if rules.next_epoch is None:
        return "" if rules.asked else _NOT_THE_ROWS if rules.versioned else _NO_LEDGER
    if version >= HIGHEST_VERSION:
        return _TOO_HIGH
    return _NEXT_EPOCH if version >= rules.next_epoch and not rules.asked else ""


def _way(judgement: Judgement, rules: Rules) -> Way:
    source = judgement.source
    if rules.next_epoch is None:
        return Way.SET if isinstance(source.outcome, Assembled) else Way.REMOVED
    if source.source_key is None:
        return Way.REMOVED
    return Way.DELIVERED if _gives_way(judgement.target, source.source_key, rules.key_names_row) else Way.EXCHANGED


def _gives_way(target: JudgedTarget | None, source_key: str, key_names_row: bool) -> bool:
    """Whether the condition of a delivery holds for what is there, once the version is above its (rule 7)."""
    if target is None or target.is_tombstone:
        return True
    return target.version is not None and (key_names_row or target.owner == source_key)
