"""What became of the items that were to be delivered."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pipelines.target.write_verdict import Verdict


@dataclass(frozen=True)
class Result:
    """One item. `version`: the one that was read. `verdicts`: of each write, the put first. `rejected`: why its row
    can be no item; such a row is settled, for only a change of it can help. `problem`: what hinders it, for people."""

    source_key: str
    version: int
    verdicts: tuple[Verdict, ...]
    rejected: str | None = None
    problem: str | None = None

    @property
    def settled(self) -> bool:
        return all(verdict.settled for verdict in self.verdicts)

    @property
    def final(self) -> bool:
        """Whether trying again cannot help."""
        return any(verdict.final for verdict in self.verdicts)

    @property
    def raised(self) -> bool:
        """Whether its version was raised over a tombstone's, of which each delivery settles one at least."""
        return Verdict.TAKEN_OVER in self.verdicts

    @property
    def waits(self) -> bool:
        """Whether another row has to be delivered first."""
        return any(verdict in (Verdict.HELD, Verdict.RAISE_HOLDER) for verdict in self.verdicts)


@dataclass(frozen=True)
class Delivered:
    """`busy`: source keys that another relay has claimed. `waited_seconds`: for how long each item that is settled had
    been undelivered, where that is known."""

    results: tuple[Result, ...] = ()
    busy: tuple[str, ...] = ()
    waited_seconds: tuple[float, ...] = ()

    def counts(self) -> Counter[str]:
        """Of writes by verdict; of items `settled`, `unsettled`, `rejected` and `busy`."""
        counted = Counter(verdict.value for one in self.results for verdict in one.verdicts)
        counted["settled"] = sum(one.settled for one in self.results)
        counted["unsettled"] = len(self.results) - counted["settled"]
        counted["rejected"] = sum(one.rejected is not None for one in self.results)
        counted["busy"] = len(self.busy)
        return counted
