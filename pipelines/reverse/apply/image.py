"""A state of a DynamoDB item, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


@dataclass(frozen=True)
class Image:
    """`key`, `item`: canonical, without Crossover's own attributes; `item` None for a tombstone. `version`: `_v`.
    `owner`: `_s`, where the item has one."""

    table: str
    key: str
    item: str | None
    version: int
    owner: str | None = None


class Outcome(StrEnum):
    APPLIED = "applied"
    OLDER = "older"  # the source has this state, or a later one
    WAITS = "waits"  # noted in crossover.reverse, and tried again
    IGNORED = "ignored"  # of no item type whose master DynamoDB is


@dataclass(frozen=True)
class Applied:
    """`problem`: one line without a value, where it waits or is ignored. `final`: no other try can help as long as
    the item and the source stay as they are."""

    image: Image
    outcome: Outcome
    problem: str | None = None
    final: bool = False
