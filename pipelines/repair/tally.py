"""The accounts of a repair, and some keys as examples."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pipelines.diff.sensitive import MASK
from pipelines.errors import AccountsError
from pipelines.judging.suspect import Judgement
from pipelines.mapping.plan import MigrationPlan
from pipelines.repair.decision import Standing

_MOST_SAMPLES = 5  # of an item type, a verdict and a standing
_MOST_CHARACTERS = 160

Entry = tuple[str, str, str, str]
"""Item type, "" of what is unmapped; verdict; standing; reason."""


@dataclass(frozen=True)
class Sample:
    item_type: str
    verdict: str
    standing: str
    table: str
    key: str


@dataclass
class Tally:
    entries: Counter[Entry] = field(default_factory=Counter)
    samples: dict[tuple[str, str, str], list[Sample]] = field(default_factory=dict)

    def count(self, item_type: str, verdict: str, standing: Standing, reason: str = "") -> None:
        self.entries[item_type, verdict, standing.value, reason] += 1

    def add(self, rows: Iterable[Sequence[object]]) -> None:
        """Rows of `rows()`."""
        for item_type, verdict, standing, reason, count in rows:
            self.entries[str(item_type), str(verdict), str(standing), str(reason)] += int(str(count))

    def rows(self) -> list[list[object]]:
        return [[*entry, count] for entry, count in sorted(self.entries.items())]

    def show(self, judgement: Judgement, standing: Standing, plan: MigrationPlan) -> None:
        item_type = judgement.suspect.item_type or ""
        shown = self.samples.setdefault((item_type, judgement.verdict.value, standing.value), [])
        if len(shown) < _MOST_SAMPLES:
            key = shown_key(plan, item_type, judgement.suspect.table, judgement.suspect.key)
            shown.append(Sample(item_type, judgement.verdict.value, standing.value, judgement.suspect.table, key))

    def standings(self) -> Counter[str]:
        counted: Counter[str] = Counter()
        for (_, _, standing, _), count in self.entries.items():
            counted[standing] += count
        return counted

    def reasons(self) -> dict[str, int]:
        counted: Counter[str] = Counter()
        for (_, _, _, reason), count in self.entries.items():
            if reason:
                counted[reason] += count
        return dict(counted.most_common())

    def item_types(self) -> dict[str, dict[str, dict[str, int]]]:
        """By item type, verdict and standing."""
        found: dict[str, dict[str, dict[str, int]]] = {}
        for (item_type, verdict, standing, _), count in sorted(self.entries.items()):
            counts = found.setdefault(item_type, {}).setdefault(verdict, {})
            counts[standing] = counts.get(standing, 0) + count
        return found

    def require_total(self, differences: int) -> None:
        """Raises AccountsError unless every difference of the run has a standing."""
        total = self.entries.total()
        if total != differences:
            raise AccountsError(f"repair: the run has {differences:,} differences, {total:,} were judged")


def shown_key(plan: MigrationPlan, item_type: str, table: str, key: str | None) -> str:
    """For a reader. A key of no item type may be one that shows something sensitive, written wrongly."""
    hidden = [item for item in plan.items if item.key_sensitive]
    if any(item.name == item_type or (not item_type and item.table == table) for item in hidden):
        return MASK
    if key is None:
        return "no key"
    text = json.dumps(json.loads(key), separators=(",", ":"))  # in ASCII: nothing invisible
    return text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
