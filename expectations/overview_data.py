"""What the page over all migrations says, as plain frozen values, safe to show like those of `report_data`."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from expectations.cutover_view import CutoverView
from expectations.report_data import PathCount, SampleGroup, Term, Unchecked
from expectations.trend import Trend
from pipelines.diff.standing import Standing

_PREDICATES = {
    Standing.INCONSISTENT: ("is not consistent", "are not consistent"),
    Standing.UNDECIDED: ("is undecided", "are undecided"),
    Standing.UNREADABLE: ("cannot be read", "cannot be read"),
    Standing.UNVERIFIED: ("was never verified", "were never verified"),
    Standing.CONSISTENT: ("is consistent", "are consistent"),
}


@dataclass(frozen=True)
class ItemTypeView:
    """One item type now. `wrong`, `undecided` and `let_pass` (rejected, accepted, expired) hold no zeros.

    `wrong_since`, when the first of the `wrong_runs` last runs ended, in all of which it had something wrong.
    `item_type` is "" for items whose key fits no template.
    """

    item_type: str
    standing: Standing
    items: int
    equal: int
    wrong: tuple[Term, ...]
    undecided: tuple[Term, ...]
    let_pass: tuple[Term, ...]
    wrong_since: datetime | None
    wrong_runs: int


@dataclass(frozen=True)
class Details:
    """What only the run's report tells. `page` and `data_docs` are relative to the overview.

    `samples` are a few of each verdict, `path_counts` the most frequent; `more_places` counts what is not among them.
    """

    page: str
    data_docs: str
    unchecked: tuple[Unchecked, ...]
    path_counts: tuple[PathCount, ...]
    more_places: int
    samples: tuple[SampleGroup, ...]
    repair_command: str


@dataclass(frozen=True)
class RunView:
    """The newest run that can be read. `details` is None where it has no report."""

    run_id: str
    finished_at: datetime
    summary: str
    reasons: tuple[str, ...]
    mode: str
    coverage: float
    items: int
    differences: int
    differences_folder: str
    item_types: tuple[ItemTypeView, ...]
    details: Details | None


@dataclass(frozen=True)
class MigrationView:
    """`notes`: what keeps the page from saying more, or from being sure: runs that cannot be read or did not finish.
    `cutover`: None where nobody has looked at it."""

    name: str
    standing: Standing
    run: RunView | None
    notes: tuple[str, ...]
    trend: Trend
    cutover: CutoverView | None = None


@dataclass(frozen=True)
class Overview:
    """`migrations`: the worst first, then by name."""

    warehouse: str
    made_at: datetime
    crossover: str
    migrations: tuple[MigrationView, ...]

    @property
    def standing(self) -> Standing:
        """The worst of all."""
        return self.migrations[0].standing if self.migrations else Standing.UNVERIFIED

    @property
    def headline(self) -> str:
        count, total = self._counts[self.standing], len(self.migrations)
        if not total:
            return "No migration yet"
        one, several = _PREDICATES[self.standing]
        if total == 1:
            return f"{self.migrations[0].name} {one}"
        if count == total:
            return f"All {total} migrations {several}"
        return f"{count} of {total} migrations {one if count == 1 else several}"

    @property
    def others(self) -> str:
        """The migrations that the headline does not count."""
        counts = self._counts
        told = [f"{counts[one]} {one}" for one in Standing if one in counts and one is not self.standing]
        return f"The others: {', '.join(told)}." if told else ""

    @property
    def _counts(self) -> Counter[Standing]:
        return Counter(one.standing for one in self.migrations)

    def age(self, moment: datetime) -> str:
        """How long before the page was made, in words."""
        hours = (self.made_at - moment) // timedelta(hours=1)
        if hours < 1:
            return "less than an hour before this page"
        if hours < 48:
            return f"{hours} hour{'s' * (hours > 1)} before this page"
        return f"{hours // 24} days before this page"
