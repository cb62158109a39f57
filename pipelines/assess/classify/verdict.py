"""What classification says of one statement, before its load is known."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from pipelines.assess.patterns import Alternative, Branch, Embed, PatternClass, Write

RANK = {pattern: rank for rank, pattern in enumerate(PatternClass)}
"""The better a read can be served, the lower."""


@dataclass(frozen=True)
class Verdict:
    pattern: PatternClass
    reason: str
    table: str | None = None
    keys: tuple[str, ...] = ()
    sort: str | None = None
    ranged: bool = False
    prefixed: bool = False
    batch: bool = False
    sparse: bool = False
    filters: tuple[str, ...] = ()
    order: tuple[str, ...] = ()
    once: bool = False
    embeds: tuple[Embed, ...] = ()
    branches: tuple[Branch, ...] = ()
    alternative: Alternative | None = None
    locks: bool = False
    limit: bool = False
    writes: tuple[Write, ...] = ()

    def reads(self) -> tuple[Branch, ...]:
        """All that it takes; none where no table is known."""
        if self.branches or self.table is None:
            return self.branches
        return (
            Branch(
                pattern=self.pattern,
                table=self.table,
                keys=self.keys,
                sort=self.sort,
                ranged=self.ranged,
                prefixed=self.prefixed,
                batch=self.batch,
                sparse=self.sparse,
                filters=self.filters,
                order=self.order,
                embeds=self.embeds,
            ),
        )


def together(verdicts: Sequence[Verdict]) -> Verdict:
    """The first of those that are served worst, with the reads of all."""
    found = worst(verdicts)
    once = any(one.once for one in verdicts)
    return replace(found, once=once, branches=tuple(read for one in verdicts for read in one.reads()))


def outside(reason: str) -> Verdict:
    return Verdict(PatternClass.OUTSIDE, reason)


def not_for_dynamodb(reason: str, alternative: Alternative, table: str | None = None) -> Verdict:
    return Verdict(PatternClass.NOT_FOR_DYNAMODB, reason, table=table, alternative=alternative)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The first of those that are served worst."""
    return max(verdicts, key=lambda one: RANK[one.pattern])
