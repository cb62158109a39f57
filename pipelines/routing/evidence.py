"""What applications have seen of a query, and what is missing before more may be asked of DynamoDB.

What is absent, old or too little is missing: no step is passed by having no evidence.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pipelines.errors import TargetError
from pipelines.routing.histogram import of_document, quantile
from pipelines.routing.hours import hours_back
from pipelines.routing.stage import Setting, Stage

if TYPE_CHECKING:
    from pydantic import JsonValue

    from pipelines.target.control_table import ControlTable

HOURS = 24
"""Counted: older ones are no evidence."""
LEAST_COMPARED = 1_000
MOST_MISMATCHES = 0.001
FRESH = timedelta(hours=2)
LEAST_CANARY_CALLS = 100
MOST_FAILURES = 0.01


@dataclass(frozen=True)
class Evidence:
    """`counts`, `durations` (whose → bucket → calls) of HOURS hours and all processes; `last_compared_at` of any."""

    counts: Counter[str]
    durations: dict[str, Counter[int]]
    last_compared_at: datetime | None

    @classmethod
    def read(cls, table: ControlTable, query: str, now: datetime) -> Evidence:
        """Raises TargetError."""
        counts: Counter[str] = Counter()
        durations: defaultdict[str, Counter[int]] = defaultdict(Counter)
        last = ""
        for row in table.query(f"query#{query}", *hours_back("count", now, HOURS)):
            try:
                counts.update(of_counts(row.document.get("counts")))
                histograms = row.document.get("durations")
                for whose, histogram in (histograms if isinstance(histograms, dict) else {}).items():
                    durations[whose].update(of_document(histogram))
                last = max(last, str(row.document.get("last_compared_at", "")))
            except ValueError:
                raise TargetError(f"table {table.name}: a count of query {query} is none of Crossover's") from None
        return cls(counts, dict(durations), datetime.fromisoformat(last) if last else None)

    @property
    def compared(self) -> int:
        return self.counts["shadow_compared"]

    @property
    def mismatches(self) -> int:
        return self.counts["shadow_mismatches"]

    def document(self) -> dict[str, JsonValue]:
        return {
            "hours": HOURS,
            "counts": dict(sorted(self.counts.items())),
            "seconds": {
                whose: {"p50": quantile(histogram, 0.5), "p99": quantile(histogram, 0.99)}
                for whose, histogram in sorted(self.durations.items())
            },
            "last_compared_at": self.last_compared_at.isoformat() if self.last_compared_at else None,
        }


def of_counts(document: object) -> dict[str, int]:
    """Raises ValueError where it is none."""
    if not isinstance(document, dict) or not all(isinstance(one, int) for one in document.values()):
        raise ValueError("no counts")
    return document


def missing(was: Setting, stage: Stage, share: float, evidence: Evidence, now: datetime) -> tuple[str, ...]:
    """What stands in the way of the step, a line each. To ask less of DynamoDB needs nothing."""
    asks_more = stage.rank > was.stage.rank or (stage is was.stage is Stage.CANARY and share > was.share)
    if not asks_more or stage is Stage.SHADOW:
        return ()
    found: list[str] = []
    if stage.rank > was.stage.rank + 1:
        found.append(f"from {was.stage} the next stage is {[*Stage][was.stage.rank + 1]}")
    if evidence.compared < LEAST_COMPARED:
        found.append(f"{evidence.compared:,} calls compared in {HOURS} hours, {LEAST_COMPARED:,} are needed")
    if evidence.mismatches > evidence.compared * MOST_MISMATCHES:
        found.append(
            f"{evidence.mismatches:,} of {evidence.compared:,} answers differ, {MOST_MISMATCHES:.1%} may at most"
        )
    asked, failed = _candidates(evidence.counts, "candidate")
    if failed > asked * MOST_FAILURES:
        found.append(f"{failed:,} of {asked:,} shadow reads failed or were late, {MOST_FAILURES:.0%} may at most")
    if evidence.last_compared_at is None or now - evidence.last_compared_at > FRESH:
        found.append(f"nothing was compared in the last {FRESH.seconds // 3600} hours")
    if stage is Stage.DYNAMODB:
        asked, failed = _candidates(evidence.counts, "dynamodb")
        if asked < LEAST_CANARY_CALLS:
            found.append(f"{asked:,} calls asked DynamoDB in {HOURS} hours, {LEAST_CANARY_CALLS:,} are needed")
        if failed > asked * MOST_FAILURES:
            found.append(f"{failed:,} of {asked:,} of them failed or were late, {MOST_FAILURES:.0%} may at most")
    return tuple(found)


def _candidates(counts: Counter[str], whose: str) -> tuple[int, int]:
    """Asked, and of them failed. In shadow a late one answered all the same, or was given up."""
    failed = counts[f"{whose}_errors"] + counts[f"{whose}_late"]
    return counts[f"{whose}_answers"] + failed, failed
