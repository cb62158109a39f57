"""What classification says of one statement, before its load is known."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.assess.patterns import Alternative, Embed, PatternClass, Write

RANK = {pattern: rank for rank, pattern in enumerate(PatternClass)}
"""The better a read can be served, the lower."""


@dataclass(frozen=True)
class Verdict:
    pattern: PatternClass
    reason: str
    table: str | None = None
    keys: tuple[str, ...] = ()
    sort: str | None = None
    batch: bool = False
    filters: tuple[str, ...] = ()
    embeds: tuple[Embed, ...] = ()
    alternative: Alternative | None = None
    locks: bool = False
    limit: bool = False
    writes: tuple[Write, ...] = ()


def outside(reason: str) -> Verdict:
    return Verdict(PatternClass.OUTSIDE, reason)


def not_for_dynamodb(reason: str, alternative: Alternative, table: str | None = None) -> Verdict:
    return Verdict(PatternClass.NOT_FOR_DYNAMODB, reason, table=table, alternative=alternative)


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The first of those that are served worst."""
    return max(verdicts, key=lambda one: RANK[one.pattern])
