"""The verdict on one key, without a ledger: all versions are 0. The rules stand in docs/verdicts.md.

Tombstones of the target's side count as absent: the dump does not write them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pipelines.warehouse.manifest import Verdicts


class Verdict(StrEnum):
    """The closed set. The names are those of `Verdicts` and stand in the differences dataset."""

    MATCH = "match"
    ACCEPTED = "accepted"
    PENDING = "pending"
    IN_FLIGHT = "in_flight"
    MISMATCH = "mismatch"
    MISSING = "missing"
    STALE = "stale"
    EXTRA = "extra"
    AHEAD = "ahead"
    FOREIGN = "foreign"
    UNMAPPED = "unmapped"
    REJECTED = "rejected"
    EXPIRED = "expired"


WRONG = (
    Verdict.MISMATCH,
    Verdict.MISSING,
    Verdict.STALE,
    Verdict.EXTRA,
    Verdict.AHEAD,
    Verdict.FOREIGN,
    Verdict.UNMAPPED,
)
"""One of these, and the stores are not consistent."""


@dataclass(frozen=True)
class SourceSide:
    """A record or, with `digest` None, a reject."""

    digest: bytes | None
    version: int = 0

    @property
    def is_reject(self) -> bool:
        return self.digest is None


@dataclass(frozen=True)
class TargetSide:
    """`mapped`: the key fits a template of its table. `version`: `_v`, None where there is none."""

    digest: bytes
    version: int | None
    mapped: bool


def judge(source: SourceSide | None, target: TargetSide | None) -> Verdict:
    """First match wins. At least one side is there."""
    if target is not None:
        if not target.mapped:
            return Verdict.UNMAPPED
        if target.version is None:
            return Verdict.FOREIGN
        if target.version > (source.version if source else 0):
            return Verdict.AHEAD
    if source is None:
        return Verdict.EXTRA
    if source.is_reject:
        return Verdict.REJECTED
    if target is None:
        return Verdict.MISSING
    return Verdict.MATCH if source.digest == target.digest else Verdict.MISMATCH


def plus(one: Verdicts, other: Verdicts) -> Verdicts:
    return Verdicts(**{name: getattr(one, name) + getattr(other, name) for name in Verdicts.model_fields})


def reasons_against(verdicts: Verdicts, rejected_at_most: int) -> tuple[str, ...]:
    """Why the stores cannot be called consistent, in words; empty where they can."""
    reasons = [f"{getattr(verdicts, kind):,} {kind}" for kind in WRONG if getattr(verdicts, kind)]
    if verdicts.rejected > rejected_at_most:
        reasons.append(f"{verdicts.rejected:,} rejected, {rejected_at_most:,} allowed")
    if verdicts.total() == verdicts.rejected:
        reasons.append("nothing was compared")
    return tuple(reasons)
