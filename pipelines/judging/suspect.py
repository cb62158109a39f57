"""What is judged, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.judging.rules import Ruling
from pipelines.judging.verdict import Verdict
from pipelines.mapping.outcome import Assembled, Rejected


@dataclass(frozen=True)
class Seen:
    """Both sides as they were read `settle_seconds` ago or earlier, digests and versions; None where a side had no
    item."""

    source: bytes | None
    target: bytes | None
    version: int | None
    source_version: int | None


@dataclass(frozen=True)
class Suspect:
    """One key that may differ. `item_type`: None where the key fits no template. `key`: canonical; None for a reject
    whose key could not be built. `source_key`: as in a record, None where only the target has the key. `seen`: of use
    without a ledger, where a difference counts that was seen before; without it the Judge waits and reads once more.
    `told`: a version that the target had at a time of which, where DynamoDB is the master, the reverse relay has told
    everything; None where it has not."""

    item_type: str | None
    table: str
    key: str | None
    source_key: str | None
    seen: Seen | None = None
    told: int | None = None


@dataclass(frozen=True)
class JudgedSource:
    """The row that has the key or, where none has, whose version was compared. `source_key`: None where none is known.
    `outcome`: of S1, None where the row is nothing at the key. `version`, `later_version`: at S1 and S2; None where the
    row is nothing at the key, and no ledger tells, or has none."""

    source_key: str | None = None
    outcome: Assembled | Rejected | None = None
    version: int | None = None
    later_version: int | None = None


@dataclass(frozen=True)
class JudgedTarget:
    """What was at the key. `item`: canonical; `size`: in bytes; `version`: `_v`, None where there is none; `owner`:
    `_s`."""

    item: str
    digest: bytes
    size: int
    version: int | None
    is_tombstone: bool
    owner: str | None


@dataclass(frozen=True)
class Judgement:
    """`target`: None where nothing is at the key. `seen`: both sides as they were read, without a ledger."""

    suspect: Suspect
    ruling: Ruling
    source: JudgedSource
    target: JudgedTarget | None
    seen: Seen | None = None

    @property
    def verdict(self) -> Verdict:
        return self.ruling.verdict
