"""What a report says, as plain frozen values; the renderers (HTML, text, JSON) add nothing to it.

Every text in here is safe to show: sensitive values and keys are masked, invisible characters are written out,
long values are cut with their length. Counts are complete; samples are bounded and the same on every run.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

from pipelines.diff.standing import Standing


@dataclass(frozen=True)
class StageRun:
    """One stage that the report rests on."""

    stage: str
    id: str
    started_at: datetime
    finished_at: datetime


@dataclass(frozen=True)
class VerdictCount:
    """`verdict` is the name in docs/verdicts.md, `words` the same for a reader."""

    verdict: str
    words: str
    items: int
    breaks_consistency: bool


@dataclass(frozen=True)
class ItemTypeVerdicts:
    """One item type: its items in source ∪ target. `counts` go with the report's `verdicts`, one for one.

    `item_type` is "" for items whose key fits no template.
    """

    item_type: str
    counts: tuple[int, ...]

    @property
    def items(self) -> int:
        return sum(self.counts)


@dataclass(frozen=True)
class Term:
    name: str
    count: int


@dataclass(frozen=True)
class Account:
    """An equation that must hold: `total` = the sum of `parts`."""

    where: str
    total: Term
    parts: tuple[Term, ...]

    @property
    def parts_total(self) -> int:
        return sum(part.count for part in self.parts)

    @property
    def balanced(self) -> bool:
        return self.total.count == self.parts_total


@dataclass(frozen=True)
class Unchecked:
    """Something a reader could believe was checked."""

    what: str
    why: str


@dataclass(frozen=True)
class PathCount:
    """In how many places of all items one attribute differs in one way; `path` without indexes, `lines[].price`.

    `accepted`: as the mapping's `compare` lets it.
    """

    item_type: str
    path: str
    kind: str
    places: int
    accepted: bool = False


@dataclass(frozen=True)
class ShownValue:
    """One value of an attribute; `type` is DynamoDB's (`S`, `N`, `M` …), "" where it is masked.

    `text[changed_from:changed_to]` is what the other side has otherwise; empty where that does not help to read it.
    """

    text: str
    type: str
    changed_from: int = 0
    changed_to: int = 0


@dataclass(frozen=True)
class PathDifference:
    """One attribute that differs; a side is None where it does not have the attribute.

    `accepted_by`: the rules of the mapping's `compare` that let it differ so.
    """

    path: str
    kind: str
    source: ShownValue | None
    target: ShownValue | None
    accepted_by: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sample:
    """One item that is not a match. Sizes are in bytes; versions and sizes are None on a side that has no item.

    `reject`: why it is one, `number_out_of_range at lines.price`; "" of other verdicts.
    """

    item_type: str
    table: str
    key: str
    source_key: str | None
    verdict: str
    words: str
    source_version: int | None
    target_version: int | None
    source_size: int | None
    target_size: int | None
    paths: tuple[PathDifference, ...]
    more_paths: int
    reject: str = ""


@dataclass(frozen=True)
class SampleGroup:
    """Samples of one verdict, which `items` items have."""

    verdict: str
    items: int
    samples: tuple[Sample, ...]

    @property
    def extent(self) -> str:
        shown = len(self.samples)
        if shown < self.items:
            return f"the first {shown:,} of {self.items:,} by key"
        return "1 item" if shown == 1 else f"all {shown:,}"


@dataclass(frozen=True)
class ReportData:
    migration: str
    run_id: str
    mapping_hash: str
    crossover: str
    mode: str
    source: str
    coverage: float
    consistent: bool
    summary: str
    reasons: tuple[str, ...]
    flow: tuple[Term, ...]
    verdicts: tuple[VerdictCount, ...]
    item_types: tuple[ItemTypeVerdicts, ...]
    unchecked: tuple[Unchecked, ...]
    reject_reasons: tuple[Term, ...]
    accounts: tuple[Account, ...]
    path_counts: tuple[PathCount, ...]
    other_places: int
    samples: tuple[Sample, ...]
    samples_per_verdict: int
    differences: int
    differences_folder: str
    rejects_folder: str
    stages: tuple[StageRun, ...]
    repair_command: str = ""
    judged_again: int = 0  # differences of which both sides were read again
    undecided: bool = False  # nothing is wrong, and yet it is not consistent; not told by reports of before

    @property
    def standing(self) -> Standing:
        if self.consistent:
            return Standing.CONSISTENT
        return Standing.UNDECIDED if self.undecided else Standing.INCONSISTENT

    @property
    def items(self) -> int:
        """Source ∪ target, in items."""
        return sum(verdict.items for verdict in self.verdicts)

    @property
    def samples_by_verdict(self) -> tuple[SampleGroup, ...]:
        """In the samples' order."""
        items = {one.verdict: one.items for one in self.verdicts}
        groups = groupby(self.samples, key=attrgetter("verdict"))
        return tuple(SampleGroup(verdict, items[verdict], tuple(samples)) for verdict, samples in groups)

    @property
    def balanced(self) -> bool:
        return all(account.balanced for account in self.accounts)
